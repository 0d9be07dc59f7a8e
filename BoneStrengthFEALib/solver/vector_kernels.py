"""Fused vector loops of the conjugate gradients."""

from __future__ import annotations

from typing import Any

from BoneStrengthFEALib.solver.compiling import compiled, compiled_sum


@compiled_sum
def dot(a: Any, b: Any) -> float:
    """Sum of products in float64."""
    total = 0.0
    for n in range(a.size):
        total += a[n] * b[n]
    return total


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
