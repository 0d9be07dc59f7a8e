"""The integration points of a mesh: their state, internal forces, and the tangent as an operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.plasticity.element_kernels import POINTS, flows, tangent_range, update_range
from BoneStrengthFEALib.plasticity.yield_surface import SIGMA_C, ElementMaterial
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.element import CORNERS, GAUSS, lame_basis, mirror_blocks_of, strain_displacement
from BoneStrengthFEALib.solver.operator import Bricks, ElementOperator, two_colours
from BoneStrengthFEALib.solver.system import System
from BoneStrengthFEALib.volume import FloatArray

BYTES_PER_ELEMENT = 2 * POINTS * 7 * 8 + POINTS * 10 * 8 + 10 * 8
"""Two states, tangents, parameters."""


class Points:
    """State of all points, and what follows from it.

    Parameters
    ----------
    system
        Mesh, bricks and constraints.
    material
        Parameters of the elements.
    bbar
        Whether the volumetric strain is averaged over the element.
    team
        Threads.
    """

    def __init__(self, system: System, material: ElementMaterial, bbar: bool, team: Team) -> None:
        count = len(system.mesh.elements)
        self.material, self.team, self._mesh = material, team, system.mesh
        self.committed = np.zeros((count, 7, POINTS))
        self.trial = np.zeros((count, 7, POINTS))
        self.tangents = np.zeros((count, 10, POINTS))
        at, self.mean = gradients(system.spacing_mm)
        self.tables = np.concatenate([at.transpose(2, 1, 0).ravel(), at.transpose(0, 2, 1).ravel()])
        self.flags = np.array([np.prod(system.spacing_mm) / POINTS, float(bbar)])
        self._layers = system.bricks.layers
        self._phases = two_colours(self._layers, team.threads)
        self._bricks = system.bricks
        self._blocks = elastic_blocks(system.spacing_mm, bbar)
        self.can_flow = np.isfinite(material.table[:, SIGMA_C])

    def internal_forces(self, u: FloatArray) -> FloatArray:
        """Forces of the stresses at displacement u; updates trial state and tangents.

        Parameters
        ----------
        u
            (n, 3) displacements [mm].

        Returns
        -------
        (n, 3) forces [N].
        """
        f = np.zeros_like(u)
        fixed = (self._mesh.corners, self.tables, self.mean, self.flags, self.material.table)
        states = (self.committed, self.trial, self.tangents)
        for phase in self._phases:
            self.team.run(update_range, [(u, f, *fixed, *states, first, last) for first, last in phase])
        return f

    def commit(self) -> None:
        """Take the trial state as the new one."""
        self.committed, self.trial = self.trial, self.committed

    def state(self) -> FloatArray:
        """Copy of the committed state, (m, 7, 8)."""
        return self.committed.copy()

    def restore(self, state: FloatArray) -> None:
        """Go back to a state.

        Parameters
        ----------
        state
            What ``state`` gave.
        """
        self.committed[...] = state

    def plastic_fraction(self, of: npt.NDArray[np.bool_]) -> float:
        """Share of elements with at least half of their points beyond yield, in the committed state.

        Parameters
        ----------
        of
            (m,) elements that count.

        Returns
        -------
        Fraction.
        """
        yielded = (self.committed[:, 6] > 0).sum(axis=1) >= POINTS // 2
        return float(yielded[of].mean()) if of.any() else 0.0

    def tangent(self) -> TangentOperator:
        """The tangent at the last internal_forces.

        Returns
        -------
        An operator.
        """
        return TangentOperator(self)


class TangentOperator:
    """Consistent tangent times a vector: bricks of constant stiffness where nothing flows, points elsewhere.

    Parameters
    ----------
    points
        Points whose tangents are current.
    """

    def __init__(self, points: Points) -> None:
        self._points = points
        bricks = points._bricks
        marks = np.zeros(len(bricks.corners), dtype=bool)
        flows(points.tangents, marks, 0, marks.size)
        self._chosen = np.flatnonzero(marks)
        coefficients = bricks.coefficients.copy()
        coefficients[:, marks] = 0.0
        elastic = Bricks(bricks.corners, bricks.layers, coefficients, bricks.node_count)
        self._elastic = ElementOperator(elastic, points._blocks, points.team)
        self._phases = two_colours(bricks.layers[self._chosen], points.team.threads) if self._chosen.size else []

    def apply(self, u: FloatArray) -> FloatArray:
        """Multiply.

        Parameters
        ----------
        u
            (n, 3).

        Returns
        -------
        (n, 3).
        """
        f = self._elastic.apply(u)
        p = self._points
        fixed = (p._mesh.corners, p.tables, p.mean, p.flags, p.tangents, self._chosen)
        for phase in self._phases:
            p.team.run(tangent_range, [(u, f, *fixed, first, last) for first, last in phase])
        return f


def gradients(spacing_mm: tuple[float, float, float]) -> tuple[FloatArray, FloatArray]:
    """Gradients of the eight shape functions at the eight points, and their mean.

    Parameters
    ----------
    spacing_mm
        Element size (dx, dy, dz) [mm].

    Returns
    -------
    (8, 8, 3) point, corner, direction, and (8, 3) [1/mm].
    """
    at = np.array([_gradient(np.array((x, y, z)), spacing_mm) for z in GAUSS for y in GAUSS for x in GAUSS])
    return at, at.mean(axis=0)


def _gradient(point: FloatArray, spacing_mm: tuple[float, float, float]) -> FloatArray:
    b = strain_displacement(point, spacing_mm).reshape(6, 8, 3)
    return np.stack([b[c, :, c] for c in range(3)], axis=1)


def elastic_blocks(spacing_mm: tuple[float, float, float], bbar: bool) -> FloatArray:
    """Mirror blocks of the elastic element, with or without B-bar, for ElementOperator.

    Parameters
    ----------
    spacing_mm
        Element size (dx, dy, dz) [mm].
    bbar
        Whether the volumetric strain is averaged over the element.

    Returns
    -------
    (3, 8, 6) for the factors lambda, mu, and none.
    """
    _, mean = gradients(spacing_mm)
    weight = float(np.prod(spacing_mm)) / POINTS
    stiffness: list[Any] = [np.zeros((24, 24)) for _ in range(3)]
    for z in GAUSS:
        for y in GAUSS:
            for x in GAUSS:
                b = strain_displacement(np.array((x, y, z)), spacing_mm)
                if bbar:
                    b[:3] += (mean.ravel() - b[:3].sum(axis=0)) / 3.0
                for n, elasticity in enumerate(lame_basis()):
                    stiffness[n] += weight * b.T @ elasticity @ b
    return np.stack([mirror_blocks_of(matrix) for matrix in stiffness]) / len(CORNERS)
