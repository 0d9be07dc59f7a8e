"""Bone of a straightened spine with its marrow, bodies filled between their endplates."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import DependencyError
from BoneStrengthFEALib.segmentation.discs import CENTRE_MM, Disc
from BoneStrengthFEALib.segmentation.straight_spine import StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.volume import Array, FloatArray

CANAL_MM, HOLLOW_MM = 4.0, 5.0
FRONT_MM, SIDE_MM, MOST_FRONT_MM = 5.0, 30.0, 52.0
LEAST_HU = -60.0
"""Marrow is not darker, however fatty, at the resolution of a CT."""
WALL_RANGE_MM, USUAL_WALL_MM = (4.0, 18.0), 9.0
RING_SHARE = 0.8
"""Outline: mean of all sections, from soft tissue (0) to the threshold of bone (1)."""
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
) -> tuple[Array, tuple[float, ...], tuple[Array, ...]]:
    """Fill each body by the convex outline that its cortex has in most sections.

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
    (S, A, R) booleans, the front coordinate of each posterior wall [mm], and the outline of each below its pedicles.
    """
    front, right = spine.planes
    window = (front > FRONT_MM) & (front < MOST_FRONT_MM) & (np.abs(right) < SIDE_MM)
    core = (np.abs(front - CENTRE_MM) < 6) & (np.abs(right) < 8)
    smooth = ndimage.gaussian_filter(spine.values, 1.0)
    filled, walls, low_outlines = np.array(bone), [], []
    near = np.hypot(front - CENTRE_MM, right) < 24
    for number in range(1, count + 1):
        region = (zone == number) & window
        rows = np.nonzero(region[:, core].mean(axis=1) > 0.9)[0]
        share = _share(smooth, region, rows, levels)
        wall = _posterior_wall(share, spine) if len(rows) >= 8 else USUAL_WALL_MM
        walls.append(wall)
        outline = _outline(share, front >= wall - 1, near) if len(rows) >= 8 else None
        low_outlines.append(window if outline is None else outline)
        if outline is None:
            continue
        low = _share(smooth, region, rows[: int(LOW_PART * len(rows))], levels)
        below = _outline(low, front >= wall - 1, near)
        low_outlines[-1] = outline if below is None else below
        outline = outline & ~_opened_canal(smooth[rows], levels, spine, wall)
        inner = ndimage.binary_erosion(outline, disc_of(3))
        likely = smooth[rows] > levels.bone_hu - WEAKER_HU
        filled[rows] |= region[rows] & ((outline & likely) | (inner & (smooth[rows] > LEAST_HU)))
    return filled, tuple(walls), tuple(low_outlines)


def _share(smooth: FloatArray, region: Array, rows: Array, levels: TissueLevels) -> FloatArray:
    """Mean of sections of a body, from soft tissue (0) to the threshold of bone (1)."""
    weight = np.maximum(region[rows].sum(axis=0), 1)
    mean = (smooth[rows] * region[rows]).sum(axis=0) / weight
    return np.where(region[rows].any(axis=0), (mean - levels.soft_hu) / (levels.bone_hu - levels.soft_hu), 0.0)


def _opened_canal(sections: FloatArray, levels: TissueLevels, spine: StraightSpine, wall: float) -> Array:
    """The canal of a body's sections: soft, as wide as a canal, around its axis; it hollows the posterior wall."""
    front, right = spine.planes
    window = (front < wall + HOLLOW_MM) & (np.abs(right) < SIDE_MM)
    soft = (sections.mean(axis=0) < levels.bone_hu) & window
    wide = ndimage.binary_opening(soft, disc_of(3))
    pieces, _ = ndimage.label(wide)
    at_axis = np.unique(pieces[np.hypot(front, right) <= CANAL_MM])
    return np.asarray(wide & np.isin(pieces, at_axis[at_axis > 0]))


def _posterior_wall(share: FloatArray, spine: StraightSpine) -> float:
    """Where cortex begins in front of the canal, near the midline."""
    profile = ndimage.gaussian_filter1d(share[:, np.abs(spine.right) < 6].mean(axis=1), 1.0)
    rows = np.nonzero((spine.front > WALL_RANGE_MM[0]) & (spine.front < WALL_RANGE_MM[1]))[0]
    if profile[rows].max() < RING_SHARE:
        return USUAL_WALL_MM
    first = rows[int((profile[rows] > RING_SHARE).argmax())]
    return float(spine.front[first])


def _outline(share: FloatArray, before_wall: Array, near: Array) -> Array | None:
    try:
        from skimage.morphology import convex_hull_image
    except ImportError as error:
        raise DependencyError(
            "isolating a vertebra from a click needs scikit-image, which is not installed; "
            "install it: pip install bone-strength-fea[segment]"
        ) from error
    ring = ndimage.binary_opening((share > RING_SHARE) & before_wall, np.ones((2, 2)))
    pieces, count = ndimage.label(ndimage.binary_dilation(ring, disc_of(3)))
    if count == 0:
        return None
    largest = 1 + int(np.bincount((pieces * ring).ravel())[1:].argmax())
    ring &= (pieces == largest) | near
    return np.asarray(convex_hull_image(ring)) if ring.sum() > 20 else None
