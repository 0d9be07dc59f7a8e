"""The inner loops of the element operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.solver.compiling import compiled

BATCH = 16
"""Elements worked on side by side: one vector register of float32 on AVX-512, two on AVX2."""

ROW1, ROW2, ROW3, ROW4, ROW5, ROW6, ROW7 = (np.uint64(n * BATCH) for n in range(1, 8))
ROW8, ROW16 = np.uint64(8 * BATCH), np.uint64(16 * BATCH)

# blocks[k, t, entry]: k-th stiffness basis, parity class t, entries (0,0) (1,1) (2,2) (0,1) (0,2) (1,2)


@compiled
def _butterfly(w: Any, offset: Any) -> None:
    """8-point Walsh-Hadamard transform (not normalised) of one component for a whole batch, in place; w: (384,)."""
    for b in range(BATCH):
        # unsigned indices spare the test for negative ones, which would stop vectorisation
        o = np.uint64(offset + b)
        a0, a1, a2, a3 = w[o], w[o + ROW1], w[o + ROW2], w[o + ROW3]
        a4, a5, a6, a7 = w[o + ROW4], w[o + ROW5], w[o + ROW6], w[o + ROW7]
        b0, b1, b2, b3 = a0 + a1, a0 - a1, a2 + a3, a2 - a3
        b4, b5, b6, b7 = a4 + a5, a4 - a5, a6 + a7, a6 - a7
        a0, a1, a2, a3 = b0 + b2, b1 + b3, b0 - b2, b1 - b3
        a4, a5, a6, a7 = b4 + b6, b5 + b7, b4 - b6, b5 - b7
        w[o], w[o + ROW1], w[o + ROW2], w[o + ROW3] = a0 + a4, a1 + a5, a2 + a6, a3 + a7
        w[o + ROW4], w[o + ROW5], w[o + ROW6], w[o + ROW7] = a0 - a4, a1 - a5, a2 - a6, a3 - a7


@compiled
def _multiply_block(w: Any, t: Any, blocks: Any) -> None:
    """Multiply one parity class of a batch by its 3x3 block, in place; the coefficients stand behind the components."""
    i, j, k = (t ^ 1) * BATCH, (8 + (t ^ 2)) * BATCH, (16 + (t ^ 4)) * BATCH
    p0, p1, p2 = blocks[0, t, 0], blocks[0, t, 1], blocks[0, t, 2]
    p3, p4, p5 = blocks[0, t, 3], blocks[0, t, 4], blocks[0, t, 5]
    q0, q1, q2 = blocks[1, t, 0], blocks[1, t, 1], blocks[1, t, 2]
    q3, q4, q5 = blocks[1, t, 3], blocks[1, t, 4], blocks[1, t, 5]
    r0, r1, r2 = blocks[2, t, 0], blocks[2, t, 1], blocks[2, t, 2]
    r3, r4, r5 = blocks[2, t, 3], blocks[2, t, 4], blocks[2, t, 5]
    for b in range(BATCH):
        ix, iy, iz, ic = np.uint64(i + b), np.uint64(j + b), np.uint64(k + b), np.uint64(24 * BATCH + b)
        p, q, r = w[ic], w[ic + ROW1], w[ic + ROW2]
        x, y, z = w[ix], w[iy], w[iz]
        s01, s02, s12 = p * p3 + q * q3 + r * r3, p * p4 + q * q4 + r * r4, p * p5 + q * q5 + r * r5
        w[ix] = (p * p0 + q * q0 + r * r0) * x + s01 * y + s02 * z
        w[iy] = s01 * x + (p * p1 + q * q1 + r * r1) * y + s12 * z
        w[iz] = s02 * x + s12 * y + (p * p2 + q * q2 + r * r2) * z


@compiled
def _multiply_sum(w: Any, blocks: Any) -> None:
    """Multiply all parity classes of a batch by the sum of three bases, in place."""
    # written out: literal classes are compiled one by one with constant offsets, which vectorisation needs
    _multiply_block(w, 0, blocks)
    _multiply_block(w, 1, blocks)
    _multiply_block(w, 2, blocks)
    _multiply_block(w, 3, blocks)
    _multiply_block(w, 4, blocks)
    _multiply_block(w, 5, blocks)
    _multiply_block(w, 6, blocks)
    _multiply_block(w, 7, blocks)


@compiled
def _multiply_single(w: Any, t: Any, blocks: Any) -> None:
    """Multiply one parity class by its block of the only basis and the element's factor, in place."""
    i, j, k = (t ^ 1) * BATCH, (8 + (t ^ 2)) * BATCH, (16 + (t ^ 4)) * BATCH
    p0, p1, p2 = blocks[t, 0], blocks[t, 1], blocks[t, 2]
    p3, p4, p5 = blocks[t, 3], blocks[t, 4], blocks[t, 5]
    for b in range(BATCH):
        ix, iy, iz, ic = np.uint64(i + b), np.uint64(j + b), np.uint64(k + b), np.uint64(24 * BATCH + b)
        p = w[ic]
        x, y, z = p * w[ix], p * w[iy], p * w[iz]
        w[ix] = p0 * x + p3 * y + p4 * z
        w[iy] = p3 * x + p1 * y + p5 * z
        w[iz] = p4 * x + p5 * y + p2 * z


