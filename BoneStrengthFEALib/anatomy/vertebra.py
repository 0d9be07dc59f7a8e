"""Vertebra: body and posterior elements, local frame, completeness.

Local frame: origin in the centroid of the body, x to the right, y anterior, z superior (mean endplate normal).

The body is the thickest part of a vertebra. From the centre of its largest inscribed sphere the posterior wall is
the first exit from the bone toward the canal; what lies in front of it, without thin processes, is the body.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy import checks
from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen
from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

BODY, POSTERIOR = 1, 2
REGION_NAMES = {BODY: "body", POSTERIOR: "posterior"}
CORE_SHARE = 0.75
"""Voxels at least so deep, relative to the deepest, mark the middle of the body."""
POSTERIOR_OFFSET_MM = 5.0
"""A label whose centroid lies this far behind the middle of the body has posterior elements."""
PROBE_MM = (-6.0, -3.0, 0.0, 3.0, 6.0)
"""Where the posterior wall is probed, to the sides of the midline; and, halved, up and down."""
LONGEST_PROBE_MM = 35.0
"""Farther behind the centre there is no posterior wall of a human vertebra."""
OPENING_MM = 4.0
"""Processes thinner than twice this are no part of the body."""
HEIGHT_LIMITS_MM = (10.0, 50.0)
VOLUME_LIMITS_CM3 = (4.0, 100.0)
SHAPE_ADVICE = "the label does not have the shape of a human vertebral body; check it"
FRAME_ROUNDS = 4
CENTRAL_SHARE = 0.7
"""Endplates are fitted within this share of the body's half-axes, inside the rims."""
COLUMNS = 15
MINIMUM_COLUMNS = 12
ENDPLATE_SEARCH_MM = 6.0
ENDPLATE_STEP_MM = 0.5
BLUR_MM = 2.0


@dataclass(frozen=True, eq=False)
class _Points:
    """Voxel centres of a mask."""

    index: Array
    ras: FloatArray


def prepare_vertebra(mask: Volume, level: str, body_label: Volume | None = None) -> Specimen:
    """Isolate the body and find the local frame.

    Parameters
    ----------
    mask
        (K, J, I) 0/1 label of one vertebra, with or without posterior elements.
    level
        "T4" ... "L5", or empty when unknown.
    body_label
        (K, J, I) 0/1 label of vertebral bodies from a finer segmentation, on the same grid; found by shape if None.

    Returns
    -------
    Specimen with regions "body" and "posterior".

    Raises
    ------
    AnatomyError
        When no body is found in the label.
    """
    bone, lines = checks.one_piece(mask)
    anterior = _anterior_direction(bone, mask)
    up = np.array((0.0, 0.0, 1.0))
    body = np.zeros_like(bone)
    frame = np.eye(4)
    for _ in range(FRAME_ROUNDS):
        axes = _axes(anterior, up)
        body = _given_body(bone, body_label) if body_label is not None else _find_body(bone, mask, axes)
        frame = np.eye(4)
        frame[:3, :3] = axes
        frame[:3, 3] = _points(body, mask).ras.mean(axis=0)
        up = _endplate_normal(body, mask, frame)
    frame[:3, :3] = _axes(anterior, up)
    regions = np.where(body, BODY, np.where(bone, POSTERIOR, 0)).astype(np.uint8)
    lines += _completeness(bone, body, mask, frame)
    return Specimen(
        Site.VERTEBRA,
        level,
        Side.NONE,
        mask.with_array(regions, Quantity.LABEL),
        REGION_NAMES,
        frame,
        landmarks={"body_centre": frame[:3, 3]},
        quality=QualityReport(tuple(lines)),
    )


def _points(mask: Array, volume: Volume) -> _Points:
    index = np.argwhere(mask)
    return _Points(index, volume.grid.to_ras(index[:, ::-1].astype(np.float64)))


def _axes(anterior: FloatArray, up: FloatArray) -> FloatArray:
    z = up / np.linalg.norm(up)
    y = anterior - (anterior @ z) * z
    y /= np.linalg.norm(y)
    return np.column_stack([np.cross(y, z), y, z])


def _core_centre(bone: Array, volume: Volume) -> FloatArray:
    depth = ndimage.distance_transform_edt(np.pad(bone, 1), volume.spacing_mm[::-1])[1:-1, 1:-1, 1:-1]
    return np.asarray(_points(depth >= CORE_SHARE * depth.max(), volume).ras.mean(axis=0))


def _anterior_direction(bone: Array, volume: Volume) -> FloatArray:
    centre = _core_centre(bone, volume)
    forward = centre - _points(bone, volume).ras.mean(axis=0)
    # a label of the body alone has no back: then the patient's own anterior serves
    return forward if np.linalg.norm(forward) > POSTERIOR_OFFSET_MM else np.array((0.0, 1.0, 0.0))


def _given_body(bone: Array, body_label: Volume) -> Array:
    body = bone & (body_label.array > 0)
    if not body.any():
        raise AnatomyError("the body label does not overlap the vertebra's label; check that both name the same level")
    return _largest(body)


def _largest(mask: Array) -> Array:
    pieces, count = ndimage.label(mask)
    if count == 0:
        return mask
    return np.asarray(pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax()))


def _find_body(bone: Array, volume: Volume, axes: FloatArray) -> Array:
    centre = _core_centre(bone, volume)
    wall = _posterior_wall(bone, volume, centre, axes)
    points = _points(bone, volume)
    ahead = (points.ras - centre) @ axes[:, 1] > -wall
    body = np.zeros_like(bone)
    body[tuple(points.index[ahead].T)] = True
    sampling = volume.spacing_mm[::-1]
    core = ndimage.distance_transform_edt(np.pad(body, 1), sampling)[1:-1, 1:-1, 1:-1] > OPENING_MM
    if not core.any():
        raise AnatomyError("the label is too thin for a vertebral body; check that it is a vertebra")
    grown = ndimage.distance_transform_edt(~_largest(core), sampling) <= OPENING_MM + 0.5 * max(sampling)
    return _largest(body & grown)


