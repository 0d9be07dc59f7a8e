"""Intervertebral discs of a straightened spine, and the endplates on both their sides."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.straight_spine import STEP_MM, StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU
from BoneStrengthFEALib.volume import Array, FloatArray

CENTRE_MM = 22.0
"""Middle of a body in front of the canal."""
BODY_FRONT_MM, BODY_SIDE_MM = (8.0, 36.0), 16.0
PEDICLE_FRONT_MM, PEDICLE_SIDE_MM = (0.0, 9.0), (9.0, 19.0)
ENDPLATE_MM = 9
"""An endplate's bright peak lies within this of the middle of a disc."""
LEAST_DIP_HU = 30.0
LEAST_SPACING_MM = 19
PITCH_RANGE_MM, USUAL_PITCH_MM = (22.0, 42.0), 32.0
UNEVEN_COST_HU, UNSEEN_COST_HU = 400.0, 30.0
"""A distance a quarter off the usual costs 25 HU, less than the depth of any disc."""
SHIFTS_MM, FINE_TILTS = np.arange(-2.0, 2.1, 0.5), np.arange(-0.08, 0.081, 0.04)
COARSE_TILTS, SIDE_TILTS = np.arange(-0.72, 0.73, 0.08), (-0.2, -0.1, 0.0, 0.1, 0.2)
TILT_COST_HU, PEDICLE_COST_HU, LEVEL_WEIGHT = 15.0, 40.0, 0.25
"""A disc is no brighter than muscle by much; marrow between endplates may be."""
DEPTH_RANGE_HU, COLUMNS_MM, COLUMN_MM = (-40.0, 150.0), (-10.0, 0.0, 10.0), 5.0
LEAST_INSIDE = 0.6
"""Share of a section of the body that must lie inside the image."""
SEARCH_MM = 9.0


@dataclass(frozen=True, eq=False)
class Disc:
    """A disc between two vertebrae.

    Parameters
    ----------
    middle
        Index along the canal of its middle, above the middle of the body.
    below, above
        (A, R) indices along the canal of the endplate below it and of that above it.
    """

    middle: float
    below: FloatArray
    above: FloatArray


def pitch_mm(discs: tuple[Disc, ...]) -> float:
    """Distance between neighbouring discs.

    Parameters
    ----------
    discs
        Discs in rising order.

    Returns
    -------
    Median [mm]; 32 mm when there are fewer than two.
    """
    if len(discs) < 2:
        return USUAL_PITCH_MM
    return float(np.clip(np.median(np.diff([disc.middle for disc in discs])), *PITCH_RANGE_MM)) * STEP_MM


def pedicle_profile(spine: StraightSpine, levels: TissueLevels) -> FloatArray:
    """Share of bone beside the canal, where pedicles are and foramina are not.

    Parameters
    ----------
    spine
        Straightened spine.
    levels
        Levels.

    Returns
    -------
    (S,) 0 to 1.
    """
    side = np.abs(spine.right)
    rows = (spine.front > PEDICLE_FRONT_MM[0]) & (spine.front < PEDICLE_FRONT_MM[1])
    columns = (side > PEDICLE_SIDE_MM[0]) & (side < PEDICLE_SIDE_MM[1])
    beside = spine.values[:, rows][:, :, columns]
    known = (beside > OUTSIDE_HU + 24.0).mean(axis=(1, 2))
    share = (beside > levels.bone_hu).mean(axis=(1, 2)) / np.maximum(known, 0.3)
    # beyond the image nobody knows: as beside its edge
    seen = np.nonzero(known > 0.3)[0]
    return np.asarray(np.interp(np.arange(len(share)), seen, share[seen]) if len(seen) else share)


