"""How much each place along a canal is like a disc: dark between two bright endplates of a body."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.disc_chain import Merit
from BoneStrengthFEALib.segmentation.straight_spine import StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU
from BoneStrengthFEALib.volume import Array, FloatArray

CENTRE_MM = 22.0
"""Middle of a body in front of the canal."""
BODY_FRONT_MM = (8.0, 36.0)
PEDICLE_FRONT_MM, PEDICLE_SIDE_MM = (0.0, 9.0), (9.0, 19.0)
ENDPLATE_MM, THORACIC_ENDPLATE_MM = 9, 6
"""An endplate's bright peak lies within this of the middle of a disc."""
MARROW_MM = (9, 12)
"""So far from a thoracic disc lies the middle of a body, darker than the endplate before it."""
BONY_WITHIN_MM, BONY_SHARE = 12, 0.5
"""A column of a body meets bone within half its height; a column brighter than this share of the threshold is bone."""
LEAST_DIP_HU = 30.0
COARSE_TILTS, SIDE_TILTS = np.arange(-0.72, 0.73, 0.08), (-0.2, -0.1, 0.0, 0.1, 0.2)
TILT_COST_HU, PEDICLE_COST_HU, LEVEL_WEIGHT = 15.0, 40.0, 0.25
"""A lumbar disc is no brighter than muscle by much; marrow between endplates may be."""
DEPTH_RANGE_HU, COLUMNS_MM, COLUMN_MM = (-40.0, 150.0), (-10.0, 0.0, 10.0), 5.0
LEAST_INSIDE = 0.5
"""Share of the columns that must lie inside the image and meet bone; a thoracic body is smaller than the window."""


@dataclass(frozen=True, eq=False)
class _Columns:
    """Small columns of a body: (S, C, F) mean HU, which of them lie in the image and meet bone, (F,) front places."""

    values: FloatArray
    within: Array
    front: FloatArray


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


def disc_merit(spine: StraightSpine, levels: TissueLevels) -> tuple[Merit, FloatArray]:
    """Judge each place along the canal as a thoracic and as a lumbar disc.

    Parameters
    ----------
    spine
        Straightened spine.
    levels
        Levels.

    Returns
    -------
    Merits, and (S, 2) slopes to the front and right of the darkest plane at each place.
    """
    columns = _columns(spine, levels)
    lumbar, level, tilts = _best_planes(columns, (_dip(columns.values, ENDPLATE_MM),))
    pedicle = ndimage.gaussian_filter1d(pedicle_profile(spine, levels), 2.0)
    pedicle = pedicle / np.maximum(ndimage.maximum_filter1d(pedicle, 45), 0.2)
    usual = PEDICLE_COST_HU * pedicle + LEVEL_WEIGHT * np.clip(level - levels.soft_hu, 0.0, None)
    # between thin discs' endplates it is bright, and heads of ribs beside them look like pedicles
    dip = _dip(columns.values, THORACIC_ENDPLATE_MM)
    thoracic, _, _ = _best_planes(columns, (dip, _ridge(columns.values, dip)))
    return Merit(
        np.where(thoracic > LEAST_DIP_HU, thoracic, -np.inf), np.where(lumbar > LEAST_DIP_HU, lumbar - usual, -np.inf)
    ), tilts


def _dip(columns: FloatArray, endplate_mm: int) -> FloatArray:
    """How much darker each place is than the peaks on both its sides; NaN where one lies outside the image."""
    with np.errstate(invalid="ignore"):
        depth = np.minimum(_peak_beside(columns, 1, endplate_mm), _peak_beside(columns, -1, endplate_mm)) - columns
    return np.where(np.isfinite(depth), depth, np.nan)


def _ridge(columns: FloatArray, dip: FloatArray) -> FloatArray:
    """How much brighter the peaks beside each place are than the place and the middles of the bodies."""
    known = np.isfinite(columns)
    values = np.where(known, columns, 0.0)
    total, count = np.zeros(columns.shape), np.zeros(columns.shape)
    for away in range(MARROW_MM[0], MARROW_MM[1] + 1):
        for near, far in ((slice(None, -away), slice(away, None)), (slice(away, None), slice(None, -away))):
            total[near] += values[far]
            count[near] += known[far]
    marrow = np.where(count > 0, total / np.maximum(count, 1), values)
    return dip - 0.5 * (marrow - values)


def _best_planes(columns: _Columns, depths: tuple[FloatArray, ...]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of the planes through each place the one whose smallest mean depth is largest: that depth, HU, and tilt.

    Depth is taken in small columns of the body, so that a slanting plane is not deep because it crosses endplates.
    """
    # no peak beside is known at the image's edge: the column does not count
    known = columns.within & np.isfinite(depths[0])
    parts = [np.where(known, np.clip(np.nan_to_num(depth), *DEPTH_RANGE_HU), 0.0) for depth in depths]
    fields = np.stack([*parts, np.where(known, columns.values, 0.0), known])
    count = len(columns.values)
    best, level = np.full(count, -np.inf), np.full(count, np.inf)
    tilts = np.zeros((count, 2))
    place = np.arange(count, dtype=np.float64)[:, None, None]
    row, column = np.arange(len(COLUMNS_MM))[:, None], np.arange(len(columns.front))
    for to_front, to_right in itertools.product(COARSE_TILTS, SIDE_TILTS):
        away = to_front * (columns.front - CENTRE_MM) + to_right * np.array(COLUMNS_MM)[:, None]
        index = np.clip(np.rint(place + away).astype(int), 0, count - 1)
        *sums, summed, share = fields[:, index, row, column].mean(axis=(2, 3))
        depth = np.min(sums, axis=0) / np.maximum(share, 1e-6) - TILT_COST_HU * (abs(to_front) + abs(to_right))
        better = (share > LEAST_INSIDE) & (depth > best)
        best[better], tilts[better] = depth[better], (to_front, to_right)
        level[better] = (summed / np.maximum(share, 1e-6))[better]
    return best, level, tilts


def _columns(spine: StraightSpine, levels: TissueLevels) -> _Columns:
    sides = [np.abs(spine.right - middle) <= COLUMN_MM for middle in COLUMNS_MM]
    front = np.arange(BODY_FRONT_MM[0] + 2.0, BODY_FRONT_MM[1], 3.0)
    parts = [[spine.values[:, np.abs(spine.front - at) <= 1][:, :, side] for at in front] for side in sides]
    within = np.array([[(part > OUTSIDE_HU + 24.0).all(axis=(1, 2)) for part in row] for row in parts])
    means = np.array([[np.clip(part, -50.0, 450.0).mean(axis=(1, 2)) for part in row] for row in parts])
    even = ndimage.gaussian_filter1d(means, 0.5, axis=2)
    bony = levels.soft_hu + BONY_SHARE * (levels.bone_hu - levels.soft_hu)
    within &= ndimage.maximum_filter1d(even, 2 * BONY_WITHIN_MM + 1, axis=2) > bony
    columns = np.where(within, even, -np.inf)
    return _Columns(np.moveaxis(columns, 2, 0), np.moveaxis(within, 2, 0), front)


def _peak_beside(columns: FloatArray, side: int, endplate_mm: int) -> FloatArray:
    """Highest value 2 mm away on one side and up to where an endplate may be."""
    highest = np.full(columns.shape, -np.inf)
    for away in range(2, endplate_mm + 1):
        if side > 0:
            highest[:-away] = np.maximum(highest[:-away], columns[away:])
        else:
            highest[away:] = np.maximum(highest[away:], columns[:-away])
    return highest
