"""Phantom calibration: published vectors, rods found in composites and in a real scan, gates, definitions."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.phantom_scenes import SCENES, tried
from BoneStrengthFEALib import calibration
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration.phantom import CLEAR_DRIFT, calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import (
    SCHEMA,
    load_phantom,
    phantom_from_dict,
    shipped_phantoms,
)
from BoneStrengthFEALib.calibration.phantom_fit import expected_rod_hu, fit_rods
from BoneStrengthFEALib.calibration.phantom_reach import doubt_lines, offset_line, reach_line, require_rods_in_view
from BoneStrengthFEALib.calibration.rod_cupping import cupping_line, rod_cupping
from BoneStrengthFEALib.calibration.rod_field import drift
from BoneStrengthFEALib.calibration.rod_noise import uncertainty_line, variance_of_means
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.errors import CalibrationError, InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.settings import CalibrationSettings
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.volume import Quantity, Volume

LYING = Placement((230.0, 183.0), sigma=1.31, beta=-4.0, noise_hu=12.0, seed=3)


@pytest.fixture(scope="module")
def ct() -> Volume:
    return demo_study(("L2",)).ct


def test_published_mindways_vector() -> None:
    """Test vector of the Mindways fit as in Ogo's tests: slope, intercept, r and five predictions."""
    phantom = load_phantom("mindways-model3-ct")
    hu = [-69.54917011727602, -35.378190313384316, 176.71197512467555, 345.73809215407005, 462.93637565619906]
    fit = fit_rods(phantom, np.array(hu))
    assert (fit.sigma, fit.beta) == pytest.approx((1.2495584955, -10.1500469), rel=1e-8)
    assert fit.coefficients == pytest.approx((8.1229065328, 0.8002826627), rel=1e-9)
    assert np.sqrt(fit.r_squared) == pytest.approx(0.9998533423, rel=1e-9)
    predicted = fit.coefficients[0] + fit.coefficients[1] * np.array(hu)
    np.testing.assert_allclose(
        predicted, [-47.53608852, -20.18964581, 149.54243652, 284.81110752, 378.6028619], rtol=1e-8
    )


@pytest.mark.parametrize("name", shipped_phantoms())
def test_fit_inverts_what_a_scanner_would_show(name: str) -> None:
    phantom = load_phantom(name)
    fit = fit_rods(phantom, expected_rod_hu(phantom, 1.234, -5.6))
    assert (fit.sigma, fit.beta) == pytest.approx((1.234, -5.6), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "placement"),
    [
        ("mindways-model3-ct", LYING),
        ("qrm-bdc6", Placement((232.0, 190.0), 1.2, 6.0, True, 4.0, (2.0, -1.5), 20.0, 0.9, 2.0, 5)),
        ("image-analysis-qct3d-plus", Placement((40.0, 170.0), 1.45, -9.0, True, -5.0, (-4.0, 3.0), 8.0, 0.5, 1.0, 7)),
        ("siemens-osteo", Placement((230.0, 150.0), 1.25, 2.0, False, 0.0, (0.0, 4.0), 15.0, 0.6, 0.0, 9)),
    ],
)
def test_rods_are_found_in_a_real_ct(ct: Volume, name: str, placement: Placement) -> None:
    phantom = load_phantom(name)
    found = calibrate_phantom(with_phantom(ct, phantom, placement), None, phantom)
    assert not found.quality.refused
    assert found.numbers["reversed"] == float(placement.reverse)
    for density in (50.0, 100.0, 200.0):
        got = float(found.density(placement.sigma * density + placement.beta))
        assert got == pytest.approx(density, abs=max(2.0, 0.02 * density))
    tilt = np.degrees(np.arctan(np.hypot(*np.tan(np.radians(placement.tilt_deg)))))
    assert found.numbers["tilt_deg"] == pytest.approx(tilt, abs=0.3)