@compiled
def _multiply_one(w: Any, blocks: Any) -> None:
    """Multiply all parity classes of a batch when all elements are multiples of one stiffness, in place."""
    _multiply_single(w, 0, blocks)
    _multiply_single(w, 1, blocks)
    _multiply_single(w, 2, blocks)
    _multiply_single(w, 3, blocks)
    _multiply_single(w, 4, blocks)
    _multiply_single(w, 5, blocks)
    _multiply_single(w, 6, blocks)
    _multiply_single(w, 7, blocks)


@compiled
def multiply_blocks(w: Any, blocks: Any) -> None:
    """Multiply a batch by the blocks of its elements, in place; blocks (3, 8, 6), or (8, 6) if one basis serves all."""
    # the number of dimensions is known when compiling: only the branch that is needed is compiled
    if blocks.ndim == 2:
        _multiply_one(w, blocks)
    else:
        _multiply_sum(w, blocks)


@compiled
def apply_range(u: Any, f: Any, corners: Any, coefficients: Any, blocks: Any, first: int, last: int) -> None:
    """Add K u of elements first..last-1 to f.

    u, f: (n, 3); corners: (m, 8); coefficients: (3, m); blocks: (3, 8, 6), or (1, m) and (8, 6), already divided
    by 8 (the two transforms are not normalised).
    """
    w = np.zeros(27 * BATCH, u.dtype)
    for start in range(first, last, BATCH):
        count = min(BATCH, last - start)
        for b in range(count):
            e = start + b
            for k in range(coefficients.shape[0]):
                w[(24 + k) * BATCH + b] = coefficients[k, e]
            for a in range(8):
                n = np.uint64(corners[e, a])
                o = np.uint64(a * BATCH + b)
                w[o], w[o + ROW8], w[o + ROW16] = u[n, 0], u[n, 1], u[n, 2]
        _butterfly(w, 0)
        _butterfly(w, 8 * BATCH)
        _butterfly(w, 16 * BATCH)
        multiply_blocks(w, blocks)
        _butterfly(w, 0)
        _butterfly(w, 8 * BATCH)
        _butterfly(w, 16 * BATCH)
        for b in range(count):
            e = start + b
            for a in range(8):
                n = np.uint64(corners[e, a])
                o = np.uint64(a * BATCH + b)
                f[n, 0] += w[o]
                f[n, 1] += w[o + ROW8]
                f[n, 2] += w[o + ROW16]


@compiled
def add_diagonal(diagonal: Any, corners: Any, coefficients: Any, element_diagonals: Any) -> None:
    """Add the diagonal of K; element_diagonals: (q, 3) per basis and component (equal at all eight corners)."""
    for e in range(corners.shape[0]):
        for component in range(3):
            value = 0.0
            for k in range(coefficients.shape[0]):
                value += coefficients[k, e] * element_diagonals[k, component]
            for a in range(8):
                diagonal[corners[e, a], component] += value
