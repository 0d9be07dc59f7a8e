"""Trochanters: the lesser as the bump on the medial half of the shaft, the greater as the most lateral bone.

The lesser trochanter lies posterior: together with head and shaft it tells a right femur from a left one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.femur.axes import Shaft
from BoneStrengthFEALib.anatomy.femur.head import Head
from BoneStrengthFEALib.anatomy.surface import unit
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import FloatArray

DEPTHS = (1.3, 3.8)
"""The lesser trochanter is sought between these depths below the head's centre, in head radii."""
PEAK_DEPTHS = (1.8, 3.3)
LEVEL_MM = 2.0
SECTOR_DEG = 15.0
SECTORS_DEG = np.arange(-120.0, 121.0, SECTOR_DEG)
"""Directions about the shaft, from medial towards proximal x lateral."""
CREST_MM = 1.0
"""Surface that stands out at most so much less than the highest point belongs to the crest."""
GREATER_DEPTH = 2.4
"""The greater trochanter lies above this depth, in head radii."""
TIP_SHARE = 0.5
"""Its tip is sought where the bone reaches at least so far beyond the shaft's axis, relative to the farthest point."""


@dataclass(frozen=True, eq=False)
class Trochanters:
    """The trochanters.

    Parameters
    ----------
    lesser
        (3,) middle of the crest of the lesser trochanter, RAS [mm].
    lesser_depth_mm
        Its depth below the head's centre along the shaft.
    prominence_mm
        How far it stands out against the bone above and below.
    across
        Its position across the shaft along proximal x lateral, in units of its distance from the axis: negative for
        a right femur, where proximal x lateral is anterior.
    greater
        (3,) most lateral point, RAS [mm].
    tip
        (3,) most proximal point of the lateral half.
    """

    lesser: FloatArray
    lesser_depth_mm: float
    prominence_mm: float
    across: float
    greater: FloatArray
    tip: FloatArray


def find_trochanters(points: FloatArray, head: Head, shaft: Shaft) -> Trochanters:
    """Find both trochanters.

    Parameters
    ----------
    points
        (n, 3) surface points [mm].
    head, shaft
        Head and shaft.

    Returns
    -------
    The trochanters; a prominence near 0 means that no lesser trochanter stands out.

    Raises
    ------
    AnatomyError
        When the shaft does not run where the axes say.
    """
    lateral = unit(shaft.point - head.centre)
    across = np.cross(shaft.proximal, lateral)
    away = points - shaft.point
    depth = -(away @ shaft.proximal)
    medial, aside, outward = -(away @ lateral), away @ across, away @ lateral
    distance = np.hypot(medial, aside)
    angle = np.degrees(np.arctan2(aside, medial))
    prominence, sector, peak = _bump(depth, angle, distance, head.radius_mm)
    near = (np.abs(depth - peak) <= 3.0 * LEVEL_MM) & (np.abs(angle - sector) <= 1.5 * SECTOR_DEG)
    if not near.any():
        raise AnatomyError("no bone where the lesser trochanter is; check the label or give the landmarks of the shaft")
    crest = near & (distance >= distance[near].max() - CREST_MM)
    # the middle of the crest: its single highest point jumps along it with the voxels
    lesser = points[crest].mean(axis=0)
    high = depth < GREATER_DEPTH * head.radius_mm
    lateral_most = int(np.flatnonzero(high)[outward[high].argmax()])
    flank = outward > TIP_SHARE * outward[lateral_most]
    top = int(np.flatnonzero(flank)[depth[flank].argmin()])
    return Trochanters(
        lesser,
        float(depth[crest].mean()),
        prominence,
        float((aside[crest] / distance[crest]).mean()),
        points[lateral_most],
        points[top],
    )


def _bump(depth: FloatArray, angle: FloatArray, distance: FloatArray, radius: float) -> tuple[float, float, float]:
    """Highest prominence over all sectors: (prominence, sector, depth)."""
    levels = np.arange(DEPTHS[0] * radius, min(DEPTHS[1] * radius, float(depth.max()) - 2.0), LEVEL_MM)
    best = (0.0, 0.0, float(np.mean(PEAK_DEPTHS)) * radius)
    for sector in SECTORS_DEG:
        chosen = np.abs(angle - sector) <= SECTOR_DEG
        row = np.floor((depth[chosen] - levels[0]) / LEVEL_MM).astype(int)
        valid = (row >= 0) & (row < len(levels))
        profile = np.zeros(len(levels))
        np.maximum.at(profile, row[valid], distance[chosen][valid])
        profile = ndimage.gaussian_filter1d(profile, 1.0)
        for at in range(1, len(levels) - 1):
            inside = PEAK_DEPTHS[0] * radius <= levels[at] <= PEAK_DEPTHS[1] * radius
            if inside and profile[at] >= profile[at - 1] and profile[at] >= profile[at + 1]:
                height = float(profile[at] - max(profile[:at].min(), profile[at + 1 :].min()))
                if height > best[0]:
                    best = (height, float(sector), float(levels[at] + LEVEL_MM / 2))
    return best
