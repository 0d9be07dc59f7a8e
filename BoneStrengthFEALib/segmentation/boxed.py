"""A bone from a rough box around it: points of bone in the box are tried from its middle on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Site
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.segmentation.isolate import isolate
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.segmentation.seed_checks import point_words
from BoneStrengthFEALib.segmentation.tissue_levels import tissue_levels
from BoneStrengthFEALib.segmentation.work_grid import image_box, sampled, upright_grid
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

STEP_MM = 2.0
THINNEST_MM = 8.0
MOST_SEEDS = 3
APART = 0.2
"""Points that are tried lie apart by at least this part of the box's size."""
LEAST_INSIDE = 0.6
"""Share of the bone that must lie in the box."""
LEAST_FILLED = 0.3
"""Share of each side of the box along which the bone must reach."""


def isolate_in_box(
    volume: Volume, corners_ras: FloatArray, site: Site, callback: ProgressCallback = no_progress
) -> IsolatedBone:
    """Isolate the bone that a box was drawn around.

    Parameters
    ----------
    volume
        CT [HU].
    corners_ras
        (2, 3) RAS of two opposite corners [mm].
    site
        Which kind of bone it is.
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    The bone.

    Raises
    ------
    InputError
        For a box outside the image, or with a side below 8 mm.
    RefusedError
        BOX_WITHOUT_BONE; BOX_MISFIT when no bone found in it fills it; otherwise as isolate does.
    """
    low, high = _within(volume, corners_ras)
    refusals: list[RefusedError] = []
    for seed in _seeds(volume, low, high):
        try:
            bone = isolate(volume, seed, site, callback)
            _require_fit(bone, low, high)
        except RefusedError as error:
            refusals.append(error)
        else:
            return bone
    if refusals:
        raise refusals[0]
    raise RefusedError(
        f"no bone was found in the middle of the box from {point_words(low)} to {point_words(high)}; draw it around "
        "one bone",
        "BOX_WITHOUT_BONE",
    )


def _within(volume: Volume, corners_ras: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest corner of the part of the box that lies in the image."""
    if volume.quantity is not Quantity.HU:
        raise InputError(f"a bone is isolated in HU, got {volume.quantity.value}; give the CT before calibration")
    corners = np.asarray(corners_ras, dtype=np.float64)
    if corners.shape != (2, 3) or not np.isfinite(corners).all():
        raise InputError(f"a box has two corners of three finite coordinates R, A, S in mm, got {corners_ras}")
    first, last = image_box(volume)
    low, high = np.maximum(corners.min(axis=0), first), np.minimum(corners.max(axis=0), last)
    if (high < low).any():
        raise InputError(
            f"the box lies outside the image, which runs from {point_words(first)} to {point_words(last)}; coordinates "
            "are R, A, S in mm (turn the first two signs for L, P, S)",
            "SEED_OUTSIDE",
        )
    if (high - low).min() < THINNEST_MM:
        raise InputError(
            f"the box is {(high - low).min():.1f} mm thin inside the image, at least {THINNEST_MM:g} mm expected; give "
            "two opposite corners of a box around the whole bone"
        )
    return low, high


def _seeds(volume: Volume, low: FloatArray, high: FloatArray) -> Iterator[FloatArray]:
    """Points of bone in the inner half of the box, the nearest to its middle first."""
    grid = upright_grid(low, high, STEP_MM)
    values = sampled(volume, grid)
    bone = ndimage.gaussian_filter(values, 0.5) > tissue_levels(values).bone_hu
    places = grid.to_ras(np.argwhere(bone)[:, ::-1].astype(np.float64))
    away = np.abs(places - 0.5 * (low + high)) / (0.5 * (high - low))
    inner = away.max(axis=1) < 0.5
    places, away = places[inner], away[inner]
    for _ in range(MOST_SEEDS):
        if len(places) == 0:
            return
        seed = places[int(np.linalg.norm(away, axis=1).argmin())]
        yield seed
        far = (np.abs(places - seed) / (high - low)).max(axis=1) > APART
        places, away = places[far], away[far]


def _require_fit(bone: IsolatedBone, low: FloatArray, high: FloatArray) -> None:
    """Refuse a bone that the box was not drawn around; a long bone may leave it upwards and downwards."""
    mask = bone.labels.volume
    places = mask.grid.to_ras(np.argwhere(mask.array > 0)[:, ::-1].astype(np.float64))
    half = 0.5 * np.array(mask.spacing_mm).max()
    inside = (places >= low - half) & (places <= high + half)
    counted = inside[:, 2] if bone.site is not Site.VERTEBRA else np.ones(len(places), dtype=bool)
    share = float(inside[counted].all(axis=1).mean()) if counted.any() else 0.0
    reach = np.minimum(places.max(axis=0), high) - np.maximum(places.min(axis=0), low)
    filled = float((reach / (high - low)).min())
    if share < LEAST_INSIDE or filled < LEAST_FILLED:
        raise RefusedError(
            f"the bone found in the middle of the box lies in it by {100 * share:.0f} % and reaches along "
            f"{100 * max(filled, 0.0):.0f} % of one of its sides, at least {100 * LEAST_INSIDE:.0f} % and "
            f"{100 * LEAST_FILLED:.0f} % expected; draw the box closely around one bone, or give a point in it",
            "BOX_MISFIT",
        )
