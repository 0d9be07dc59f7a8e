"""Fused vector loops of the smoother and of the conjugate gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.solver.compiling import compiled


@compiled
def chebyshev_step(x: Any, d: Any, b: Any, f: Any, inverse_diagonal: Any, keep: Any, take: Any) -> None:
    """D = keep d + take D^-1 (b - f); x += d; all flat."""
    for n in range(x.size):
        d[n] = keep * d[n] + take * inverse_diagonal[n] * (b[n] - f[n])
        x[n] += d[n]


@compiled
def chebyshev_start(x: Any, d: Any, b: Any, inverse_diagonal: Any, take: Any) -> None:
    """X = d = take D^-1 b: the first step from a zero start."""
    for n in range(x.size):
        d[n] = take * inverse_diagonal[n] * b[n]
        x[n] = d[n]


@compiled
def masked_residual(r: Any, b: Any, f: Any, inverse_diagonal: Any) -> None:
    """R = b - f, zero where held."""
    for n in range(r.size):
        r[n] = b[n] - f[n] if inverse_diagonal[n] > 0 else 0 * f[n]


@compiled
def add_scaled(x: Any, y: Any, factor: Any) -> None:
    """X += factor y."""
    for n in range(x.size):
        x[n] += factor * y[n]


@compiled
def dot(a: Any, b: Any) -> float:
    """Sum of products in float64."""
    total = 0.0
    for n in range(a.size):
        total += a[n] * b[n]
    return total


@compiled
def update_solution(u: Any, r: Any, p: Any, q: Any, step: float) -> float:
    """U += step p; r -= step q; returns r.r."""
    total = 0.0
    for n in range(u.size):
        u[n] += step * p[n]
        r[n] -= step * q[n]
        total += r[n] * r[n]
    return total


@compiled
def update_direction(p: Any, z: Any, beta: float) -> None:
    """P = z + beta p."""
    for n in range(p.size):
        p[n] = z[n] + beta * p[n]


@compiled
def prolong_range(
    fine: Any, coarse: Any, inverse_diagonal: Any, corners: Any, parents: Any, places: Any, first: int, last: int
) -> None:
    """fine[n] = sum_a w_a coarse[corner a of the parent], zero where held; places code the 3x3x3 positions."""
    for n in range(first, last):
        e, place = parents[n], places[n]
        x, y, z = place % 3, (place // 3) % 3, place // 9
        s0, s1, s2 = np.float32(0), np.float32(0), np.float32(0)
        for a in range(8):
            weight = _weight(x, a & 1) * _weight(y, (a >> 1) & 1) * _weight(z, a >> 2)
            if weight > 0:
                m = corners[e, a]
                s0 += weight * coarse[m, 0]
                s1 += weight * coarse[m, 1]
                s2 += weight * coarse[m, 2]
        fine[n, 0] = s0 if inverse_diagonal[n, 0] > 0 else np.float32(0)
        fine[n, 1] = s1 if inverse_diagonal[n, 1] > 0 else np.float32(0)
        fine[n, 2] = s2 if inverse_diagonal[n, 2] > 0 else np.float32(0)


@compiled
def restrict_range(coarse: Any, fine: Any, corners: Any, parents: Any, places: Any, first: int, last: int) -> None:
    """The transpose of prolong_range: coarse += P^T fine."""
    for n in range(first, last):
        e, place = parents[n], places[n]
        x, y, z = place % 3, (place // 3) % 3, place // 9
        for a in range(8):
            weight = _weight(x, a & 1) * _weight(y, (a >> 1) & 1) * _weight(z, a >> 2)
            if weight > 0:
                m = corners[e, a]
                coarse[m, 0] += weight * fine[n, 0]
                coarse[m, 1] += weight * fine[n, 1]
                coarse[m, 2] += weight * fine[n, 2]


@compiled
def _weight(position: int, side: int) -> Any:
    """Linear interpolation weight of a coarse side (0 or 1) at a fine position 0, 1 or 2."""
    half = np.float32(0.5) * np.float32(position)
    return half if side == 1 else np.float32(1.0) - half
