"""Which bone of a straightened spine belongs to which vertebra: a random walk from bodies, pedicles and laminae."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.disc_merit import CENTRE_MM, pedicle_profile
from BoneStrengthFEALib.segmentation.discs import Disc, find_discs, pitch_mm
from BoneStrengthFEALib.segmentation.marrow import fill_marrow
from BoneStrengthFEALib.segmentation.random_walk import conductance, walk
from BoneStrengthFEALib.segmentation.straight_spine import StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.vertebral_bodies import CANAL_MM, bone_with_marrow, disc_of, fill_bodies, zones
from BoneStrengthFEALib.volume import Array, FloatArray

PEDICLE_ABOVE_DISC, LAMINA_BELOW_PEDICLE = 0.58, 0.35
"""In parts of the distance between discs; medians of L1 to L4 and T10 of the reference scans."""
LAMINA_WINDOW = (0.8, 0.12)
LAMINA_BACK_MM, LAMINA_SIDE_MM = (9.0, 24.0), 5.0
SHEARS = np.arange(0.0, 1.31, 0.1)
"""Slope of spinous processes: how far they go down per millimetre to the back."""
BODY_FROM_MM, WALK_TO_MM = 9.0, 14.0
"""What lies farther to the front than the first belongs to a body; the walk that parts arches ends at the second."""
EDGE_ABOVE_BONE_HU = 25.0
EDGE_SHARE, EDGE_STEPS, PEAK_BLUR_STEPS = 0.5, 2, 1.0
"""A cortex ends where HU falls to half its height; the highest of many samples is noise unless they are smoothed."""
ALONG_SPINE = 4.0
"""Walkers pass along the spine so much more easily than across: joint processes and the joints between run along it."""
OUTLINE_MARGIN_MM = 1


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
        (S,) front coordinate of the posterior wall of each.
    bodies
        (S, A, R) uint8: number of the body in whose side surface a voxel lies, 0 in none.
    """

    number: Array
    discs: tuple[Disc, ...]
    walls_mm: tuple[FloatArray, ...]
    bodies: Array


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
    Grady L (2006), Random walks for image segmentation, IEEE Trans Pattern Anal Mach Intell 28:1768.
    """
    discs = find_discs(spine, levels)
    zone = zones(spine, discs)
    count = len(discs) + 1
    bone, walls, bodies = fill_bodies(spine, levels, bone_with_marrow(spine, levels), zone, count)
    bone = _without_dim_rim(spine, levels, bone)
    pedicles = _pedicles(spine, levels, discs)
    shear, laminae = _laminae(spine, pedicles, [_pitch_at(discs, n) for n in range(count)])
    front, right = spine.planes
    markers = _markers(spine, bone, zone, (pedicles, laminae, shear), levels, discs)
    smooth = ndimage.gaussian_filter(spine.values, levels.blur_steps)
    mask = bone & ~((front > BODY_FROM_MM) & (zone == 0))
    # bodies are parted by their discs already: the walk is needed behind them only
    behind = slice(0, int(np.searchsorted(spine.front, WALK_TO_MM)))
    number = np.where(mask & np.isfinite(markers), np.nan_to_num(markers), 0.0)
    passes = conductance(smooth[:, behind], levels.soft_hu)
    met = walk(passes, mask[:, behind], markers[:, behind], ALONG_SPINE)
    number[:, behind] = np.rint(np.nan_to_num(met))
    number = fill_marrow(number.astype(np.uint8), count, np.hypot(front, right) <= CANAL_MM)
    return Vertebrae(number, discs, walls, bodies)


def _markers(
    spine: StraightSpine,
    bone: Array,
    zone: Array,
    arches: tuple[list[float], dict[int, int], float],
    levels: TissueLevels,
    discs: tuple[Disc, ...],
) -> FloatArray:
    """Number of each vertebra where it is certain: in its body, its pedicles and its lamina; NaN elsewhere."""
    pedicles, laminae, shear = arches
    front, right = spine.planes
    place = np.arange(len(spine.along))[:, None, None]
    markers = np.full(bone.shape, np.nan, dtype=np.float32)
    ahead = (front > BODY_FROM_MM) & (front < 50) & (np.abs(right) < 26)
    inside = bone & (zone > 0) & (ahead | (front > WALK_TO_MM - 1))
    markers[inside] = zone[inside]
    beside = (front > -4) & (front <= 9) & (np.abs(right) > 8) & (np.abs(right) < 22)
    behind = (front > -28) & (front < -9) & (np.abs(right) < 7)
    for n, pedicle in enumerate(pedicles):
        markers[(np.abs(place - pedicle) <= 5) & beside & bone] = n + 1
        if n > 0:
            markers[_isthmus(spine, bone, discs[n - 1], _pitch_at(discs, n))] = n + 1
        if n in laminae:
            line = laminae[n] + shear * (front + LAMINA_BACK_MM[0])
            markers[(np.abs(place - line) <= 3) & behind & (spine.values > levels.bone_hu)] = n + 1
    return markers


def _isthmus(spine: StraightSpine, bone: Array, disc: Disc, pitch: float) -> Array:
    """Bone behind and beside the canal that is of the vertebra above a disc: isthmus, and back of its lower joints."""
    front, right = spine.planes
    height = (np.arange(len(spine.along))[:, None, None] - disc.middle) / pitch
    side = np.abs(right)
    isthmus = (height > 0.33) & (height < 0.47) & (side > 5) & (side < 21)
    marked = bone & isthmus & (front > -20) & (front < 2)
    if abs(_tilt(disc, spine)) < 0.3:
        rows = (spine.front > -35) & (spine.front < -4)
        behind = bone[:, rows]
        last = np.cumsum(behind, axis=1) <= 2
        process = (height > -0.03) & (height < 0.17) & (side > 8) & (side < 11)
        marked[:, rows] |= behind & last & np.broadcast_to(process, bone.shape)[:, rows]
    return np.asarray(marked)


def _tilt(disc: Disc, spine: StraightSpine) -> float:
    """Slope of a disc to the front."""
    rows = np.abs(spine.front - CENTRE_MM) < 12
    middle = 0.5 * (disc.below + disc.above)[rows][:, np.abs(spine.right) < 10].mean(axis=1)
    return float(np.polyfit(spine.front[rows], middle, 1)[0])


def _without_dim_rim(spine: StraightSpine, levels: TissueLevels, bone: Array) -> Array:
    """Take away surface voxels outside the middle of the cortex's edge."""
    smooth = ndimage.gaussian_filter(spine.values, levels.blur_steps)
    even = ndimage.gaussian_filter(spine.values, max(PEAK_BLUR_STEPS, levels.blur_steps))
    peak = ndimage.maximum_filter(even, 2 * EDGE_STEPS + 1)
    ahead = spine.planes[0] > BODY_FROM_MM
    middle = levels.soft_hu + EDGE_SHARE * (peak - levels.soft_hu)
    dim = smooth < np.maximum(middle, levels.bone_hu + EDGE_ABOVE_BONE_HU * ahead)
    return np.asarray(bone & ~(dim & ~ndimage.binary_erosion(bone)))


