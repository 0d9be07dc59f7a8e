"""Fused vector loops of the conjugate gradients: compiled, or whole arrays at a time where numba is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.solver.compiling import HAS_NUMBA, compiled, compiled_sum


def dot_of_arrays(a: Any, b: Any) -> float:
    """Sum of products in float64."""
    return float(np.dot(a, b))


def two_dots_of_arrays(z: Any, a: Any, b: Any) -> tuple[float, float]:
    """Products z.a and z.b in float64."""
    return float(np.dot(z, a)), float(np.dot(z, b))


def copy_rows_of_arrays(target: Any, source: Any, first: int, last: int) -> None:
    """Copy rows first..last-1 of three numbers."""
    target[first:last] = source[first:last]


def update_solution_arrays(u: Any, r: Any, p: Any, q: Any, step: float) -> float:
    """U += step p; r -= step q; returns r.r."""
    u += step * p
    r -= step * q
    return float(np.dot(r, r))


def update_direction_array(p: Any, z: Any, beta: float) -> None:
    """P = z + beta p."""
    p *= beta
    p += z


@compiled_sum
def dot(a: Any, b: Any) -> float:
    """Sum of products in float64."""
    total = 0.0
    for n in range(a.size):
        total += a[n] * b[n]
    return total


@compiled_sum
def two_dots(z: Any, a: Any, b: Any) -> Any:
    """Products z.a and z.b in float64."""
    with_a, with_b = 0.0, 0.0
    for n in range(z.size):
        with_a += z[n] * a[n]
        with_b += z[n] * b[n]
    return with_a, with_b


@compiled
def copy_rows(target: Any, source: Any, first: int, last: int) -> None:
    """Copy rows first..last-1 of three numbers, whatever their types."""
    for n in range(first, last):
        for c in range(3):
            target[n, c] = source[n, c]


@compiled_sum
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


@compiled_sum
def lanczos_product(w: Any, v: Any, f: Any, root: Any, beta: Any) -> float:
    """W = root f - beta w; f = 0; returns w.v."""
    total = 0.0
    for n in range(w.size):
        w[n] = root[n] * f[n] - beta * w[n]
        f[n] = np.float32(0)
        total += np.float64(w[n]) * np.float64(v[n])
    return total


@compiled_sum
def lanczos_part(w: Any, v: Any, alpha: Any) -> float:
    """W -= alpha v; returns w.w."""
    total = 0.0
    for n in range(w.size):
        w[n] -= alpha * v[n]
        total += np.float64(w[n]) * np.float64(w[n])
    return total


@compiled
def lanczos_next(w: Any, scaled: Any, root: Any, factor: Any) -> None:
    """W *= factor; scaled = root w."""
    for n in range(w.size):
        w[n] *= factor
        scaled[n] = root[n] * w[n]


if not HAS_NUMBA:
    dot, two_dots, copy_rows = dot_of_arrays, two_dots_of_arrays, copy_rows_of_arrays
    update_solution, update_direction = update_solution_arrays, update_direction_array
