"""Return mapping of one point onto the yield surface, and its consistent tangent.

References
----------
[1] Simo JC, Hughes TJR (1998), Computational Inelasticity, chapters 2 and 3 (return mapping, consistent tangent).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.solver.compiling import compiled

YIELD_TOLERANCE = 1e-10
MOST_ITERATIONS = 150
TINY = 1e-30
TINY_SHARE = 1e-12
BISECT_EVERY = 8
"""Newton's method can hop about a kink of the flow curve: halve the bracket now and then."""

# a row of the parameter table: G, K, sigma_c, A, B, e, rate, hardening, onset, residual (see yield_surface)


@compiled
def flow_stress(m: Any, alpha: float) -> float:
    """Uniaxial compressive yield stress at accumulated plastic strain alpha."""
    sigma, hardening = m[2], m[7]
    if hardening >= 0.0:
        return sigma + hardening * alpha
    if alpha <= m[8]:
        return sigma
    return max(m[9], sigma + hardening * (alpha - m[8]))


@compiled
def flow_slope(m: Any, alpha: float) -> float:
    """Slope of flow_stress."""
    hardening = m[7]
    if hardening >= 0.0:
        return hardening
    if alpha <= m[8] or m[2] + hardening * (alpha - m[8]) <= m[9]:
        return 0.0
    return hardening


@compiled
def _rounding(m: Any, alpha: float) -> float:
    """Rounding of the apex, as at the start of the step: one that changes in it makes the tangent unsymmetric."""
    return m[5] * flow_stress(m, alpha) / m[2]


@compiled
def _gap(m: Any, step: float, q_trial: float, trace: float, alpha: float) -> Any:
    """Von Mises stress the flow leaves, less the one the surface allows (falls with the multiplier), and its slope."""
    new = alpha + m[6] * step
    radius = (flow_stress(m, new) - m[4] * (trace - 9.0 * m[1] * m[4] * step)) / m[3]
    rounding = _rounding(m, alpha)
    if radius <= rounding:
        return q_trial, 0.0
    rate = (flow_slope(m, new) * m[6] + 9.0 * m[1] * m[4] * m[4]) / m[3]
    reach = radius + 3.0 * m[0] * m[3] * step
    allowed = np.sqrt(radius * radius - rounding * rounding)
    slope = q_trial * (rate * reach - radius * (rate + 3.0 * m[0] * m[3])) / (reach * reach) - radius * rate / allowed
    return q_trial * radius / reach - allowed, slope


@compiled
def multiplier(m: Any, q_trial: float, trace: float, alpha: float) -> float:
    """Plastic multiplier of a step; 0 when the trial stress is inside. Newton's method within a bracket."""
    flow = flow_stress(m, alpha)
    rounding = _rounding(m, alpha)
    excess = m[3] * np.sqrt(q_trial * q_trial + rounding * rounding) + m[4] * trace - flow
    if excess <= YIELD_TOLERANCE * flow:
        return 0.0
    # a purely hydrostatic tension flows as well: the apex is reached along the axis
    q_trial = max(q_trial, TINY_SHARE * flow)
    low, high = 0.0, np.inf
    # exact for von Mises without hardening
    step = excess / (3.0 * m[0] * m[3] * m[3] + 9.0 * m[1] * m[4] * m[4])
    for count in range(MOST_ITERATIONS):
        gap, slope = _gap(m, step, q_trial, trace, alpha)
        if abs(gap) <= 1e-14 * q_trial:
            return step
        if gap > 0.0:
            low = step
        else:
            high = step
        if high < np.inf and high - low <= 1e-15 * high:
            return step
        change = gap / slope if slope < 0.0 else np.inf
        if abs(change) <= 4e-16 * step:
            return step
        guess = step - change
        if low < guess < high and count % BISECT_EVERY != BISECT_EVERY - 1:
            step = guess
        else:
            step = 0.5 * (low + high) if high < np.inf else 2.0 * step
    return step


@compiled
def return_point(m: Any, strain: Any, plastic: Any, alpha: float, stress: Any, tangent: Any) -> float:
    """Stress and tangent of one point.

    m: parameters; strain, plastic: (6,) total and old plastic strain, xx yy zz yz xz xy, engineering shear; plastic is
    updated in place; alpha: old accumulated plastic strain; stress: (6,) result; tangent: (10,) result: unit direction
    s/q of the trial stress (6), then g2, ss, sv, k of
    ds = g2 de + n (ss n:de + sv tr(de)), dp = k tr(de) + sv n:de. Returns the new accumulated plastic strain.
    """
    shear, bulk = m[0], m[1]
    volume = strain[0] + strain[1] + strain[2] - plastic[0] - plastic[1] - plastic[2]
    square = 0.0
    for c in range(3):
        stress[c] = 2.0 * shear * (strain[c] - plastic[c] - volume / 3.0)
        stress[c + 3] = shear * (strain[c + 3] - plastic[c + 3])
        square += stress[c] * stress[c] + 2.0 * stress[c + 3] * stress[c + 3]
    q_trial, trace = np.sqrt(1.5 * square), 3.0 * bulk * volume
    step = multiplier(m, q_trial, trace, alpha) if m[2] < np.inf else 0.0
    if step == 0.0:
        for c in range(6):
            tangent[c] = 0.0
        tangent[6], tangent[7], tangent[8], tangent[9] = 2.0 * shear, 0.0, 0.0, bulk
        for c in range(3):
            stress[c] += trace / 3.0
        return alpha
    return _plastic_point(m, step, q_trial, trace, plastic, alpha, stress, tangent)


@compiled
def _plastic_point(
    m: Any, step: float, q_trial: float, trace: float, plastic: Any, alpha: float, stress: Any, tangent: Any
) -> float:
    shear, bulk, a, b = m[0], m[1], m[3], m[4]
    new = alpha + m[6] * step
    flow = flow_stress(m, new)
    # a softening slope in the tangent would make it indefinite: Newton then converges more slowly, but surely
    slope = max(flow_slope(m, new), 0.0) * m[6]
    rounding = _rounding(m, alpha)
    radius = max((flow - b * (trace - 9.0 * bulk * b * step)) / a, rounding)
    reach = radius + 3.0 * shear * a * step
    q_trial = max(q_trial, TINY)
    share = radius / reach
    q = max(share * q_trial, 1e-9 * radius)
    for c in range(6):
        tangent[c] = stress[c] / q_trial
        stress[c] *= share
        flow_direction = 1.5 * a * stress[c] / radius
        plastic[c] += step * (flow_direction + b if c < 3 else 2.0 * flow_direction)
    left = trace - 9.0 * bulk * b * step
    for c in range(3):
        stress[c] += left / 3.0
    by_step, by_volume = (slope + 9.0 * bulk * b * b) / a, 3.0 * bulk * b / a
    c1 = 3.0 * shear * a * step * q_trial / (reach * reach)
    c2 = 3.0 * shear * a * radius * q_trial / (reach * reach)
    stiff = (radius / q - c1) * by_step + c2
    by_shear, by_dilation = 3.0 * shear * share / stiff, (radius / q - c1) * by_volume / stiff
    tangent[6] = 2.0 * shear * share
    tangent[7] = (c1 * by_step - c2) * by_shear
    tangent[8] = -3.0 * bulk * b * by_shear
    tangent[9] = bulk - 3.0 * bulk * b * by_dilation
    return new