def test_a_phantom_partly_out_of_view_is_found_and_said_to_be(ct: Volume) -> None:
    phantom = load_phantom("qrm-bdc6")
    width = ct.array.shape[2] * ct.spacing_mm[0]
    out = Placement((232.0, width - 0.5 * phantom.slab_mm[0] + 35.0), 1.3, 0.0, noise_hu=8.0)
    small = ct.cropped((0, 0, 0), (9, *ct.array.shape[1:]))
    found = calibrate_phantom(with_phantom(small, phantom, out), None, phantom)
    assert next(line for line in found.quality.lines if line.check == "RODS_PRESENT").outcome is Outcome.WARN
    assert float(found.density(130.0)) == pytest.approx(100.0, abs=2.0)


def test_a_cut_phantom_with_many_warnings_or_short_reach_is_refused() -> None:
    here = np.array([True, True, True, False, False])
    assert reach_line(load_phantom("bmas200"), here).outcome is Outcome.REFUSE
    assert reach_line(load_phantom("bmas200"), here[::-1]).outcome is Outcome.PASS
    assert [offset_line(b).outcome for b in (-19.0, 34.0, -56.0)] == [Outcome.PASS, Outcome.WARN, Outcome.REFUSE]
    warned = [QualityLine(code, Outcome.WARN, "", "") for code in ("RODS_PRESENT", "PHANTOM_DRIFT", "PHANTOM_SLOPE")]
    assert doubt_lines(warned[:2], here) == []
    assert doubt_lines(warned, np.ones(5, dtype=bool)) == []
    assert doubt_lines(warned, here)[0].outcome is Outcome.REFUSE
    require_rods_in_view(load_phantom("siemens-osteo"), np.array([True, True]))
    require_rods_in_view(load_phantom("bmas200"), here)
    with pytest.raises(CalibrationError, match="2 of 3 rods") as caught:
        require_rods_in_view(load_phantom("image-analysis-qct3d-plus"), np.array([False, True, True]))
    assert caught.value.code == "FEW_RODS"


@pytest.mark.parametrize("scene", ["patient prone", "spacing 2 % larger than the definition's", "no patient"])
def test_rods_are_found_in_scans_that_are_not_as_wanted(scene: str) -> None:
    """Three rows of the table of `benchmarks.phantom_scenes`, each with the phantom that is hardest there."""
    phantom = {"patient prone": "siemens-osteo", "no patient": "qrm-bdc3"}.get(scene, "qrm-bdc6")
    short = dataclasses.replace(SCENES[scene], length_mm=25.0, view_mm=260.0)
    _, outcome, share = tried(short, load_phantom(phantom))
    # two bars warn of their uncertainty always, three rods when noise adds to it
    assert outcome.startswith("found")
    assert share < 1.0


def test_variance_of_rod_means() -> None:
    """Slices of 2 HU: independent ones give 4 / n, slices that come in equal pairs twice that; drift gives nothing."""
    dice = np.random.default_rng(8)
    white = dice.normal(0.0, 2.0, (40, 60))
    assert variance_of_means(white + 0.3 * np.arange(60.0)).mean() == pytest.approx(4.0 / 60, rel=0.15)
    pairs = np.repeat(dice.normal(0.0, 2.0, (40, 30)), 2, axis=1)
    assert variance_of_means(pairs).mean() == pytest.approx(4.0 / 30, rel=0.2)
    assert variance_of_means(np.array([[np.nan, np.nan, 3.0]])).tolist() == [0.0]


@pytest.mark.parametrize(("sd", "outcome"), [(0.9, Outcome.PASS), (1.1, Outcome.WARN), (5.1, Outcome.REFUSE)])
def test_expanded_uncertainty_is_judged(sd: float, outcome: Outcome) -> None:
    """Twice the standard uncertainty against 2 and 10 mg/cm3, the intercept alone being unsure."""
    assert uncertainty_line((3.0, 0.8), np.diag([sd**2, 0.0])).outcome is outcome


def test_a_scan_without_the_phantom_gives_an_error(ct: Volume) -> None:
    with pytest.raises(CalibrationError) as caught:
        calibrate_phantom(ct, None, load_phantom("mindways-model3-ct"))
    assert caught.value.code == "NO_PHANTOM"


