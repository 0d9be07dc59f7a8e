"""Find air, subcutaneous fat and muscle in a CT by their place in the body and the peak of their histogram."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.volume import Array, Volume

BODY_HU = -400.0
"""Between air and skin."""
PADDING_HU = -1100.0
"""Below the air of any scanner: the filling outside the reconstruction circle."""
AIR_HU = (PADDING_HU, -900.0)
FAT_HU = (-160.0, -40.0)
MUSCLE_HU = (10.0, 100.0)
SKIN_MM, FAT_DEPTH_MM = 4.0, 40.0
"""Subcutaneous fat is looked for between these depths below the skin."""
BONE_HU = 150.0
BONE_NEAR_MM = (5.0, 50.0)
"""Muscle is looked for at this distance from bone."""
PEAK_HALF_WIDTH_HU = 40.0
MINIMUM_SHARE = 2e-4
"""A peak of fewer voxels than this share of the image is no tissue."""


def find_air(ct: Volume, bone: Array | None = None) -> Array | None:
    """Air outside the body.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    bone
        Not used; finders share one signature.

    Returns
    -------
    (K, J, I) booleans, two voxels away from anything else, connected to the in-plane rim; None when there is none.
    """
    air = (ct.array > AIR_HU[0]) & (ct.array < AIR_HU[1])
    core = ndimage.binary_erosion(air, iterations=2, border_value=1)
    labelled, count = ndimage.label(core)
    rim = _in_plane_rim(core.shape, _axial_axis(ct))
    outside = np.unique(labelled[rim & core])
    outside = outside[outside > 0]
    if count == 0 or outside.size == 0:
        return None
    mask = np.isin(labelled, outside)
    return mask if mask.mean() > MINIMUM_SHARE else None


def find_fat(ct: Volume, bone: Array | None = None) -> Array | None:
    """Fat: below the skin where the skin is in view, else anywhere.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    bone
        Not used; finders share one signature.

    Returns
    -------
    (K, J, I) booleans around the histogram's peak, one voxel inside; None when there is none.
    """
    fat = (ct.array > FAT_HU[0]) & (ct.array < FAT_HU[1])
    depth = _depth_mm(ct)
    shell = None if depth is None else (depth > SKIN_MM) & (depth < FAT_DEPTH_MM)
    region = fat if shell is None or (fat & shell).mean() < MINIMUM_SHARE else fat & shell
    return _around_peak(ct, region)


def find_muscle(ct: Volume, bone: Array | None = None) -> Array | None:
    """Muscle: soft tissue near bone, behind the vertebral bodies' centre when the bones are named.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    bone
        (K, J, I) booleans of named bones, or None to take what is bright.

    Returns
    -------
    (K, J, I) booleans around the histogram's peak, one voxel inside; None when there is none.
    """
    skeleton = ndimage.binary_opening(ct.array > BONE_HU) if bone is None else bone
    if not skeleton.any():
        return None
    distance = ndimage.distance_transform_edt(~skeleton, sampling=_sampling(ct))
    near = (distance > BONE_NEAR_MM[0]) & (distance < BONE_NEAR_MM[1])
    soft = (ct.array > MUSCLE_HU[0]) & (ct.array < MUSCLE_HU[1])
    if bone is not None:
        near &= _anterior_mm(ct) < float(_anterior_mm(ct)[bone].mean())
    return _around_peak(ct, soft & near)


def _around_peak(ct: Volume, region: Array) -> Array | None:
    inner = ndimage.binary_erosion(region)
    region = inner if inner.mean() > MINIMUM_SHARE else region
    values = ct.array[region]
    if region.mean() < MINIMUM_SHARE:
        return None
    counts, edges = np.histogram(values, bins=np.arange(values.min(), values.max() + 2.0))
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), 8.0)
    peak = float(edges[int(np.argmax(smooth))]) + 0.5
    mask = region & (np.abs(ct.array - peak) < PEAK_HALF_WIDTH_HU)
    return mask if mask.mean() > MINIMUM_SHARE else None


def _depth_mm(ct: Volume) -> Array | None:
    """Distance from the air outside, or None when the body's surface is not in view."""
    air = find_air(ct)
    if air is None:
        return None
    outside = ndimage.binary_dilation(air, iterations=3, mask=ct.array < BODY_HU)
    return np.asarray(ndimage.distance_transform_edt(~outside, sampling=_sampling(ct)))


def _sampling(ct: Volume) -> tuple[float, float, float]:
    i, j, k = ct.spacing_mm
    return k, j, i


def _axial_axis(ct: Volume) -> int:
    """Array axis that runs along the body."""
    return 2 - int(np.argmax(np.abs(ct.ijk_to_ras[2, :3]) / np.array(ct.spacing_mm)))


def _in_plane_rim(shape: tuple[int, ...], axial_axis: int) -> Array:
    rim = np.zeros(shape, dtype=bool)
    for axis in {0, 1, 2} - {axial_axis}:
        view = np.moveaxis(rim, axis, 0)
        view[0] = view[-1] = True
    return rim


def _anterior_mm(ct: Volume) -> Array:
    """Anterior coordinate of each voxel."""
    k, j, i = (np.arange(n) for n in ct.array.shape)
    row = ct.ijk_to_ras[1]
    return np.asarray(row[2] * k[:, None, None] + row[1] * j[None, :, None] + row[0] * i[None, None, :] + row[3])