def find_discs(spine: StraightSpine, levels: TissueLevels) -> tuple[Disc, ...]:
    """Find discs: dark between two bright endplates, where no pedicle is.

    Parameters
    ----------
    spine
        Straightened spine.
    levels
        Levels.

    Returns
    -------
    Discs in rising order.
    """
    dip, inside, level, tilts = _dips(spine)
    pedicle = ndimage.gaussian_filter1d(pedicle_profile(spine, levels), 2.0)
    pedicle = pedicle / np.maximum(ndimage.maximum_filter1d(pedicle, 45), 0.2)
    merit = dip - PEDICLE_COST_HU * pedicle - LEVEL_WEIGHT * np.clip(level - levels.soft_hu, 0.0, None)
    merit[(inside <= LEAST_INSIDE) | (dip <= LEAST_DIP_HU)] = -np.inf
    chosen = _chain(merit)
    smooth = ndimage.gaussian_filter(spine.values, 0.6)
    return tuple(_disc(spine, smooth, _plane(spine, place, tilts[place])) for place in chosen)


def _chain(merit: FloatArray) -> list[int]:
    """Places of highest merit whose distances are alike, by dynamic programming for each usual distance."""
    peak = (merit >= ndimage.maximum_filter1d(merit, 7)) & (merit > 0)
    places = [int(n) for n in np.nonzero(peak)[0]]
    best: tuple[float, list[int]] = (0.0, [])
    for pitch in np.arange(*PITCH_RANGE_MM, 2.0):
        chains: list[tuple[float, list[int]]] = []
        for n, place in enumerate(places):
            before = [
                (total - _uneven(place - places[m], float(pitch)), chain) for m, (total, chain) in enumerate(chains[:n])
            ]
            total, chain = max(before, default=(0.0, []), key=lambda one: one[0])
            total, chain = (total, chain) if total > 0 else (0.0, [])
            chains.append((total + float(merit[place]), [*chain, place]))
        best = max([best, *chains], key=lambda one: one[0])
    return best[1]


def _uneven(gap: float, pitch: float) -> float:
    """Cost of a distance between discs that is not the usual one; a disc that is not seen costs a fixed amount."""
    if gap < LEAST_SPACING_MM:
        return np.inf
    return min(UNEVEN_COST_HU * (gap / pitch - 1.0) ** 2, UNSEEN_COST_HU if gap > 1.5 * pitch else np.inf)


def _dips(spine: StraightSpine) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """How much darker each place is than the peaks beside it, its share inside the image, its HU, and its best tilt.

    Depth is taken in small columns of the body, so that a slanting plane is not deep because it crosses endplates.
    """
    columns, within, front = _columns(spine)
    with np.errstate(invalid="ignore"):
        depth = np.minimum(_peak_beside(columns, 1), _peak_beside(columns, -1)) - columns
    # no peak beside is known at the image's edge: the column does not count
    known = np.where(np.isfinite(depth), within, 0.0)
    depth = np.clip(np.where(known > 0, depth, 0.0), *DEPTH_RANGE_HU)
    fields = np.stack([depth * known, np.where(known > 0, columns, 0.0), known])
    best, reached, level = (np.full(len(columns), value) for value in (-np.inf, 0.0, np.inf))
    tilts = np.zeros((len(columns), 2))
    place = np.arange(len(columns), dtype=np.float64)[:, None, None]
    row, column = np.arange(len(COLUMNS_MM))[:, None], np.arange(len(front))
    for to_front, to_right in itertools.product(COARSE_TILTS, SIDE_TILTS):
        away = to_front * (front - CENTRE_MM) + to_right * np.array(COLUMNS_MM)[:, None]
        index = np.clip(np.rint(place + away).astype(int), 0, len(columns) - 1)
        total, summed, share = fields[:, index, row, column].mean(axis=(2, 3))
        share = np.maximum(share, 1e-6)
        cost = TILT_COST_HU * (abs(to_front) + abs(to_right))
        dip = np.where(share > LEAST_INSIDE, total / share - cost, -np.inf)
        level = np.where(dip > best, summed / share, level)
        tilts[dip > best] = (to_front, to_right)
        best, reached = np.maximum(best, dip), np.maximum(reached, share)
    return best, reached, level, tilts


