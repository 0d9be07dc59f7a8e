"""Loops over elements with eight integration points: internal forces with return mapping, and the tangent operator.

Gradients of the shape functions are those of one box, the same for every element. With B-bar the volumetric strain of
a point is the element's mean (Hughes TJR (1980), Int. J. Numer. Meth. Engng 15:1413). Strains are summed for the eight
points side by side, forces for the eight corners side by side: one vector register each. All that is worked on stands
in one array at constant places, because arrays that might overlap would stop vectorisation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from BoneStrengthFEALib.plasticity.return_kernels import return_point
from BoneStrengthFEALib.solver.compiling import compiled

POINTS = 8
TABLES = 384
"""Length of the two tables of gradients: [direction, corner, point], then [point, direction, corner] [1/mm]."""
SIZE = TABLES + 48 + 24
"""With strains or stresses [component, point], and forces [direction, corner]."""

C0, C1, C2, C3, C4, C5, C6, C7 = (np.int64(n) for n in range(8))
"""Corners and points; typed, so that one compilation serves all of them."""

# places in the work array: y and z part of the tables, strains or stresses, forces
GY, GZ, FORCE_TABLE = np.uint64(64), np.uint64(128), np.uint64(192)
FY, FZ = np.uint64(8), np.uint64(16)
S0, S1, S2, S3, S4, S5 = (np.uint64(TABLES + 8 * n) for n in range(6))
F0, F1, F2 = (np.uint64(TABLES + 48 + 8 * n) for n in range(3))


@compiled
def _add_corner(w: Any, a: Any, x: float, y: float, z: float) -> None:
    """Add the strains of one corner's displacement at all points."""
    for g in range(POINTS):
        o = np.uint64(g)
        t = np.uint64(8 * a) + o
        gx, gy, gz = w[t], w[t + GY], w[t + GZ]
        w[S0 + o] += gx * x
        w[S1 + o] += gy * y
        w[S2 + o] += gz * z
        w[S3 + o] += gz * y + gy * z
        w[S4 + o] += gz * x + gx * z
        w[S5 + o] += gy * x + gx * y


@compiled
def _add_point(w: Any, g: Any) -> None:
    """Add the forces of one point's stress at all corners."""
    p = np.uint64(g)
    xx, yy, zz, yz, xz, xy = w[S0 + p], w[S1 + p], w[S2 + p], w[S3 + p], w[S4 + p], w[S5 + p]
    for a in range(8):
        o = np.uint64(a)
        t = FORCE_TABLE + np.uint64(24 * g) + o
        gx, gy, gz = w[t], w[t + FY], w[t + FZ]
        w[F0 + o] += gx * xx + gy * xy + gz * xz
        w[F1 + o] += gy * yy + gx * xy + gz * yz
        w[F2 + o] += gz * zz + gy * yz + gx * xz


@compiled
def _strains(u: Any, corners: Any, e: int, mean: Any, bbar: bool, w: Any) -> None:
    """Strains at the points of element e, engineering shear, into the work array."""
    for n in range(48):
        w[TABLES + n] = 0.0
    volume = 0.0
    for a in range(8):
        n = corners[e, a]
        volume += mean[a, 0] * u[n, 0] + mean[a, 1] * u[n, 1] + mean[a, 2] * u[n, 2]
    # written out: a constant corner gives constant places, which vectorisation needs
    _add_corner(w, C0, u[corners[e, 0], 0], u[corners[e, 0], 1], u[corners[e, 0], 2])
    _add_corner(w, C1, u[corners[e, 1], 0], u[corners[e, 1], 1], u[corners[e, 1], 2])
    _add_corner(w, C2, u[corners[e, 2], 0], u[corners[e, 2], 1], u[corners[e, 2], 2])
    _add_corner(w, C3, u[corners[e, 3], 0], u[corners[e, 3], 1], u[corners[e, 3], 2])
    _add_corner(w, C4, u[corners[e, 4], 0], u[corners[e, 4], 1], u[corners[e, 4], 2])
    _add_corner(w, C5, u[corners[e, 5], 0], u[corners[e, 5], 1], u[corners[e, 5], 2])
    _add_corner(w, C6, u[corners[e, 6], 0], u[corners[e, 6], 1], u[corners[e, 6], 2])
    _add_corner(w, C7, u[corners[e, 7], 0], u[corners[e, 7], 1], u[corners[e, 7], 2])
    if bbar:
        for g in range(POINTS):
            o = np.uint64(g)
            shift = (volume - w[S0 + o] - w[S1 + o] - w[S2 + o]) / 3.0
            w[S0 + o] += shift
            w[S1 + o] += shift
            w[S2 + o] += shift


