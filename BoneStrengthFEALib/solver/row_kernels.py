"""Loops of the multigrid cycle on padded float32 rows: the smoother, the transfer between levels.

Arrays of displacements or forces are (n, 4) float32, the fourth number zero; flat ones the same in one dimension.
Whoever reads the result f of the operator sets it to zero again, so that the next product can be added to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.solver.compiling import compiled, compiled_sum

_WEIGHTS = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
_ALL = np.einsum("zc,yb,xa->zyxcba", _WEIGHTS, _WEIGHTS, _WEIGHTS).reshape(27, 8)
COUNT = np.count_nonzero(_ALL, axis=1).astype(np.int64)
"""(27,) corners that a place x + 3 y + 9 z of the 3x3x3 fine positions is interpolated from."""
CORNER = np.argsort(_ALL == 0, axis=1, kind="stable").astype(np.int64)
"""(27, 8) these corners first."""
WEIGHT = np.take_along_axis(_ALL, CORNER, axis=1).astype(np.float32)
"""(27, 8) their weights."""


@compiled
def invert(inverse: Any, diagonal: Any, fixed: Any, first: int, last: int) -> None:
    """Inverse (n, 4) of a diagonal (n, 3), zero where held or nothing is stiff, for nodes first..last-1."""
    for n in range(first, last):
        for c in range(3):
            if diagonal[n, c] > 0.0 and not fixed[n, c]:
                inverse[n, c] = 1.0 / diagonal[n, c]


@compiled
def begin(x: Any, d: Any, b: Any, inverse: Any, take: Any) -> None:
    """X = d = take D^-1 b: the first Chebyshev step from zero; flat."""
    for n in range(x.size):
        d[n] = take * inverse[n] * b[n]
        x[n] = d[n]


@compiled
def advance(x: Any, d: Any, b: Any, f: Any, inverse: Any, keep: Any, take: Any) -> None:
    """D = keep d + take D^-1 (b - f); x += d; f = 0; flat."""
    for n in range(x.size):
        d[n] = keep * d[n] + take * inverse[n] * (b[n] - f[n])
        x[n] += d[n]
        f[n] = np.float32(0)


@compiled
def residual(d: Any, b: Any, f: Any, inverse: Any) -> None:
    """D = b - f where free, else 0; f = 0; flat."""
    for n in range(d.size):
        d[n] = b[n] - f[n] if inverse[n] > np.float32(0) else np.float32(0)
        f[n] = np.float32(0)


@compiled
def correct(x: Any, d: Any, s: Any, f: Any, inverse: Any, length: Any, take: Any) -> None:
    """X += length s, then the first Chebyshev step with the residual d - length f; f = 0; flat."""
    for n in range(x.size):
        d[n] = take * inverse[n] * (d[n] - length * f[n])
        x[n] += length * s[n] + d[n]
        f[n] = np.float32(0)


@compiled_sum
def work_and_energy(d: Any, s: Any, f: Any) -> Any:
    """Products d.s and s.f in float64; flat."""
    work, energy = 0.0, 0.0
    for n in range(d.size):
        work += np.float64(d[n]) * np.float64(s[n])
        energy += np.float64(s[n]) * np.float64(f[n])
    return work, energy


@compiled
def prolong(s: Any, coarse: Any, inverse: Any, corners: Any, parents: Any, places: Any, first: int, last: int) -> None:
    """s[n] = sum_a w_a coarse[corner a of the parent], zero where held, for nodes first..last-1."""
    zero = np.float32(0)
    for n in range(first, last):
        e, place = parents[n], places[n]
        s0, s1, s2 = zero, zero, zero
        for t in range(COUNT[place]):
            m, weight = corners[e, CORNER[place, t]], WEIGHT[place, t]
            s0 += weight * coarse[m, 0]
            s1 += weight * coarse[m, 1]
            s2 += weight * coarse[m, 2]
        s[n, 0] = s0 if inverse[n, 0] > zero else zero
        s[n, 1] = s1 if inverse[n, 1] > zero else zero
        s[n, 2] = s2 if inverse[n, 2] > zero else zero


@compiled
def restrict(coarse: Any, fine: Any, corners: Any, parents: Any, places: Any, first: int, last: int) -> None:
    """Coarse += P^T fine, for nodes first..last-1."""
    for n in range(first, last):
        e, place = parents[n], places[n]
        f0, f1, f2 = fine[n, 0], fine[n, 1], fine[n, 2]
        for t in range(COUNT[place]):
            m, weight = corners[e, CORNER[place, t]], WEIGHT[place, t]
            coarse[m, 0] += weight * f0
            coarse[m, 1] += weight * f1
            coarse[m, 2] += weight * f2


@compiled
def multiply_dense(y: Any, matrix: Any, b: Any) -> None:
    """Y = A b for a symmetric A (3 n, 3 n) and rows y, b (n, 4)."""
    total = np.zeros(matrix.shape[0], np.float32)
    for row in range(matrix.shape[0]):
        factor = b[row // 3, row % 3]
        for column in range(matrix.shape[0]):
            total[column] += factor * matrix[row, column]
    for row in range(matrix.shape[0]):
        y[row // 3, row % 3] = total[row]
