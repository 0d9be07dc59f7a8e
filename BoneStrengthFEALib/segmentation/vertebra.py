"""A whole vertebra from one click, and all vertebrae from none."""

from __future__ import annotations

import logging

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.bounding_box import bounding_box, crop
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.segmentation.finish import certainty
from BoneStrengthFEALib.segmentation.isolated import UNKNOWN_LEVEL, IsolatedBone
from BoneStrengthFEALib.segmentation.ribs import without_ribs
from BoneStrengthFEALib.segmentation.seed_checks import require_bone_seed, require_uncut
from BoneStrengthFEALib.segmentation.spinal_canal import STEP_MM as CANAL_STEP_MM
from BoneStrengthFEALib.segmentation.spinal_canal import canal_path
from BoneStrengthFEALib.segmentation.spine_levels import count_levels, with_level
from BoneStrengthFEALib.segmentation.straight_spine import STEP_MM, CanalFrame, StraightSpine, straighten
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels, tissue_levels
from BoneStrengthFEALib.segmentation.vertebra_checks import require_plausible
from BoneStrengthFEALib.segmentation.vertebra_parts import Vertebrae, body_of, part_vertebrae
from BoneStrengthFEALib.segmentation.work_grid import image_box, sampled, upright_grid
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

HALF_BOX_MM = np.array([54.0, 84.0, 66.0])
"""Around the click: two neighbours above and below, and what lies behind a body or in front of a process."""
NEAR_MM = 6.0
PARTS = {1: "corpus", 2: "arcus"}
SMOOTH_MM = 0.6
SPACING_MM = (19.0, 46.0)
"""Between the middles of two discs, T4 to L5."""
MARGIN, AROUND = (1, 1, 1), (8, 8, 8)
"""Voxels kept around the result, and those in which certainty is worked out."""

logger = logging.getLogger(__name__)


def isolate_vertebra(volume: Volume, point_ras: FloatArray, callback: ProgressCallback = no_progress) -> IsolatedBone:
    """Isolate the vertebra at a point.

    Parameters
    ----------
    volume
        CT [HU] with the spinal canal in view.
    point_ras
        (3,) RAS [mm] in the body, a pedicle, lamina or process.
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    The vertebra with body and posterior elements as parts.

    Raises
    ------
    InputError
        When the volume is no CT or the point lies outside it.
    RefusedError
        SEED_IN_AIR, SEED_IN_SOFT_TISSUE, SEED_IN_METAL, NO_CANAL, NO_VERTEBRA or BONE_CUT.
    """
    point = require_bone_seed(volume, point_ras)
    stage = "isolating the vertebra"
    callback(stage, 0.0)
    spine, levels = _straightened(volume, point - HALF_BOX_MM, point + HALF_BOX_MM)
    callback(stage, 0.4)
    vertebrae = part_vertebrae(spine, levels)
    callback(stage, 0.9)
    number = _number_at(spine, vertebrae, point)
    if not 1 < number <= len(vertebrae.discs):
        raise RefusedError(
            "the vertebra at the point has no disc in view both above and below: it is cut by the image's edge, fused, "
            "not recognised, or it is no vertebra; choose another one, say which kind of bone it is, or give its label",
            "BONE_CUT",
        )
    _require_one_body(vertebrae, number)
    return _isolated(volume, spine, levels, vertebrae, number)


def find_vertebrae(volume: Volume, callback: ProgressCallback = no_progress) -> tuple[IsolatedBone, ...]:
    """Isolate every whole vertebra along the canal, with its level where sacrum or last rib tell it.

    Parameters
    ----------
    volume
        CT [HU].
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    The vertebrae from inferior to superior.

    Raises
    ------
    RefusedError
        NO_CANAL, or NO_VERTEBRA when none is whole.
    """
    stage = "finding vertebrae"
    callback(stage, 0.0)
    spine, levels = _straightened(volume, *image_box(volume))
    callback(stage, 0.4)
    vertebrae = part_vertebrae(spine, levels)
    found, reasons = [], []
    last = len(vertebrae.discs)
    for number in range(2, last + 1):
        callback(stage, 0.7 + 0.3 * (number - 2) / last)
        try:
            _require_one_body(vertebrae, number)
            found.append((number, _isolated(volume, spine, levels, vertebrae, number)))
        except RefusedError as error:
            # cut by the edge, or two bodies with a disc that was not seen
            reasons.append(f"vertebra {number - 1} from below: {error}")
    if not found:
        tried = ". ".join(reasons) or f"{last} discs seen, two are needed"
        raise RefusedError(
            f"no whole vertebra was found along the canal ({tried}); give a point in one, or a label", "NO_VERTEBRA"
        )
    for reason in reasons:
        logger.warning("not proposed: %s", reason)
    discs = np.array([spine.along[0] + STEP_MM * disc.middle for disc in vertebrae.discs])
    count = count_levels(volume, spine.frame, discs, levels.bone_hu)
    return tuple(with_level(bone, number, count) for number, bone in found)


def _straightened(volume: Volume, low: FloatArray, high: FloatArray) -> tuple[StraightSpine, TissueLevels]:
    grid = upright_grid(low, high, CANAL_STEP_MM)
    values = sampled(volume, grid)
    levels = tissue_levels(values)
    spine = straighten(volume, CanalFrame(canal_path(values, grid, levels)))
    # noise is that of the samples that are worked on
    return spine, tissue_levels(spine.values, levels.bone_hu)


