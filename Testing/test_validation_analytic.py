"""Closed forms and physics that any correct elastic solver keeps; each test states its formula."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.fe_model import FeModel, NodalForce, Prescribed
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.volume import Grid

SHAPE = (6, 4, 5)
TIGHT = SolverOptions(tolerance=1e-12)


def node_ids(shape: tuple[int, ...]) -> np.ndarray:
    size = tuple(n + 1 for n in shape)
    return np.arange(int(np.prod(size))).reshape(size)


def compressed(
    young: np.ndarray, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), axis: int = 2, nu: float = 0.3
) -> float:
    """Reaction [N] of bonded ends pressed together by 1 % along an axis."""
    ids = node_ids(young.shape)
    near, far = (np.take(ids, n, axis=2 - axis).ravel() for n in (0, -1))
    length = young.shape[2 - axis] * spacing[axis]
    sets = [Prescribed(f"near{c}", near, c) for c in range(3)]
    sets += [Prescribed(f"far{c}", far, c, -0.01 * length if c == axis else 0.0) for c in range(3)]
    solution = solve_linear(
        FeModel(Grid(young.shape, np.diag([*spacing, 1.0])), young, nu, prescribed=tuple(sets)), TIGHT
    )
    return float(-solution.reactions_n[f"far{axis}"][axis])


def uneven(seed: int = 89) -> np.ndarray:
    return np.random.default_rng(seed).uniform(100.0, 2000.0, SHAPE)


def test_patch() -> None:
    """An affine displacement on the surface gives the same affine displacement inside, whatever the element size."""
    spacing = np.array((0.7, 1.3, 2.1))
    gradient = np.array([[0.01, 0.002, -0.003], [0.004, -0.006, 0.001], [0.002, 0.005, 0.008]])
    ids = node_ids(SHAPE)
    surface = np.ones(ids.shape, bool)
    surface[1:-1, 1:-1, 1:-1] = False
    points = np.stack(np.unravel_index(ids, ids.shape)[::-1], axis=-1) * spacing
    exact = points @ gradient.T
    sets = tuple(Prescribed(f"s{c}", ids[surface], c, exact[surface][:, c]) for c in range(3))
    model = FeModel(Grid(SHAPE, np.diag([*spacing, 1.0])), np.full(SHAPE, 830.0), 0.37, prescribed=sets)
    solution = solve_linear(model, TIGHT)
    assert np.abs(solution.displacement_mm - exact.reshape(-1, 3)).max() < 1e-8 * np.abs(exact).max()


def rolled(young: np.ndarray) -> float:
    """Stiffness between frictionless plates at nu = 0 [N/mm]."""
    ids = node_ids(young.shape)
    sets = (Prescribed("low", ids[0].ravel(), 2), Prescribed("top", ids[-1].ravel(), 2, -0.05))
    model = FeModel(Grid(young.shape, np.diag([1.2, 0.9, 1.5, 1.0])), young, 0.0, prescribed=sets)
    return float(abs(solve_linear(model, TIGHT).reactions_n["top"][2]) / 0.05)


def test_layers_in_series() -> None:
    """Reuss: k = A / sum(L_i / E_i)."""
    young = np.empty(SHAPE)
    young[:] = np.array([300.0, 900.0, 150.0, 2000.0, 700.0, 450.0])[:, None, None]
    area = 5 * 1.2 * 4 * 0.9
    assert rolled(young) == pytest.approx(area / (1.5 / young[:, 0, 0]).sum(), rel=1e-7)


def test_columns_in_parallel() -> None:
    """Voigt: k = sum(E_i A_i) / L."""
    young = np.empty(SHAPE)
    young[:] = np.array([300.0, 900.0, 150.0, 2000.0, 700.0])[None, None, :]
    expected = (young[0, 0] * 1.2 * 4 * 0.9).sum() / (6 * 1.5)
    assert rolled(young) == pytest.approx(expected, rel=1e-7)


def test_force_scales_with_moduli_and_with_the_square_of_size() -> None:
    """Twice the moduli, twice the force; twice the size at equal strain, four times the force."""
    force = compressed(uneven())
    assert compressed(2.0 * uneven()) == pytest.approx(2.0 * force, rel=1e-9)
    assert compressed(uneven(), (2.0, 2.0, 2.0)) == pytest.approx(4.0 * force, rel=1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirror_images_are_equally_strong(axis: int) -> None:
    assert compressed(np.flip(uneven(), axis)) == pytest.approx(compressed(uneven()), rel=1e-9)


def test_a_quarter_turn_changes_nothing() -> None:
    """The block turned so that its z lies along x, pressed along x, with its voxel size turned along."""
    young = uneven()
    turned = np.ascontiguousarray(young.transpose(2, 1, 0))
    straight = compressed(young, (0.8, 1.0, 1.7), axis=2)
    assert compressed(turned, (1.7, 1.0, 0.8), axis=0) == pytest.approx(straight, rel=1e-9)


def cantilever_deflection(elements: int) -> float:
    """Tip deflection of a 10 x 1 x 1 mm cantilever under 1 N, as a share of P L^3 / 3 E I + P L / (kappa G A)."""
    shape = (10 * elements, elements, elements)
    size = 1.0 / elements
    ids = node_ids(shape)
    clamp = tuple(Prescribed(f"c{c}", ids[0].ravel(), c) for c in range(3))
    tip = ids[-1].ravel()
    load = NodalForce("tip", tip, 0, 1.0 / tip.size)
    model = FeModel(
        Grid(shape, np.diag([size, size, size, 1.0])), np.full(shape, 1000.0), 0.0, prescribed=clamp, forces=(load,)
    )
    u = solve_linear(model, SolverOptions(tolerance=1e-10)).displacement_on_grid(model.node_shape)[-1, ..., 0].mean()
    bending, shear = 1000.0 / (3 * 1000.0 / 12), 10.0 / (5 / 6 * 500.0)
    return float(u / (bending + shear))


def test_cantilever_converges_from_below_at_second_order() -> None:
    """Full integration locks on coarse meshes: the error falls as h^2."""
    shares = np.array([cantilever_deflection(n) for n in (2, 4, 8)])
    steps = np.diff(shares)
    assert (steps > 0).all()
    assert 0.98 < shares[-1] < 1.005
    assert np.log2(steps[0] / steps[1]) == pytest.approx(2.0, abs=0.25)
