"""What a solution says anywhere in an element: strain and stress at any point, reaction of any node set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.fe_model import FeModel, NodeIds
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.element import lame_basis, strain_displacement
from BoneStrengthFEALib.solver.mesh import Mesh, build_mesh, supported_elements
from BoneStrengthFEALib.solver.solution import Solution
from BoneStrengthFEALib.solver.system import build_system, choose_backend, stiffness_factors
from BoneStrengthFEALib.volume import FloatArray

CENTRE = (0.5, 0.5, 0.5)
"""Centre of an element in local coordinates."""


@dataclass(frozen=True, eq=False)
class PointFields:
    """Everything a solution says at one local point of every solved element, in C order of (k, j, i).

    Parameters
    ----------
    strain
        (m, 6) order xx yy zz yz xz xy, engineering shear.
    stress_mpa
        (m, 6) same order [MPa].
    energy_density_mpa
        (m,) strain energy density: half of stress times strain [MPa].
    effective_strain
        (m,) sqrt(2 energy density / Young's modulus) [1].
    principal_strain, principal_stress_mpa
        (m, 3) ascending; stresses in MPa.

    References
    ----------
    [1] Pistoia et al. (2002), Bone 30:842, doi:10.1016/S8756-3282(02)00736-6: the effective strain.
    """

    strain: FloatArray
    stress_mpa: FloatArray
    energy_density_mpa: FloatArray
    effective_strain: FloatArray
    principal_strain: FloatArray
    principal_stress_mpa: FloatArray


def fields_at(model: FeModel, solution: Solution, point: tuple[float, float, float] = CENTRE) -> PointFields:
    """Recover strain, stress, energy density, effective strain and principal values at one local point.

    Parameters
    ----------
    model, solution, point
        As for strain_at.

    Returns
    -------
    The fields.
    """
    mesh = build_mesh(supported_elements(model)[0])
    strain = _strain(model, mesh, solution, point)
    stress = _stress(model, mesh, strain)
    density = 0.5 * np.einsum("ms,ms->m", strain, stress)
    young = np.asarray(model.young_mpa, dtype=np.float64)[tuple(mesh.elements.T)]
    effective = np.sqrt(2.0 * np.maximum(density, 0.0) / young)
    shear = np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
    return PointFields(strain, stress, density, effective, _principal(strain * shear), _principal(stress))


def strain_at(model: FeModel, solution: Solution, point: tuple[float, float, float] = CENTRE) -> FloatArray:
    """Recover the strain of every solved element at one local point.

    Parameters
    ----------
    model
        Model.
    solution
        Its solution.
    point
        Local coordinates (x, y, z), each 0 to 1: a corner, the centre, or between.

    Returns
    -------
    (m, 6) strain in C order of (k, j, i), order xx yy zz yz xz xy, engineering shear.
    """
    return _strain(model, build_mesh(supported_elements(model)[0]), solution, point)


def stress_at(model: FeModel, solution: Solution, point: tuple[float, float, float] = CENTRE) -> FloatArray:
    """Recover the stress of every solved element at one local point.

    Parameters
    ----------
    model, solution, point
        As for strain_at.

    Returns
    -------
    (m, 6) stress [MPa], order xx yy zz yz xz xy.
    """
    mesh = build_mesh(supported_elements(model)[0])
    return _stress(model, mesh, _strain(model, mesh, solution, point))


def _strain(model: FeModel, mesh: Mesh, solution: Solution, point: tuple[float, float, float]) -> FloatArray:
    b = strain_displacement(np.asarray(point), model.spacing_mm)
    return np.asarray(solution.displacement_mm[mesh.corners].reshape(-1, 24) @ b.T)


def _stress(model: FeModel, mesh: Mesh, strain: FloatArray) -> FloatArray:
    basis = [*lame_basis(), np.zeros((6, 6)) if model.orthotropy is None else model.orthotropy.unit_stiffness]
    factors = stiffness_factors(model, mesh)
    return np.asarray(sum(f[:, None] * (strain @ e.T) for f, e in zip(factors, basis, strict=True)))


def _principal(tensors: FloatArray) -> FloatArray:
    """Eigenvalues of (m, 6) symmetric tensors, ascending."""
    return np.asarray(np.linalg.eigvalsh(tensors[:, [[0, 5, 4], [5, 1, 3], [4, 3, 2]]]))


def node_set_force(model: FeModel, solution: Solution, nodes: NodeIds) -> FloatArray:
    """Sum the internal forces K u over nodes: their reaction when nothing else loads them.

    Parameters
    ----------
    model
        Model.
    solution
        Its solution.
    nodes
        (q,) node ids; ids without an element count nothing.

    Returns
    -------
    (3,) force [N].
    """
    team = Team(1)
    system = build_system(model, team, choose_backend(solution.backend or "auto"))
    chosen = system.mesh.compact(np.unique(np.asarray(nodes)))
    return np.asarray(system.operator.apply(solution.displacement_mm)[chosen].sum(axis=0))
