"""Bones from one click or none, and the label map they make together."""

from __future__ import annotations

import logging

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.segmentation.femoral_heads import find_femoral_heads
from BoneStrengthFEALib.segmentation.femur import isolate_femur
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.segmentation.limb import isolate_limb
from BoneStrengthFEALib.segmentation.vertebra import find_vertebrae, isolate_vertebra
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

logger = logging.getLogger(__name__)


def isolate(
    volume: Volume, point_ras: FloatArray, site: Site, callback: ProgressCallback = no_progress
) -> IsolatedBone:
    """Isolate the bone at a point.

    Parameters
    ----------
    volume
        CT [HU].
    point_ras
        (3,) RAS [mm].
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
        For a point outside the image.
    RefusedError
        When it cannot be isolated, with the reason.
    """
    if site is Site.VERTEBRA:
        return isolate_vertebra(volume, point_ras, callback)
    if site is Site.FEMUR:
        return isolate_femur(volume, point_ras, callback)
    return isolate_limb(volume, point_ras, site, callback)


def isolate_all(volume: Volume, callback: ProgressCallback = no_progress) -> tuple[IsolatedBone, ...]:
    """Find vertebrae along the canal and the two proximal femora, and isolate each.

    Parameters
    ----------
    volume
        CT [HU].
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    The bones found.

    Raises
    ------
    RefusedError
        NOTHING_FOUND, with the reason for each kind of bone.
    """
    found: list[IsolatedBone] = []
    reasons: list[str] = []
    try:
        found += find_vertebrae(volume, callback)
    except RefusedError as error:
        reasons.append(f"vertebrae: {error}")
    for centre in _head_centres(volume, reasons, callback):
        try:
            found.append(isolate_femur(volume, centre, callback))
        except RefusedError as error:
            reasons.append(f"femora: {error}")
    if not found:
        raise RefusedError("no bone was found without a point. " + "; ".join(reasons), "NOTHING_FOUND")
    for reason in reasons:
        logger.warning("not isolated without a point: %s", reason)
    return tuple(found)


def _head_centres(volume: Volume, reasons: list[str], callback: ProgressCallback) -> list[FloatArray]:
    try:
        return [head.centre for head in find_femoral_heads(volume, callback).values()]
    except RefusedError as error:
        reasons.append(f"femora: {error}")
        return []


def label_map_of(bones: tuple[IsolatedBone, ...], ct: Volume) -> LabelMap:
    """Put bones into one label map; voxels of two bones go to the surer one.

    Parameters
    ----------
    bones
        Bones isolated in the CT.
    ct
        The CT.

    Returns
    -------
    Labels 1, 2 ... on its grid, named by site and side; vertebrae of unknown level are numbered from below.
    """
    values = np.zeros(ct.array.shape, dtype=np.uint8)
    names: dict[int, str] = {}
    for value, bone in enumerate(bones, start=1):
        box = _box(bone.labels.volume, ct)
        taken = values[box]
        better = np.array(bone.labels.volume.array > 0)
        # a field of confidence over the whole scan would take more memory than all else
        for other in np.unique(taken[better & (taken > 0)]):
            met = taken == other
            better &= ~met | (bone.confidence >= _on(bones[int(other) - 1], ct, box))
        taken[better] = value
        names[value] = _name(bone, [names[n] for n in range(1, value)])
    return LabelMap(Volume(values, ct.ijk_to_ras, Quantity.LABEL), names)


def percent_sure(bones: tuple[IsolatedBone, ...], ct: Volume) -> Volume:
    """Confidence on the CT's grid in per cent, the lowest where boxes of bones overlap.

    Parameters
    ----------
    bones
        Bones isolated in the CT.
    ct
        The CT.

    Returns
    -------
    (K, J, I) uint8, 100 away from every bone.
    """
    percent = np.full(ct.array.shape, 100, dtype=np.uint8)
    for bone in bones:
        box = _box(bone.labels.volume, ct)
        percent[box] = np.minimum(percent[box], np.rint(100 * bone.confidence).astype(np.uint8))
    return Volume(percent, ct.ijk_to_ras, Quantity.LABEL)


def body_parts_of(bones: tuple[IsolatedBone, ...], ct: Volume) -> LabelMap | None:
    """Put the bodies of vertebrae into one label map.

    Parameters
    ----------
    bones
        Bones isolated in the CT.
    ct
        The CT.

    Returns
    -------
    Label 1 ``vertebrae_body`` on its grid; None without a vertebra.
    """
    values = np.zeros(ct.array.shape, dtype=np.uint8)
    parts = [bone.parts for bone in bones if bone.parts is not None]
    for part in parts:
        values[_box(part.volume, ct)][part.volume.array == 1] = 1
    return LabelMap(Volume(values, ct.ijk_to_ras, Quantity.LABEL), {1: "vertebrae_body"}) if parts else None


def _box(part: Volume, ct: Volume) -> tuple[slice, ...]:
    first = np.rint(ct.grid.to_ijk(part.ijk_to_ras[:3, 3])).astype(int)[::-1]
    return tuple(slice(int(a), int(a) + n) for a, n in zip(first, part.array.shape, strict=True))


def _on(bone: IsolatedBone, ct: Volume, box: tuple[slice, ...]) -> FloatArray:
    """Confidence of a bone in a box of the CT; -1 outside the bone's own box."""
    sure = np.full([part.stop - part.start for part in box], -1.0, dtype=np.float32)
    own = _box(bone.labels.volume, ct)
    low = [max(a.start, b.start) for a, b in zip(box, own, strict=True)]
    high = [min(a.stop, b.stop) for a, b in zip(box, own, strict=True)]
    here = tuple(slice(a - part.start, b - part.start) for a, b, part in zip(low, high, box, strict=True))
    there = tuple(slice(a - part.start, b - part.start) for a, b, part in zip(low, high, own, strict=True))
    sure[here] = bone.confidence[there]
    return sure


def _name(bone: IsolatedBone, taken: list[str]) -> str:
    if bone.level:
        return f"vertebra_{bone.level}"
    if bone.site is Site.VERTEBRA:
        return f"vertebra_{1 + sum(name.startswith('vertebra_') for name in taken)}"
    return bone.site.value if bone.side is Side.NONE else f"{bone.site.value}_{bone.side.value}"
