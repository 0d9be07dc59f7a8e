"""Geometric multigrid in float32, the preconditioner of the conjugate gradients.

References
----------
[1] Briggs, Henson, McCormick (2000), A Multigrid Tutorial, 2nd ed., SIAM: V- and W-cycles.
[2] Adams, Brezina, Hu, Tuminaro (2003), Parallel multigrid smoothing: polynomial versus Gauss-Seidel,
    J. Comput. Phys. 188:593, doi:10.1016/S0021-9991(03)00194-3: Chebyshev smoothing.
[3] Saad (2003), Iterative Methods for Sparse Linear Systems, 2nd ed., algorithm 12.1: Chebyshev recurrence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.solver import vector_kernels as vk
from BoneStrengthFEALib.solver.coarsening import CoarseLevel, coarsen
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.element import mirror_blocks
from BoneStrengthFEALib.solver.operator import Bricks, ElementOperator
from BoneStrengthFEALib.solver.spectrum import element_bound, largest_eigenvalue
from BoneStrengthFEALib.solver.teamwork import pieces, run_over, sum_over
from BoneStrengthFEALib.volume import FloatArray

DEGREE = 4
"""Chebyshev degree before and after each coarse correction."""
SMOOTHING_RANGE = 16.0
"""The smoother damps eigenvalues from lambda_max / SMOOTHING_RANGE up."""
SAFETY = 1.06
"""Margin on the estimated lambda_max."""
COARSEST_NODES = 400
"""Solve directly at or below so many nodes."""
POROUS_NODES_PER_ELEMENT = 1.3
"""Above it a model counts as porous: a W-cycle pays there, and only there."""
FIXED_SHARE = 0.5
"""A coarse component is held when at least this share of what it interpolates is held."""
REGULARISATION = 1e-6
"""Added to the coarsest matrix, relative to its mean diagonal: rigid motions may be free."""


@dataclass(eq=False)
class Level:
    """One level of the hierarchy with its work arrays.

    Parameters
    ----------
    operator
        K of this level.
    inverse_diagonal
        (n, 3) float32; zero where held.
    lambda_max
        Largest eigenvalue of D^-1 K that the smoother counts on.
    bound
        A value it cannot exceed.
    down
        Transfer to the next level; None on the coarsest.
    """

    operator: ElementOperator
    inverse_diagonal: FloatArray
    lambda_max: float
    bound: float
    down: CoarseLevel | None = None

    def __post_init__(self) -> None:
        """Allocate the work arrays once."""
        shape = self.inverse_diagonal.shape
        self.x, self.b, self.d = (np.zeros(shape, np.float32) for _ in range(3))


class Multigrid:
    """The hierarchy.

    Parameters
    ----------
    elements
        (m, 3) positions (k, j, i) of the fine elements.
    bricks
        Fine elements.
    fixed
        (n, 3) held components.
    coarse_fixed
        (n, 3) components that coarse levels hold: also those tied to a platen whose displacement is prescribed.
    elasticities
        Three (6, 6) stiffness bases.
    spacing_mm
        Fine element size [mm].
    team
        Threads.
    """

    def __init__(
        self,
        elements: npt.NDArray[np.int32],
        bricks: Bricks,
        fixed: npt.NDArray[np.bool_],
        coarse_fixed: npt.NDArray[np.bool_],
        elasticities: list[FloatArray],
        spacing_mm: tuple[float, float, float],
        team: Team,
    ) -> None:
        self.team = team
        self._elasticities = elasticities
        self.porous = bricks.node_count > POROUS_NODES_PER_ELEMENT * len(elements)
        self.levels: list[Level] = []
        self._build(elements, bricks, (fixed, coarse_fixed), spacing_mm)
        self._coarsest = _dense_inverse(self.levels[-1], self._fixed_coarsest)

    def _build(
        self,
        elements: npt.NDArray[np.int32],
        bricks: Bricks,
        held: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
        spacing_mm: tuple[float, float, float],
    ) -> None:
        fixed, coarse_fixed = held
        while True:
            blocks = np.stack([mirror_blocks(e, spacing_mm) for e in self._elasticities]) / 8.0
            bound = element_bound(bricks.coefficients, self._elasticities, spacing_mm)
            level = _make_level(ElementOperator(bricks, blocks, self.team), fixed, bound, self.porous)
            self.levels.append(level)
            if bricks.node_count <= COARSEST_NODES or len(elements) == 1:
                break
            down = coarsen(elements, bricks.corners, bricks.coefficients, bricks.node_count)
            if down.node_count >= bricks.node_count:
                break
            level.down = down
            fixed = coarse_fixed = self._coarse_fixed(down, coarse_fixed)
            elements, spacing_mm = down.elements, (2 * spacing_mm[0], 2 * spacing_mm[1], 2 * spacing_mm[2])
            bricks = Bricks(down.corners, down.elements[:, 0], down.coefficients, down.node_count)
        self._fixed_coarsest = fixed

    def _coarse_fixed(self, down: CoarseLevel, fixed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        held, all_of = (np.zeros((down.node_count, 3), np.float32) for _ in range(2))
        arguments = (down.corners, down.parents, down.places, 0, len(down.parents))
        vk.restrict_range(held, fixed.astype(np.float32), *arguments)
        vk.restrict_range(all_of, np.ones(fixed.shape, np.float32), *arguments)
        return np.asarray(held >= FIXED_SHARE * all_of)

    def __call__(self, r: FloatArray) -> FloatArray:
        """Approximate K^-1 r.

        Parameters
        ----------
        r
            (n, 3) residual, any real type.

        Returns
        -------
        (n, 3) float32 correction; overwritten by the next call.
        """
        self.levels[0].b[...] = r
        self._cycle(0)
        return self.levels[0].x

    def retreat(self) -> bool:
        """Fall back to eigenvalue bounds that hold for any model, after a breakdown.

        Returns
        -------
        Whether anything changed.
        """
        changed = any(level.lambda_max < level.bound for level in self.levels)
        for level in self.levels:
            level.lambda_max = level.bound
        return changed

    def _cycle(self, number: int) -> None:
        level = self.levels[number]
        if number == len(self.levels) - 1:
            level.x[...] = (self._coarsest @ level.b.ravel()).reshape(level.x.shape)
            return
        self._smooth(level, None)
        for _ in range(2 if self.porous and number >= 1 else 1):
            self._smooth(level, self._correct(number, level))

    def _correct(self, number: int, level: Level) -> FloatArray:
        """Add the coarse correction, as long as minimises the energy; returns K x after it."""
        coarse, down = self.levels[number + 1], level.down
        assert down is not None
        f = level.operator.apply(level.x)
        self._over(vk.masked_residual, level.d, level.b, f, level.inverse_diagonal)
        coarse.b[...] = 0.0
        vk.restrict_range(coarse.b, level.d, down.corners, down.parents, down.places, 0, len(f))
        self._cycle(number + 1)
        step = np.empty_like(level.x)
        calls = [
            (step, coarse.x, level.inverse_diagonal, down.corners, down.parents, down.places, first, last)
            for first, last in pieces(len(f), self.team.threads)
        ]
        self.team.run(vk.prolong_range, calls)
        g = level.operator.apply(step)
        work = sum_over(self.team, vk.dot, level.d, step)
        energy = sum_over(self.team, vk.dot, step, g)
        # averaged moduli make coarse levels of porous bone too stiff here and too soft there: never step blindly
        length = np.float32(work / energy if energy > 0.0 else 0.0)
        self._over(vk.add_scaled, level.x, step, length)
        self._over(vk.add_scaled, f, g, length)
        return f

    def _smooth(self, level: Level, f: FloatArray | None) -> None:
        """Chebyshev recurrence [3] on [lambda_max / SMOOTHING_RANGE, lambda_max]; f is K x, None for x = 0."""
        centre = 0.5 * level.lambda_max * (1.0 + 1.0 / SMOOTHING_RANGE)
        radius = 0.5 * level.lambda_max * (1.0 - 1.0 / SMOOTHING_RANGE)
        x, d, b, scaling = level.x, level.d, level.b, level.inverse_diagonal
        if f is None:
            self._over(vk.chebyshev_start, x, d, b, scaling, np.float32(1.0 / centre))
        else:
            self._over(vk.chebyshev_step, x, d, b, f, scaling, np.float32(0.0), np.float32(1.0 / centre))
        rho = radius / centre
        for _ in range(DEGREE - 1):
            rho_next = 1.0 / (2.0 * centre / radius - rho)
            f = level.operator.apply(x)
            keep, take = np.float32(rho_next * rho), np.float32(2.0 * rho_next / radius)
            self._over(vk.chebyshev_step, x, d, b, f, scaling, keep, take)
            rho = rho_next

    def _over(self, kernel: Callable[..., Any], *arguments: Any) -> None:
        run_over(self.team, kernel, *arguments)


def _make_level(operator: ElementOperator, fixed: npt.NDArray[np.bool_], bound: float, porous: bool) -> Level:
    diagonal = operator.diagonal()
    inverse = np.zeros(diagonal.shape, np.float32)
    free = ~fixed & (diagonal > 0)
    inverse[free] = 1.0 / diagonal[free]
    # single stiff elements in porous or very uneven bone reach the bound and escape an estimate
    estimate = bound if porous else min(bound, SAFETY * largest_eigenvalue(operator, inverse))
    return Level(operator, inverse, estimate, bound)


def _dense_inverse(level: Level, fixed: npt.NDArray[np.bool_]) -> FloatArray:
    size = level.x.size
    matrix = np.zeros((size, size))
    unit = np.zeros(level.x.shape)
    for column in range(size):
        unit.flat[column] = 1.0
        matrix[:, column] = level.operator.apply(unit).ravel()
        unit.flat[column] = 0.0
    free = (~fixed & (level.inverse_diagonal > 0)).ravel()
    inverse = np.zeros((size, size), np.float32)
    if free.any():
        inner = matrix[np.ix_(free, free)]
        inner += REGULARISATION * np.trace(inner) / len(inner) * np.eye(len(inner))
        inverse[np.ix_(free, free)] = np.linalg.inv(inner)
    return inverse
