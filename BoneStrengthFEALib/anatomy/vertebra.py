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
from BoneStrengthFEALib.anatomy.endplates import Heights, endplates, heights
from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen
from BoneStrengthFEALib.anatomy.surface import smooth_solid
from BoneStrengthFEALib.anatomy.vertebra_frame import LANDMARKS, BodyFrame, find_frame
from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

BODY, POSTERIOR = 1, 2
REGION_NAMES = {BODY: "body", POSTERIOR: "posterior"}
OPENING_MM = 4.0
"""Processes thinner than twice this are no part of the body."""
REGROWTH = 2**0.5
"""What is left of the edge where an endplate meets a wall lies so many times deeper than either surface."""
HEIGHT_LIMITS_MM = (10.0, 50.0)
VOLUME_LIMITS_CM3 = (4.0, 100.0)
SHAPE_ADVICE = "the label does not have the shape of a human vertebral body; check it"


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
    lines += [*_completeness(bone, body, mask, size), vertebra_checks.orientation_line(frame[:3, :3])]
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
    found = find_frame(smooth_solid(bone, mask), mask.ijk_to_ras[:3, :3], given)
    body = _find_body(bone, mask, found) if body_label is None else _given_body(bone, body_label)
    frame = np.eye(4)
    frame[:3, :3] = found.axes
    frame[:3, 3] = _points(body, mask).ras.mean(axis=0)
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


def _find_body(bone: Array, volume: Volume, found: BodyFrame) -> Array:
    box = bounding_box(bone, (1, 1, 1))
    points = _points(bone, volume)
    ahead = (points.ras - found.core) @ found.axes[:, 1] > -found.wall_mm
    body = np.zeros_like(bone)
    body[tuple(points.index[ahead].T)] = True
    sampling = volume.spacing_mm[::-1]
    core = ndimage.distance_transform_edt(np.pad(body[box], 1), sampling)[1:-1, 1:-1, 1:-1] > OPENING_MM
    if not core.any():
        raise AnatomyError("the label is too thin for a vertebral body; check that it is a vertebra")
    near = ndimage.distance_transform_edt(~_largest(core), sampling) <= REGROWTH * OPENING_MM + 0.5 * max(sampling)
    grown = np.zeros_like(bone)
    grown[box] = near
    return _largest(body & grown)


def _completeness(bone: Array, body: Array, volume: Volume, size: Heights) -> list[QualityLine]:
    cm3 = float(body.sum()) * volume.voxel_volume_mm3 / 1000.0
    return [
        checks.edge_line("BODY_CUT_BY_FOV", body, Outcome.REFUSE, "the vertebral body"),
        checks.edge_line("POSTERIOR_CUT_BY_FOV", bone & ~body, Outcome.WARN, "the posterior elements"),
        checks.range_line("BODY_HEIGHT", size.mean_mm, "mm", HEIGHT_LIMITS_MM, SHAPE_ADVICE),
        checks.range_line("BODY_VOLUME", cm3, "cm3", VOLUME_LIMITS_CM3, SHAPE_ADVICE),
        *vertebra_checks.shape_lines(size),
    ]
