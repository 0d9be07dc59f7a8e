"""Elements in rows of columns, as the element operator takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.solver.batch_code import COLUMN, LANES
from BoneStrengthFEALib.solver.column_kernels import fill_columns, find_lines, spread
from BoneStrengthFEALib.volume import FloatArray

Ranges = list[list[tuple[int, int]]]


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of four nodes in batches of sixteen; between two neighbours of a batch is an element or a gap.

    Parameters
    ----------
    starts
        (c, 4) int32 first number of the padded row of node y + 2 z.
    owners
        (c,) int32 element between a column and the next; -1 for a gap.
    in_line
        (c / 16,) bool, the nodes of each corner of a batch are numbered one after the other.
    phases
        Ranges of columns (first, last): those of one phase share no node.
    """

    starts: npt.NDArray[np.int32]
    owners: npt.NDArray[np.int32]
    in_line: npt.NDArray[np.bool_]
    phases: Ranges

    def factors(self, coefficients: FloatArray, kind: npt.DTypeLike) -> FloatArray:
        """Stiffness factors behind the columns.

        Parameters
        ----------
        coefficients
            (q, m) factors of the elements.
        kind
            Type of the result.

        Returns
        -------
        (q, c), zero at gaps.
        """
        found = np.empty((len(coefficients), self.owners.size), kind)
        spread(coefficients, self.owners, found)
        return found


def pack(corners: npt.NDArray[np.int32], phases: Ranges) -> Columns:
    """Arrange elements in columns.

    Parameters
    ----------
    corners
        (m, 8) int32 nodes x + 2 y + 4 z; elements that follow one another along x should be neighbours here.
    phases
        Ranges of elements (first, last), by colour.

    Returns
    -------
    The columns.
    """
    none = (np.empty((0, COLUMN), np.int32), np.empty(0, np.int32), 0)
    sizes = [[fill_columns(corners, first, last, *none) for first, last in phase] for phase in phases]
    total = sum(map(sum, sizes))
    starts, owners = np.empty((total, COLUMN), np.int32), np.full(total, -1, np.int32)
    place = 0
    ranges: Ranges = []
    for phase, phase_sizes in zip(phases, sizes, strict=True):
        ranges.append([])
        for (first, last), size in zip(phase, phase_sizes, strict=True):
            fill_columns(corners, first, last, starts, owners, place)
            ranges[-1].append((place, place + size))
            place += size
    in_line = np.empty(total // LANES, np.bool_)
    find_lines(starts, in_line)
    return Columns(starts, owners, in_line, ranges)