@compiled
def _add_forces(f: Any, corners: Any, e: int, mean: Any, bbar: bool, w: Any, weight: float) -> None:
    """Add the nodal forces of the stresses in the work array, which are changed."""
    pressure = 0.0
    if bbar:
        for g in range(POINTS):
            o = np.uint64(g)
            p = (w[S0 + o] + w[S1 + o] + w[S2 + o]) / 3.0
            pressure += p
            w[S0 + o] -= p
            w[S1 + o] -= p
            w[S2 + o] -= p
    for n in range(24):
        w[TABLES + 48 + n] = 0.0
    _add_point(w, C0)
    _add_point(w, C1)
    _add_point(w, C2)
    _add_point(w, C3)
    _add_point(w, C4)
    _add_point(w, C5)
    _add_point(w, C6)
    _add_point(w, C7)
    for a in range(8):
        o, n = np.uint64(a), corners[e, a]
        f[n, 0] += weight * (w[F0 + o] + pressure * mean[a, 0])
        f[n, 1] += weight * (w[F1 + o] + pressure * mean[a, 1])
        f[n, 2] += weight * (w[F2 + o] + pressure * mean[a, 2])


@compiled
def update_range(
    u: Any,
    f: Any,
    corners: Any,
    tables: Any,
    mean: Any,
    flags: Any,
    parameters: Any,
    old: Any,
    new: Any,
    tangents: Any,
    first: int,
    last: int,
) -> int:
    """Add internal forces of elements first..last-1 to f, and update their points from the old to the new state.

    tables: (384,) gradients; flags: (2,) weight of a point [mm3], 1.0 with B-bar; parameters: of the elements;
    old, new: (m, 7, 8) plastic strain and alpha; tangents: (m, 10, 8). Returns the number of points that flow.
    """
    w = np.zeros(SIZE)
    w[:TABLES] = tables
    strain, stress, plastic, tangent = np.zeros(6), np.zeros(6), np.zeros(6), np.zeros(10)
    weight, bbar = flags[0], flags[1] > 0.5
    flowing = 0
    for e in range(first, last):
        _strains(u, corners, e, mean, bbar, w)
        for g in range(POINTS):
            for c in range(6):
                strain[c] = w[TABLES + 8 * c + g]
                plastic[c] = old[e, c, g]
            before = old[e, 6, g]
            alpha = return_point(parameters[e], strain, plastic, before, stress, tangent)
            if alpha > before:
                flowing += 1
            for c in range(6):
                w[TABLES + 8 * c + g] = stress[c]
                new[e, c, g] = plastic[c]
            new[e, 6, g] = alpha
            for c in range(10):
                tangents[e, c, g] = tangent[c]
        _add_forces(f, corners, e, mean, bbar, w, weight)
    return flowing


@compiled
def flows(tangents: Any, chosen: Any, first: int, last: int) -> int:
    """Mark the elements with a point that flows; returns their number."""
    count = 0
    for e in range(first, last):
        chosen[e] = False
        for g in range(POINTS):
            if tangents[e, 7, g] != 0.0 or tangents[e, 8, g] != 0.0:
                chosen[e] = True
        if chosen[e]:
            count += 1
    return count


@compiled
def _multiply_tangent(w: Any, t: Any) -> None:
    """Turn the strains of all points into stresses; t: (10, 8)."""
    for g in range(POINTS):
        o = np.uint64(g)
        xx, yy, zz, yz, xz, xy = w[S0 + o], w[S1 + o], w[S2 + o], w[S3 + o], w[S4 + o], w[S5 + o]
        n0, n1, n2, n3, n4, n5 = t[0, g], t[1, g], t[2, g], t[3, g], t[4, g], t[5, g]
        g2, mixed = t[6, g], t[8, g]
        volume = xx + yy + zz
        third = volume / 3.0
        along = n0 * (xx - third) + n1 * (yy - third) + n2 * (zz - third) + n3 * yz + n4 * xz + n5 * xy
        factor = t[7, g] * along + mixed * volume
        pressure = t[9, g] * volume + mixed * along
        w[S0 + o] = g2 * (xx - third) + n0 * factor + pressure
        w[S1 + o] = g2 * (yy - third) + n1 * factor + pressure
        w[S2 + o] = g2 * (zz - third) + n2 * factor + pressure
        w[S3 + o] = 0.5 * g2 * yz + n3 * factor
        w[S4 + o] = 0.5 * g2 * xz + n4 * factor
        w[S5 + o] = 0.5 * g2 * xy + n5 * factor


@compiled
def tangent_range(
    u: Any,
    f: Any,
    corners: Any,
    tables: Any,
    mean: Any,
    flags: Any,
    tangents: Any,
    chosen: Any,
    first: int,
    last: int,
) -> None:
    """Add tangent times u of the elements chosen[first..last-1] to f."""
    w = np.zeros(SIZE)
    w[:TABLES] = tables
    weight, bbar = flags[0], flags[1] > 0.5
    for index in range(first, last):
        e = chosen[index]
        _strains(u, corners, e, mean, bbar, w)
        _multiply_tangent(w, tangents[e])
        _add_forces(f, corners, e, mean, bbar, w, weight)
