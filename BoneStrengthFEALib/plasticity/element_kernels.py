"""Loops over elements with eight integration points: internal forces with return mapping, and the tangent operator.

Gradients of the shape functions are those of one box, the same for every element: gradients[g, a, :]. With B-bar the
volumetric strain of a point is the element's mean (Hughes TJR (1980), Int. J. Numer. Meth. Engng 15:1413).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.plasticity.return_kernels import return_point
from BoneStrengthFEALib.solver.compiling import compiled

POINTS = 8


@compiled
def _strains(u: Any, corners: Any, e: int, gradients: Any, mean: Any, bbar: bool, strain: Any) -> None:
    """Strains (8, 6) at the points of element e, engineering shear."""
    volume = 0.0
    for a in range(8):
        n = corners[e, a]
        for c in range(3):
            volume += mean[a, c] * u[n, c]
    for g in range(POINTS):
        xx = yy = zz = yz = xz = xy = 0.0
        for a in range(8):
            n = corners[e, a]
            x, y, z = gradients[g, a, 0], gradients[g, a, 1], gradients[g, a, 2]
            ux, uy, uz = u[n, 0], u[n, 1], u[n, 2]
            xx += x * ux
            yy += y * uy
            zz += z * uz
            yz += z * uy + y * uz
            xz += z * ux + x * uz
            xy += y * ux + x * uy
        shift = (volume - xx - yy - zz) / 3.0 if bbar else 0.0
        strain[g, 0], strain[g, 1], strain[g, 2] = xx + shift, yy + shift, zz + shift
        strain[g, 3], strain[g, 4], strain[g, 5] = yz, xz, xy


@compiled
def _add_forces(
    f: Any, corners: Any, e: int, gradients: Any, mean: Any, bbar: bool, stress: Any, weight: float
) -> None:
    """Add the nodal forces of stresses (8, 6) at the points of element e."""
    pressure = 0.0
    if bbar:
        for g in range(POINTS):
            p = (stress[g, 0] + stress[g, 1] + stress[g, 2]) / 3.0
            pressure += p
            for c in range(3):
                stress[g, c] -= p
    for a in range(8):
        fx = fy = fz = 0.0
        for g in range(POINTS):
            x, y, z = gradients[g, a, 0], gradients[g, a, 1], gradients[g, a, 2]
            fx += x * stress[g, 0] + y * stress[g, 5] + z * stress[g, 4]
            fy += y * stress[g, 1] + x * stress[g, 5] + z * stress[g, 3]
            fz += z * stress[g, 2] + y * stress[g, 3] + x * stress[g, 4]
        n = corners[e, a]
        f[n, 0] += weight * (fx + pressure * mean[a, 0])
        f[n, 1] += weight * (fy + pressure * mean[a, 1])
        f[n, 2] += weight * (fz + pressure * mean[a, 2])


@compiled
def update_range(
    u: Any,
    f: Any,
    corners: Any,
    geometry: Any,
    mean: Any,
    flags: Any,
    table: Any,
    old: Any,
    new: Any,
    first: int,
    last: int,
) -> int:
    """Add internal forces of elements first..last-1 to f, and update their points from the old to the new state.

    geometry: (8, 8, 3) gradients; flags: (2,) weight of a point [mm3], 1.0 with B-bar; table: element parameters;
    old, new: pairs of (m, 8, 7) plastic strain and alpha, and (m, 8, 10) tangents (of old only the first is read).
    Returns the number of points that flow.
    """
    strain, stress = np.zeros((POINTS, 6)), np.zeros((POINTS, 6))
    plastic, tangent = np.zeros(6), np.zeros(10)
    weight, bbar = flags[0], flags[1] > 0.5
    flowing = 0
    for e in range(first, last):
        _strains(u, corners, e, geometry, mean, bbar, strain)
        for g in range(POINTS):
            for c in range(6):
                plastic[c] = old[0][e, g, c]
            before = old[0][e, g, 6]
            alpha = return_point(table[e], strain[g], plastic, before, stress[g], tangent)
            if alpha > before:
                flowing += 1
            for c in range(6):
                new[0][e, g, c] = plastic[c]
            new[0][e, g, 6] = alpha
            for c in range(10):
                new[1][e, g, c] = tangent[c]
        _add_forces(f, corners, e, geometry, mean, bbar, stress, weight)
    return flowing


@compiled
def flows(tangents: Any, chosen: Any, first: int, last: int) -> int:
    """Mark the elements with a point that flows; returns their number."""
    count = 0
    for e in range(first, last):
        chosen[e] = False
        for g in range(POINTS):
            if tangents[e, g, 7] != 0.0 or tangents[e, g, 8] != 0.0:
                chosen[e] = True
        if chosen[e]:
            count += 1
    return count


@compiled
def tangent_range(
    u: Any,
    f: Any,
    corners: Any,
    geometry: Any,
    mean: Any,
    flags: Any,
    tangents: Any,
    chosen: Any,
    first: int,
    last: int,
) -> None:
    """Add tangent times u of the elements chosen[first..last-1] to f."""
    strain = np.zeros((POINTS, 6))
    weight, bbar = flags[0], flags[1] > 0.5
    for index in range(first, last):
        e = chosen[index]
        _strains(u, corners, e, geometry, mean, bbar, strain)
        for g in range(POINTS):
            t = tangents[e, g]
            s = strain[g]
            volume = s[0] + s[1] + s[2]
            third = volume / 3.0
            s[0] -= third
            s[1] -= third
            s[2] -= third
            along = t[0] * s[0] + t[1] * s[1] + t[2] * s[2] + t[3] * s[3] + t[4] * s[4] + t[5] * s[5]
            factor = t[7] * along + t[8] * volume
            pressure = t[9] * volume + t[8] * along
            for c in range(3):
                s[c] = t[6] * s[c] + t[c] * factor + pressure
                s[c + 3] = 0.5 * t[6] * s[c + 3] + t[c + 3] * factor
        _add_forces(f, corners, e, geometry, mean, bbar, strain, weight)
