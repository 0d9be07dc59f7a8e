"""Intervertebral discs of a straightened spine, and the endplates on both their sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.disc_chain import best_chain
from BoneStrengthFEALib.segmentation.disc_merit import BODY_FRONT_MM, CENTRE_MM, disc_merit
from BoneStrengthFEALib.segmentation.straight_spine import STEP_MM, StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU
from BoneStrengthFEALib.volume import Array, FloatArray

BODY_SIDE_MM = 16.0
PITCH_RANGE_MM, USUAL_PITCH_MM = (20.0, 42.0), 32.0
SHIFTS_MM, FINE_TILTS = np.arange(-2.0, 2.1, 0.5), np.arange(-0.08, 0.081, 0.04)
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
    merit, tilts = disc_merit(spine, levels)
    smooth = ndimage.gaussian_filter(spine.values, 0.6)
    return tuple(_disc(spine, smooth, _plane(spine, place, tilts[place])) for place in best_chain(merit))


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
