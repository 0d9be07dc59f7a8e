"""Geometric multigrid in float32, the preconditioner of the conjugate gradients.

References
----------
[1] Briggs, Henson, McCormick (2000), A Multigrid Tutorial, 2nd ed., SIAM: W-cycles.
[2] Adams, Brezina, Hu, Tuminaro (2003), Parallel multigrid smoothing: polynomial versus Gauss-Seidel,
    J. Comput. Phys. 188:593, doi:10.1016/S0021-9991(03)00194-3: Chebyshev smoothing.
[3] Saad (2003), Iterative Methods for Sparse Linear Systems, 2nd ed., algorithm 12.1: Chebyshev recurrence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.solver import row_kernels as rk
from BoneStrengthFEALib.solver.batch_code import WIDTH
from BoneStrengthFEALib.solver.coarsening import CoarseLevel, coarsen
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.levels import Level, PackedLevels, Work, restriction_slabs
from BoneStrengthFEALib.solver.operator import SERIAL_BELOW, AssembledOperator, Bricks, ElementOperator
from BoneStrengthFEALib.solver.spectrum import element_bound, largest_eigenvalue
from BoneStrengthFEALib.solver.teamwork import copy_rows, pieces, run_over
from BoneStrengthFEALib.volume import FloatArray

DEGREE = 4
"""Chebyshev degree before and after each coarse correction; bodies one voxel thick have their own."""
SMOOTHING_RANGE = 16.0
"""The smoother damps eigenvalues from lambda_max / SMOOTHING_RANGE up."""
SAFETY = 1.06
"""Margin on the estimated lambda_max."""
COARSEST_NODES = 100
"""Solve directly at or below so many nodes."""
VISITS, VISITS_POROUS = 2, 3
"""Coarse corrections on every level but the finest, which takes one: a W-cycle. Porous bone takes one more: a third
fewer iterations for the same time, and less of a tail where struts are one voxel thick."""
POROUS_NODES_PER_ELEMENT = 1.3
"""Above it a model counts as porous."""
THIN_NODES_PER_ELEMENT = 2.0
"""Above it most of a model is one voxel thick. Boxes cannot bend as thin walls do, however exactly the coarse levels
are solved, and these levels shrink slowly: two corrections each and more smoothing nearly halve iterations and time.
One correction (a V-cycle) is faster still on wide shells but fails on slender bars."""
THIN_DEGREE, THIN_SMOOTHING_RANGE = 8, 60.0
"""Degree and range of the smoother there: the range grows with the square of the degree."""
FIXED_SHARE = 0.2
"""A coarse component is held when at least this share of what it interpolates is held. A coarse component that moves
where the fine one cannot makes the correction too stiff; with a half, supports of real bone took six times as many
iterations, and below a fifth nothing more is gained."""
REGULARISATION = 1e-6
"""Added to the coarsest matrix, relative to its mean diagonal: rigid motions may be free."""


class Multigrid:
    """The hierarchy.

    Parameters
    ----------
    elements
        (m, 3) positions (k, j, i) of the fine elements.
    operator
        K of the fine elements.
    fixed
        (n, 3) held components; and (n, 3) components that coarse levels hold: also those tied to a platen whose
        displacement is prescribed.
    elasticities
        (6, 6) stiffness bases, one for each row of the bricks' coefficients.
    spacing_mm
        Fine element size [mm].
    team
        Threads.
    after_level
        Called with the number of levels that are ready; may raise to cancel.
    """

    def __init__(
        self,
        elements: npt.NDArray[np.int32],
        operator: ElementOperator,
        fixed: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
        elasticities: list[FloatArray],
        spacing_mm: tuple[float, float, float],
        team: Team,
        after_level: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.team = team
        self._after_level = after_level
        self._elasticities = elasticities
        self.levels: list[Level] = []
        held, coarsest_mm = self._build(elements, operator, fixed, spacing_mm)
        shared = [n for n, level in enumerate(self.levels[:-1]) if _worth_sharing(level)]
        self._shared = len(shared)
        self._work = [Work(len(level.inverse_diagonal)) for level in self.levels[: self._shared]]
        coarsest = AssembledOperator(self.levels[-1].operator.bricks, elasticities, coarsest_mm).matrix.toarray()
        inverse = _regularised_inverse(coarsest, ~held & (self.levels[-1].inverse_diagonal[:, :3] > 0))
        self._packed = PackedLevels(self.levels[self._shared :], inverse)
        visits, self._smoother = _cycle_for(operator.bricks.node_count / len(elements))
        self._visits = np.array([1] + [visits] * (len(self.levels) - 1))
        self._set_smoother()

    def _build(
        self,
        elements: npt.NDArray[np.int32],
        operator: ElementOperator,
        held: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
        spacing_mm: tuple[float, float, float],
    ) -> tuple[npt.NDArray[np.bool_], tuple[float, float, float]]:
        fixed, coarse_fixed = held
        # holds on every level: boxes keep their proportions, and means of lambda / mu do not exceed the largest
        bound = element_bound(operator.bricks.coefficients, self._elasticities, spacing_mm)
        while True:
            bricks = operator.bricks
            level = _make_level(operator, fixed, bound)
            self.levels.append(level)
            self._after_level(len(self.levels))
            if bricks.node_count <= COARSEST_NODES or len(elements) == 1:
                return fixed, spacing_mm
            down = coarsen(elements, bricks.corners, bricks.coefficients, bricks.node_count)
            if down.node_count >= bricks.node_count:
                return fixed, spacing_mm
            level.down = down
            level.slabs = restriction_slabs(down, self.team.threads, SERIAL_BELOW)
            fixed = coarse_fixed = _coarse_fixed(down, coarse_fixed)
            elements, spacing_mm = down.elements, (2 * spacing_mm[0], 2 * spacing_mm[1], 2 * spacing_mm[2])
            bricks = Bricks(down.corners, down.elements[:, 0], down.coefficients, down.node_count)
            # boxes twice as large are twice as stiff
            operator = ElementOperator(bricks, 2.0 * operator.blocks, self.team)

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
        first = self._work[0] if self._shared else self._packed
        copy_rows(self.team, first.b[:, :3], r)
        self._cycle(0)
        return first.x[:, :3]

    def retreat(self) -> bool:
        """Fall back to eigenvalue bounds that hold for any model, after a breakdown.

        Returns
        -------
        Whether anything changed.
        """
        changed = any(level.lambda_max < level.bound for level in self.levels)
        for level in self.levels:
            level.lambda_max = level.bound
        self._set_smoother()
        return changed

    def _set_smoother(self) -> None:
        self._chebyshev = np.stack([level.chebyshev(*self._smoother) for level in self.levels])

    def _cycle(self, number: int) -> None:
        if number == self._shared:
            self._packed.cycle(self._chebyshev[number:], self._visits[number:])
            return
        level, work = self.levels[number], self._work[number]
        self._over(rk.begin, work.x, work.d, work.b, level.inverse_diagonal, self._chebyshev[number, 0, 1])
        self._smooth(number)
        for _ in range(self._visits[number]):
            self._correct(number)
            self._smooth(number)

    def _smooth(self, number: int) -> None:
        """Chebyshev steps [3] after the first."""
        level, work = self.levels[number], self._work[number]
        for keep, take in self._chebyshev[number, 1:]:
            level.operator.add_rows(work.x, work.f)
            self._over(rk.advance, work.x, work.d, work.b, work.f, level.inverse_diagonal, keep, take)

    def _correct(self, number: int) -> None:
        """Add the coarse correction, as long as minimises the energy, and take the first Chebyshev step."""
        level, work = self.levels[number], self._work[number]
        coarse = self._packed if number + 1 == self._shared else self._work[number + 1]
        down, inverse = level.down, level.inverse_diagonal
        assert down is not None
        assert level.slabs is not None
        transfer = (down.corners, down.parents, down.places)
        level.operator.add_rows(work.x, work.f)
        self._over(rk.residual, work.d, work.b, work.f, inverse)
        coarse.b[...] = 0.0
        for slabs in level.slabs:
            self.team.run(rk.restrict, [(coarse.b, work.d, *transfer, *slab) for slab in slabs])
        self._cycle(number + 1)
        parts = pieces(len(inverse), self.team.threads)
        self.team.run(rk.prolong, [(work.s, coarse.x, inverse, *transfer, *part) for part in parts])
        level.operator.add_rows(work.s, work.f)
        products = np.sum(run_over(self.team, rk.work_and_energy, work.d, work.s, work.f), axis=0)
        # averaged moduli make coarse levels of porous bone too stiff here and too soft there: never step blindly
        length = np.float32(products[0] / products[1] if products[1] > 0.0 else 0.0)
        self._over(rk.correct, work.x, work.d, work.s, work.f, inverse, length, self._chebyshev[number, 0, 1])

    def _over(self, kernel: Any, *arguments: Any) -> None:
        run_over(self.team, kernel, *arguments)


def _cycle_for(nodes_per_element: float) -> tuple[int, tuple[int, float]]:
    """Coarse corrections per level; degree and range of the smoother."""
    if nodes_per_element > THIN_NODES_PER_ELEMENT:
        return VISITS, (THIN_DEGREE, THIN_SMOOTHING_RANGE)
    porous = nodes_per_element > POROUS_NODES_PER_ELEMENT
    return VISITS_POROUS if porous else VISITS, (DEGREE, SMOOTHING_RANGE)


def _worth_sharing(level: Level) -> bool:
    return len(level.operator.bricks.corners) >= SERIAL_BELOW


def _coarse_fixed(down: CoarseLevel, fixed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    held, all_of = (np.zeros((down.node_count, 3), np.float32) for _ in range(2))
    transfer = (down.corners, down.parents, down.places, 0, len(down.parents))
    rk.restrict(held, fixed.astype(np.float32), *transfer)
    rk.restrict(all_of, np.ones(fixed.shape, np.float32), *transfer)
    return np.asarray(held >= FIXED_SHARE * all_of)


def _make_level(operator: ElementOperator, fixed: npt.NDArray[np.bool_], bound: float) -> Level:
    diagonal = operator.diagonal()
    inverse = np.zeros((len(diagonal), WIDTH), np.float32)
    parts = pieces(len(diagonal), operator.team.threads)
    operator.team.run(rk.invert, [(inverse, diagonal, fixed, *part) for part in parts])
    return Level(operator, inverse, min(bound, SAFETY * largest_eigenvalue(operator, inverse)), bound)


def _regularised_inverse(matrix: FloatArray, is_free: npt.NDArray[np.bool_]) -> FloatArray:
    free = is_free.ravel()
    inverse = np.zeros(matrix.shape, np.float32)
    if free.any():
        inner = matrix[np.ix_(free, free)]
        inner += REGULARISATION * np.trace(inner) / len(inner) * np.eye(len(inner))
        inverse[np.ix_(free, free)] = np.linalg.inv(inner)
    return inverse