def _columns(spine: StraightSpine) -> tuple[FloatArray, Array, FloatArray]:
    """(S, C, F) mean HU of columns of the body, which of them lie in the image, and their (F,) front coordinates."""
    sides = [np.abs(spine.right - middle) <= COLUMN_MM for middle in COLUMNS_MM]
    front = np.arange(BODY_FRONT_MM[0] + 2.0, BODY_FRONT_MM[1], 3.0)
    parts = [[spine.values[:, np.abs(spine.front - at) <= 1][:, :, side] for at in front] for side in sides]
    within = np.array([[(part > OUTSIDE_HU + 24.0).all(axis=(1, 2)) for part in row] for row in parts])
    means = np.array([[np.clip(part, -50.0, 450.0).mean(axis=(1, 2)) for part in row] for row in parts])
    even = ndimage.gaussian_filter1d(means, 0.5, axis=2)
    columns = np.where(within, even, -np.inf)
    return np.moveaxis(columns, 2, 0), np.moveaxis(within, 2, 0), front


def _peak_beside(columns: FloatArray, side: int) -> FloatArray:
    """Highest value 2 to 9 mm away on one side."""
    highest = np.full(columns.shape, -np.inf)
    for away in range(2, ENDPLATE_MM + 1):
        if side > 0:
            highest[:-away] = np.maximum(highest[:-away], columns[away:])
        else:
            highest[away:] = np.maximum(highest[away:], columns[:-away])
    return highest


def _plane(spine: StraightSpine, place: int, tilts: FloatArray) -> tuple[float, float, float]:
    """Darkest plane near a place: index along the canal above the body's middle, slopes to the front and right."""
    # a plane must not be dark because it leaves the image
    bright = np.where(spine.values < OUTSIDE_HU + 124.0, 300.0, np.clip(spine.values, -50.0, 450.0))
    low = max(place - 24, 0)
    part = ndimage.gaussian_filter(bright[low : place + 25], 0.8)
    front, right = (x.ravel() for x in np.meshgrid(np.arange(10, 37, 3.0), np.arange(-16, 17, 4.0), indexing="ij"))
    rows, columns = front - spine.front[0], right - spine.right[0]
    best = (np.inf, float(place), 0.0, 0.0)
    for to_front in tilts[0] + FINE_TILTS:
        for to_right in tilts[1] + FINE_TILTS:
            tilt = to_front * (front - CENTRE_MM) + to_right * right
            places = (place - low) + SHIFTS_MM[:, None] + tilt
            index = [places, np.broadcast_to(rows, places.shape), np.broadcast_to(columns, places.shape)]
            means = ndimage.map_coordinates(part, index, order=1, mode="nearest").mean(axis=1)
            n = int(means.argmin())
            if means[n] < best[0]:
                best = (float(means[n]), place + float(SHIFTS_MM[n]), float(to_front), float(to_right))
    return best[1:]


def _disc(spine: StraightSpine, smooth: FloatArray, plane: tuple[float, float, float]) -> Disc:
    """Endplates where HU crosses halfway between disc and endplate."""
    front, right = spine.planes
    middle = plane[0] + plane[1] * (front - CENTRE_MM) + plane[2] * right
    core = (front > 10) & (front < BODY_FRONT_MM[1]) & (np.abs(right) < BODY_SIDE_MM)
    away = np.arange(0.0, SEARCH_MM + 0.1, 0.5)
    surfaces = []
    for side in (-1.0, 1.0):
        index = [
            middle + side * away[:, None, None],
            np.broadcast_to(front - spine.front[0], (len(away), *front.shape)),
            np.broadcast_to(right - spine.right[0], (len(away), *front.shape)),
        ]
        column = ndimage.map_coordinates(smooth, index, order=1, mode="nearest")
        dark, bright = float(np.median(column[:3][:, core])), float(np.median(column.max(axis=0)[core]))
        surfaces.append(_crossing(column > 0.5 * (dark + bright), away, core))
    return Disc(plane[0], middle - surfaces[0], middle + surfaces[1])


def _crossing(beyond: Array, away: FloatArray, core: Array) -> FloatArray:
    """Smoothed distance of the first crossing in each column; columns far from the others take the median."""
    first = np.where(beyond.any(axis=0), away[beyond.argmax(axis=0)], np.nan)
    usual = float(np.nanmedian(first[core])) if np.isfinite(first[core]).any() else 3.0
    first = np.where(np.isnan(first) | (np.abs(first - usual) > 3.5), usual, first)
    return np.asarray(ndimage.gaussian_filter(ndimage.median_filter(first, 7), 1.5) - 0.25)
