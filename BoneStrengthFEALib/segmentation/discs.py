"""Intervertebral discs of a straightened spine, and the endplates on both their sides."""

from __future__ import annotations

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
LEAST_DIP_HU, PEDICLE_SHARE = 12.0, 0.75
LEAST_SPACING_MM = 19
PITCH_RANGE_MM, USUAL_PITCH_MM = (22.0, 42.0), 32.0
TILTS_FRONT, TILTS_SIDE, SHIFTS_MM = np.arange(-0.78, 0.79, 0.06), np.arange(-0.3, 0.31, 0.06), np.arange(-4.0, 4.1)
COARSE_TILTS = np.arange(-0.75, 0.76, 0.15)
TILT_COST_HU = 15.0
LEAST_INSIDE = 0.5
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
    return np.asarray((spine.values[:, rows][:, :, columns] > levels.bone_hu).mean(axis=(1, 2)))


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
    dip, inside = _dips(spine)
    pedicle = ndimage.gaussian_filter1d(pedicle_profile(spine, levels), 2.0)
    pedicle = pedicle / np.maximum(ndimage.maximum_filter1d(pedicle, 45), 0.2)
    possible = (inside > LEAST_INSIDE) & (dip > LEAST_DIP_HU) & (pedicle < PEDICLE_SHARE)
    merit = dip - 90.0 * pedicle
    chosen: list[int] = []
    for place in np.argsort(-merit):
        if possible[place] and all(abs(place - other) >= LEAST_SPACING_MM for other in chosen):
            chosen.append(int(place))
    smooth = ndimage.gaussian_filter(spine.values, 0.6)
    return tuple(_disc(spine, smooth, _plane(spine, place)) for place in sorted(chosen))


def _dips(spine: StraightSpine) -> tuple[FloatArray, FloatArray]:
    """How much darker each place is than the peaks beside it, at the best tilt, and its share inside the image."""
    rows = (spine.front > BODY_FRONT_MM[0]) & (spine.front < BODY_FRONT_MM[1])
    body = spine.values[:, rows][:, :, np.abs(spine.right) < BODY_SIDE_MM]
    within = body > OUTSIDE_HU + 24.0
    share = within.mean(axis=2)
    # what lies outside the image tells nothing; a mean must not be dark because of it
    summed = np.where(within, np.clip(body, -50.0, 450.0), 0.0).mean(axis=2)
    summed, weight = (ndimage.gaussian_filter1d(part, 1.0, axis=0) for part in (summed, share))
    place = np.arange(len(spine.along), dtype=np.float64)
    best, reached = np.full(len(place), -np.inf), np.zeros(len(place))
    for tilt in COARSE_TILTS:
        shifts = tilt * (spine.front[rows] - CENTRE_MM)
        total, known = (
            np.mean([np.interp(place + shift, place, part[:, n]) for n, shift in enumerate(shifts)], axis=0)
            for part in (summed, weight)
        )
        profile = np.where(known > LEAST_INSIDE, total / np.maximum(known, 1e-6), -np.inf)
        # outside the image nothing is a peak, and nothing is dark
        dark = np.where(np.isfinite(profile), profile, np.inf)
        dip = np.minimum(_peak_beside(profile, 1), _peak_beside(profile, -1)) - dark - TILT_COST_HU * abs(tilt)
        best, reached = np.maximum(best, dip), np.maximum(reached, known)
    return best, reached


def _peak_beside(profile: FloatArray, side: int) -> FloatArray:
    """Highest value 2 to 9 mm away on one side."""
    highest = np.full(len(profile), -np.inf)
    for away in range(2, ENDPLATE_MM + 1):
        shifted = np.full(len(profile), -np.inf)
        if side > 0:
            shifted[:-away] = profile[away:]
        else:
            shifted[away:] = profile[:-away]
        highest = np.maximum(highest, shifted)
    return highest


def _plane(spine: StraightSpine, place: int) -> tuple[float, float, float]:
    """Darkest plane near a place: index along the canal above the body's middle, slopes to the front and right."""
    # a plane must not be dark because it leaves the image
    bright = np.where(spine.values < OUTSIDE_HU + 124.0, 300.0, np.clip(spine.values, -50.0, 450.0))
    low = max(place - 24, 0)
    part = ndimage.gaussian_filter(bright[low : place + 25], 0.8)
    front, right = (x.ravel() for x in np.meshgrid(np.arange(10, 37, 3.0), np.arange(-16, 17, 4.0), indexing="ij"))
    rows, columns = front - spine.front[0], right - spine.right[0]
    best = (np.inf, float(place), 0.0, 0.0)
    for to_front in TILTS_FRONT:
        for to_right in TILTS_SIDE:
            tilt = to_front * (front - CENTRE_MM) + to_right * right
            places = (place - low) + SHIFTS_MM[:, None] + tilt
            index = [places, np.broadcast_to(rows, places.shape), np.broadcast_to(columns, places.shape)]
            means = ndimage.map_coordinates(part, index, order=1, mode="nearest").mean(axis=1)
            n = int(means.argmin())
            cost = float(means[n]) + TILT_COST_HU * (abs(to_front) + abs(to_right))
            if cost < best[0]:
                best = (cost, place + float(SHIFTS_MM[n]), float(to_front), float(to_right))
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
