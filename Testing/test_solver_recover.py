"""Recovered strains, stresses and forces, and the bodies that benchmarks are run on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.solver.recover import fields_at, node_set_force, strain_at, stress_at
from BoneStrengthFEALib.synthetic.fields import compressed, trabecular, vertebral_body
from BoneStrengthFEALib.volume import Grid

SPACING = (0.7, 1.1, 1.6)


def quadratic_model() -> FeModel:
    """All nodes prescribed: u_x = 2e-3 x y, u_y = -1e-3 z, u_z = 3e-3 x + 4e-3 z, trilinear and so exact."""
    ids = np.arange(4 * 5 * 6)
    k, j, i = np.unravel_index(ids, (4, 5, 6))
    x, y, z = i * SPACING[0], j * SPACING[1], k * SPACING[2]
    values = (2e-3 * x * y, -1e-3 * z, 3e-3 * x + 4e-3 * z)
    sets = tuple(Prescribed(f"u{c}", ids, c, v) for c, v in enumerate(values))
    young = np.random.default_rng(733).uniform(10.0, 900.0, (3, 4, 5))
    return FeModel(Grid((3, 4, 5), np.diag([*SPACING, 1.0])), young, 0.27, sets)


@pytest.mark.parametrize("point", [(0.5, 0.5, 0.5), (0.0, 1.0, 0.0), (1.0, 0.0, 1.0)])
def test_strain_and_stress_at_any_point(point: tuple[float, float, float]) -> None:
    model = quadratic_model()
    solution = solve_linear(model)
    k, j, i = np.indices((3, 4, 5)).reshape(3, -1)
    x, y = (i + point[0]) * SPACING[0], (j + point[1]) * SPACING[1]
    expected = np.stack([2e-3 * y, 0 * x, 0 * x + 4e-3, 0 * x - 1e-3, 0 * x + 3e-3, 2e-3 * x], axis=1)
    np.testing.assert_allclose(strain_at(model, solution, point), expected, atol=1e-14)
    young = model.young_mpa[k, j, i]
    stress = stress_at(model, solution, point)
    # Hooke's law the other way round: strain from stress
    np.testing.assert_allclose(
        (stress[:, 2] - 0.27 * (stress[:, 0] + stress[:, 1])) / young, expected[:, 2], rtol=1e-10
    )
    np.testing.assert_allclose(stress[:, 5] * 2 * 1.27 / young, expected[:, 5], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("point", [(0.5, 0.5, 0.5), (1.0, 0.0, 1.0)])
def test_energy_effective_strain_and_principal_values_at_a_point(point: tuple[float, float, float]) -> None:
    """Invariants of the tensors and U = (sigma : eps) / 2, with shear counted twice in the tensor product."""
    model = quadratic_model()
    fields = fields_at(model, solve_linear(model), point)
    e, s = fields.strain, fields.stress_mpa
    np.testing.assert_allclose(fields.principal_strain.sum(axis=1), e[:, :3].sum(axis=1), atol=1e-14)
    squares = (e[:, :3] ** 2).sum(axis=1) + 2 * ((e[:, 3:] / 2) ** 2).sum(axis=1)
    np.testing.assert_allclose((fields.principal_strain**2).sum(axis=1), squares, rtol=1e-12)
    squares = (s[:, :3] ** 2).sum(axis=1) + 2 * (s[:, 3:] ** 2).sum(axis=1)
    np.testing.assert_allclose((fields.principal_stress_mpa**2).sum(axis=1), squares, rtol=1e-12)
    assert (np.diff(fields.principal_strain, axis=1) >= 0).all()
    k, j, i = np.indices((3, 4, 5)).reshape(3, -1)
    young = model.young_mpa[k, j, i]
    # energy of an isotropic body from principal stresses alone
    p, q, r = fields.principal_stress_mpa.T
    density = (p**2 + q**2 + r**2 - 2 * 0.27 * (p * q + q * r + r * p)) / (2 * young)
    np.testing.assert_allclose(fields.energy_density_mpa, density, rtol=1e-10)
    np.testing.assert_allclose(fields.effective_strain**2 * young / 2, density, rtol=1e-10)


def test_force_of_a_node_set_is_the_reaction_and_a_cut_carries_the_load() -> None:
    model = compressed(vertebral_body((5, 8, 9)))
    solution = solve_linear(model, SolverOptions(tolerance=1e-10))
    top = model.prescribed[-1].nodes
    force = node_set_force(model, solution, top)
    np.testing.assert_allclose(force[2], solution.reactions_n["top_z"][2], rtol=1e-10)
    assert force[2] < 0
    upper = np.arange(int(np.prod(model.node_shape)))[3 * 9 * 10 :]  # inner nodes are in balance
    np.testing.assert_allclose(node_set_force(model, solution, upper)[2], force[2], rtol=1e-7)


def test_porous_body_is_one_piece_reaches_both_faces_and_has_its_fraction() -> None:
    bone = trabecular(48, 0.24, seed=5) > 0
    assert ndimage.label(bone)[1] == 1
    assert bone[0].any()
    assert bone[-1].any()
    assert 0.2 < bone.mean() <= 0.2401
    with pytest.raises(InputError):
        trabecular(8, 1.5)


def test_vertebral_body_has_a_stiff_shell_around_every_section() -> None:
    young = vertebral_body((3, 10, 14))
    inside = ndimage.binary_erosion(young[1] > 0)
    assert (young[1][(young[1] > 0) & ~inside] == 10_000.0).all()
    assert young[:, inside].max() <= 3000.0
    assert young[:, inside].min() >= 50.0


def test_iterations_grow_little_with_the_tolerance_on_porous_bone() -> None:
    model = compressed(trabecular(40, 0.24, seed=5))
    loose, tight = (solve_linear(model, SolverOptions(tolerance=t)).numbers["iterations"] for t in (1e-6, 1e-8))
    assert tight <= 1.6 * loose
