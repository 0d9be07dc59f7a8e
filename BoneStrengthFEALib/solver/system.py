"""A model made ready to solve: mesh, stiffness factors, constraints, operator."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from BoneStrengthFEALib.errors import DependencyError, InputError
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.solver.compiling import HAS_NUMBA, Team
from BoneStrengthFEALib.solver.constraints import Constraints, build_constraints
from BoneStrengthFEALib.solver.element import lame_basis, lame_parameters, mirror_blocks
from BoneStrengthFEALib.solver.mesh import Mesh, build_mesh, supported_elements
from BoneStrengthFEALib.solver.operator import AssembledOperator, Bricks, ElementOperator
from BoneStrengthFEALib.volume import FloatArray

BACKENDS = ("auto", "numba", "numpy")
SAME_RATIO = 1e-15
"""Lambda and mu of all elements are proportional to within rounding."""


@dataclass(frozen=True, eq=False)
class System:
    """Everything that K u = f needs.

    Parameters
    ----------
    mesh
        Compact mesh.
    bricks
        Elements with stiffness factors (lambda, mu, orthotropic scale).
    elasticities
        The three (6, 6) stiffness bases.
    constraints
        Boundary conditions.
    operator
        K u.
    removed_elements
        Elements of pieces nothing holds.
    backend
        "numba" or "numpy".
    spacing_mm
        Element size (dx, dy, dz) [mm].
    fewest_bricks, fewest_elasticities
        The same stiffnesses with one factor per element and one basis, when all elements are multiples of one.
    """

    mesh: Mesh
    bricks: Bricks
    elasticities: list[FloatArray]
    constraints: Constraints
    operator: ElementOperator | AssembledOperator
    removed_elements: int
    backend: str
    spacing_mm: tuple[float, float, float]
    fewest_bricks: Bricks
    fewest_elasticities: list[FloatArray]


def choose_backend(name: str) -> str:
    """Resolve a backend setting.

    Parameters
    ----------
    name
        "auto", "numba" or "numpy".

    Returns
    -------
    "numba" or "numpy".

    Raises
    ------
    InputError, DependencyError
        For an unknown name, or numba asked for and not installed.
    """
    if name not in BACKENDS:
        raise InputError(f"solver backend {name!r} is unknown; choose one of {', '.join(BACKENDS)}")
    if name == "numba" and not HAS_NUMBA:
        raise DependencyError("the compiled solver needs the package numba; install it or choose backend numpy")
    return "numba" if name != "numpy" and HAS_NUMBA else "numpy"


def build_system(model: FeModel, team: Team, backend: str) -> System:
    """Number nodes, factor stiffnesses, translate constraints.

    Parameters
    ----------
    model
        Model.
    team
        Threads.
    backend
        "numba" or "numpy".

    Returns
    -------
    The system.

    Raises
    ------
    ModelError
        When nothing is held or sets contradict.
    """
    mask, removed = supported_elements(model)
    mesh = build_mesh(mask)
    basis: list[FloatArray] = [
        *lame_basis(),
        np.zeros((6, 6)) if model.orthotropy is None else model.orthotropy.unit_stiffness,
    ]
    factors = stiffness_factors(model, mesh)
    bricks = Bricks(mesh.corners, mesh.elements[:, 0], factors, mesh.nodes.size)
    coefficients, reduced = reduced_bases(factors, basis)
    fewest = replace(bricks, coefficients=coefficients)
    operator: ElementOperator | AssembledOperator
    if backend == "numba":
        blocks = np.stack([mirror_blocks(e, model.spacing_mm) for e in reduced]) / 8.0
        operator = ElementOperator(fewest, blocks, team)
    else:
        operator = AssembledOperator(fewest, reduced, model.spacing_mm)
    constraints = build_constraints(model, mesh)
    spacing_mm = model.spacing_mm
    return System(mesh, bricks, basis, constraints, operator, removed, backend, spacing_mm, fewest, reduced)


def reduced_bases(factors: FloatArray, elasticities: list[FloatArray]) -> tuple[FloatArray, list[FloatArray]]:
    """Describe elements by one factor each when all are multiples of one stiffness: equal Poisson's ratios.

    Parameters
    ----------
    factors
        (3, m) factors of the three bases.
    elasticities
        The three (6, 6) bases.

    Returns
    -------
    (1, m) factors and one basis; or what was given, when the elements differ in more than a factor.
    """
    if factors[2].any():
        return factors, elasticities
    lame = factors[:, int(np.argmax(factors[1]))] / factors[1].max()
    if np.abs(factors[0] - lame[0] * factors[1]).max() > SAME_RATIO * np.abs(factors[0]).max():
        return factors, elasticities
    return factors[1:2].copy(), [lame[0] * elasticities[0] + elasticities[1]]


def stiffness_factors(model: FeModel, mesh: Mesh) -> FloatArray:
    """Factors of the three stiffness bases per element.

    Parameters
    ----------
    model
        Model.
    mesh
        Its mesh.

    Returns
    -------
    (3, m) float64: lambda and mu of isotropic elements, the modulus of orthotropic ones [MPa].
    """
    where = tuple(mesh.elements.T)
    young = np.asarray(model.young_mpa, dtype=np.float64)[where]
    given = np.asarray(model.poisson, dtype=np.float64)
    poisson = given if given.ndim == 0 else np.broadcast_to(given, model.grid.shape)[where]
    factors = np.zeros((3, young.size))
    factors[0], factors[1] = lame_parameters(young, poisson)
    if model.orthotropy is not None:
        oriented = model.orthotropy.elements[where]
        factors[:2, oriented] = 0.0
        factors[2, oriented] = young[oriented]
    return factors
