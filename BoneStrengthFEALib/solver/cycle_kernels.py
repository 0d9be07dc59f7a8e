"""The small levels of a multigrid cycle in one compiled call.

Levels too small to share out among threads are visited often; called one kernel at a time from the interpreter they
would take most of a cycle. Their arrays are packed one behind the other, the finest first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.solver.column_kernels import apply_columns
from BoneStrengthFEALib.solver.compiling import compiled
from BoneStrengthFEALib.solver.row_kernels import (
    advance,
    begin,
    correct,
    multiply_dense,
    prolong,
    residual,
    restrict,
    work_and_energy,
)


@compiled
def cycle(
    levels: Any, rows: Any, elements: Any, stiffness: Any, transfer: Any, chebyshev: Any, coarsest: Any, visits: Any
) -> None:
    """Approximate K x = b on packed levels.

    levels: (L+1,) first node, element and column of each level; rows (6, N, 4): x, b, d, f, s, D^-1; elements (M, 8)
    corners; stiffness: starts, in_line, factors of all columns and blocks (L, ...) of each level, see apply_columns;
    transfer (N, 2) int32 parent (counted from the first element of the next level) and place; chebyshev
    (L, degree, 2) factors keep and take; coarsest: inverse; visits (L,) coarse corrections of each level.
    """
    nodes, first_elements, first_columns = levels
    last = nodes.size - 2
    done = np.zeros(last + 1, np.int64)
    level, descending = 0, True
    while True:
        n0, n1, c0, c1 = nodes[level], nodes[level + 1], first_columns[level], first_columns[level + 1]
        x, b, d = rows[0, n0:n1], rows[1, n0:n1], rows[2, n0:n1]
        f, s, inverse = rows[3, n0:n1], rows[4, n0:n1], rows[5, n0:n1]
        if level == last:
            multiply_dense(x, coarsest, b)
            if last == 0:
                return
            level, descending = level - 1, False
            continue
        n2 = nodes[level + 2]
        corners, parents, places = elements[first_elements[level + 1] :], transfer[n0:n1, 0], transfer[n0:n1, 1]
        if descending:
            begin(x.reshape(-1), d.reshape(-1), b.reshape(-1), inverse.reshape(-1), chebyshev[level, 0, 1])
            done[level] = 0
        else:
            prolong(s, rows[0, n1:n2], inverse, corners, parents, places, 0, n1 - n0)
            _apply(s, f, stiffness, level, c0, c1)
            work, energy = work_and_energy(d.reshape(-1), s.reshape(-1), f.reshape(-1))
            length = np.float32(work / energy if energy > 0.0 else 0.0)
            take = chebyshev[level, 0, 1]
            correct(x.reshape(-1), d.reshape(-1), s.reshape(-1), f.reshape(-1), inverse.reshape(-1), length, take)
            done[level] += 1
        for k in range(1, chebyshev.shape[1]):
            _apply(x, f, stiffness, level, c0, c1)
            keep, take = chebyshev[level, k, 0], chebyshev[level, k, 1]
            advance(x.reshape(-1), d.reshape(-1), b.reshape(-1), f.reshape(-1), inverse.reshape(-1), keep, take)
        if done[level] == visits[level]:
            if level == 0:
                return
            level, descending = level - 1, False
            continue
        _apply(x, f, stiffness, level, c0, c1)
        residual(d.reshape(-1), b.reshape(-1), f.reshape(-1), inverse.reshape(-1))
        rows[1, n1:n2] = np.float32(0)
        restrict(rows[1, n1:n2], d, corners, parents, places, 0, n1 - n0)
        level, descending = level + 1, True


@compiled
def _apply(u: Any, f: Any, stiffness: Any, level: int, first: int, last: int) -> None:
    starts, in_line, factors, blocks = stiffness
    apply_columns(u, f, starts, in_line, factors, blocks[level], first, last)
