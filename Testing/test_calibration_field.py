"""Inserts behind one another, and what a phantom cannot show of how HU change across an image."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import load_phantom
from BoneStrengthFEALib.calibration.phantom_fit import fit_rods
from BoneStrengthFEALib.calibration.rod_cupping import Cupping
from BoneStrengthFEALib.calibration.rod_field import bow_of_rods, likely_bow, with_bone_anywhere
from BoneStrengthFEALib.cli.bmd import print_warnings
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.synthetic.spine_phantom import VERTEBRAE
from BoneStrengthFEALib.volume import Quantity, Volume


@pytest.fixture(scope="module")
def ct() -> Volume:
    return demo_study(("L2",)).ct


def test_inserts_of_the_spine_phantom_come_from_labels() -> None:
    """ESP: inserts stacked along the table, taken from labels with their drawn sizes."""
    dice, phantom = np.random.default_rng(4), load_phantom("esp")
    hu, label = np.zeros((36, 40, 44)), np.zeros((36, 40, 44), dtype=np.uint8)
    _, j, i = np.indices(hu.shape)
    inside = np.hypot(j - 18.0, i - 22.0) <= 14.0
    for n, rod in enumerate(phantom.rods):
        part = slice(12 * n, 12 * n + 11)
        hu[part][inside[part]] = 1.2 * rod.density_mg_cm3 + 3.0
        label[part][inside[part]] = n + 1
    scan = Volume((hu + dice.normal(0, 15, hu.shape)).astype(np.float32), np.diag((-1.0, -1.0, 2.0, 1.0)), Quantity.HU)
    names = {n + 1: f"insert {rod.name}" for n, rod in enumerate(phantom.rods)}
    made = calibrate_phantom(scan, LabelMap(scan.with_array(label, Quantity.LABEL), names), phantom)
    assert not made.quality.refused
    assert float(made.density(1.2 * 100.0 + 3.0)) == pytest.approx(100.0, abs=2.0)


def spine_phantom_scan(towards_head: float, distance_mm: float) -> Volume:
    """Three vertebrae of the digital spine phantom in water, a little tilted, 2 mm slices, noise of 15 HU."""
    spacing, shape = np.array((2.0, 0.9, 0.9)), (60, 100, 104)
    place = np.indices(shape).transpose(1, 2, 3, 0) * spacing - 0.5 * (np.array(shape) - 1) * spacing
    z, y, x = np.moveaxis(place, -1, 0)
    hu = np.where((x / 46) ** 2 + (y / 44) ** 2 <= 1, 0.0, -1000.0)
    for n, vertebra in enumerate(VERTEBRAE):
        local = (x - 6.0 - 0.03 * z, 4.0 - y - 0.02 * z, z - (n - 1) * towards_head * distance_mm)
        tissue = vertebra.tissue(np.stack(local, axis=-1))
        density = np.array((0.0, vertebra.core_mg_cm3, 800.0))[tissue]
        hu = np.where(tissue > 0, 1.31 * density - 4.0, hu)
    blurred = ndimage.gaussian_filter(hu, (0.4, 0.7, 0.7))
    noise = np.random.default_rng(12).normal(0, 15, shape)
    return Volume((blurred + noise).astype(np.float32), np.diag((-0.9, -0.9, 2.0, 1.0)), Quantity.HU)


@pytest.mark.parametrize(("towards_head", "distance_mm"), [(1.0, 30.0), (-1.0, 37.0)])
def test_inserts_of_the_spine_phantom_are_found(towards_head: float, distance_mm: float) -> None:
    phantom = load_phantom("esp")
    made = calibrate_phantom(spine_phantom_scan(towards_head, distance_mm), None, phantom)
    assert not made.quality.refused
    assert made.numbers["reversed"] == float(towards_head < 0)
    densities = np.array((50.0, 100.0, 200.0))
    np.testing.assert_allclose(made.density(1.31 * densities - 4.0), densities, atol=2.0)


def test_a_scan_without_the_spine_phantom_gives_an_error(ct: Volume) -> None:
    """A patient whose vertebrae are even, dense and behind one another."""
    with pytest.raises(CalibrationError, match="L1, L2, L3") as caught:
        calibrate_phantom(ct.cropped((20, 0, 0), (52, *ct.array.shape[1:])), None, load_phantom("esp"))
    assert caught.value.code == "NO_PHANTOM"


def test_a_bow_in_the_uncertainty_by_hand() -> None:
    """Rods of B-MAS at 1 HU per mg/cm3 and a bow of 5 / sqrt(3) HU; bone lies anywhere along it: 1 / sqrt(12).

    The last three rods see 0, 0.25 and 1 of the bow: their line reads 0.583 of it too low at 50 mg/cm3, 1.083 of it
    from where bone lies in the mean. Two bars at the ends see all of it: 0.5 from there.
    """
    bow = likely_bow(None)
    assert bow == pytest.approx(5.0 / np.sqrt(3.0))
    for name, hu, away in (
        ("bmas200", [np.nan, np.nan, 100.0, 150.0, 200.0], 1.0833),
        ("siemens-osteo", [0.0, 200.0], 0.5),
        ("bmas200", [0.0, 50.0, 100.0, 150.0, 200.0], 0.0),
    ):
        phantom = load_phantom(name)
        fit = fit_rods(phantom, np.array(hu), None, bow_of_rods(phantom, bow))
        covariance = with_bone_anywhere(1.0, fit.covariance, np.zeros((len(hu), 9)), bow)
        spread = np.sqrt(np.array((1.0, 50.0)) @ covariance @ np.array((1.0, 50.0)))
        assert spread == pytest.approx(bow * np.hypot(away, np.sqrt(1 / 12)), rel=1e-3)
    seen = Cupping(9.0, 2.0, 5)
    assert likely_bow(seen) == 9.0
    assert likely_bow(dataclasses.replace(seen, uncertainty_hu=5.0)) == bow
    assert likely_bow(dataclasses.replace(seen, hu=-0.1, uncertainty_hu=0.01)) == bow


@pytest.mark.parametrize(("name", "cut_mm"), [("siemens-osteo", 0.0), ("bmas200", 85.0)])
def test_rods_that_cannot_show_a_bow_warn(name: str, cut_mm: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Two bars, or three rods on one side of the phantom: neither tells how HU change across it."""
    phantom = load_phantom(name)
    air = Volume(np.full((8, 60, 130), -1000.0, dtype=np.float32), np.diag((-1.0, -1.0, 2.0, 1.0)), Quantity.HU)
    middle = 130.0 - 0.5 * phantom.slab_mm[0] - 6.0 + cut_mm
    scan = with_phantom(air, phantom, Placement((30.0, middle), reverse=True, noise_hu=5.0))
    made = calibrate_phantom(scan, None, phantom)
    assert not made.quality.refused
    assert "PHANTOM_UNCERTAINTY" in [line.check for line in made.quality.warnings]
    assert made.source.endswith("bow of 5 HU in the uncertainty")
    print_warnings(made)
    assert "warning PHANTOM_UNCERTAINTY: expanded uncertainty" in capsys.readouterr().err