def _posterior_wall(bone: Array, volume: Volume, centre: FloatArray, axes: FloatArray) -> float:
    """Distance from the centre to the posterior wall [mm]."""
    depths = np.arange(0.0, LONGEST_PROBE_MM, 0.25)
    exits = []
    for aside in PROBE_MM:
        for above in PROBE_MM:
            start = centre + aside * axes[:, 0] + 0.5 * above * axes[:, 2]
            ijk = volume.grid.to_ijk(start - depths[:, None] * axes[:, 1])
            along = ndimage.map_coordinates(bone.astype(np.float32), ijk[:, ::-1].T, order=1, mode="constant")
            outside = np.flatnonzero(along < 0.5)
            if outside.size and outside[0] > 0:
                exits.append(depths[outside[0]])
    if not exits:
        raise AnatomyError(
            "no posterior wall within 35 mm behind the middle of the bone; the label may hold several bones or a "
            "filled canal: segment the vertebra again or give a label of the vertebral body"
        )
    return float(np.median(exits))


def _local(body: Array, volume: Volume, frame: FloatArray) -> FloatArray:
    return np.asarray((_points(body, volume).ras - frame[:3, 3]) @ frame[:3, :3])


def _endplates(body: Array, volume: Volume, frame: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points (x, y, z) of the upper and the lower endplate in the frame, in the central part of the cross-section.

    The surface is where the blurred mask crosses one half: voxel steps of thick slices would tilt a plane through
    voxel centres by degrees.
    """
    local = _local(body, volume, frame)
    low, high = np.percentile(local, 1, axis=0), np.percentile(local, 99, axis=0)
    half = CENTRAL_SHARE * (high - low)[:2] / 2
    x, y = np.meshgrid(np.linspace(-1, 1, COLUMNS), np.linspace(-1, 1, COLUMNS))
    inside = x**2 + y**2 <= 1.0
    middle = ((low + high) / 2)[:2]
    columns = np.column_stack([x[inside] * half[0] + middle[0], y[inside] * half[1] + middle[1]])
    z = np.arange(low[2] - ENDPLATE_SEARCH_MM, high[2] + ENDPLATE_SEARCH_MM, ENDPLATE_STEP_MM)
    points = np.concatenate([np.repeat(columns, len(z), axis=0), np.tile(z, len(columns))[:, None]], axis=1)
    places = volume.grid.to_ijk(points @ frame[:3, :3].T + frame[:3, 3])[:, ::-1].T
    depth = _blurred_depth(body, volume, places).reshape(len(columns), len(z))
    covered = (depth > 0).any(axis=1)
    if covered.sum() < MINIMUM_COLUMNS:
        raise AnatomyError("the bone has no height to load; its label is a sliver")
    return tuple(  # type: ignore[return-value]
        np.column_stack([columns[covered], _crossing(depth[covered][:, ::step], z[::step])]) for step in (-1, 1)
    )


def _blurred_depth(body: Array, volume: Volume, places: FloatArray) -> FloatArray:
    # a blurred mask crosses one half on a plane of any tilt; distances between voxel centres do not
    sigma = [BLUR_MM / h for h in volume.spacing_mm[::-1]]
    box = bounding_box(body)
    depth = ndimage.gaussian_filter(np.pad(body[box], 4).astype(np.float32), sigma) - 0.5
    offset = np.array([[side.start - 4] for side in box])
    return np.asarray(ndimage.map_coordinates(depth, places - offset, order=1, mode="nearest"))


def _crossing(depth: FloatArray, z: FloatArray) -> FloatArray:
    """First place along z where the depth becomes positive, (columns,) from (columns, steps)."""
    first = np.maximum((depth > 0).argmax(axis=1), 1)
    rows = np.arange(len(depth))
    before, after = depth[rows, first - 1], depth[rows, first]
    share = np.clip(-before / np.maximum(after - before, 1e-9), 0.0, 1.0)
    return np.asarray(z[first - 1] + share * (z[first] - z[first - 1]))


def _endplate_normal(body: Array, volume: Volume, frame: FloatArray) -> FloatArray:
    normals = []
    for surface in _endplates(body, volume, frame):
        design = np.column_stack([surface[:, :2], np.ones(len(surface))])
        slope = np.linalg.lstsq(design, surface[:, 2], rcond=None)[0]
        normal = np.array((-slope[0], -slope[1], 1.0))
        normals.append(normal / np.linalg.norm(normal))
    return np.asarray(frame[:3, :3] @ np.mean(normals, axis=0))


def _completeness(bone: Array, body: Array, volume: Volume, frame: FloatArray) -> list[QualityLine]:
    top, bottom = _endplates(body, volume, frame)
    height = float(top[:, 2].mean() - bottom[:, 2].mean())
    size = float(body.sum()) * volume.voxel_volume_mm3 / 1000.0
    return [
        checks.edge_line("BODY_CUT_BY_FOV", body, Outcome.REFUSE, "the vertebral body"),
        checks.edge_line("POSTERIOR_CUT_BY_FOV", bone & ~body, Outcome.WARN, "the posterior elements"),
        checks.range_line("BODY_HEIGHT", height, "mm", HEIGHT_LIMITS_MM, SHAPE_ADVICE),
        checks.range_line("BODY_VOLUME", size, "cm3", VOLUME_LIMITS_CM3, SHAPE_ADVICE),
    ]
