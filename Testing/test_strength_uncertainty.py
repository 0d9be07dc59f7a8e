"""Uncertainty of strength and stiffness from the calibration, against examinations calibrated differently."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from BoneStrengthFEALib import calibration
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration import Calibration
from BoneStrengthFEALib.calibration.uncertainty import likely_changes
from BoneStrengthFEALib.progress import no_progress
from BoneStrengthFEALib.settings import ModelSettings, Settings
from BoneStrengthFEALib.site_analysis import analyse
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Quantity

FIT = Calibration("test", Quantity.K2HPO4, (4.0, 0.8))
INTERCEPT_SD, SLOPE_SD = 6.0, 0.03
CRITERIA = ("crawford2003", "pistoia2002", "yield-strain-2pct", "yield-stress-2pct")


@pytest.fixture(scope="module")
def study() -> Study:
    ct, labels = SyntheticVertebra().scan(pose((8, -5, 4), (3.0, -20.0, 40.0)), (1.5, 1.6, 2.0))
    # density that differs from place to place, as in bone: otherwise every modulus changes alike
    rise = 0.6 * np.linspace(0, 1, ct.array.shape[2])[None, None, :] * (labels.volume.array > 0)
    ct = ct.with_array((ct.array * (1.0 + rise)).astype(np.float32))
    return Study(ct, labels, (Target(1, level="L2"),), Acquisition("test"))


def strengths_of(study: Study, fit: Calibration) -> tuple[Strength, ...]:
    settings = Settings(model=ModelSettings(voxel_mm=3.0, criteria=CRITERIA))
    density = calibration.apply(fit, study.ct)
    return analyse(study, study.targets[0], density, fit, settings, no_progress)[0].strengths


def half_difference(study: Study, change: tuple[float, float]) -> np.ndarray:
    """Change of (force, stiffness) by criterion when the coefficients change, by central difference."""
    both = []
    for sign in (1.0, -1.0):
        moved = tuple(float(c + sign * d) for c, d in zip(FIT.coefficients, change, strict=True))
        found = strengths_of(study, dataclasses.replace(FIT, coefficients=moved))
        both.append([(s.force_n, s.stiffness_n_per_mm) for s in found])
    return (np.array(both[0]) - np.array(both[1])) / 2.0


def test_it_is_what_other_calibrations_scatter_by(study: Study) -> None:
    by_intercept, by_slope = half_difference(study, (INTERCEPT_SD, 0.0)), half_difference(study, (0.0, SLOPE_SD))
    for covariance, expected in (
        (np.diag([INTERCEPT_SD**2, SLOPE_SD**2]), np.hypot(by_intercept, by_slope)),
        # wholly dependent: where the slope is high the intercept is low
        (np.outer([INTERCEPT_SD, -SLOPE_SD], [INTERCEPT_SD, -SLOPE_SD]), np.abs(by_intercept - by_slope)),
    ):
        found = strengths_of(study, dataclasses.replace(FIT, covariance=covariance))
        assert [s.criterion for s in found] == list(CRITERIA)
        for s, (force, stiffness) in zip(found, expected, strict=True):
            assert s.uncertainty_n == pytest.approx(force, rel=0.01 if s.criterion == "crawford2003" else 0.06)
            assert s.stiffness_uncertainty_n_per_mm == pytest.approx(stiffness, rel=0.01)
            assert 0.003 < s.uncertainty_n / s.force_n < 0.2


def test_none_is_stated_where_the_calibration_states_none(study: Study) -> None:
    assert {s.uncertainty_n for s in strengths_of(study, FIT)} == {None}


def test_changes_add_up_to_the_covariance() -> None:
    root = np.array([[3.0, 0.0, 0.0], [0.01, 0.004, 0.0], [-2e-6, 1e-6, 5e-7]])
    covariance = root @ root.T
    changes = likely_changes(Calibration("test", Quantity.CAHA, (1.0, 0.8, 1e-5), covariance))
    assert len(changes) == 3
    np.testing.assert_allclose(sum(np.outer(c, c) for c in changes), covariance, rtol=1e-6)
