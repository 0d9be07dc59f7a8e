"""Bone of a straightened spine with its marrow, bodies filled between their endplates."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import DependencyError
from BoneStrengthFEALib.segmentation.body_surface import side_surface
from BoneStrengthFEALib.segmentation.disc_merit import CENTRE_MM
from BoneStrengthFEALib.segmentation.discs import Disc
from BoneStrengthFEALib.segmentation.straight_spine import StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.volume import Array, FloatArray

CANAL_MM = 4.0
FRONT_MM, SIDE_MM, MOST_FRONT_MM = -2.0, 30.0, 52.0
NEAR_MM, HALF_DEPTH_MM = 24.0, 15.0
LEAST_ROWS = 8
LEAST_HU = -60.0
"""Marrow is not darker, however fatty, at the resolution of a CT."""
WALL_RANGE_MM, USUAL_WALL_MM, WALL_SIDE_MM = (-3.0, 22.0), 9.0, 6.0
CANAL_STEPS, RISE = 14, 0.5
"""The canal's darkest place is looked for in so many samples; a wall is brighter by this, bone being 1."""
WALL_SLOPES, WALL_PERCENT = (-0.35, 0.35), 35.0
"""A third of a posterior wall is foramen or worn corner and lies deeper."""
DEEP_STEPS = 1
"""Farther inside the surface than this all is body, however dark."""
RING_SHARE = 0.8
"""Outline: mean of sections, from soft tissue (0) to the threshold of bone (1)."""
WEAKER_HU, LOW_PART = 25.0, 0.6


def disc_of(radius: int) -> Array:
    """Structuring element: a disc.

    Parameters
    ----------
    radius
        Radius in voxels.

    Returns
    -------
    (2 radius + 1, 2 radius + 1) booleans.
    """
    return np.asarray(np.hypot(*np.ogrid[-radius : radius + 1, -radius : radius + 1]) <= radius + 0.01)


def zones(spine: StraightSpine, discs: tuple[Disc, ...]) -> Array:
    """Number the spaces between discs from below.

    Parameters
    ----------
    spine
        Straightened spine.
    discs
        Discs in rising order.

    Returns
    -------
    (S, A, R) uint8: 1 below the first disc, 2 between the first and the second ...; 0 in a disc.
    """
    place = np.arange(len(spine.along), dtype=np.float32)[:, None, None]
    number = np.zeros(spine.values.shape, dtype=np.uint8)
    for n in range(len(discs) + 1):
        zone = np.ones(spine.values.shape, dtype=bool)
        if n > 0:
            zone &= place >= discs[n - 1].above
        if n < len(discs):
            zone &= place <= discs[n].below
        number[zone] = n + 1
    return number


def bone_with_marrow(spine: StraightSpine, levels: TissueLevels) -> Array:
    """Bone above the threshold and what it encloses in a section, the canal left out.

    Parameters
    ----------
    spine
        Straightened spine.
    levels
        Levels.

    Returns
    -------
    (S, A, R) booleans.
    """
    bone = ndimage.gaussian_filter(spine.values, levels.blur_steps) > levels.bone_hu
    canal = np.hypot(*spine.planes) <= CANAL_MM
    small = disc_of(3)
    for section in bone:
        if not section.any():
            continue
        closed = (ndimage.binary_closing(np.pad(section, 3), small)[3:-3, 3:-3] & ~canal) | section
        holes = ndimage.binary_fill_holes(closed) & ~closed
        pieces, _ = ndimage.label(holes)
        holes &= ~np.isin(pieces, np.unique(pieces[canal & (pieces > 0)]))
        section |= holes | (ndimage.binary_dilation(holes, small) & closed)
    return np.asarray(bone)


def fill_bodies(
    spine: StraightSpine, levels: TissueLevels, bone: Array, zone: Array, count: int
) -> tuple[Array, tuple[FloatArray, ...], Array]:
    """Fill each body inside the side surface that its cortex has.

    Parameters
    ----------
    spine
        Straightened spine.
    levels
        Levels.
    bone
        (S, A, R) booleans.
    zone
        (S, A, R) numbers of the zones.
    count
        Number of zones.

    Returns
    -------
    (S, A, R) booleans, the (S,) front coordinates of each posterior wall [mm], and (S, A, R) uint8: the number of the
    body in whose surface a voxel lies.
    """
    front, right = spine.planes
    window = (front > FRONT_MM) & (front < MOST_FRONT_MM) & (np.abs(right) < SIDE_MM)
    core = (np.abs(front - CENTRE_MM) < 6) & (np.abs(right) < 8)
    span = levels.bone_hu - levels.soft_hu
    share = (ndimage.gaussian_filter(spine.values, 1.0) - levels.soft_hu) / span
    sharp = (ndimage.gaussian_filter(spine.values, levels.blur_steps) - levels.soft_hu) / span
    filled, walls, bodies = np.array(bone), [], np.zeros(bone.shape, dtype=np.uint8)
    for number in range(1, count + 1):
        region = (zone == number) & window
        rows = np.nonzero(region[:, core].mean(axis=1) > 0.9)[0]
        # those at the ends have one disc only: they are never returned
        enough = len(rows) >= LEAST_ROWS and 1 < number < count
        walls.append(_posterior_wall(share, rows, spine) if enough else np.full(len(share), USUAL_WALL_MM))
        ahead = front >= walls[-1][:, None, None]
        near = np.hypot(front - float(np.median(walls[-1])) - HALF_DEPTH_MM, right) < NEAR_MM
        start = _mean_outline(share, region & ahead, rows, near) if enough else None
        inside = np.asarray(ahead & window)
        if start is not None:
            inside &= _all_along(side_surface(sharp, rows, start, walls[-1], spine), rows, len(share))
            filled |= region & _likely(inside, share, levels)
        bodies[(zone == number) & inside] = number
    return filled, tuple(walls), bodies


