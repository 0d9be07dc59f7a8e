"""Bright balls in a CT: edges vote along their gradient for the centre of a sphere."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.segmentation.tissue_levels import tissue_levels
from BoneStrengthFEALib.segmentation.work_grid import sampled, upright_grid
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Volume

RADII_MM = (17.0, 32.0)
"""Radii of femoral heads of adults: means 24 mm in men, 21 mm in women (Milner and Boldsen 2012, unverified)."""
RADIUS_STEP_MM = 1.5
COARSE_MM, FINE_MM = 3.0, 1.5
"""Voxels of the search for solid bone and of the votes."""
CORE_BLUR_MM = 5.0
CORE_SHARE = 0.6
"""A head is bone to the depth that this blur sees."""
EDGE_BLUR_MM = 1.0
LEAST_SLOPE_HU_MM = 12.0
"""Weaker edges do not vote."""
VOTE_BLUR_MM = 2.5
TILE_MM = 160.0
"""Longest side of what is searched at once: a head fits, and memory does not grow with the scan."""
APART_MM = 15.0
"""Centres nearer to a better one than this are the same ball."""


@dataclass(frozen=True, eq=False)
class Ball:
    """A candidate.

    Parameters
    ----------
    centre
        (3,) RAS [mm].
    radius_mm
        Radius.
    share
        Votes per radius times share of bone around the centre; for ranking only.
    """

    centre: FloatArray
    radius_mm: float
    share: float


def find_balls(ct: Volume, box: tuple[FloatArray, FloatArray], most: int = 6) -> list[Ball]:
    """Find bright balls of the size of a femoral head.

    Parameters
    ----------
    ct
        CT [HU].
    box
        (3,) and (3,) RAS corners of where to look [mm].
    most
        Number of candidates wanted.

    Returns
    -------
    Candidates, best first.

    References
    ----------
    Ballard DH (1981), Generalizing the Hough transform to detect arbitrary shapes, Pattern Recognition 13:111.
    """
    grid = upright_grid(*box, COARSE_MM)
    values = sampled(ct, grid)
    bone_hu = tissue_levels(values).bone_hu
    solid = ndimage.gaussian_filter((values > bone_hu).astype(np.float32), CORE_BLUR_MM / COARSE_MM)
    pieces, _ = ndimage.label(solid > CORE_SHARE, structure=np.ones((3, 3, 3)))
    found: list[Ball] = []
    for place in _tiles(pieces):
        low = grid.to_ras(np.array([part.start for part in place][::-1], dtype=np.float64))
        high = grid.to_ras(np.array([part.stop - 1 for part in place][::-1], dtype=np.float64))
        found += _balls_in(ct, (low - CORE_BLUR_MM, high + CORE_BLUR_MM), bone_hu, most)
    found.sort(key=lambda ball: -ball.share)
    kept: list[Ball] = []
    for ball in found:
        if all(float(np.linalg.norm(ball.centre - other.centre)) > APART_MM for other in kept):
            kept.append(ball)
    return kept[:most]


def _tiles(pieces: Array) -> Iterator[tuple[slice, ...]]:
    """Boxes of pieces; pieces that are too large, as a spine with its pelvis, in parts."""
    most = round(TILE_MM / COARSE_MM)
    for number, place in enumerate(ndimage.find_objects(pieces), start=1):
        edges = [
            np.linspace(part.start, part.stop, max(math.ceil((part.stop - part.start) / most), 1) + 1).astype(int)
            for part in place
        ]
        spans = [[slice(a, b) for a, b in itertools.pairwise(edge)] for edge in edges]
        for tile in itertools.product(*spans):
            inside = pieces[tile] == number
            if inside.any():
                box = bounding_box(inside)
                yield tuple(slice(t.start + b.start, t.start + b.stop) for t, b in zip(tile, box, strict=True))


def _balls_in(ct: Volume, box: tuple[FloatArray, FloatArray], bone_hu: float, most: int) -> list[Ball]:
    grid = upright_grid(box[0] - RADII_MM[1], box[1] + RADII_MM[1], FINE_MM)
    values = sampled(ct, grid)
    core = ndimage.gaussian_filter((values > bone_hu).astype(np.float32), CORE_BLUR_MM / FINE_MM, truncate=3.0)
    places, inward = _edges(values, FINE_MM, bone_hu)
    if len(places) == 0:
        return []
    best = np.zeros(grid.shape, dtype=np.float32)
    size = np.zeros(grid.shape, dtype=np.float32)
    for radius in np.arange(RADII_MM[0], RADII_MM[1] + 1e-6, RADIUS_STEP_MM):
        votes = _votes(places + inward * (radius / FINE_MM), grid.shape)
        # scatter of a normal spreads votes over an area that grows with the square of the radius
        share = ndimage.gaussian_filter(votes, VOTE_BLUR_MM / FINE_MM, truncate=3.0) / (radius / FINE_MM)
        share *= np.where(core > CORE_SHARE, core, 0.0)
        better = share > best
        best[better], size[better] = share[better], radius
    return _peaks(best, size, grid, most)


def _edges(values: FloatArray, step: float, bone_hu: float) -> tuple[FloatArray, FloatArray]:
    smooth = ndimage.gaussian_filter(np.clip(values, -200.0, 600.0), EDGE_BLUR_MM / step, truncate=3.0)
    slopes = np.stack(np.gradient(smooth, step), axis=-1)
    size = np.linalg.norm(slopes, axis=-1)
    # thick cortex has a far stronger edge than a head; every edge has one vote
    strong = (size > LEAST_SLOPE_HU_MM) & (smooth > bone_hu - 90.0) & (smooth < bone_hu + 150.0)
    strong &= _ridge(size, slopes)
    direction = slopes[strong] / size[strong][:, None]
    return np.argwhere(strong).astype(np.float32), direction.astype(np.float32)


def _ridge(size: FloatArray, slopes: FloatArray) -> FloatArray:
    """Where the slope is at least that of the neighbours along its main axis."""
    main = np.abs(slopes).argmax(axis=-1)
    keep = np.zeros(size.shape, dtype=bool)
    for axis in range(3):
        before, after = np.roll(size, 1, axis), np.roll(size, -1, axis)
        keep |= (main == axis) & (size >= before) & (size >= after)
    return keep


def _votes(index: FloatArray, shape: tuple[int, int, int]) -> FloatArray:
    whole = np.rint(index).astype(np.int64)
    inside = ((whole >= 0) & (whole < np.array(shape))).all(axis=1)
    flat = np.ravel_multi_index(tuple(whole[inside].T), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(np.float32)


def _peaks(best: FloatArray, size: FloatArray, grid: Grid, most: int) -> list[Ball]:
    found: list[Ball] = []
    left = best.copy()
    reach = int(np.ceil(APART_MM / grid.spacing_mm[0]))
    while len(found) < most and left.max() > 0:
        place = np.array(np.unravel_index(int(left.argmax()), left.shape))
        centre = grid.to_ras(place[::-1].astype(np.float64))
        found.append(Ball(centre, float(size[tuple(place)]), float(best[tuple(place)])))
        low = np.maximum(place - reach, 0)
        left[tuple(slice(a, b + reach + 1) for a, b in zip(low, place, strict=True))] = 0
    return found
