"""Side surface of a vertebral body: a radius in each direction of each section, all chosen together."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.straight_spine import StraightSpine
from BoneStrengthFEALib.volume import Array, FloatArray

DIRECTIONS = 72
STEP_MM, INWARD_MM, OUTWARD_MM = 0.5, 9.0, 5.0
"""Radii are tried from so far inside the first outline to so far outside: waist and endplates differ by less."""
LONGEST_MM = 60.0
EDGE_STEPS = 3
"""An edge is the difference of the means of so many samples on both sides of it."""
STEP_COST = 0.1
"""Cost of 0.5 mm between neighbouring radii; a full edge is worth 1. A rib's head is a bump that costs more than it
gains, an endplate's flare rises once in a whole column of edges."""
MOST_STEPS = 6
START_BLUR_ROWS, SWEEPS = 2.0, 3
BEFORE_WALL_MM, VEIN_SIDE_MM = 1.0, 10.0
"""Edges nearer to the posterior wall tell nothing; so near the midline the basivertebral vein may leave through it."""


def side_surface(share: FloatArray, rows: Array, start: Array, wall_mm: FloatArray, spine: StraightSpine) -> Array:
    """Find the surface of a body between its endplates.

    Parameters
    ----------
    share
        (S, A, R) from soft tissue (0) to the threshold of bone (1).
    rows
        (N,) neighbouring sections that lie wholly between the endplates.
    start
        (A, R) booleans: outline to start from.
    wall_mm
        (S,) front coordinate of the posterior wall [mm].
    spine
        Straightened spine.

    Returns
    -------
    (N, A, R) booleans: inside the surface; not cut at the posterior wall.

    References
    ----------
    Radii by dynamic programming (Bellman 1957), section by section given its neighbours; optimal surfaces in polar
    samples as in Li K et al. (2006), IEEE Trans Pattern Anal Mach Intell 28:119, doi 10.1109/TPAMI.2006.19
    (unverified), there by a graph cut.
    """
    centre = np.array(ndimage.center_of_mass(start))
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    away = np.stack([np.cos(angle), np.sin(angle)])
    first = _radii(start, centre, away)
    offsets = np.arange(-INWARD_MM, OUTWARD_MM + STEP_MM / 2, STEP_MM)
    lengths = np.clip(first[:, None] + offsets, 0.0, None)
    front = spine.front[0] + centre[0] + away[0][:, None] * lengths
    seen = front >= wall_mm[rows][:, None, None] + BEFORE_WALL_MM
    edge = np.where(seen, _edges(share[rows], centre, away, lengths), 0.0)
    inside = _inside(first + offsets[cheapest_surface(-edge)], centre, start.shape)
    # toward the canal only the wall ends a body, not the hollow of its vein
    behind = np.logical_or.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(inside | (behind & (np.abs(spine.right) < VEIN_SIDE_MM)))


def cheapest_surface(cost: FloatArray) -> Array:
    """Choose a radius in each direction of each section.

    Parameters
    ----------
    cost
        (N, T, D) cost of each radius; directions close to a circle.

    Returns
    -------
    (N, T) index of the chosen radius: least sum of costs and of steps to neighbouring directions and sections, for each
    section given its neighbours.
    """
    chosen = _paths(ndimage.gaussian_filter1d(cost, START_BLUR_ROWS, axis=0, mode="nearest"))
    place = np.arange(cost.shape[2])
    for _ in range(SWEEPS):
        for first in (0, 1):
            rows = np.arange(first, len(cost), 2)
            pulled = np.array(cost[rows])
            for other in (rows - 1, rows + 1):
                known = (other >= 0) & (other < len(cost))
                pulled[known] += STEP_COST * np.abs(place - chosen[other[known]][:, :, None])
            chosen[rows] = _paths(pulled)
    return chosen


def _paths(cost: FloatArray) -> Array:
    """(N, T) cheapest path around each section: twice around, of which the middle is kept, so that it closes."""
    count, size = cost.shape[1:]
    shifts = np.arange(-MOST_STEPS, MOST_STEPS + 1)
    order = np.arange(-(count // 2), count + count // 2) % count
    best, back = cost[:, order[0]], []
    for direction in order[1:]:
        padded = np.pad(best, ((0, 0), (MOST_STEPS, MOST_STEPS)), constant_values=np.inf)
        options = np.stack([padded[:, MOST_STEPS + s : MOST_STEPS + s + size] + STEP_COST * abs(s) for s in shifts])
        back.append(options.argmin(axis=0))
        best = options.min(axis=0) + cost[:, direction]
    place = best.argmin(axis=1)
    path = [place]
    for choice in reversed(back):
        place = place + shifts[choice[np.arange(len(cost)), place]]
        path.append(place)
    return np.array(path[::-1])[count // 2 : count // 2 + count].T


def _radii(outline: Array, centre: FloatArray, away: FloatArray) -> FloatArray:
    """(T,) length of the rays from a centre that lie in an outline [mm]."""
    places = centre[:, None, None] + away[:, :, None] * np.arange(0.0, LONGEST_MM, STEP_MM)
    within = ndimage.map_coordinates(outline.astype(np.float32), places, order=1) > 0.5
    return np.asarray(within.sum(axis=1) * STEP_MM)


def _edges(share: FloatArray, centre: FloatArray, away: FloatArray, lengths: FloatArray) -> FloatArray:
    """(N, T, D) how much brighter a ray is before a radius than behind it, 0 to 1."""
    around = STEP_MM * np.arange(-EDGE_STEPS, EDGE_STEPS + 1)
    places = centre[:, None, None, None] + away[:, :, None, None] * (lengths[:, :, None] + around)
    values = np.stack(
        [ndimage.map_coordinates(section, places, order=1, mode="nearest") for section in np.clip(share, 0.0, 1.0)]
    )
    fall = values[..., :EDGE_STEPS].mean(axis=-1) - values[..., EDGE_STEPS + 1 :].mean(axis=-1)
    return np.asarray(np.clip(fall, 0.0, 1.0))


def _inside(radius: FloatArray, centre: FloatArray, shape: tuple[int, ...]) -> Array:
    """(N, A, R) what lies nearer to the centre than the radius of its direction."""
    row, column = np.meshgrid(np.arange(shape[0]) - centre[0], np.arange(shape[1]) - centre[1], indexing="ij")
    turn = (np.arctan2(column, row) % (2 * np.pi)) / (2 * np.pi) * DIRECTIONS
    closed = np.concatenate([radius, radius[:, :1]], axis=1)
    limit = np.stack([np.interp(turn, np.arange(DIRECTIONS + 1), one) for one in closed])
    return np.asarray(np.hypot(row, column) <= limit)
