"""One bone out of those it touches: dark sheets of joints, erosion until it is alone, watershed back to the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.errors import DependencyError, RefusedError
from BoneStrengthFEALib.volume import Array, FloatArray

SHEET_MM = 1.5
"""Scale at which a joint space is looked for."""
SHEET_HU_MM2 = 12.0
"""Curvature of HU across a joint space; the marrow of a shaft is rounder and the noise of a head is weaker."""
BESIDE_MM, DARKER_HU = 3.0, 25.0
"""A joint space is darker by this than what lies this far on both its sides."""
DEEP_MM, ALONG_COSINE = 3.0, 0.6
PLATE_RATIO = 0.5
"""A sheet is curved along one direction only."""
SAME_SHARE = 1.25
"""A bone eroded less may be larger by this factor and still be the same bone."""
LEAST_NEIGHBOUR_MM3 = 100.0
CLOSING_MM = 2.0


@dataclass(frozen=True, eq=False)
class Separated:
    """A bone and what touches it.

    Parameters
    ----------
    bone
        (K, J, I) booleans.
    others
        (K, J, I) booleans: other bones.
    eroded_mm
        Erosion at which the bone came apart from its neighbours; 0 when it never touched them.
    """

    bone: Array
    others: Array
    eroded_mm: float


def joint_sheets(values: FloatArray, step_mm: float, solid: Array, axis: int) -> Array:
    """Dark sheets between two bright sides.

    Deep inside the section of a bone only sheets across its axis count: the canal of a shaft is a dark sheet too, but
    lies along it.

    Parameters
    ----------
    values
        (K, J, I) HU on an isotropic grid.
    step_mm
        Voxel size.
    solid
        (K, J, I) booleans: bones filled in sections across the axis.
    axis
        Array axis along which the bone runs.

    Returns
    -------
    (K, J, I) booleans.

    References
    ----------
    Descoteaux M et al. (2006), Bone enhancement filtering, Comput Aided Surg 11:247: sheets by the eigenvalues of the
    Hessian, here for dark sheets.
    """
    smooth = ndimage.gaussian_filter(np.clip(values, -150.0, 900.0), SHEET_MM / step_mm, truncate=3.0)
    slopes = np.gradient(smooth, step_mm)
    curved = np.zeros(values.shape, dtype=bool)
    second = [[np.gradient(slope, step_mm, axis=axis) for axis in range(3)] for slope in slopes]
    trace = second[0][0] + second[1][1] + second[2][2]
    places = np.nonzero(trace > SHEET_HU_MM2)
    if len(places[0]) == 0:
        return curved
    matrices = np.stack([np.stack([part[places] for part in row], axis=-1) for row in second], axis=-2)
    eigen, axes = np.linalg.eigh(matrices)
    plate = (eigen[:, 2] > SHEET_HU_MM2) & (np.abs(eigen[:, 1]) < PLATE_RATIO * eigen[:, 2])
    index = np.stack(places, axis=-1)[plate]
    # the inner face of a cortex is curved as strongly, but it is bright on one side only
    across = axes[plate, :, 2] * (BESIDE_MM / step_mm)
    beside = [
        ndimage.map_coordinates(smooth, (index + side * across).T, order=1, mode="nearest") for side in (-1.0, 1.0)
    ]
    dark = np.minimum(*beside) - smooth[tuple(index.T)] > DARKER_HU
    deep = _depth_in_section(solid, axis)[tuple(index.T)] * step_mm > DEEP_MM
    along = np.abs(axes[plate, axis, 2]) > ALONG_COSINE
    curved[tuple(index[dark & (along | ~deep)].T)] = True
    return curved


def _depth_in_section(solid: Array, axis: int) -> FloatArray:
    lying = np.moveaxis(solid, axis, 0)
    depth = np.zeros(lying.shape, dtype=np.float32)
    for section, into in zip(lying, depth, strict=True):
        if section.any():
            into[...] = ndimage.distance_transform_edt(section)
    return np.moveaxis(depth, 0, axis)


def filled_across(bone: Array, axis: int, step_mm: float, closing_mm: float = CLOSING_MM) -> Array:
    """Fill marrow in sections across an axis.

    Parameters
    ----------
    bone
        (K, J, I) booleans.
    axis
        Array axis along which the bone runs.
    step_mm
        Voxel size.
    closing_mm
        Radius of the closing: cortex with gaps of up to twice this still encloses its marrow.

    Returns
    -------
    (K, J, I) booleans.
    """
    lying = np.moveaxis(bone, axis, 0)
    result = np.array(lying)
    reach = round(closing_mm / step_mm)
    disc = np.hypot(*np.ogrid[-reach : reach + 1, -reach : reach + 1]) <= reach + 0.01
    for n, section in enumerate(lying):
        if not section.any():
            continue
        padded = np.pad(section, reach)
        closed = ndimage.binary_closing(padded, disc)
        holes = ndimage.binary_fill_holes(closed) & ~closed
        # the closing serves to find marrow only: outside it must not round the bone
        reached = ndimage.binary_dilation(holes, disc) & closed
        result[n] |= (holes | reached)[reach:-reach, reach:-reach] if reach else holes
    return np.moveaxis(result, 0, axis)


def separate(solid: Array, sheets: Array, seed: tuple[int, ...], step_mm: float, most_mm: float) -> Separated:
    """Take the bone at a place apart from those it touches.

    Parameters
    ----------
    solid
        (K, J, I) booleans: bones with their marrow.
    sheets
        (K, J, I) booleans: joint spaces.
    seed
        Index (k, j, i) in the bone.
    step_mm
        Voxel size.
    most_mm
        Erosion that every neck to a neighbour is thinner than, and the bone is thicker than.

    Returns
    -------
    The bone and the others.

    Raises
    ------
    RefusedError
        When no bone is left near the seed.

    References
    ----------
    Beucher S and Meyer F (1993), Mathematical Morphology in Image Processing, ch. 12: watershed from markers.
    """
    depth = ndimage.distance_transform_edt(np.pad(solid & ~sheets, 1, mode="edge"))[1:-1, 1:-1, 1:-1] * step_mm
    depth = depth.astype(np.float32)
    at = _deepest_near(depth, seed, step_mm, most_mm)
    marker, eroded = _alone(depth, at, step_mm, min(most_mm, float(depth[at]) - 0.5 * step_mm))
    others = _neighbours(depth, marker, eroded, step_mm)
    if not others.any():
        pieces, _ = ndimage.label(solid)
        return Separated(pieces == pieces[at], np.zeros(solid.shape, dtype=bool), 0.0)
    basins = watershed_from(-depth, marker.astype(np.int8) + 2 * others.astype(np.int8), solid)
    return Separated(basins == 1, basins == 2, eroded)


def _deepest_near(depth: FloatArray, seed: tuple[int, ...], step_mm: float, most_mm: float) -> tuple[int, ...]:
    """Climb from the seed to where the bone is thick; a click may lie at the surface."""
    at = tuple(seed)
    reach = max(1, round(3.0 / step_mm))
    for _ in range(40):
        low = [max(n - reach, 0) for n in at]
        box = depth[tuple(slice(a, n + reach + 1) for a, n in zip(low, at, strict=True))]
        best = np.unravel_index(int(box.argmax()), box.shape)
        found = tuple(int(a + b) for a, b in zip(low, best, strict=True))
        if depth[found] <= depth[at] or depth[at] > 2 * most_mm:
            break
        at = found
    if depth[at] <= 0:
        raise RefusedError(
            "no bone is left around the point; set the point in the middle of the bone or give a threshold",
            "NO_BONE",
        )
    return at


def _alone(depth: FloatArray, at: tuple[int, ...], step_mm: float, most_mm: float) -> tuple[Array, float]:
    """Bone around a place at the least erosion that leaves it alone, and that erosion."""
    last = _grown(depth, at, max(most_mm, 0.0), step_mm)
    limit = SAME_SHARE * float(last.sum())
    for eroded in np.arange(0.0, most_mm, step_mm / 2):
        grown = _grown(depth, at, float(eroded), step_mm)
        if float(grown.sum()) <= limit:
            return _piece(depth > eroded, at), float(eroded)
    return _piece(depth > most_mm, at), most_mm


def _grown(depth: FloatArray, at: tuple[int, ...], eroded: float, step_mm: float) -> Array:
    piece = _piece(depth > eroded, at)
    if eroded == 0:
        return piece
    room = round(eroded / step_mm) + 1
    box = bounding_box(piece, (room, room, room))
    grown = np.zeros(piece.shape, dtype=bool)
    grown[box] = (ndimage.distance_transform_edt(~piece[box]) * step_mm <= eroded) & (depth[box] > 0)
    return grown


def _piece(mask: Array, at: tuple[int, ...]) -> Array:
    pieces, _ = ndimage.label(mask)
    return np.asarray(pieces == pieces[at])


def _neighbours(depth: FloatArray, marker: Array, eroded: float, step_mm: float) -> Array:
    rest = (depth > eroded) & ~marker
    pieces, count = ndimage.label(rest)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1) * step_mm**3
    sizes[0] = 0.0
    return np.asarray((sizes >= LEAST_NEIGHBOUR_MM3)[pieces])


def watershed_from(landscape: FloatArray, markers: Array, mask: Array) -> Array:
    """Flood a landscape from markers.

    Parameters
    ----------
    landscape
        (K, J, I) heights; basins meet on crests.
    markers
        (K, J, I) numbers of the basins, 0 elsewhere.
    mask
        (K, J, I) booleans: where to flood.

    Returns
    -------
    (K, J, I) number of the basin, 0 outside the mask.

    Raises
    ------
    DependencyError
        Without scikit-image.
    """
    try:
        from skimage.segmentation import watershed
    except ImportError as error:
        raise DependencyError(
            "isolating a bone from a click needs scikit-image, which is not installed; "
            "install it: pip install bone-strength-fea[segment]"
        ) from error
    return np.asarray(watershed(landscape, markers, mask=mask))