def test_the_wrong_phantom_is_never_taken_silently(ct: Volume) -> None:
    scan = with_phantom(ct, load_phantom("qrm-bdc6"), Placement((232.0, 180.0), noise_hu=8.0))
    for other in ("bmas200",):
        try:
            found = calibrate_phantom(scan, None, load_phantom(other))
        except CalibrationError:
            continue
        assert found.quality.refused or found.quality.warnings


def test_drift_along_the_table_is_refused(ct: Volume) -> None:
    phantom = load_phantom("image-analysis-qct3d-plus")
    scan = with_phantom(ct, phantom, Placement((230.0, 180.0), noise_hu=5.0))
    k = np.arange(scan.array.shape[0])[:, None, None]
    drifting = scan.with_array((scan.array + 25.0 * k / k.max()).astype(np.float32))
    found = calibrate_phantom(drifting, None, phantom)
    # that much leaves densities unsure by more than 10 mg/cm3
    assert [line.check for line in found.quality.refused] == ["PHANTOM_DRIFT", "PHANTOM_UNCERTAINTY"]
    assert found.numbers["drift_hu"] == pytest.approx(25.0, abs=1.0)
    # a bone lies anywhere along the drift: rectangular, 25 / sqrt(12) = 7.2 HU
    spread = found.standard_uncertainty(100.0)
    assert spread is not None
    assert spread == pytest.approx(found.coefficients[1] * 7.217, rel=0.1)


def test_noise_is_no_drift() -> None:
    """Twelve slices of 30 HU of noise slope by more than 15 HU end to end in one of five rods, which is no drift."""
    noise = np.random.default_rng(5).normal(0.0, 30.0, (5, 12))
    assert abs(drift(noise)) > 15.0
    assert drift(noise, CLEAR_DRIFT) == 0.0
    assert drift(0.01 * noise + 2.0 * np.arange(12.0), CLEAR_DRIFT) == pytest.approx(22.0, abs=1.0)


def test_cupping_by_hand() -> None:
    """A bow added to the rods of each phantom is found again; the published Mindways vector has none to speak of."""
    for name, bow in (("bmas200", 12.0), ("mindways-model3-qa", -9.0), ("qrm-bdc3", 30.0)):
        phantom = load_phantom(name)
        x = np.linspace(-1.0, 1.0, len(phantom.rods))
        found = rod_cupping(phantom, expected_rod_hu(phantom, 1.27, 3.0) + bow * x**2, np.full(x.size, 0.25))
        assert found is not None
        assert found.hu == pytest.approx(bow, abs=1e-9)
        assert cupping_line(found).outcome is Outcome.WARN
    strong = rod_cupping(load_phantom("bmas200"), np.array([30.0, 65.0, 125.0, 195.0, 280.0]), np.ones(5))
    assert strong is not None
    # x^2 less its mean is .5 -.25 -.5 -.25 .5; densities are orthogonal to it: (y . d) / (d . d) = 27.5 / 0.875
    assert strong.hu == pytest.approx(27.5 / 0.875, abs=1e-9)
    assert cupping_line(strong).outcome is Outcome.REFUSE
    hu = np.array([-69.549, -35.378, 176.712, 345.738, 462.936])
    published = rod_cupping(load_phantom("mindways-model3-ct"), hu, np.zeros(5))
    assert published is not None
    assert cupping_line(published).outcome is Outcome.PASS
    assert rod_cupping(load_phantom("siemens-osteo"), np.array([0.0, 250.0]), np.ones(2)) is None
    assert rod_cupping(load_phantom("esp"), np.array([60.0, 120.0, 250.0]), np.ones(3)) is None


