"""Which bone of a straightened spine belongs to which vertebra: watershed from bodies, pedicles and laminae."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.discs import CENTRE_MM, Disc, find_discs, pedicle_profile, pitch_mm
from BoneStrengthFEALib.segmentation.separation import watershed_from
from BoneStrengthFEALib.segmentation.straight_spine import StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.vertebral_bodies import bone_with_marrow, fill_bodies, zones
from BoneStrengthFEALib.volume import Array, FloatArray

PEDICLE_ABOVE_DISC, LAMINA_BELOW_PEDICLE = 0.58, 0.35
"""In parts of the distance between discs; medians of L1 to L4 and T10 of the reference scans."""
LAMINA_WINDOW = (0.8, 0.12)
LAMINA_BACK_MM, LAMINA_SIDE_MM = (9.0, 24.0), 5.0
SHEARS = np.arange(0.0, 1.31, 0.1)
"""Slope of spinous processes: how far they go down per millimetre to the back."""
HIGHEST_ABOVE_PEDICLE, LOWEST_BELOW_PEDICLE = 0.5, 1.0
BRIGHTEST_HU = 700.0
EDGE_ABOVE_BONE_HU = 25.0
"""The middle of the edge of a strong cortex lies higher than the weakest bone does."""


@dataclass(frozen=True, eq=False)
class Vertebrae:
    """Vertebrae of a straightened spine.

    Parameters
    ----------
    number
        (S, A, R) uint8: 0 none, n + 1 the vertebra above disc n (1 is below the first disc).
    discs
        Discs in rising order; vertebra n + 1 is whole when it lies between two.
    walls_mm
        Front coordinate of the posterior wall of each.
    """

    number: Array
    discs: tuple[Disc, ...]
    walls_mm: tuple[float, ...]


def part_vertebrae(spine: StraightSpine, levels: TissueLevels) -> Vertebrae:
    """Assign the bone of a spine to vertebrae.

    Parameters
    ----------
    spine
        Straightened spine.
    levels
        Levels.

    Returns
    -------
    The vertebrae.

    References
    ----------
    Beucher S and Meyer F (1993), Mathematical Morphology in Image Processing, ch. 12: watershed from markers.
    """
    discs = find_discs(spine, levels)
    zone = zones(spine, discs)
    count = len(discs) + 1
    bone, walls = fill_bodies(spine, levels, bone_with_marrow(spine, levels), zone, count)
    bone = _without_dim_rim(spine, levels, bone)
    pedicles = _pedicles(spine, levels, discs)
    shear, laminae = _laminae(spine, pedicles, pitch_mm(discs))
    front, right = spine.planes
    ahead = (front > 9) & (front < 50) & (np.abs(right) < 26)
    markers = np.where(ahead & bone, zone, 0).astype(np.int32)
    place = np.arange(len(spine.along))[:, None, None]
    beside = (front > -4) & (front <= 9) & (np.abs(right) > 8) & (np.abs(right) < 22)
    behind = (front > -28) & (front < -9) & (np.abs(right) < 7)
    for n in range(count):
        markers[(np.abs(place - pedicles[n]) <= 5) & beside & bone] = n + 1
        if n in laminae:
            line = laminae[n] + shear * (front + LAMINA_BACK_MM[0])
            markers[(np.abs(place - line) <= 3) & behind & (spine.values > levels.bone_hu)] = n + 1
    bright = np.clip(ndimage.gaussian_filter(spine.values, 0.7), -100.0, BRIGHTEST_HU)
    number = watershed_from(-bright, markers, bone & ~(ahead & (zone == 0)))
    number = _kept_near(number, place, front, pedicles, (shear, pitch_mm(discs)))
    return Vertebrae(_without_holes(number, count, np.hypot(front, right) <= 4), discs, walls)


def _without_dim_rim(spine: StraightSpine, levels: TissueLevels, bone: Array) -> Array:
    """Take away surface voxels outside the middle of a strong cortex's edge."""
    rim = bone & ~ndimage.binary_erosion(bone)
    dim = ndimage.gaussian_filter(spine.values, levels.blur_steps) < levels.bone_hu + EDGE_ABOVE_BONE_HU
    return np.asarray(bone & ~(rim & dim))


