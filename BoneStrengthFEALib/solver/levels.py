"""What one level of the multigrid hierarchy holds, and the small levels packed for one compiled cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.solver.batch_code import WIDTH
from BoneStrengthFEALib.solver.coarsening import CoarseLevel
from BoneStrengthFEALib.solver.cycle_kernels import cycle
from BoneStrengthFEALib.solver.operator import ElementOperator
from BoneStrengthFEALib.volume import Array, FloatArray

Slabs = list[list[tuple[int, int]]]


@dataclass(eq=False)
class Level:
    """One level of the hierarchy.

    Parameters
    ----------
    operator
        K of this level.
    inverse_diagonal
        (n, 4) float32; zero where held.
    lambda_max
        Largest eigenvalue of D^-1 K that the smoother counts on.
    bound
        A value it cannot exceed.
    down
        Transfer to the next level; None on the coarsest.
    slabs
        Ranges of nodes, by colour, whose restrictions do not meet.
    """

    operator: ElementOperator
    inverse_diagonal: FloatArray
    lambda_max: float
    bound: float
    down: CoarseLevel | None = None
    slabs: Slabs | None = None

    def chebyshev(self, degree: int, smoothing_range: float) -> FloatArray:
        """Factors of the Chebyshev recurrence on [lambda_max / range, lambda_max].

        Parameters
        ----------
        degree
            Number of steps.
        smoothing_range
            Ratio of the ends of the damped interval.

        Returns
        -------
        (degree, 2) float32: d = keep d + take D^-1 (b - K x) in each step.
        """
        centre = 0.5 * self.lambda_max * (1.0 + 1.0 / smoothing_range)
        radius = 0.5 * self.lambda_max * (1.0 - 1.0 / smoothing_range)
        factors, rho = [(0.0, 1.0 / centre)], radius / centre
        for _ in range(degree - 1):
            following = 1.0 / (2.0 * centre / radius - rho)
            factors.append((following * rho, 2.0 * following / radius))
            rho = following
        return np.array(factors, np.float32)


class Work:
    """Work arrays of a level that threads share: x, b, d, f and s, (n, 4) float32.

    Parameters
    ----------
    count
        Number of nodes.
    """

    def __init__(self, count: int) -> None:
        self.x, self.b, self.d, self.f, self.s = (np.zeros((count, WIDTH), np.float32) for _ in range(5))


class PackedLevels:
    """Consecutive levels, the last of them solved directly, cycled through in one compiled call.

    Parameters
    ----------
    levels
        The levels, finest first.
    coarsest
        (3 n, 3 n) float32 inverse of the last one.
    """

    def __init__(self, levels: list[Level], coarsest: FloatArray) -> None:
        self.levels = levels
        self._nodes = _starts([len(level.inverse_diagonal) for level in levels])
        self._starts = _starts([len(level.operator.bricks.corners) for level in levels])
        self._rows = np.zeros((6, self._nodes[-1], WIDTH), np.float32)
        self._rows[5] = np.concatenate([level.inverse_diagonal for level in levels])
        self._elements = np.concatenate([level.operator.bricks.corners for level in levels])
        columns = [level.operator.columns for level in levels]
        stiffness = [level.operator.stiffness(np.float32) for level in levels]
        self._columns = _starts([c.owners.size for c in columns])
        self._rows_of_columns = np.concatenate([c.starts for c in columns])
        self._in_line = np.concatenate([c.in_line for c in columns])
        self._factors = np.ascontiguousarray(np.concatenate([factors for factors, _ in stiffness], axis=1))
        self._blocks = np.stack([blocks for _, blocks in stiffness])
        self._transfer = np.concatenate([_transfer(level) for level in levels])
        self._coarsest = coarsest
        self.x, self.b = (self._rows[n, : self._nodes[1]] for n in (0, 1))

    def cycle(self, chebyshev: FloatArray, visits: npt.NDArray[np.int64]) -> None:
        """Approximate K x = b on the first level.

        Parameters
        ----------
        chebyshev
            (L, degree, 2) float32 factors of each level.
        visits
            (L,) number of coarse corrections on each level.
        """
        levels = (self._nodes, self._starts, self._columns)
        stiffness = (self._rows_of_columns, self._in_line, self._factors, self._blocks)
        cycle(levels, self._rows, self._elements, stiffness, self._transfer, chebyshev, self._coarsest, visits)


def _starts(sizes: list[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _transfer(level: Level) -> Array:
    if level.down is None:
        return np.zeros((len(level.inverse_diagonal), 2), np.int32)
    return np.column_stack([level.down.parents, level.down.places.astype(np.int32)])


def restriction_slabs(down: CoarseLevel, threads: int, serial_below: int) -> Slabs:
    """Cut the nodes of a level into slabs of two colours; slabs of one colour restrict to different coarse nodes.

    Parameters
    ----------
    down
        Transfer to the next level.
    threads
        Number of slabs of a colour.
    serial_below
        Keep levels of fewer nodes in one piece.

    Returns
    -------
    Ranges (first, last) of nodes, by colour.
    """
    count = len(down.parents)
    if threads == 1 or count < serial_below:
        return [[(0, count)]]
    # nodes are sorted by layer; an odd layer and the even one above it restrict to the two coarse layers around
    layers = 2 * down.elements[down.parents, 0] + down.places // 9
    targets = layers[np.linspace(0, count, 2 * threads + 1).astype(np.int64)[1:-1]] | 1
    cuts = np.searchsorted(layers, np.unique(targets[targets > layers[0]]))
    edges = np.concatenate([[0], cuts[cuts > 0], [count]]).tolist()
    slabs = list(zip(edges[:-1], edges[1:], strict=True))
    return [slabs[0::2], slabs[1::2]] if len(slabs) > 1 else [slabs]