def test_cupped_scan_says_so_and_rods_keep_their_slices(ct: Volume) -> None:
    phantom = load_phantom("bmas200")
    scan = with_phantom(ct, phantom, Placement((230.0, 183.0), noise_hu=6.0, cupping_hu=30.0))
    made = calibrate_phantom(scan, None, phantom)
    line = next(line for line in made.quality.lines if line.check == "ROD_CUPPING")
    assert line.outcome is not Outcome.PASS
    assert made.numbers["cupping_hu"] == pytest.approx(30.0, abs=8.0)
    assert all(len(p.slice_hu) == made.numbers["slices"] for p in made.points)
    assert np.mean(made.points[2].slice_hu) == pytest.approx(made.points[2].hu_mean, abs=0.5)


def test_noise_of_a_composite_is_what_was_asked_for(ct: Volume) -> None:
    """Blurred or not, the image's noise is that of the scanner: 20 HU, and its grain follows the blur."""
    phantom, small = load_phantom("qrm-bdc6"), ct.cropped((0, 0, 0), (8, *ct.array.shape[1:]))
    for blur in (0.2, 1.5):
        made = calibrate_phantom(
            with_phantom(small, phantom, Placement((230.0, 183.0), noise_hu=20.0, blur_mm=blur)), None, phantom
        )
        assert made.points[2].hu_sd == pytest.approx(20.0, rel=0.2)


def test_noise_is_in_the_covariance(ct: Volume) -> None:
    """Monte Carlo over 8 noise seeds: scatter of the density at 100 HU within a factor of two of what is stated."""
    phantom = load_phantom("bmas200")
    small = ct.cropped((40, 0, 0), (52, *ct.array.shape[1:]))
    values, stated = [], []
    for seed in range(8):
        scan = with_phantom(small, phantom, Placement((230.0, 183.0), noise_hu=30.0, blur_mm=0.1, seed=seed))
        found = calibrate_phantom(scan, None, phantom)
        values.append(float(found.density(100.0)))
        uncertainty = found.standard_uncertainty(100.0)
        assert uncertainty is not None
        stated.append(float(uncertainty))
    assert 0.4 < np.std(values, ddof=1) / np.mean(stated) < 2.5


def test_real_phantom_scan(reference_data: Path) -> None:
    """QRM thorax phantom, 200 and 0 mg HA/cm3, 120 kV: about 1.38 HU per mg/cm3, from labels and found."""
    folder = reference_data / "phantom_qrm"
    scan = read_volume(folder / "ct.nii.gz", Quantity.HU)
    labels = LabelMap(read_volume(folder / "rods_mask.nii.gz", Quantity.LABEL), {1: "rod 200", 2: "0"})
    phantom = phantom_from_dict(
        definition(
            rods=[{"name": "200", "density_mg_cm3": 200.0}, {"name": "0", "density_mg_cm3": 0.0}],
            rod_diameter_mm=18.0,
            rod_spacing_mm=22.6,
            row_angle_deg=60.0,
        )
    )
    by_label, found = calibrate_phantom(scan, labels, phantom), calibrate_phantom(scan, None, phantom)
    for result in (by_label, found):
        assert result.numbers["hu_per_mg_cm3"] == pytest.approx(1.38, abs=0.01)
        assert not result.quality.refused
    assert by_label.points[0].hu_mean == pytest.approx(310, abs=2)
    assert found.points[0].hu_mean == pytest.approx(310, abs=3)


def test_phantom_through_the_one_door(ct: Volume, tmp_path: Path) -> None:
    phantom = load_phantom("image-analysis-qct3d-plus")
    scan = with_phantom(ct, phantom, LYING)
    with pytest.raises(InputError, match=r"calibration\.phantom"):
        calibration.calibrate(scan, None, Acquisition("file"), CalibrationSettings(method="phantom"))
    rods = [{"name": r.name, "density_mg_cm3": r.density_mg_cm3} for r in phantom.rods]
    sizes = {"rod_diameter_mm": phantom.rod_diameter_mm, "rod_spacing_mm": phantom.rod_spacing_mm}
    data = definition(rods=rods, **sizes)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    settings = CalibrationSettings(method="phantom", phantom=str(path))
    found = calibration.calibrate(scan, None, Acquisition("file"), settings)
    assert found.method == "phantom-linear"
    assert found.quantity is Quantity.CAHA
    assert "test-phantom" in found.source


