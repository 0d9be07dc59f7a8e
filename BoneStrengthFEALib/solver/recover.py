"""What a solution says anywhere in an element: strain and stress at any point, reaction of any node set."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.fe_model import FeModel, NodeIds
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.element import lame_basis, strain_displacement
from BoneStrengthFEALib.solver.mesh import build_mesh, supported_elements
from BoneStrengthFEALib.solver.solution import Solution
from BoneStrengthFEALib.solver.system import build_system, choose_backend, stiffness_factors
from BoneStrengthFEALib.volume import FloatArray

CENTRE = (0.5, 0.5, 0.5)
"""Centre of an element in local coordinates."""


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
    mesh = build_mesh(supported_elements(model)[0])
    b = strain_displacement(np.asarray(point), model.spacing_mm)
    return np.asarray(solution.displacement_mm[mesh.corners].reshape(-1, 24) @ b.T)


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
    strain = strain_at(model, solution, point)
    basis = [*lame_basis(), np.zeros((6, 6)) if model.orthotropy is None else model.orthotropy.unit_stiffness]
    factors = stiffness_factors(model, mesh)
    return np.asarray(sum(f[:, None] * (strain @ e.T) for f, e in zip(factors, basis, strict=True)))


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
