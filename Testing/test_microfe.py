"""Micro-finite elements of a block, and Scanco files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.errors import InputError, MaterialError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.microfe import MicroFeOptions, analyse_block, segmented
from BoneStrengthFEALib.scanco_files import density_line, is_scanco, read_scanco
from BoneStrengthFEALib.volume import Quantity, Volume


def test_columns_carry_the_load_of_their_area() -> None:
    """A plate with two columns above and below: the weakest section limits; one axis order turned into another."""
    array = np.zeros((6, 4, 5), dtype=np.float32)
    array[:, 1:3, 1:4] = 200.0
    image = Volume(array, np.diag([0.1, 0.1, 0.1, 1.0]), Quantity.HU)
    found = analyse_block(image, MicroFeOptions(100.0))
    # ends held at Poisson's ratio 0.3: stiffer than E A / h, softer than confined compression
    simple = 10000.0 * 6 * 0.01 / 0.6
    assert simple < found.numbers["stiffness_n_per_mm"] < 1.346 * simple
    turned = Volume(np.moveaxis(array, 0, 2), np.diag([0.1, 0.1, 0.1, 1.0]), Quantity.HU)
    other = analyse_block(turned, MicroFeOptions(100.0, axis=2))
    assert other.strengths[0].force_n == pytest.approx(found.strengths[0].force_n, rel=1e-6)
    doubled = analyse_block(Volume(array, np.diag([0.2, 0.2, 0.2, 1.0]), Quantity.HU), MicroFeOptions(100.0))
    assert doubled.strengths[0].force_n == pytest.approx(4 * found.strengths[0].force_n, rel=1e-6)


def test_thresholds_and_laws_that_do_not_fit() -> None:
    array = np.arange(120, dtype=np.float32).reshape(6, 4, 5)
    assert segmented(array, MicroFeOptions(60.0)).sum() == 60
    assert segmented(array, MicroFeOptions(60.0, coarsen=2)).shape == (3, 2, 2)
    with pytest.raises(InputError, match="nothing bone"):
        segmented(array, MicroFeOptions(500.0))
    with pytest.raises(MaterialError, match="homogeneous law"):
        analyse_block(Volume(array, np.diag([1.0, 1, 1, 1]), Quantity.HU), MicroFeOptions(60.0, law="V1"))


def test_calibrated_isq(reference_data: Path) -> None:
    """Header: 60 um, mu scaling 1000, slope 2, intercept 3 mg HA/cm3; stored numbers 0 and 1."""
    path = reference_data / "io_scanco" / "test_isq_calibrated_binary_25.ISQ"
    image = read_scanco(path)
    assert image.spacing_mm == pytest.approx((0.06, 0.06, 0.06))
    assert sorted(set(np.round(image.array.ravel().astype(float), 4))) == [3.0, 3.002]
    assert set(np.unique(read_scanco(path, native=True).array)) == {0, 1}
    assert is_scanco(Path("A.AIM;2"))
    assert not is_scanco(Path("a.nii.gz"))


def test_calibration_of_an_aim_header() -> None:
    log = {"Mu_Scaling": 8192, "Density: slope": 1603.519, "Density: intercept": -391.209}
    slope, intercept = density_line({"processing_log": log}, False, Path("a.aim"))
    # 8192 is an attenuation of 1/cm
    assert 8192 * slope + intercept == pytest.approx(1603.519 - 391.209)
    with pytest.raises(InputError, match="no density calibration"):
        density_line({"processing_log": {}}, False, Path("a.aim"))


def test_aim_round_trip(tmp_path: Path) -> None:
    import py_aimio

    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5) * 100
    log = {"Mu_Scaling": 8192, "HU: mu water": 0.24, "Density: slope": 1603.5, "Density: intercept": -391.0}
    path = tmp_path / "bone.aim"
    meta = {"element_size": (0.082, 0.082, 0.082), "processing_log": log}
    py_aimio.write_aim(str(path), stored, meta)
    image = read_scanco(path)
    assert image.array.shape == (3, 4, 5)
    assert image.spacing_mm == pytest.approx((0.082, 0.082, 0.082), rel=1e-5)
    np.testing.assert_allclose(image.array, stored / 8192 * 1603.5 - 391.0, rtol=1e-5, atol=1e-3)


def test_the_real_block_from_file_to_strength(reference_data: Path, tmp_path: Path) -> None:
    """Micro-CT of trabecular bone at 19.5 um, coarsened by 4 so that it takes seconds."""
    path = reference_data / "microct_lhdl" / "trab_lhdl_a.nii.gz"
    out = tmp_path / "block"
    assert main(["microfe", str(path), "--threshold", "90", "--coarsen", "4", "--out", str(out)]) == 0
    saved = json.loads((out / "microfe.json").read_text(encoding="utf-8"))
    numbers = saved["numbers"]
    assert 0.05 < numbers["bone_fraction"] < 0.6
    assert 0 < numbers["apparent_modulus_mpa"] < 10000 * numbers["bone_fraction"]
    assert saved["strengths"][0]["criterion"] == "pistoia2002"
    assert (out / "strain.png").stat().st_size > 0
    assert read_volume(path, Quantity.HU).spacing_mm[0] == pytest.approx(0.0195, rel=1e-3)
