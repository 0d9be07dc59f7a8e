"""One bone from a click: whole bones by the library, or any bone by threshold, closing, filling and splitting."""

import numpy as np

THRESHOLD_HU = 130.0
"""Lowest HU of bone; marrow and weak trabecular bone below it are filled from the shell."""
SPLIT_MM = 1.0
"""How much thinner a neck must be than the two parts it joins for them to be two bones, as a radius."""
CLOSE_MM = 3.0
"""Gaps of the shell up to twice this are closed before filling."""
REACH_MM = 90.0
"""No further than this from the click along each axis."""


def wholeBone(ct, ras, site):
    """Mask of the whole bone of a site at a RAS point, its share that is in doubt, and what a reader must know.

    Returns a (K, J, I) uint8 array, a number from 0 to 1 and a tuple of texts. Raises BoneStrengthError.
    """
    from BoneStrengthFEALib.anatomy import Site
    from BoneStrengthFEALib.segmentation.isolate import isolate as isolateBone
    from BoneStrengthFEALib.segmentation.isolate import label_map_of

    bone = isolateBone(ct, np.asarray(ras, dtype=float), Site(site))
    unsure = float((bone.confidence[bone.labels.volume.array > 0] < 0.5).mean())
    return np.asarray(label_map_of((bone,), ct).volume.array, dtype=np.uint8), unsure, bone.notes


def isolate(ct, seed_ijk, threshold_hu=THRESHOLD_HU, split_mm=SPLIT_MM, close_mm=CLOSE_MM):
    """Mask of the bone at a click.

    ct: Volume [HU] of the library; seed_ijk: (3,) voxel of the click, i j k. Returns a (K, J, I) uint8 array.
    Raises BoneStrengthError when there is no bone at the click.

    The split is the watershed of the distance to the bone's surface (Vincent and Soille 1991, IEEE PAMI 13:583),
    basins shallower than split_mm merged.
    """
    from BoneStrengthFEALib.errors import InputError

    array = np.asarray(ct.array)
    kji = tuple(round(float(value)) for value in seed_ijk)[::-1]
    if not all(0 <= index < size for index, size in zip(kji, array.shape, strict=True)):
        raise InputError("the click lies outside the CT; click inside the bone")
    spacing = np.asarray(ct.spacing_mm)[::-1]
    box = tuple(
        slice(max(index - int(reach), 0), min(index + int(reach) + 1, size))
        for index, size, reach in zip(kji, array.shape, REACH_MM / spacing, strict=True)
    )
    seed = tuple(index - part.start for index, part in zip(kji, box, strict=True))
    solid = _solid(array[box] >= threshold_hu, spacing, close_mm)
    if not solid[seed]:
        raise InputError(f"no bone above {threshold_hu:g} HU at the click; click inside a bone or lower the threshold")
    piece = _piece(solid, seed, spacing, split_mm)
    mask = np.zeros(array.shape, np.uint8)
    mask[box] = piece
    return mask


def _solid(bone, spacing, close_mm):
    """Bone with its marrow: the shell closed, filled slice by slice along each axis, and drawn back."""
    from scipy import ndimage

    if close_mm <= 0:
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
    return solid[tuple(slice(before, -after) for before, after in pad)]


def _piece(solid, seed, spacing, split_mm):
    import SimpleITK as sitk
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(solid, sampling=spacing).astype(np.float32)
    basins = sitk.MorphologicalWatershed(
        sitk.GetImageFromArray(-depth), level=float(split_mm), markWatershedLine=False, fullyConnected=False
    )
    basins = sitk.GetArrayFromImage(basins)
    labels, _count = ndimage.label(solid & (basins == basins[seed]))
    return labels == labels[seed]
