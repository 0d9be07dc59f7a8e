"""From a bone on a working grid to labels and confidence on the voxels of the CT."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.bounding_box import bounding_box, crop
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.segmentation.work_grid import onto_ct
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Quantity, Volume

SMOOTH_MM = 0.7
"""Blur of the outline: removes steps of single voxels, moves a head's surface by less than 0.05 mm."""
SURE_HU = 150.0
"""A surface voxel that differs from the threshold by this is certain."""
SURFACE_MM = 2.0
JOINT_MM = 6.0
"""Certainty returns over this distance from a place where two bones were parted."""
MARGIN = (1, 1, 1)


def smoothed(bone: Array, step_mm: float) -> FloatArray:
    """Soft mask whose 0.5 level is a smooth outline, with the largest piece only and no holes.

    Parameters
    ----------
    bone
        (K, J, I) booleans.
    step_mm
        Voxel size.

    Returns
    -------
    (K, J, I) float32, 0 to 1.
    """
    whole = ndimage.binary_fill_holes(bone)
    soft = ndimage.gaussian_filter(whole.astype(np.float32), SMOOTH_MM / step_mm, mode="nearest", truncate=3.0)
    pieces, count = ndimage.label(soft > 0.5)
    if count == 0:
        raise RefusedError("no bone is left around the point; set the point in the middle of the bone", "NO_BONE")
    largest = 1 + int(np.bincount(pieces.ravel())[1:].argmax())
    return np.where((pieces != largest) & (pieces > 0), 0.0, soft).astype(np.float32)


def certainty(bone: Array, parted: Array, values: FloatArray, bone_hu: float, step_mm: float) -> FloatArray:
    """How certain each voxel is: surfaces with contrast are, surfaces without and places of parting are not.

    Parameters
    ----------
    bone
        (K, J, I) booleans.
    parted
        (K, J, I) booleans where a boundary rests on a prior or on a cut between touching bones.
    values
        (K, J, I) HU.
    bone_hu
        Threshold.
    step_mm
        Voxel size.

    Returns
    -------
    (K, J, I) 0 to 1.
    """
    inside = ndimage.distance_transform_edt(bone) + ndimage.distance_transform_edt(~bone) - 0.5
    contrast = np.clip(np.abs(values - bone_hu) / SURE_HU, 0.0, 1.0)
    depth = np.clip(inside * step_mm / SURFACE_MM, 0.0, 1.0)
    sure = np.maximum(contrast, depth)
    if parted.any():
        away = ndimage.distance_transform_edt(~parted) * step_mm
        sure = np.minimum(sure, np.maximum(np.clip(away / JOINT_MM, 0.0, 1.0), 0.1))
    return np.asarray(sure, dtype=np.float32)


def isolated(
    ct: Volume, grid: Grid, soft: FloatArray, sure: FloatArray, site: Site, side: Side, notes: tuple[str, ...]
) -> IsolatedBone:
    """Put a bone onto the voxels of its CT.

    Parameters
    ----------
    ct
        CT [HU].
    grid
        Working grid.
    soft
        (K, J, I) soft mask on it, bone above 0.5.
    sure
        (K, J, I) certainty on it.
    site, side
        What it is.
    notes
        What a reader must know.

    Returns
    -------
    The bone on a box of the CT's voxels.
    """
    field, part = onto_ct(soft, grid, ct)
    certain, _ = onto_ct(sure, grid, ct)
    mask = (field > 0.5) & _covered(part.grid, grid)
    if not mask.any():
        raise RefusedError("no voxel of the CT is bone around the point; set the point inside the bone", "NO_BONE")
    box = bounding_box(mask, MARGIN)
    labels = crop(part.with_array(mask.astype(np.uint8), Quantity.LABEL), box)
    name = f"{site.value}_{side.value}".rstrip("_")
    return IsolatedBone(LabelMap(labels, {1: name}), np.clip(certain[box], 0, 1), site, "", side, None, notes)


def _covered(voxels: Grid, grid: Grid) -> Array:
    """Voxels whose centres the working grid reaches."""
    relation = np.linalg.inv(grid.ijk_to_ras) @ voxels.ijk_to_ras
    k, j, i = (np.arange(n, dtype=np.float32) for n in voxels.shape)
    inside = np.ones(voxels.shape, dtype=bool)
    for row, size in enumerate(grid.shape[::-1]):
        a, b, c, d = relation[row]
        index = (c * k)[:, None, None] + (b * j)[None, :, None] + (a * i)[None, None, :] + d
        inside &= (index >= -1.0) & (index <= size)
    return inside
