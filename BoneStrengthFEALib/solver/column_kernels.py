"""Loops over elements in columns: arranging them, the operator, its diagonal."""

from __future__ import annotations

from typing import Any

from BoneStrengthFEALib.solver.batch_code import COLUMN, LANES, WIDTH, add_batch, add_line
from BoneStrengthFEALib.solver.compiling import compiled


@compiled
def fill_columns(corners: Any, first: int, last: int, starts: Any, owners: Any, place: int) -> int:
    """Write the columns of elements first..last-1 from place on, unless starts is empty; returns how many."""
    write, c = starts.size > 0, 0
    for e in range(first, last):
        # the last column of a batch belongs to no element
        chained = e > first and c % LANES != 0 and _shares_face(corners, e)
        if not chained:
            if c % LANES == LANES - 1:
                if write:
                    _repeat_column(starts, place + c)
                c += 1
            if write:
                _write_column(starts, place + c, corners, e, 0)
            c += 1
        if write:
            owners[place + c - 1] = e
            _write_column(starts, place + c, corners, e, 1)
        c += 1
    padded = c + (-c) % LANES
    for gap in range(c if write else padded, padded):
        # a gap repeats nodes of its own batch: adding zero elsewhere could undo what another thread adds
        _repeat_column(starts, place + gap)
    return padded


@compiled
def _repeat_column(starts: Any, c: int) -> None:
    # a loop: assigning rows compiles numba's text of a mismatch in shape, four seconds
    for yz in range(COLUMN):
        starts[c, yz] = starts[c - 1, yz]


@compiled
def _write_column(starts: Any, c: int, corners: Any, e: int, side: int) -> None:
    for yz in range(COLUMN):
        starts[c, yz] = WIDTH * corners[e, 2 * yz + side]


@compiled
def _shares_face(corners: Any, e: int) -> bool:
    same = 0
    for yz in range(COLUMN):
        same += corners[e - 1, 2 * yz + 1] == corners[e, 2 * yz]
    return same == COLUMN


@compiled
def find_lines(starts: Any, in_line: Any) -> None:
    """Mark batches whose nodes follow one another at each corner."""
    for batch in range(in_line.size):
        found = True
        for c in range(LANES * batch + 1, LANES * (batch + 1)):
            for yz in range(COLUMN):
                found = found and starts[c, yz] == starts[c - 1, yz] + WIDTH
        in_line[batch] = found


@compiled
def spread(coefficients: Any, owners: Any, factors: Any) -> None:
    """Factors of the elements that own columns; zero where none does."""
    for k in range(coefficients.shape[0]):
        for c in range(owners.size):
            factors[k, c] = coefficients[k, owners[c]] if owners[c] >= 0 else 0.0


@compiled
def apply_columns(u: Any, f: Any, starts: Any, in_line: Any, factors: Any, blocks: Any, first: int, last: int) -> None:
    """Add K u of the elements of columns first..last-1 to f.

    u, f (n, 4) float32 or (n, 3) float64; starts, in_line: see Columns; factors (q, c) and blocks (3, 8, 6), or
    (8, 6) for q = 1, of the same type; blocks are already divided by 8: the two transforms are not normalised.
    """
    c = first
    padded = u.shape[1] == WIDTH
    while c < last:
        # two loops, not one with a branch: each is compiled to faster code
        while c < last and not (padded and in_line[c // LANES]):
            add_batch(u, f, starts, factors, blocks, c)
            c += LANES
        while c < last and padded and in_line[c // LANES]:
            add_line(u, f, starts, factors, blocks, c)
            c += LANES


@compiled
def add_diagonal(diagonal: Any, corners: Any, coefficients: Any, element_diagonals: Any, first: int, last: int) -> None:
    """Add the diagonal of K; element_diagonals: (q, 3) per basis and component (equal at all eight corners)."""
    for e in range(first, last):
        for component in range(3):
            value = 0.0
            for k in range(coefficients.shape[0]):
                value += coefficients[k, e] * element_diagonals[k, component]
            for a in range(8):
                diagonal[corners[e, a], component] += value
