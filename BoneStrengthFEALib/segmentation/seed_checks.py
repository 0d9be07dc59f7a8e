"""Refusals before and after a bone is isolated from a point: not in bone, in metal, cut by the edge of the image."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.segmentation.tissue_levels import tissue_levels
from BoneStrengthFEALib.segmentation.work_grid import sampled, upright_grid
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

METAL_HU = 3000.0
"""No bone is so dense; scanners with 12 bits saturate at 3071 HU."""
AIR_HU = -300.0
PADDING_HU = -1500.0
"""Less than air: outside the circle that was reconstructed."""
STEP_MM = 1.0
REACH_MM = 32.0
"""No marrow cavity of a bone measured here is wider: the head of a femur has a radius of at most this."""
NEAR_MM = 3.0
"""A click beside bone by less than this means the bone."""
ENCLOSED_SHARE = 0.7
"""A point in marrow sees bone in at least this share of all directions; beside a long bone it sees less than half."""
DIRECTIONS = 200
CUT_AREA_MM2 = 20.0
"""Bone may touch the edge by less than this."""
CUT_COSINE = 0.7
BALL_CUT_MM = 2.0
"""A ball may leave the image by less than this: so far its fit may be off."""


def require_bone_seed(volume: Volume, point_ras: FloatArray, threshold_hu: float | None = None) -> FloatArray:
    """Refuse a point that does not lie in a bone.

    Parameters
    ----------
    volume
        CT [HU].
    point_ras
        (3,) RAS [mm].
    threshold_hu
        Threshold of bone; None follows from soft tissue nearby.

    Returns
    -------
    (3,) RAS [mm]: the point, or the nearest bone when it lies beside bone by less than 3 mm.

    Raises
    ------
    InputError
        When the volume is no CT in HU or the point lies outside it.
    RefusedError
        SEED_IN_METAL, SEED_IN_AIR or SEED_IN_SOFT_TISSUE.
    """
    if volume.quantity is not Quantity.HU:
        raise InputError(f"a bone is isolated in HU, got {volume.quantity.value}; give the CT before calibration")
    point = _require_inside(volume, point_ras)
    grid = upright_grid(point - REACH_MM, point + REACH_MM, STEP_MM)
    values = sampled(volume, grid)
    away = _distances(values.shape)
    near = values[away <= NEAR_MM]
    here = float(near.mean())
    said = f"the point {point_words(point)} (mean of {here:.0f} HU within {NEAR_MM:g} mm)"
    if near.max() > METAL_HU:
        raise RefusedError(
            f"{said} lies in or beside metal, up to {near.max():.0f} HU; bone beside metal cannot be measured: "
            "choose the other side or another bone",
            "SEED_IN_METAL",
        )
    if here < AIR_HU:
        raise RefusedError(f"{said} lies in air or lung; set the point inside the bone", "SEED_IN_AIR")
    bone_hu = tissue_levels(values).bone_hu if threshold_hu is None else threshold_hu
    if _enclosed_share(values, bone_hu) >= ENCLOSED_SHARE:
        return point
    index = np.argwhere((values > bone_hu) & (away <= NEAR_MM))
    if len(index) == 0:
        raise RefusedError(
            f"{said} lies in soft tissue: no bone above {bone_hu:.0f} HU within {NEAR_MM:g} mm, and not enclosed by "
            "bone as marrow is; set the point inside the bone, or lower the threshold if the bone is this weak",
            "SEED_IN_SOFT_TISSUE",
        )
    nearest = index[int(away[tuple(index.T)].argmin())]
    return grid.to_ras(nearest[::-1].astype(np.float64))


def require_uncut(bone: Volume, ct: Volume, open_towards: tuple[FloatArray, ...], what: str) -> None:
    """Refuse a bone that the edge of the image cuts where it must be whole.

    Parameters
    ----------
    bone
        (K, J, I) label volume of 0 and 1 on a box of the CT's voxels.
    ct
        CT [HU].
    open_towards
        (3,) RAS directions in which the bone may leave the image: distal for a proximal femur.
    what
        The bone in words.

    Raises
    ------
    RefusedError
        BONE_CUT, with the side of the image and the area cut.
    """
    first = np.rint(ct.grid.to_ijk(bone.ijk_to_ras[:3, 3])).astype(int)
    last = first + np.array(bone.array.shape[::-1]) - 1
    spacing = np.array(ct.spacing_mm)
    for axis in range(3):
        area = float(np.prod(spacing) / spacing[axis])
        for end, at_edge, sign in ((0, first[axis] <= 0, -1.0), (-1, last[axis] >= ct.array.shape[2 - axis] - 1, 1.0)):
            outward = sign * ct.ijk_to_ras[:3, axis] / spacing[axis]
            if not at_edge or any(float(outward @ free) > CUT_COSINE for free in open_towards):
                continue
            cut = int(np.count_nonzero(np.take(bone.array, end, axis=2 - axis))) * area
            if cut > CUT_AREA_MM2:
                raise _cut(what, f"the {side_name(outward)} edge of the image", cut)
    padding = _padding_contact(bone, ct, first)
    if padding > CUT_AREA_MM2:
        raise _cut(what, "the rim of the reconstructed field of view", padding)


def require_ball_in_view(ct: Volume, centre_ras: FloatArray, radius_mm: float, what: str) -> None:
    """Refuse a ball that reaches beyond the image.

    Parameters
    ----------
    ct
        CT.
    centre_ras
        (3,) RAS of its centre [mm].
    radius_mm
        Its radius.
    what
        The ball in words.

    Raises
    ------
    RefusedError
        BONE_CUT, with the side of the image and by how much.
    """
    at, spacing = ct.grid.to_ijk(centre_ras), np.array(ct.spacing_mm)
    for axis in range(3):
        for room, sign in ((at[axis], -1.0), (ct.array.shape[2 - axis] - 1 - at[axis], 1.0)):
            beyond = radius_mm - float(room) * spacing[axis]
            if beyond > BALL_CUT_MM:
                side = side_name(sign * ct.ijk_to_ras[:3, axis] / spacing[axis])
                raise RefusedError(
                    f"{what}, a ball of {radius_mm:.0f} mm radius, is cut by the {side} edge of the image by "
                    f"{beyond:.0f} mm; it must be whole there: reconstruct the scan with a larger field of view or "
                    "choose another bone",
                    "BONE_CUT",
                )


def _cut(what: str, where: str, area: float) -> RefusedError:
    return RefusedError(
        f"{what} is cut by {where} over {area:.0f} mm2; it must be whole there: reconstruct the scan with a "
        "larger field of view or choose another bone",
        "BONE_CUT",
    )


def _padding_contact(bone: Volume, ct: Volume, first: FloatArray) -> float:
    k, j, i = (slice(int(a), int(a) + n) for a, n in zip(first[::-1], bone.array.shape, strict=True))
    padding = ct.array[k, j, i] < PADDING_HU
    if not padding.any():
        return 0.0
    faces = 0.0
    spacing = np.array(ct.spacing_mm)[::-1]
    for axis in range(3):
        along = np.moveaxis(bone.array > 0, axis, 0)
        none = np.moveaxis(padding, axis, 0)
        touching = np.count_nonzero(along[1:] & none[:-1]) + np.count_nonzero(along[:-1] & none[1:])
        faces += touching * float(np.prod(spacing) / spacing[axis])
    return faces


def _require_inside(volume: Volume, point_ras: FloatArray) -> FloatArray:
    point = np.asarray(point_ras, dtype=np.float64)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f"a point has three finite coordinates R, A, S in mm, got {point_ras}")
    ijk = volume.grid.to_ijk(point)
    if (ijk < -0.5).any() or (ijk > np.array(volume.array.shape[::-1]) - 0.5).any():
        corners = volume.grid.corners_ras()
        raise InputError(
            f"the point {point_words(point)} lies outside the image, which runs from "
            f"{point_words(corners.min(axis=0))} to {point_words(corners.max(axis=0))}; coordinates are R, A, S in mm "
            "(turn the first two signs for L, P, S)",
            "SEED_OUTSIDE",
        )
    return point


def _distances(shape: tuple[int, ...]) -> FloatArray:
    axes = [(np.arange(n) - (n - 1) / 2.0) * STEP_MM for n in shape]
    k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
    return np.sqrt(k * k + j * j + i * i)


def _enclosed_share(values: FloatArray, bone_hu: float) -> float:
    """Share of directions in which bone is seen from the middle."""
    index = np.arange(DIRECTIONS) + 0.5
    polar, turn = np.arccos(1 - 2 * index / DIRECTIONS), np.pi * (1 + 5**0.5) * index
    directions = np.stack([np.cos(polar), np.sin(polar) * np.sin(turn), np.sin(polar) * np.cos(turn)], axis=-1)
    steps = np.arange(0.0, REACH_MM, STEP_MM)
    middle = (np.array(values.shape) - 1) / 2.0
    places = middle + directions[:, None, :] * (steps / STEP_MM)[None, :, None]
    seen = ndimage.map_coordinates(values, places.transpose(2, 0, 1), order=1, mode="nearest")
    return float((seen > bone_hu).any(axis=1).mean())


def side_name(outward: FloatArray) -> str:
    """Name a side of the image.

    Parameters
    ----------
    outward
        (3,) RAS unit vector that points out of the image.

    Returns
    -------
    "left", "right", "posterior", "anterior", "inferior" or "superior".
    """
    axis = int(np.abs(outward).argmax())
    names = (("left", "right"), ("posterior", "anterior"), ("inferior", "superior"))
    return names[axis][int(outward[axis] > 0)]


def point_words(point: FloatArray) -> str:
    """Write a point for a message.

    Parameters
    ----------
    point
        (3,) RAS [mm].

    Returns
    -------
    "(R, A, S)" with one decimal.
    """
    return "(" + ", ".join(f"{value:.1f}" for value in point) + ")"
