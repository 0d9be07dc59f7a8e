"""Plasticity against another code: CalculiX (*PLASTIC, von Mises) on our own export.

CalculiX's C3D8 is fully integrated without B-bar and its plasticity is geometrically nonlinear: the comparison is made
with B-bar off and with yield strains near 1e-4.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from external_tools import require_executable
from scipy import ndimage

from benchmarks.nonlinear import bone_like
from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.export import write_inp
from BoneStrengthFEALib.fe_model import FeModel, Prescribed, YieldStress
from BoneStrengthFEALib.plasticity import NonlinearOptions, solve_nonlinear
from BoneStrengthFEALib.plasticity.return_kernels import return_point
from BoneStrengthFEALib.plasticity.yield_surface import surface
from BoneStrengthFEALib.volume import Grid

FACTORS = (0.3, 0.6, 0.8, 1.0, 1.2, 1.5, 1.8, 2.2, 2.6, 3.0)
YIELD_STRAIN = 1e-4


def ends(shape: tuple[int, int, int], displacement_mm: float, rough: bool) -> tuple[Prescribed, ...]:
    """Floor held in all directions, top moved along z, and held sideways when rough."""
    ids = np.arange(int(np.prod([n + 1 for n in shape]))).reshape([n + 1 for n in shape])
    sets = [Prescribed(f"floor{c}", ids[0].ravel(), c) for c in range(3)]
    sets += [Prescribed(f"top{c}", ids[-1].ravel(), c) for c in range(2 if rough else 0)]
    return (*sets, Prescribed("top2", ids[-1].ravel(), 2, displacement_mm))


def vertebra_like(hardening_ratio: float) -> FeModel:
    """An elliptic body of uneven spongy bone inside a stiff shell, between rough plates."""
    shape = (12, 13, 17)
    j, i = np.mgrid[: shape[1], : shape[2]]
    radius = np.hypot((j - 6.0) / 6.5, (i - 8.0) / 8.5)
    spongy = np.random.default_rng(2291).choice(np.geomspace(120.0, 1200.0, 12), shape)
    young = np.where(radius <= 1, np.where(radius > 0.85, 4000.0, spongy), 0.0)
    # denser bone yields at a slightly larger strain, as in most laws
    strength = YIELD_STRAIN * np.maximum(young, 1e-9) * (np.maximum(young, 1.0) / 1000.0) ** 0.1
    conditions = ends(shape, -1.4 * YIELD_STRAIN * shape[0] * 0.9, rough=True)
    return FeModel(
        Grid(shape, np.diag([0.9, 0.9, 0.9, 1.0])),
        young,
        0.3,
        prescribed=conditions,
        yield_stress=YieldStress(strength, strength, hardening_ratio * young),
    )


def trabecular_cube(hardening_ratio: float) -> FeModel:
    """A network of one modulus, loaded by a plate without friction."""
    shape = (15, 14, 13)
    field = ndimage.gaussian_filter(np.random.default_rng(4007).standard_normal(shape), 1.3)
    pieces, _ = ndimage.label(np.abs(field) < np.quantile(np.abs(field), 0.45))
    young = np.where(pieces == 1 + np.bincount(pieces.ravel())[1:].argmax(), 6829.0, 0.0)
    strength = np.full(shape, YIELD_STRAIN * 6829.0)
    return FeModel(
        Grid(shape, np.diag([0.08, 0.08, 0.08, 1.0])),
        young,
        0.3,
        prescribed=ends(shape, -1.6 * YIELD_STRAIN * shape[0] * 0.08, rough=False),
        yield_stress=YieldStress(strength, strength, hardening_ratio * young),
    )


def calculix_curve(model: FeModel, folder: Path) -> np.ndarray:
    """Force on the top at every factor."""
    ccx = require_executable("ccx", "calculix-ccx")
    write_inp(model, folder / "model.inp", FACTORS)
    done = subprocess.run([ccx, "model"], cwd=folder, capture_output=True, timeout=600, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    text = (folder / "model.dat").read_text(encoding="ascii")
    rows = re.findall(r"set TOP2 and time\s+(\S+)\s+\S+\s+\S+\s+(\S+)", text)
    # a step may be cut into increments: keep its end, at whole times
    found = {round(float(time)): abs(float(force)) for time, force in rows if abs(float(time) % 1.0) < 1e-6}
    assert sorted(found) == list(range(1, len(FACTORS) + 1))
    return np.array([found[n + 1] for n in range(len(FACTORS))])


def our_curve(model: FeModel, bbar: bool, tolerance: float = 1e-6) -> np.ndarray:
    """Force at the same factors, linearly between our own points."""
    options = NonlinearOptions(
        end_factor=FACTORS[-1],
        first_factor=0.1,
        step_factor=0.1,
        tolerance=tolerance,
        bbar=bbar,
        drop=0.05,
        threads=1,
    )
    found = solve_nonlinear(model, "top2", options)
    moved = abs(float(np.mean(model.prescribed[-1].value_mm)))
    at = [0.0, *(p.displacement_mm / moved for p in found.curve)]
    assert at[-1] == pytest.approx(FACTORS[-1]), found.reason
    return np.interp(FACTORS, at, [0.0, *(p.force_n for p in found.curve)])


@pytest.mark.parametrize("hardening_ratio", [0.0, 0.05])
@pytest.mark.parametrize("make", [vertebra_like, trabecular_cube])
def test_curve_equals_calculix(make: object, hardening_ratio: float, tmp_path: Path) -> None:
    model: FeModel = make(hardening_ratio)  # type: ignore[operator]
    theirs = calculix_curve(model, tmp_path)
    ours = our_curve(model, bbar=False)
    # the curve must really bend: otherwise this compares two linear solutions
    assert theirs[-1] < 0.75 * theirs[0] / FACTORS[0] * FACTORS[-1]
    np.testing.assert_allclose(ours, theirs, rtol=5e-3)


def test_models_calculix_has_no_plasticity_for_are_refused(tmp_path: Path) -> None:
    model = vertebra_like(0.0)
    assert model.yield_stress is not None
    strength = np.asarray(model.yield_stress.compression_mpa)
    for stress in (YieldStress(strength, 0.6 * strength), YieldStress(strength, strength, -5.0, 0.1)):
        other = FeModel(model.grid, model.young_mpa, 0.3, prescribed=model.prescribed, yield_stress=stress)
        with pytest.raises(ModelError, match="von Mises"):
            write_inp(other, tmp_path / "x.inp", FACTORS)
    elastic = FeModel(model.grid, model.young_mpa, 0.3, prescribed=model.prescribed)
    with pytest.raises(ModelError, match="yield stresses"):
        write_inp(elastic, tmp_path / "x.inp", FACTORS)
    assert list(tmp_path.iterdir()) == []


def test_pure_tension_in_all_directions_reaches_the_apex() -> None:
    """The cone's own apex: 3 B p = sigma_c - A e, without any deviator to start from."""
    compression, tension = np.array([9.0]), np.array([5.5])
    a, b, rounding, rate = surface(compression, tension)
    row = np.array([400.0, 900.0, 9.0, a[0], b[0], rounding[0], rate[0], 0.0, 0.0, 0.0])
    stress, plastic, tangent = np.zeros(6), np.zeros(6), np.zeros(10)
    alpha = return_point(row, np.array([0.02, 0.02, 0.02, 0, 0, 0]), plastic, 0.0, stress, tangent)
    apex = (9.0 - a[0] * rounding[0]) / (3 * b[0])
    assert apex < 0.5 * 3 * 900.0 * 0.02
    np.testing.assert_allclose(stress, [apex, apex, apex, 0, 0, 0], rtol=1e-9)
    assert alpha > 0
    # what is not elastic is plastic
    assert 3 * 900.0 * (0.02 - plastic[0]) == pytest.approx(apex, rel=1e-9)


