"""Risk: the boundaries of the published table, fall forces worked out by hand, and what a line must carry."""

from __future__ import annotations

import dataclasses

import pytest

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.results import RiskLine, SiteResult
from BoneStrengthFEALib.risk import (
    bent_lift_force,
    classify,
    hip_load_to_strength,
    overall,
    relative_risk,
    sideways_fall,
    spine_load_to_strength,
)
from BoneStrengthFEALib.study_risk import overall_risk
from BoneStrengthFEALib.volume import Quantity


@pytest.mark.parametrize(
    ("measure", "value", "sex", "expected"),
    [
        ("hip strength", 3000, "F", "fragile"),
        ("hip strength", 3001, "F", "low strength"),
        ("hip strength", 3999, "F", "low strength"),
        ("hip strength", 4000, "F", "normal strength"),
        ("hip strength", 3500, "M", "fragile"),
        ("hip strength", 3501, "M", "low strength"),
        ("hip strength", 5000, "M", "normal strength"),
        ("spine strength", 4500, "F", "fragile"),
        ("spine strength", 4501, "F", "low strength"),
        ("spine strength", 6000, "F", "normal strength"),
        ("spine strength", 6500, "M", "fragile"),
        ("spine strength", 6501, "M", "low strength"),
        ("spine strength", 8499, "M", "low strength"),
        ("spine strength", 8500, "M", "normal strength"),
        ("spine vBMD", 79.9, "", "osteoporosis"),
        ("spine vBMD", 80.0, "F", "low bone mass"),
        ("spine vBMD", 120.0, "M", "low bone mass"),
        ("spine vBMD", 120.1, "", "normal bone mass"),
        ("hip T-score", -2.5, "F", "osteoporosis"),
        ("hip T-score", -2.4, "F", "low bone mass"),
        ("hip T-score", -1.0, "M", "normal bone mass"),
        ("hip T-score", -1.1, "M", "low bone mass"),
    ],
)
def test_class_at_the_boundaries(measure, value, sex, expected):
    assert classify(measure, value, sex).classification == expected


def test_number_shown_and_class_agree_after_rounding():
    line = classify("hip strength", 3000.4, "F")
    assert (line.value, line.classification) == (3000.0, "fragile")
    line = classify("hip T-score", -2.46, "F")
    assert (line.value, line.classification) == (-2.5, "osteoporosis")


def test_line_carries_source_limits_and_caveat():
    line = classify("spine strength", 5200, "F")
    assert "PMC7237403" in line.source
    assert "VirtuOst" in line.caveat
    assert line.limits == "fragile <= 4500 N, normal strength >= 6000 N, low strength between"
    assert "K2HPO4" in classify("spine vBMD", 90).caveat


@pytest.mark.parametrize(("measure", "value", "sex"), [("hip strength", 3000, ""), ("femur", 1, "F")])
def test_missing_sex_and_unknown_measure_are_refused(measure, value, sex):
    with pytest.raises(InputError):
        classify(measure, value, sex)


def test_nan_is_not_classified():
    with pytest.raises(InputError, match="finite"):
        classify("spine vBMD", float("nan"))


def lines(*pairs):
    return [classify(measure, value, "F") for measure, value in pairs]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ((("spine strength", 7000), ("spine vBMD", 130)), "risk not increased"),
        ((("spine strength", 5000), ("spine vBMD", 130)), "increased risk"),
        ((("spine strength", 7000), ("spine vBMD", 79)), "high risk"),
        ((("hip strength", 2000), ("spine vBMD", 130)), "high risk"),
        ((("hip strength", 4100), ("hip T-score", -1.4), ("spine strength", 6100)), "increased risk"),
    ],
)
def test_overall_class(measured, expected):
    result = overall(lines(*measured))
    assert result is not None
    assert (result.classification, result.value) == (expected, len(measured))


def test_overall_looks_only_at_classified_lines():
    other = RiskLine("hip load-to-strength", 1.4, "1", "fragile", "", "another source")
    assert overall([other]) is None
    result = overall([other, *lines(("spine strength", 7000))])
    assert result is not None
    assert result.classification == "risk not increased"


@pytest.mark.parametrize(
    ("mass", "height", "sex", "velocity", "peak", "attenuated"),
    [(65, 1.60, "F", 4.001, 5087, 2957), (80, 1.75, "M", 4.184, 6659, 4529)],
)
def test_fall_force(mass, height, sex, velocity, peak, attenuated):
    fall = sideways_fall(mass, height, sex, 30.0)
    assert fall.impact_velocity_m_per_s == pytest.approx(velocity, abs=6e-4)
    # the expected values took 9.81 m/s2, the standard gravity is 9.80665: 0.02 %
    assert fall.peak_force_n == pytest.approx(peak, rel=3e-4)
    assert fall.attenuated_force_n == pytest.approx(attenuated, rel=4e-4)