def _pedicles(spine: StraightSpine, levels: TissueLevels, discs: tuple[Disc, ...]) -> list[float]:
    """Index along the canal of each vertebra's pedicles; those at the ends follow from the distance of discs."""
    pitch = pitch_mm(discs)
    if not discs:
        return [len(spine.along) / 2.0]
    profile = pedicle_profile(spine, levels)
    places = [discs[0].middle - (1 - PEDICLE_ABOVE_DISC) * pitch]
    for low, high in zip(discs, discs[1:], strict=False):
        first = int(low.middle) + 2
        part = profile[first : int(high.middle) - 1]
        weight = np.clip(part - 0.5 * part.max(initial=0.0), 0.0, None)
        usual = low.middle + PEDICLE_ABOVE_DISC * pitch
        places.append(
            first + float((weight * np.arange(len(part))).sum() / weight.sum()) if weight.sum() > 0 else usual
        )
    return [*places, discs[-1].middle + PEDICLE_ABOVE_DISC * pitch]


def _laminae(spine: StraightSpine, pedicles: list[float], pitch: float) -> tuple[float, dict[int, int]]:
    """Slope of the spinous processes, and the index of each vertebra's lamina in the midline."""
    rows = (spine.front > -LAMINA_BACK_MM[1]) & (spine.front < -LAMINA_BACK_MM[0])
    bright = ndimage.gaussian_filter(np.clip(spine.values, 0.0, 600.0), 0.7)
    midline = bright[:, :, np.abs(spine.right) < LAMINA_SIDE_MM].mean(axis=2)[:, rows]
    back = spine.front[rows] + LAMINA_BACK_MM[0]
    place = np.arange(len(spine.along), dtype=np.float64)
    best_shear, best = 0.0, np.zeros(len(place))
    for shear in SHEARS:
        sheared = [np.interp(place + shear * back[n], place, midline[:, n]) for n in range(len(back))]
        smooth = ndimage.gaussian_filter1d(np.mean(sheared, axis=0), 2.0)
        profile = smooth - ndimage.gaussian_filter1d(smooth, 14.0)
        if profile.std() > best.std():
            best_shear, best = float(shear), profile
    peaks = [
        n for n in np.nonzero((best > 0) & (best == ndimage.maximum_filter1d(best, 13)))[0] if 2 <= n < len(best) - 2
    ]
    found = {}
    for n, pedicle in enumerate(pedicles):
        near = [k for k in peaks if pedicle - LAMINA_WINDOW[0] * pitch < k < pedicle + LAMINA_WINDOW[1] * pitch]
        if near:
            usual = pedicle - LAMINA_BELOW_PEDICLE * pitch
            found[n] = int(near[int(np.abs(np.array(near) - usual).argmin())])
    return best_shear, found


def _kept_near(
    number: Array, place: Array, front: FloatArray, pedicles: list[float], slope_and_pitch: tuple[float, float]
) -> Array:
    """Hand posterior bone that lies too far above or below its pedicles to the neighbour."""
    shear, pitch = slope_and_pitch
    kept = np.array(number)
    for n, pedicle in enumerate(pedicles):
        own = (number == n + 1) & (front < 0)
        kept[own & (place > pedicle + HIGHEST_ABOVE_PEDICLE * pitch)] = n + 2 if n + 2 <= len(pedicles) else 0
        lowest = pedicle - LOWEST_BELOW_PEDICLE * pitch - shear * np.maximum(-front - LAMINA_BACK_MM[0], 0)
        kept[own & (place < lowest)] = n
    return kept


def _without_holes(number: Array, count: int, canal: Array) -> Array:
    filled = np.array(number, dtype=np.uint8)
    for n in range(1, count + 1):
        one = number == n
        whole = ndimage.binary_fill_holes(one)
        for section, into in zip(one, whole, strict=True):
            if not section.any():
                continue
            holes = ndimage.binary_fill_holes(section) & ~section
            pieces, _ = ndimage.label(holes)
            into |= holes & ~np.isin(pieces, np.unique(pieces[canal & (pieces > 0)]))
        filled[whole & (number == 0)] = n
    return filled


def body_of(spine: StraightSpine, vertebrae: Vertebrae, number: int) -> Array:
    """The body of a vertebra: what lies in front of its posterior wall.

    Parameters
    ----------
    spine
        Straightened spine.
    vertebrae
        Vertebrae.
    number
        Which one.

    Returns
    -------
    (S, A, R) booleans.
    """
    front, right = spine.planes
    ahead = (front >= vertebrae.walls_mm[number - 1] - 0.5) & (np.hypot(front - CENTRE_MM, right) < 40)
    return np.asarray((vertebrae.number == number) & ahead)