def test_no_number_is_longer_than_calculix_reads(tmp_path: Path) -> None:
    """Twenty characters: a longer number stops CalculiX, or loses its exponent."""
    write_inp(trabecular_cube(0.05), tmp_path / "model.inp", (1 / 3, 1.0))
    numbers = re.findall(r"-?\d+\.\d*(?:[eE][-+]?\d+)?", (tmp_path / "model.inp").read_text(encoding="ascii"))
    assert len(numbers) > 1000
    assert max(map(len, numbers)) <= 20
    assert f"{-1.6 * YIELD_STRAIN * 15 * 0.08 / 3:.12e}" in numbers


@pytest.mark.parametrize("size", [1.5, 0.75])
def test_peak_with_softening_does_not_hang_on_the_voxel_size(size: float) -> None:
    """A notched block against the same at 1 mm: softening slopes scale with the element."""
    peaks = [peak_of(notched(h)) for h in (size, 1.0)]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.01)


def notched(size: float) -> FeModel:
    """A block of 9 x 18 x 24 mm, notches of 6 x 3 and 3 x 3 mm from opposite sides, stiffer upwards."""
    shape = (round(24 / size), round(9 / size), round(18 / size))
    z, _, x = (np.indices(shape) + 0.5) * size
    gap = ((x < 6) & (z > 6) & (z < 9)) | ((x > 15) & (z > 15) & (z < 18))
    young = np.where(gap, 0.0, 600.0 + 40.0 * z)
    strength = 0.008 * np.maximum(young, 1.0)
    softening = YieldStress(strength, strength, -0.05 * young, 0.4 * strength, 0.005)
    return FeModel(
        Grid(shape, np.diag([size, size, size, 1.0])),
        young,
        0.3,
        prescribed=ends(shape, -0.24, rough=True),
        yield_stress=softening,
    )


def peak_of(model: FeModel) -> float:
    """Largest force, which must be passed."""
    options = NonlinearOptions(drop=0.95, force_error=0.03, threads=1)
    forces = [p.force_n for p in solve_nonlinear(model, "top2", options, reference_size_mm=1.0).curve]
    assert forces[-1] < max(forces)
    return max(forces)


@pytest.mark.slow
def test_forty_random_models_end_with_a_reason_and_without_nan() -> None:
    """Solid and porous, compressed, stretched, sheared, hardening to steeply softening."""
    stopped = 0
    for seed in range(40):
        model = bone_like(seed)
        found = solve_nonlinear(model, "top", NonlinearOptions(threads=1))
        values = np.array([(p.force_n, p.displacement_mm, p.relative_residual) for p in found.curve])
        assert np.isfinite(values).all(), seed
        assert (values[:, 2] <= 1e-5).all(), seed
        assert found.reason, seed
        assert model.yield_stress is not None
        brittle = float(np.min(model.yield_stress.hardening_mpa)) < 0
        gave_up = found.reason.startswith("no equilibrium")
        # only a body that snaps back may end without equilibrium
        assert brittle or not gave_up, seed
        stopped += gave_up
    assert stopped <= 10
