"""Any bone from a point inside it by threshold, closing, filling and splitting; a person looks at the result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

REACH_MM = 90.0
"""No further than this from the point along each axis."""
NAME = "bone"


@dataclass(frozen=True)
class Cut:
    """What counts as bone and where two bones part.

    Parameters
    ----------
    threshold_hu
        Lowest number of bone [HU]; marrow and weak trabecular bone below it are filled from the shell.
    split_mm
        How much thinner a neck must be than the two parts it joins for them to be two bones, as a radius [mm].
    close_mm
        Gaps of the shell up to twice this are closed before filling [mm].

    Raises
    ------
    InputError
        When a length is negative or the threshold is no number.
    """

    threshold_hu: float = 130.0
    split_mm: float = 1.0
    close_mm: float = 3.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (np.isfinite(self.threshold_hu) and self.split_mm >= 0 and self.close_mm >= 0):
            raise InputError(f"{self}: the threshold must be a number, split and close at least 0 mm")


def bone_by_threshold(ct: Volume, point_ras: FloatArray, cut: Cut) -> LabelMap:
    """Isolate the bone at a point.

    Parameters
    ----------
    ct
        CT [HU].
    point_ras
        (3,) RAS [mm].
    cut
        Threshold and lengths.

    Returns
    -------
    One label on the CT's grid.

    Raises
    ------
    InputError
        When the point lies outside the CT.
    RefusedError
        SEED_BELOW_THRESHOLD when there is no bone at the point.

    References
    ----------
    Vincent L and Soille P (1991), IEEE PAMI 13:583: watershed, here of the distance to the bone's surface; basins
    shallower than split_mm are merged.
    """
    array, spacing = np.asarray(ct.array), np.asarray(ct.spacing_mm)[::-1]
    ijk = ct.grid.to_ijk(np.asarray(point_ras, dtype=float)[None])[0]
    kji = tuple(round(float(value)) for value in ijk)[::-1]
    if not all(0 <= index < size for index, size in zip(kji, array.shape, strict=True)):
        raise InputError("the point lies outside the CT; choose one inside the bone")
    box = tuple(
        slice(max(index - int(reach), 0), min(index + int(reach) + 1, size))
        for index, size, reach in zip(kji, array.shape, REACH_MM / spacing, strict=True)
    )
    seed = tuple(index - part.start for index, part in zip(kji, box, strict=True))
    solid = _solid(array[box] >= cut.threshold_hu, spacing, cut.close_mm)
    if not solid[seed]:
        raise RefusedError(
            f"no bone above {cut.threshold_hu:g} HU at the point; choose one inside a bone, or lower the threshold",
            "SEED_BELOW_THRESHOLD",
        )
    mask = np.zeros(array.shape, np.uint8)
    mask[box] = _piece(solid, seed, spacing, cut.split_mm)
    return LabelMap(ct.with_array(mask, Quantity.LABEL), {1: NAME})


def _solid(bone: Array, spacing: FloatArray, close_mm: float) -> Array:
    """Bone with its marrow: the shell closed, filled slice by slice along each axis, and drawn back."""
    if close_mm == 0:
        return bone
    # room around it, so that drawing back does not stop at the edge of the box
    pad = [(int(np.ceil(close_mm / step)) + 1,) * 2 for step in spacing]
    padded = np.pad(bone, pad)
    near = ndimage.distance_transform_edt(~padded, sampling=spacing) <= close_mm
    filled = near.copy()
    for axis in range(3):
        for index in range(near.shape[axis]):
            part = tuple(index if n == axis else slice(None) for n in range(3))
            filled[part] |= ndimage.binary_fill_holes(near[part])
    solid = (ndimage.distance_transform_edt(filled, sampling=spacing) > close_mm) | padded
    return np.asarray(solid[tuple(slice(before, -after) for before, after in pad)])


def _piece(solid: Array, seed: tuple[int, ...], spacing: FloatArray, split_mm: float) -> Array:
    depth = ndimage.distance_transform_edt(solid, sampling=spacing).astype(np.float32)
    basins = sitk.MorphologicalWatershed(
        sitk.GetImageFromArray(-depth), level=float(split_mm), markWatershedLine=False, fullyConnected=False
    )
    values = sitk.GetArrayFromImage(basins)
    labels, _count = ndimage.label(solid & (values == values[seed]))
    return np.asarray(labels == labels[seed])