def _all_along(sections: Array, rows: Array, count: int) -> Array:
    """(S, A, R) sections of a body; above and below it goes on as at its ends."""
    return np.asarray(sections[np.clip(np.arange(count) - rows[0], 0, len(rows) - 1)])


def _likely(inside: Array, share: FloatArray, levels: TissueLevels) -> Array:
    """What a body's surface encloses that may be bone at its rim, or marrow deeper inside."""
    span = levels.bone_hu - levels.soft_hu
    marrow = share > (LEAST_HU - levels.soft_hu) / span
    return np.asarray(inside & ((share > 1.0 - WEAKER_HU / span) | (_deep(inside) & marrow)))


def _deep(inside: Array) -> Array:
    """What lies a step deep; no rim toward the canal: the vein's foramen in the wall is of the body."""
    backwards = np.logical_or.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(ndimage.binary_erosion(backwards, disc_of(DEEP_STEPS)[None]) & inside)


def _mean_outline(share: FloatArray, region: Array, rows: Array, near: Array) -> Array | None:
    """(A, R) convex outline of the mean of the lower sections: ribs touch a body at its upper part."""
    for some in (rows[: int(LOW_PART * len(rows))], rows):
        part = region[some]
        mean = (share[some] * part).sum(axis=0) / np.maximum(part.sum(axis=0), 1)
        outline = _outline(mean, np.asarray(part.any(axis=0)), near)
        if outline is not None:
            return outline
    return None


def _posterior_wall(share: FloatArray, rows: Array, spine: StraightSpine) -> FloatArray:
    """(S,) where the body begins in front of the canal, near the midline: a line that skips the vein's foramen."""
    profiles = share[rows][:, :, np.abs(spine.right) < WALL_SIDE_MM].mean(axis=2)
    seen = np.nonzero((spine.front > WALL_RANGE_MM[0]) & (spine.front < WALL_RANGE_MM[1]))[0]
    first = spine.front[seen[0]] + np.array([_edge(profile[seen]) for profile in profiles])
    known = np.isfinite(first)
    if known.sum() < LEAST_ROWS:
        return np.full(len(share), USUAL_WALL_MM)
    place, first = rows[known].astype(np.float64), first[known]
    one, other = np.triu_indices(len(place), LEAST_ROWS // 2)
    slope = float(np.clip(np.median((first[other] - first[one]) / (place[other] - place[one])), *WALL_SLOPES))
    start = float(np.percentile(first - slope * place, WALL_PERCENT))
    return np.asarray(start + slope * np.clip(np.arange(len(share)), rows[0], rows[-1]))


def _edge(profile: FloatArray) -> float:
    """Where a profile reaches half of its first peak after its darkest place, the canal; NaN without a peak."""
    dark = int(profile[:CANAL_STEPS].argmin())
    after = profile[dark:]
    peaks = np.nonzero((after[1:-1] >= after[2:]) & (after[1:-1] > after[:-2]) & (after[1:-1] > after[0] + RISE))[0]
    if len(peaks) == 0:
        return float("nan")
    half = 0.5 * (after[0] + after[peaks[0] + 1])
    n = int((after > half).argmax())
    return float(dark + n - (after[n] - half) / (after[n] - after[n - 1]))


def _outline(share: FloatArray, region: Array, near: Array) -> Array | None:
    try:
        from skimage.morphology import convex_hull_image
    except ImportError as error:
        raise DependencyError(
            "isolating a vertebra from a click needs scikit-image, which is not installed; "
            "install it: pip install bone-strength-fea[segment]"
        ) from error
    ring = ndimage.binary_opening((share > RING_SHARE) & region, np.ones((2, 2)))
    pieces, count = ndimage.label(ndimage.binary_dilation(ring, disc_of(3)))
    if count == 0:
        return None
    largest = 1 + int(np.bincount((pieces * ring).ravel())[1:].argmax())
    ring &= (pieces == largest) | near
    return np.asarray(convex_hull_image(ring)) if ring.sum() > 20 else None
