"""Equilibrium at one load factor: inexact Newton with an energy line search.

References
----------
[1] Eisenstat SC, Walker HF (1996), SIAM J. Sci. Comput. 17:16, doi:10.1137/0917003: forcing terms.
[2] Matthies H, Strang G (1979), Int. J. Numer. Meth. Engng 14:1613: line search on the energy's slope.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.plasticity.krylov import correction
from BoneStrengthFEALib.plasticity.points import Points
from BoneStrengthFEALib.solver import vector_kernels as vk
from BoneStrengthFEALib.solver.system import System
from BoneStrengthFEALib.solver.teamwork import sum_over
from BoneStrengthFEALib.volume import FloatArray

FORCING = (1e-3, 0.05)
"""Tightest and loosest relative accuracy of a linear solution within Newton."""
SLOPE_LEFT = 0.6
"""A full step is taken when it leaves no more than this share of the energy's slope."""
LINE_SEARCHES = 4
MOST_LINEAR = 400
STALLED = 0.9
"""Share of the residual that a Newton iteration may leave before it counts as stalled."""
MOST_STALLED = 4


class NoEquilibriumError(Exception):
    """A step that did not converge; the caller takes a smaller one."""


@dataclass(eq=False)
class Equilibrium:
    """Finds displacements in equilibrium at a load factor.

    Parameters
    ----------
    system
        Mesh, constraints.
    points
        Points of the mesh.
    precondition
        Multigrid of the elastic stiffness.
    tolerance, max_newton
        See NonlinearOptions.
    check
        Called during work; may raise to cancel.
    newton_iterations, linear_iterations
        Spent so far.
    """

    system: System
    points: Points
    precondition: Callable[[FloatArray], FloatArray]
    tolerance: float
    max_newton: int
    check: Callable[[], None]
    newton_iterations: int = 0
    linear_iterations: int = 0

    def start(self, factor: float) -> FloatArray:
        """Elastic displacements at a factor, accurate to three digits.

        Parameters
        ----------
        factor
            Multiple of the prescribed displacements.

        Returns
        -------
        (n, 3) [mm].
        """
        u = np.zeros((self.system.mesh.nodes.size, 3))
        self.points.internal_forces(u)
        u += factor * self.system.constraints.given_mm().reshape(-1, 3)
        tangent = self.points.tangent()
        residual = -tangent.apply(u)
        self.system.constraints.add_forces(residual.reshape(-1), factor)
        self._project(residual)
        step, count = correction(
            tangent,
            self.precondition,
            self.system.constraints.project,
            residual,
            (1e-3, MOST_LINEAR, self.points.team),
            self.check,
        )
        self.linear_iterations += count
        return u + step

    def solve(self, u: FloatArray, factor: float) -> tuple[FloatArray, FloatArray, float]:
        """Find equilibrium from a start that has the prescribed displacements.

        Parameters
        ----------
        u
            (n, 3) start [mm].
        factor
            Multiple of prescribed displacements and forces.

        Returns
        -------
        Displacements, support forces f_int - f_ext (n, 3) [N], relative residual.

        Raises
        ------
        NoEquilibriumError
            When Newton does not converge.
        """
        residual, support, relative = self._residual(u, factor)
        forcing, stalled = FORCING[1], 0
        for _ in range(self.max_newton):
            if relative <= self.tolerance:
                return u, support, relative
            aim = max(forcing, 0.3 * self.tolerance / relative)
            step, count = correction(
                self.points.tangent(),
                self.precondition,
                self.system.constraints.project,
                residual,
                (min(aim, FORCING[1]), MOST_LINEAR, self.points.team),
                self.check,
            )
            self.newton_iterations += 1
            self.linear_iterations += count
            u, residual, support, after = self._search(u, step, residual, factor)
            if not np.isfinite(after):
                break
            stalled = stalled + 1 if after > STALLED * relative else 0
            if stalled >= MOST_STALLED:
                break
            forcing = float(np.clip(0.9 * (after / relative) ** 2, *FORCING))
            relative = after
        if relative <= self.tolerance:
            return u, support, relative
        raise NoEquilibriumError

    def _search(
        self, u: FloatArray, step: FloatArray, residual: FloatArray, factor: float
    ) -> tuple[FloatArray, FloatArray, FloatArray, float]:
        slope = self._dot(step, residual)
        length, low, slope_low = 1.0, 0.0, slope
        for _ in range(LINE_SEARCHES):
            at = u + length * step
            r, support, relative = self._residual(at, factor)
            left = self._dot(step, r)
            if not np.isfinite(left):
                length *= 0.25
                continue
            # the energy's slope has changed sign beyond what is tolerable: the step was too long
            if left >= -SLOPE_LEFT * abs(slope):
                break
            fraction = slope_low / (slope_low - left)
            length = low + (length - low) * float(np.clip(fraction, 0.1, 0.9))
        return at, r, support, relative

    def _residual(self, u: FloatArray, factor: float) -> tuple[FloatArray, FloatArray, float]:
        self.check()
        support = self.points.internal_forces(u)
        self.system.constraints.add_forces(support.reshape(-1), -factor)
        residual = -support
        self._project(residual)
        held = support + residual
        reaction = float(np.sqrt(self._dot(held, held)))
        applied = self.system.constraints.forces[1]
        if applied.size:
            reaction = max(reaction, factor * float(np.linalg.norm(applied)))
        return residual, support, float(np.sqrt(self._dot(residual, residual))) / max(reaction, 1e-300)

    def _dot(self, a: FloatArray, b: FloatArray) -> float:
        # not numpy's: its threads wait for each other on a busy machine
        return sum_over(self.points.team, vk.dot, a, b)

    def _project(self, vector: FloatArray) -> None:
        self.system.constraints.project(vector.reshape(-1))