def _pitch_at(discs: tuple[Disc, ...], n: int) -> float:
    """Distance between the discs around vertebra n + 1; along a whole spine it changes by half."""
    return pitch_mm(discs[max(n - 2, 0) : n + 2])


def _pedicles(spine: StraightSpine, levels: TissueLevels, discs: tuple[Disc, ...]) -> list[float]:
    """Index along the canal of each vertebra's pedicles; those at the ends follow from the distance of discs."""
    if not discs:
        return [len(spine.along) / 2.0]
    profile = pedicle_profile(spine, levels)
    places = [discs[0].middle - (1 - PEDICLE_ABOVE_DISC) * _pitch_at(discs, 0)]
    for n, (low, high) in enumerate(itertools.pairwise(discs), start=1):
        first = int(low.middle) + 2
        part = profile[first : int(high.middle) - 1]
        weight = np.clip(part - 0.5 * part.max(initial=0.0), 0.0, None)
        usual = low.middle + PEDICLE_ABOVE_DISC * _pitch_at(discs, n)
        places.append(
            first + float((weight * np.arange(len(part))).sum() / weight.sum()) if weight.sum() > 0 else usual
        )
    return [*places, discs[-1].middle + PEDICLE_ABOVE_DISC * _pitch_at(discs, len(discs))]


def _laminae(spine: StraightSpine, pedicles: list[float], pitches: list[float]) -> tuple[float, dict[int, int]]:
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
    for n, (pedicle, pitch) in enumerate(zip(pedicles, pitches, strict=True)):
        near = [k for k in peaks if pedicle - LAMINA_WINDOW[0] * pitch < k < pedicle + LAMINA_WINDOW[1] * pitch]
        if near:
            usual = pedicle - LAMINA_BELOW_PEDICLE * pitch
            found[n] = int(near[int(np.abs(np.array(near) - usual).argmin())])
    return best_shear, found


def body_of(spine: StraightSpine, vertebrae: Vertebrae, number: int) -> Array:
    """The body of a vertebra: what lies in front of its posterior wall and in its side surface.

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
    inside = ndimage.binary_dilation(vertebrae.bodies == number, disc_of(OUTLINE_MARGIN_MM)[None])
    ahead = spine.planes[0] >= vertebrae.walls_mm[number - 1][:, None, None]
    return np.asarray((vertebrae.number == number) & ahead & inside)
