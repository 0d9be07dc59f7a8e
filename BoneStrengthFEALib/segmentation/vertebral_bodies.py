"""Bone of a straightened spine with its marrow, bodies filled between their endplates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import DependencyError
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
DEEP_STEPS = 3
"""Farther inside the mean outline than this all is body, however dark; the waist is narrower than the mean."""
FLARE_MM = 4
"""An endplate is wider than the mean outline by this at most."""
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
) -> tuple[Array, tuple[FloatArray, ...], tuple[Array, ...]]:
    """Fill each body by the convex outline that its cortex has, in most sections and in each.

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
    (S, A, R) booleans, the (S,) front coordinates of each posterior wall [mm], and the outline of each below its
    pedicles.
    """
    front, right = spine.planes
    window = (front > FRONT_MM) & (front < MOST_FRONT_MM) & (np.abs(right) < SIDE_MM)
    core = (np.abs(front - CENTRE_MM) < 6) & (np.abs(right) < 8)
    share = (ndimage.gaussian_filter(spine.values, 1.0) - levels.soft_hu) / (levels.bone_hu - levels.soft_hu)
    filled, walls, low_outlines = np.array(bone), [], []
    for number in range(1, count + 1):
        region = (zone == number) & window
        rows = np.nonzero(region[:, core].mean(axis=1) > 0.9)[0]
        enough = len(rows) >= LEAST_ROWS
        walls.append(_posterior_wall(share, rows, spine) if enough else np.full(len(share), USUAL_WALL_MM))
        near = np.hypot(front - float(np.median(walls[-1])) - HALF_DEPTH_MM, right) < NEAR_MM
        body = _Body(share, region & (front >= walls[-1][:, None, None]), rows, near)
        outline = body.outline(rows) if enough else None
        low_outlines.append(window if outline is None else outline)
        if outline is None:
            continue
        # ribs touch a body at its upper part
        below = body.outline(rows[: int(LOW_PART * len(rows))])
        low_outlines[-1] = outline if below is None else below
        for row in rows:
            filled[row] |= body.filled(row, outline, low_outlines[-1], levels)
    return filled, tuple(walls), tuple(low_outlines)


@dataclass(frozen=True, eq=False)
class _Body:
    """A body's sections.

    Parameters
    ----------
    share
        (S, A, R) from soft tissue (0) to the threshold of bone (1).
    region
        (S, A, R) booleans: between the endplates, in front of the posterior wall.
    rows
        Sections that lie wholly between the endplates.
    near
        (A, R) booleans: around the middle of the body, where all bone is of it.
    """

    share: FloatArray
    region: Array
    rows: Array
    near: Array

    def outline(self, rows: Array) -> Array | None:
        """(A, R) convex outline of the mean of some sections."""
        region = self.region[rows]
        mean = (self.share[rows] * region).sum(axis=0) / np.maximum(region.sum(axis=0), 1)
        return _outline(mean, np.asarray(region.any(axis=0)), self.near)

    def filled(self, row: np.intp, outline: Array, low: Array, levels: TissueLevels) -> Array:
        """(A, R) the body in a section: what lies in the mean outline, or in its own near that of the low part."""
        region = self.region[row] & ndimage.binary_dilation(low, disc_of(FLARE_MM))
        own = _outline(self.share[row], region, self.near)
        within = outline if own is None else outline | own
        inner = _deep(outline, DEEP_STEPS) if own is None else _deep(outline, DEEP_STEPS) | _deep(own, 1)
        span = levels.bone_hu - levels.soft_hu
        likely = self.share[row] > 1.0 - WEAKER_HU / span
        marrow = self.share[row] > (LEAST_HU - levels.soft_hu) / span
        return np.asarray(region & within & (likely | (inner & marrow)))


def _deep(outline: Array, steps: int) -> Array:
    """What lies so deep in an outline; no rim toward the canal: the vein's foramen in the wall is of the body."""
    backwards = np.logical_or.accumulate(outline[::-1], axis=0)[::-1]
    return np.asarray(ndimage.binary_erosion(backwards, disc_of(steps)) & outline)


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