def definition(**changes: object) -> dict[str, object]:
    return {
        "schema": SCHEMA, "id": "test-phantom", "name": "test", "serial": "1", "certificate_date": "", "fit": "linear",
        "density_kind": "CAHA", "rod_shape": "cylinder", "rod_diameter_mm": 20.0, "rod_spacing_mm": 30.0,
        "spacing_tolerance": 0.05, "slab": {"width_mm": 100, "height_mm": 30}, "source": "test", "unverified": [],
        "rods": [{"name": "a", "density_mg_cm3": 0.0}, {"name": "b", "density_mg_cm3": 200.0}], **changes,
    }  # fmt: skip


ROD = {"name": "a", "density_mg_cm3": 0.0}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "other"}, ["field schema", '"other"', SCHEMA]),
        ({"fit": None}, ["field fit", "missing", "linear, mindways"]),
        ({"rods": []}, ["field rods", "0 rods", "at least two"]),
        ({"rods": {"a": 0.0}}, ["field rods", '{"a": 0.0}', "a list of rods"]),
        ({"rods": [ROD, 200.0]}, ["rod 2", "200.0", "a table"]),
        ({"rods": [ROD, {"name": "b"}]}, ["rod 2, field density_mg_cm3", "missing", "a number from"]),
        ({"rods": [ROD, {"name": "a", "density_mg_cm3": 200.0}]}, ["field rods", "names a, a", "name of its own"]),
        ({"rods": [ROD, {"name": "b", "density_mg_cm3": 0.0}]}, ["field rods", "one density", "two densities"]),
        ({"rods": [ROD, {"name": "b", "density_mg_cm3": -50.0}]}, ["density_mg_cm3 of rod b", "-50", "at least -20"]),
        ({"rods": [ROD, {"name": "b", "density_mg_cm3": float("nan")}]}, ["rod 2, field density", "NaN", "a number"]),
        ({"fit": "cubic"}, ["field fit", '"cubic"', "linear, mindways"]),
        ({"fit": "mindways", "density_kind": "K2HPO4"}, ["water_mg_cm3 of rod a", "none", "certificate"]),
        ({"fit": "mindways"}, ["field density_kind", "CaHA", "K2HPO4"]),
        ({"rod_spacing_mm": 19.0}, ["field rod_spacing_mm", "19 mm", "diameter of 20 mm"]),
        ({"density_kind": "ASH"}, ["field density_kind", '"ASH"', "K2HPO4, CAHA"]),
        ({"rod_diameter_mm": "thick"}, ["field rod_diameter_mm", '"thick"', "a number from 1 to 200 mm"]),
        ({"rod_diameter_mm": True}, ["field rod_diameter_mm", "true", "a number"]),
        ({"rod_diametre_mm": 20.0}, ["field rod_diametre_mm", "no such field", "rod_diameter_mm"]),
        ({"slab": {"width_mm": 40.0, "height_mm": 30.0}}, ["field slab", "40 x 30 mm", "at least 50 x 20 mm"]),
        ({"certificate_date": "3/2024"}, ["field certificate_date", '"3/2024"', "YYYY-MM-DD"]),
    ],
)
def test_unusable_definitions_name_file_field_found_and_expected(
    tmp_path: Path, change: dict[str, object], words: list[str]
) -> None:
    data = {name: value for name, value in definition(**change).items() if value is not None}
    (tmp_path / "mine.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_phantom(str(tmp_path / "mine.json"))
    missing = [word for word in ["mine.json", "expected", *words] if word not in str(caught.value)]
    assert not missing, str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"{", "is no JSON"), (b"[1]", "expected a table"), (b"\xff\xfe{}", "UTF-8")],
)
def test_files_that_hold_no_definition(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "mine.json").write_bytes(content)
    for path, said in ((tmp_path / "mine.json", words), (tmp_path / "none.json", "cannot be read")):
        with pytest.raises(InputError, match=rf"{path.name}.*{said}"):
            load_phantom(str(path))
