"""Vertebra: body and posterior elements, local frame, completeness.

Local frame: origin in the centroid of the body, x to the right, y anterior, z superior (mean endplate normal).

The body is the thickest part of a vertebra. From the centre of its largest inscribed sphere the posterior wall is
the first exit from the bone toward the canal; what lies in front of it, without thin processes, is the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy import checks, vertebra_checks
from BoneStrengthFEALib.anatomy.endplates import Heights, endplate_normal, endplates, heights
from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen
from BoneStrengthFEALib.anatomy.symmetry import symmetric_anterior
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
LANDMARKS = ("superior_endplate_centre", "inferior_endplate_centre", "posterior_wall")
"""Landmarks a user may give; the two of the endplates only together."""


@dataclass(frozen=True, eq=False)
class _Points:
    """Voxel centres of a mask."""

    index: Array
    ras: FloatArray


def prepare_vertebra(
    mask: Volume, level: str, body_label: Volume | None = None, given: Mapping[str, FloatArray] | None = None
) -> Specimen:
    """Isolate the body and find the local frame.

    Parameters
    ----------
    mask
        (K, J, I) 0/1 label of one vertebra, with or without posterior elements.
    level
        "T4" ... "L5", or empty when unknown.
    body_label
        (K, J, I) 0/1 label of vertebral bodies from a finer segmentation, on the same grid; found by shape if None.
    given
        Landmarks that the user sets, RAS [mm]; see LANDMARKS.

    Returns
    -------
    Specimen with regions "body" and "posterior".

    Raises
    ------
    AnatomyError
        When no body is found in the label.
    """
    chosen = _checked(given)
    bone, lines = checks.one_piece(mask)
    lines += [checks.two_bones_line(mask, bone)]
    body, frame = _body_and_frame(bone, mask, body_label, chosen)
    regions = np.where(body, BODY, np.where(bone, POSTERIOR, 0)).astype(np.uint8)
    surfaces = endplates(body, mask, frame)
    size = heights(surfaces)
    lines += _completeness(bone, body, mask, size)
    return Specimen(
        Site.VERTEBRA,
        level,
        Side.NONE,
        mask.with_array(regions, Quantity.LABEL),
        REGION_NAMES,
        frame,
        landmarks=_landmarks(frame, surfaces, size) | chosen,
        quality=QualityReport(tuple(lines)),
        measurements={
            "anterior_height_mm": size.anterior_mm,
            "middle_height_mm": size.middle_mm,
            "posterior_height_mm": size.posterior_mm,
            "mean_height_mm": size.mean_mm,
            "body_depth_mm": size.depth_mm,
        },
    )


def _checked(given: Mapping[str, FloatArray] | None) -> dict[str, FloatArray]:
    chosen: dict[str, FloatArray] = {name: np.asarray(point, dtype=np.float64) for name, point in (given or {}).items()}
    unknown = sorted(set(chosen) - set(LANDMARKS))
    if unknown:
        raise AnatomyError(f"a vertebra has no landmark {', '.join(unknown)}; it has {', '.join(LANDMARKS)}")
    if len(set(chosen) & set(LANDMARKS[:2])) == 1:
        raise AnatomyError(f"the vertical needs both landmarks, {LANDMARKS[0]} and {LANDMARKS[1]}; one was given")
    return chosen


def _body_and_frame(
    bone: Array, mask: Volume, body_label: Volume | None, given: Mapping[str, FloatArray]
) -> tuple[Array, FloatArray]:
    fixed_up = given["superior_endplate_centre"] - given["inferior_endplate_centre"] if LANDMARKS[0] in given else None
    up = np.array((0.0, 0.0, 1.0)) if fixed_up is None else fixed_up
    centre = _core_centre(bone, mask)
    wall = given.get("posterior_wall")
    anterior, sure = _anterior_direction(bone, mask) if wall is None else (centre - wall, True)
    body = np.zeros_like(bone)
    frame = np.eye(4)
    for _ in range(FRAME_ROUNDS):
        if not sure:
            anterior = symmetric_anterior(_points(bone, mask).ras, anterior, up)
        axes = _axes(anterior, up)
        depth = None if wall is None else float((centre - wall) @ axes[:, 1])
        body = _given_body(bone, body_label) if body_label is not None else _find_body(bone, mask, axes, depth)
        frame = np.eye(4)
        frame[:3, :3] = axes
        frame[:3, 3] = _points(body, mask).ras.mean(axis=0)
        up = endplate_normal(body, mask, frame) if fixed_up is None else fixed_up
    frame[:3, :3] = _axes(anterior, up)
    return body, frame


def _landmarks(frame: FloatArray, surfaces: tuple[FloatArray, FloatArray], size: Heights) -> dict[str, FloatArray]:
    def ras(local: FloatArray) -> FloatArray:
        return np.asarray(frame[:3, :3] @ local + frame[:3, 3])

    top, bottom = (surface.mean(axis=0) for surface in surfaces)
    back = (top + bottom) / 2 - np.array((0.0, size.depth_mm / 2, 0.0))
    return {
        "body_centre": frame[:3, 3],
        "superior_endplate_centre": ras(top),
        "inferior_endplate_centre": ras(bottom),
        "posterior_wall": ras(back),
    }


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


def _anterior_direction(bone: Array, volume: Volume) -> tuple[FloatArray, bool]:
    """Front of the vertebra, and whether the bone's own shape tells it."""
    centre = _core_centre(bone, volume)
    forward = centre - _points(bone, volume).ras.mean(axis=0)
    # a label of the body alone has no back: the patient's own anterior is where the search for symmetry starts
    shown = bool(np.linalg.norm(forward) > POSTERIOR_OFFSET_MM)
    return (forward, True) if shown else (np.array((0.0, 1.0, 0.0)), False)


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


def _find_body(bone: Array, volume: Volume, axes: FloatArray, depth_mm: float | None = None) -> Array:
    centre = _core_centre(bone, volume)
    wall = _posterior_wall(bone, volume, centre, axes) if depth_mm is None else depth_mm
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


def _completeness(bone: Array, body: Array, volume: Volume, size: Heights) -> list[QualityLine]:
    cm3 = float(body.sum()) * volume.voxel_volume_mm3 / 1000.0
    return [
        checks.edge_line("BODY_CUT_BY_FOV", body, Outcome.REFUSE, "the vertebral body"),
        checks.edge_line("POSTERIOR_CUT_BY_FOV", bone & ~body, Outcome.WARN, "the posterior elements"),
        checks.range_line("BODY_HEIGHT", size.mean_mm, "mm", HEIGHT_LIMITS_MM, SHAPE_ADVICE),
        checks.range_line("BODY_VOLUME", cm3, "cm3", VOLUME_LIMITS_CM3, SHAPE_ADVICE),
        *vertebra_checks.shape_lines(size),
    ]