def _number_at(spine: StraightSpine, vertebrae: Vertebrae, point: FloatArray) -> int:
    index = spine.index(spine.frame.local(point))
    box = tuple(slice(max(int(n - NEAR_MM), 0), int(n + NEAR_MM) + 2) for n in index)
    part = vertebrae.number[box]
    places = np.argwhere(part > 0) + [one.start for one in box]
    if len(places) == 0:
        raise RefusedError(
            f"no vertebra was found within {NEAR_MM:g} mm of the point; set it in a vertebral body", "NO_VERTEBRA"
        )
    nearest = places[int(np.linalg.norm(places - index, axis=1).argmin())]
    return int(vertebrae.number[tuple(nearest)])


def _isolated(
    volume: Volume, spine: StraightSpine, levels: TissueLevels, vertebrae: Vertebrae, number: int
) -> IsolatedBone:
    bone = _largest(vertebrae.number == number)
    bone = _largest(without_ribs(spine, levels, bone, vertebrae.bodies == number))
    if not bone.any():
        raise RefusedError("no bone is left between two discs", "NO_VERTEBRA")
    others = (vertebrae.number > 0) & ~bone
    parted = bone & ndimage.binary_dilation(others)
    sure = np.ones(bone.shape, dtype=np.float32)
    near = bounding_box(bone, AROUND)
    sure[near] = certainty(bone[near], parted[near], spine.values[near], levels.bone_hu, 1.0)
    soft = ndimage.gaussian_filter(bone.astype(np.float32), SMOOTH_MM)
    body = ndimage.gaussian_filter((bone & body_of(spine, vertebrae, number)).astype(np.float32), SMOOTH_MM)
    part, fields = _onto_ct(volume, spine, bone, (soft, body, sure))
    mask = fields[0] > 0.5
    if not mask.any():
        raise RefusedError("the vertebra is smaller than a voxel of the CT", "NO_VERTEBRA")
    box = bounding_box(mask, MARGIN)
    labels = crop(part.with_array(mask.astype(np.uint8), Quantity.LABEL), box)
    in_front = fields[1] > 0.5 * fields[0]
    parts = crop(part.with_array(np.where(mask, np.where(in_front, 1, 2), 0).astype(np.uint8), Quantity.LABEL), box)
    labels, parts, notes = _what_is_whole(labels, parts, volume)
    require_plausible(parts)
    return IsolatedBone(
        LabelMap(labels, {1: "vertebra"}),
        np.clip(fields[2][box], 0.0, 1.0),
        Site.VERTEBRA,
        "",
        Side.NONE,
        LabelMap(parts, dict(PARTS)),
        (UNKNOWN_LEVEL, *notes),
    )


def _what_is_whole(labels: Volume, parts: Volume, ct: Volume) -> tuple[Volume, Volume, tuple[str, ...]]:
    """The whole vertebra; its body alone, with a note, when only posterior elements leave the image."""
    try:
        require_uncut(labels, ct, (), "the vertebra")
    except RefusedError as cut:
        body = parts.with_array((parts.array == 1).astype(np.uint8))
        require_uncut(body, ct, (), "the body of the vertebra")
        return body, body, (f"only the body is given: {str(cut).split(';', maxsplit=1)[0]}",)
    return labels, parts, ()


def _onto_ct(
    volume: Volume, spine: StraightSpine, bone: Array, fields: tuple[FloatArray, ...]
) -> tuple[Volume, list[FloatArray]]:
    """Fields of the straightened spine at the voxels of the CT around a bone."""
    index = np.argwhere(bone)
    start = np.array([spine.along[0], spine.front[0], spine.right[0]])
    low, high = index.min(axis=0) - 3 + start, index.max(axis=0) + 3 + start
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
    ijk = volume.grid.to_ijk(spine.frame.ras(corners))
    first = np.maximum(np.floor(ijk.min(axis=0)).astype(int) - 2, 0)[::-1]
    last = np.minimum(np.ceil(ijk.max(axis=0)).astype(int)[::-1] + 3, volume.array.shape)
    part = volume.cropped((int(first[0]), int(first[1]), int(first[2])), (int(last[0]), int(last[1]), int(last[2])))
    k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in part.array.shape), indexing="ij")
    points = part.grid.to_ras(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    places = spine.index(spine.frame.local(points)).T
    return part, [
        ndimage.map_coordinates(field, places, order=1, mode="constant").reshape(part.array.shape) for field in fields
    ]


def _require_one_body(vertebrae: Vertebrae, number: int) -> None:
    """Refuse when the discs above and below lie too far apart or too close for one vertebra."""
    gap = vertebrae.discs[number - 1].middle - vertebrae.discs[number - 2].middle
    if not SPACING_MM[0] <= gap <= SPACING_MM[1]:
        raise RefusedError(
            f"the discs above and below lie {gap:.0f} mm apart, expected {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm: "
            "a disc was not recognised or the vertebra is crushed; give a label of the bone",
            "DISC_SPACING",
        )


def _largest(mask: Array) -> Array:
    pieces, count = ndimage.label(mask)
    if count < 2:
        return np.asarray(mask)
    return np.asarray(pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax()))