@pytest.mark.parametrize(("mass", "height", "sex"), [(65, 1.60, "F"), (80, 1.75, "M")])
def test_fall_force_agrees_with_the_second_published_formula(mass, height, sex):
    second = 8.25 * mass * 9.81 * (100 * height / 170) ** 0.5
    assert sideways_fall(mass, height, sex).peak_force_n == pytest.approx(second, rel=0.015)


def test_thick_soft_tissue_leaves_no_negative_force():
    assert sideways_fall(65, 1.6, "F", 100).attenuated_force_n == 0


@pytest.mark.parametrize(
    ("mass", "height", "sex", "tissue"),
    [(65, 160, "F", 0), (650, 1.6, "F", 0), (65, 1.6, "", 0), (65, 1.6, "F", -1), (float("nan"), 1.6, "F", 0)],
)
def test_fall_refuses_impossible_numbers(mass, height, sex, tissue):
    with pytest.raises(InputError):
        sideways_fall(mass, height, sex, tissue)


def test_hip_load_to_strength():
    fall = sideways_fall(65, 1.60, "F", 30.0)
    weak, strong = hip_load_to_strength(fall, 2500), hip_load_to_strength(fall, 3500)
    assert (weak.value, weak.classification) == (1.18, "fracture expected in this event")
    assert (strong.value, strong.classification) == (0.84, "load below strength")
    assert "unverified" in weak.source
    with pytest.raises(InputError):
        hip_load_to_strength(fall, 0)


@pytest.mark.parametrize(("mass", "height", "expected"), [(65, 1.60, 2447), (80, 1.75, 3103)])
def test_bent_lift(mass, height, expected):
    # the expected values took 9.81 m/s2, the standard gravity is 9.80665: 0.034 %
    assert bent_lift_force(mass, height) == pytest.approx(expected, rel=6e-4)
    assert spine_load_to_strength(mass, height, 2 * expected).value == 0.5


def test_relative_risk_is_the_published_ratio_one_sd_below():
    line = relative_risk("kopperdahl2014-hip-f", 3200, 4000, 800)
    assert line.value == 4.2
    assert "2.60 to 6.90" in line.limits
    assert relative_risk("kopperdahl2014-hip-f", 4000, 4000, 800).value == 1.0
    above = relative_risk("wang2012-spine-m", 9000, 8000, 500)
    assert above.value == pytest.approx(1 / 7.2**2, abs=0.005)
    assert "0.01 to 0.08" in above.limits
    for bad in (("nonsense", 1, 1, 1), ("wang2012-spine-m", 1, 1, 0)):
        with pytest.raises(InputError):
            relative_risk(*bad)


def test_every_line_is_complete():
    for line in (*lines(("hip strength", 3200)), relative_risk("wang2012-spine-m", 9000, 8000, 500)):
        assert all(v not in ("", None) for k, v in dataclasses.asdict(line).items() if k != "unit")


def hip(side: str, force_n: float, *scores: tuple[float, str]) -> SiteResult:
    """A femur with one strength and the T-scores of neck and total hip with their WHO classes."""
    names = ("femoral_neck_t_score", "total_hip_t_score")
    measures = tuple(Measure(i, i, value, "1", classification=c) for i, (value, c) in zip(names, scores, strict=False))
    return SiteResult(f"{side} femur", "femur", "", side, 1, bmd=measures, risk=lines(("hip strength", force_n)))


@pytest.mark.parametrize(
    ("hips", "expected", "rests_on"),
    [
        # women: fragile up to 3000 N, normal from 4000 N; T from -1.0 is normal
        ([hip("left", 4200, (-0.5, "normal"), (-0.2, "normal"))], "risk not increased", 2),
        ([hip("left", 4200, (-0.5, "normal"), (-2.6, "osteoporosis"))], "high risk", 2),
        ([hip("left", 4200), hip("right", 2900)], "high risk", 1),
        # below 50 years a T-score has no WHO class
        ([hip("left", 3500, (-2.6, ""))], "increased risk", 1),
    ],
)
def test_hip_alone_gives_a_class(hips, expected, rests_on):
    found = overall_risk(hips, Quantity.K2HPO4)
    assert found is not None
    assert (found.classification, found.value) == (expected, rests_on)
