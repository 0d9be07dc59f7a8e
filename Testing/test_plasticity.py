"""Plasticity: closed forms, consistent tangent, patch test, locking, softening, loading."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.errors import CancelledError, MemoryLimitError, ModelError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed, YieldStress
from BoneStrengthFEALib.plasticity import NonlinearOptions, NonlinearSolution, solve_nonlinear
from BoneStrengthFEALib.plasticity.return_kernels import flow_stress, return_point
from BoneStrengthFEALib.plasticity.yield_surface import ROUNDING, surface
from BoneStrengthFEALib.solver import solve_linear
from BoneStrengthFEALib.volume import Grid

STEP = 2e-7
E, NU, SIGMA_C, SIGMA_T = 1000.0, 0.3, 10.0, 6.0


def parameters(
    compression: float = SIGMA_C,
    tension: float = SIGMA_T,
    hardening: float = 0.0,
    softening: tuple[float, float] = (0, 0),
) -> np.ndarray:
    a, b, rounding, rate = surface(np.array([compression]), np.array([tension]))
    shear, bulk = E / (2 * (1 + NU)), E / (3 * (1 - 2 * NU))
    return np.array([shear, bulk, compression, a[0], b[0], rounding[0], rate[0], hardening, *softening])


def point(m: np.ndarray, strain: np.ndarray, alpha: float = 0.0) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    stress, tangent, plastic = np.zeros(6), np.zeros(10), np.zeros(6)
    new = return_point(m, np.asarray(strain, dtype=np.float64), plastic, alpha, stress, tangent)
    return stress, tangent, new, plastic


def driven(m: np.ndarray, axis: np.ndarray, free: list[int], size: float) -> np.ndarray:
    """Stress at a strain whose components ``free`` are such that their stresses vanish (Newton on the point)."""
    strain = size * np.asarray(axis, dtype=np.float64)
    for _ in range(60):
        stress = point(m, strain)[0]
        if np.abs(stress[free]).max() < 1e-11 * SIGMA_C:
            break
        jacobian = np.zeros((len(free), len(free)))
        for column, component in enumerate(free):
            moved = strain.copy()
            moved[component] += 1e-8
            jacobian[:, column] = (point(m, moved)[0][free] - stress[free]) / 1e-8
        strain[free] -= np.linalg.solve(jacobian, stress[free])
    return stress


@pytest.mark.parametrize(("sign", "expected"), [(-1, SIGMA_C), (1, SIGMA_T)])
def test_uniaxial_stress_stops_at_its_own_yield_stress(sign: int, expected: float) -> None:
    stress = driven(parameters(), np.array([0, 0, sign, 0, 0, 0]), [0, 1], 0.03)
    np.testing.assert_allclose(stress, [0, 0, sign * expected, 0, 0, 0], atol=1e-8)


@pytest.mark.parametrize("sign", [-1, 1])
def test_equal_biaxial_stress(sign: int) -> None:
    """q = |s|, trace = 2 s: A sqrt(s^2 + e^2) +- 2 B |s| = sigma_c."""
    m = parameters()
    stress = driven(m, np.array([sign, sign, 0, 0, 0, 0]), [2], 0.03)
    s = abs(stress[0])
    assert stress[1] == pytest.approx(stress[0])
    assert m[3] * np.hypot(s, m[5]) + sign * 2 * m[4] * s == pytest.approx(SIGMA_C, rel=1e-9)


def test_pure_shear_of_von_mises_is_sigma_over_root_three() -> None:
    stress, _, _, plastic = point(parameters(8.0, 8.0), np.array([0, 0, 0, 0, 0.1, 0]))
    np.testing.assert_allclose(stress, [0, 0, 0, 0, 8.0 / np.sqrt(3), 0], atol=1e-9)
    assert abs(plastic[:3]).max() < 1e-12


def test_hydrostatic_paths() -> None:
    """Von Mises never yields; the rounded cone yields in tension at 3 B p = sigma_c - A e, never in compression."""
    for sign in (-1, 1):
        stress, _, alpha, _ = point(parameters(8.0, 8.0), sign * np.array([0.1, 0.1, 0.1, 0, 0, 0]))
        assert alpha == 0.0
        assert stress[0] == pytest.approx(sign * 0.1 * E / (1 - 2 * NU))
    m = parameters()
    assert point(m, np.array([-0.1, -0.1, -0.1, 0, 0, 0]))[2] == 0.0
    stress = point(m, np.array([0.1, 0.1, 0.1 + 1e-9, 0, 0, 0]))[0]
    assert stress[0] == pytest.approx((SIGMA_C - m[3] * ROUNDING * SIGMA_T) / (3 * m[4]), rel=1e-6)


def test_plastic_strain_is_measured_in_uniaxial_compression() -> None:
    m = parameters(hardening=50.0)
    strain = np.array([0, 0, -0.02, 0, 0, 0])
    for _ in range(60):
        stress, _, alpha, plastic = point(m, strain)
        # lateral stress relaxes through the lateral elastic strain
        strain[:2] -= stress[:2] / E
    assert alpha == pytest.approx(-plastic[2], rel=3e-3)
    assert -stress[2] == pytest.approx(flow_stress(m, alpha), rel=3e-4)


@pytest.mark.parametrize("hardening", [0.0, 40.0])
@pytest.mark.parametrize("tension", [SIGMA_T, SIGMA_C])
def test_tangent_is_the_derivative_of_the_stress(hardening: float, tension: float) -> None:
    m = parameters(tension=tension, hardening=hardening)
    dice = np.random.default_rng(314)
    plastic = 0
    for _ in range(60):
        strain = dice.normal(size=6) * 0.012
        strain[:3] -= 0.004
        _, t, alpha, _ = point(m, strain, 0.001)
        plastic += alpha > 0.001
        numeric, analytic = np.zeros((6, 6)), np.zeros((6, 6))
        for column in range(6):
            d = np.zeros(6)
            d[column] = STEP
            one, two = (point(m, strain + k * d, 0.001)[0] - point(m, strain - k * d, 0.001)[0] for k in (1, 2))
            numeric[:, column] = (8 * one - two) / (12 * STEP)
            analytic[:, column] = applied(t, d / STEP)
        np.testing.assert_allclose(analytic, numeric, atol=1e-6 * np.abs(analytic).max())
        np.testing.assert_allclose(analytic, analytic.T, atol=1e-12 * np.abs(analytic).max())
    assert plastic > 30


def applied(t: np.ndarray, strain: np.ndarray) -> np.ndarray:
    volume = strain[:3].sum()
    deviator = strain.copy()
    deviator[:3] -= volume / 3
    deviator[3:] /= 2
    along = (t[:3] * deviator[:3]).sum() + 2 * (t[3:6] * deviator[3:]).sum()
    stress = t[6] * deviator + t[:6] * (t[7] * along + t[8] * volume)
    stress[:3] += t[9] * volume + t[8] * along
    return np.asarray(stress)


def bar(
    shape: tuple[int, int, int] = (6, 3, 4),
    displacement: float = -0.06,
    spacing: float = 1.0,
    young: np.ndarray | float = E,
    **stress: float | np.ndarray,
) -> FeModel:
    """A bar along z on three symmetry planes."""
    k, j, i = (n + 1 for n in shape)
    ids = np.arange(k * j * i).reshape(k, j, i)
    conditions = (
        Prescribed("bottom", ids[0].ravel(), 2, 0.0),
        Prescribed("top", ids[-1].ravel(), 2, displacement),
        Prescribed("x", ids[:, :, 0].ravel(), 0, 0.0),
        Prescribed("y", ids[:, 0].ravel(), 1, 0.0),
    )
    given = {"compression_mpa": SIGMA_C, "tension_mpa": SIGMA_T, **stress}
    arrays = {name: np.broadcast_to(np.asarray(v, dtype=float), shape) for name, v in given.items()}
    grid = Grid(shape, np.diag([spacing, spacing, spacing, 1.0]))
    return FeModel(
        grid, np.broadcast_to(young, shape) * np.ones(shape), NU, conditions, yield_stress=YieldStress(**arrays)
    )


def solve(model: FeModel, **options: float) -> NonlinearSolution:
    return solve_nonlinear(model, "top", NonlinearOptions(tolerance=1e-8, threads=1, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(("displacement", "stress"), [(-0.06, SIGMA_C), (0.06, SIGMA_T)])
@pytest.mark.parametrize("bbar", [True, False])
def test_plateau_of_a_bar_is_yield_stress_times_area(displacement: float, stress: float, bbar: bool) -> None:
    found = solve(bar(displacement=displacement), bbar=bbar)
    assert found.curve[-1].force_n == pytest.approx(stress * 12.0, rel=1e-7)
    assert found.curve[0].force_n == pytest.approx(0.25 * 0.06 / 6 * E * 12.0, rel=1e-7)
    failed = found.failed_compression if displacement < 0 else found.failed_tension
    assert failed.all()
    assert not (found.failed_compression & found.failed_tension).any()


def test_hardening_bar() -> None:
    """strain = stress / E + (stress - sigma_c) / H."""
    hardening = 80.0
    found = solve(bar(hardening_mpa=hardening))
    strain = found.curve[-1].displacement_mm / 6.0
    # the rounding of the apex lags by one step
    expected = (strain + SIGMA_C / hardening) / (1 / E + 1 / hardening)
    assert found.curve[-1].force_n == pytest.approx(12.0 * expected, rel=2e-4)


def test_patch_in_the_plastic_range() -> None:
    """Affine displacements on the surface of a block leave an affine field inside, beyond yield as well."""
    shape, spacing = (3, 4, 5), (0.8, 1.1, 1.3)
    k, j, i = np.indices((4, 5, 6))
    place = np.stack([i * spacing[0], j * spacing[1], k * spacing[2]], axis=-1).reshape(-1, 3)
    gradient = np.array([[0.009, 0.003, 0.002], [0.001, 0.01, -0.004], [0.005, 0.002, -0.02]])
    field = place @ gradient.T
    outer = np.flatnonzero(((k % 3 == 0) | (j % 4 == 0) | (i % 5 == 0)).ravel())
    top = np.flatnonzero((k == 3).ravel())
    rest = np.setdiff1d(outer, top)
    conditions = tuple(Prescribed("xyz"[c], outer, c, field[outer, c]) for c in range(2))
    conditions += (Prescribed("top", top, 2, field[top, 2]), Prescribed("rest", rest, 2, field[rest, 2]))
    strength = YieldStress(np.full(shape, SIGMA_C), np.full(shape, SIGMA_T))
    model = FeModel(Grid(shape, np.diag([*spacing, 1.0])), np.full(shape, E), NU, conditions, yield_stress=strength)
    found = solve_nonlinear(model, "top", NonlinearOptions(end_factor=1.0, tolerance=1e-9, threads=1))
    assert found.curve[-1].plastic_fraction == 1.0
    np.testing.assert_allclose(found.displacement_mm, field, atol=1e-8)


def test_small_loads_are_linear() -> None:
    young = np.random.default_rng(8).uniform(300, 900, (6, 3, 4))
    model = bar(young=young)
    linear = solve_linear(model)
    found = solve(model, first_factor=0.1, end_factor=0.1, bbar=False)
    assert found.curve[-1].plastic_fraction == 0.0
    assert found.curve[-1].force_n == pytest.approx(0.1 * abs(linear.reactions_n["top"][2]), rel=1e-6)


def uneven(seed: int = 5, shape: tuple[int, int, int] = (8, 6, 7)) -> FeModel:
    dice = np.random.default_rng(seed)
    young = 10 ** dice.uniform(1.5, 3.5, shape)
    strength = young * dice.uniform(0.006, 0.01, shape)
    return bar(shape, displacement=-0.08, young=young, compression_mpa=strength, tension_mpa=0.7 * strength)


def test_halving_the_steps_changes_the_force_by_less_than_half_a_per_cent() -> None:
    coarse = solve(uneven(), first_factor=0.3, step_factor=0.5)
    fine = solve(uneven(), first_factor=0.15, step_factor=0.25, force_error=0.025)
    assert len(fine.curve) > 1.5 * len(coarse.curve)
    assert fine.curve[-1].force_n == pytest.approx(coarse.curve[-1].force_n, rel=5e-3)


def test_threads_change_nothing_but_rounding() -> None:
    one = solve_nonlinear(uneven(), "top", NonlinearOptions(threads=1))
    two = solve_nonlinear(uneven(), "top", NonlinearOptions(threads=2))
    again = solve_nonlinear(uneven(), "top", NonlinearOptions(threads=2))
    assert [p.force_n for p in two.curve] == [p.force_n for p in again.curve]
    assert two.curve[-1].force_n == pytest.approx(one.curve[-1].force_n, rel=1e-4)


def confined(bbar: bool) -> float:
    """Collapse load of a block pressed between rough plates, von Mises: full integration locks."""
    shape = (4, 8, 8)
    k, j, i = (n + 1 for n in shape)
    ids = np.arange(k * j * i).reshape(k, j, i)
    conditions = tuple(Prescribed(f"bottom{c}", ids[0].ravel(), c, 0.0) for c in range(3))
    conditions += (Prescribed("top", ids[-1].ravel(), 2, -0.04),)
    conditions += tuple(Prescribed(f"top{c}", ids[-1].ravel(), c, 0.0) for c in range(2))
    strength = YieldStress(np.full(shape, 5.0), np.full(shape, 5.0))
    model = FeModel(Grid(shape, np.eye(4)), np.full(shape, E), 0.45, conditions, yield_stress=strength)
    return solve_nonlinear(model, "top", NonlinearOptions(end_factor=4.0, bbar=bbar)).curve[-1].force_n


def test_bbar_takes_the_locking_away() -> None:
    averaged, full = confined(True), confined(False)
    assert averaged < 0.97 * full


def test_softening_has_a_bracketed_peak_and_ends_below_it() -> None:
    weak = np.full((6, 3, 4), SIGMA_C)
    weak[2] *= 0.97
    model = bar(compression_mpa=weak, hardening_mpa=-100.0, residual_mpa=2.0, onset_strain=0.002)
    found = solve(model)
    forces = np.array([p.force_n for p in found.curve])
    peak = int(forces.argmax())
    # the weak layer is held by its neighbours, so the peak lies between its strength and theirs
    assert 0.97 * SIGMA_C * 12 < forces[peak] < SIGMA_C * 12
    assert 0 < peak < len(forces) - 1
    width = found.curve[peak + 1].displacement_mm - found.curve[peak].displacement_mm
    assert width < 0.12 * found.curve[peak].displacement_mm
    assert "fell below" in found.reason
    # the weak layer alone keeps flowing
    assert found.failed_compression[2].all()


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_scaled_softening_depends_on_displacement_not_on_strain(size: float) -> None:
    """One layer of elements of any size: stress = sigma_c + H (u - stress size / E) / reference."""
    hardening, reference = -60.0, 1.0
    strong = {"compression_mpa": SIGMA_C, "tension_mpa": SIGMA_C, "hardening_mpa": hardening, "residual_mpa": 1.0}
    model = bar((1, 2, 3), -0.06, size, **strong)
    options = NonlinearOptions(end_factor=2.0, drop=0.1, tolerance=1e-8, threads=1)
    found = solve_nonlinear(model, "top", options, reference_size_mm=reference)
    last = found.curve[-1]
    slope = hardening / reference
    expected = (SIGMA_C + slope * last.displacement_mm) / (1 + slope * size / E)
    assert last.force_n / (6 * size**2) == pytest.approx(expected, rel=1e-6)


def test_cancel_is_honoured() -> None:
    def stop(stage: str, _fraction: float) -> None:
        if stage == "loading":
            raise CancelledError

    with pytest.raises(CancelledError):
        solve_nonlinear(uneven(), "top", NonlinearOptions(), stop)


def test_what_cannot_be_loaded_is_refused() -> None:
    model = uneven()
    with pytest.raises(MemoryLimitError, match="GiB"):
        solve_nonlinear(model, "top", NonlinearOptions(memory_limit_bytes=1000))
    with pytest.raises(ModelError, match="does not move"):
        solve_nonlinear(model, "bottom")
    with pytest.raises(ModelError, match="no prescribed set"):
        solve_nonlinear(model, "side")
    elastic = FeModel(model.grid, model.young_mpa, NU, model.prescribed)
    with pytest.raises(ModelError, match="yield stresses"):
        solve_nonlinear(elastic, "top")


@pytest.mark.parametrize("seed", range(8))
def test_random_bone_like_models_end_with_a_reason(seed: int) -> None:
    dice = np.random.default_rng(600 + seed)
    model = uneven(seed, (5, 6, 4))
    young = np.where(dice.random(model.grid.shape) < 0.25, 0.0, model.young_mpa)
    young[0] = young[-1] = np.maximum(young[0], 50.0)
    strength = np.maximum(young * 0.008, 1e-3)
    softening = YieldStress(
        strength, strength * dice.uniform(0.4, 1.0), -0.05 * young * (seed % 2), 0.3 * strength, 0.002
    )
    model = FeModel(model.grid, young, NU, model.prescribed, yield_stress=softening)
    found = solve_nonlinear(model, "top", NonlinearOptions(threads=1))
    assert all(np.isfinite([p.force_n, p.relative_residual]).all() for p in found.curve)
    assert all(p.relative_residual <= 1e-5 for p in found.curve)
    assert found.reason
