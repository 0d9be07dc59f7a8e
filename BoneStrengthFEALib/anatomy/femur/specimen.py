"""Proximal femur as a specimen.

Local frame: origin in the head's centre, z proximal along the shaft, x to the right in the plane of neck and shaft
(lateral on a right femur, medial on a left one), y anterior.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy import checks
from BoneStrengthFEALib.anatomy.femur.axes import Neck, Shaft, find_neck, find_shaft, neck_shaft_angle_deg
from BoneStrengthFEALib.anatomy.femur.head import Head, find_head, head_about, refine_head
from BoneStrengthFEALib.anatomy.femur.trochanters import Trochanters, find_trochanters
from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen
from BoneStrengthFEALib.anatomy.surface import Solid, smooth_solid, unit
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

FEMUR, REST = 1, 2
REGION_NAMES = {FEMUR: "femur", REST: "distal"}
SHAFT_DEPTH = 4.0
"""The modelled femur ends so far below the head's centre, in head radii: about 40 mm below the lesser trochanter."""
LEAST_BELOW_LESSER_MM = 10.0
"""Least length of shaft below the lesser trochanter."""
HEAD_RADIUS_MM = (17.0, 33.0)
HEAD_RMS_MM = 1.5
NECK_SHAFT_DEG = (105.0, 150.0)
VOLUME_CM3 = (40.0, 350.0)
PROMINENCE_MM = 3.0
"""A lesser trochanter that stands out less does not tell the side."""
LANDMARKS = ("head_centre", "neck_centre", "shaft_proximal", "shaft_distal", "lesser_trochanter", "greater_trochanter")
"""Landmarks a user may give; the two of the shaft only together."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Everything found on a femur.

    Parameters
    ----------
    head, shaft, neck, trochanters
        The parts.
    side
        Side.
    depth_mm
        Where the modelled part ends, below the head's centre.
    """

    head: Head
    shaft: Shaft
    neck: Neck
    trochanters: Trochanters
    side: Side
    depth_mm: float

    @property
    def frame(self) -> FloatArray:
        """(4, 4) local frame to RAS."""
        z = self.shaft.proximal
        lateral = unit(self.neck.direction - (self.neck.direction @ z) * z)
        frame = np.eye(4)
        frame[:3, 0] = -lateral if self.side is Side.LEFT else lateral
        frame[:3, 1], frame[:3, 2] = np.cross(z, frame[:3, 0]), z
        frame[:3, 3] = self.head.centre
        return frame

    def points(self) -> dict[str, FloatArray]:
        """Landmarks by name, RAS [mm]."""
        foot = self.shaft.point
        return {
            "head_centre": self.head.centre,
            "neck_centre": self.neck.centre,
            "shaft_proximal": foot,
            "shaft_distal": foot - self.depth_mm * self.shaft.proximal,
            "lesser_trochanter": self.trochanters.lesser,
            "greater_trochanter": self.trochanters.greater,
            "trochanter_tip": self.trochanters.tip,
        }

    def measurements(self) -> dict[str, float]:
        """Numbers by name, unit in the name."""
        return {
            "head_radius_mm": self.head.radius_mm,
            "neck_shaft_angle_deg": neck_shaft_angle_deg(self.neck.direction, self.shaft),
            "neck_anteversion_to_scan_deg": anteversion_deg(self.neck, self.shaft),
            "neck_area_mm2": self.neck.area_mm2,
            "shaft_radius_mm": self.shaft.radius_mm,
            "shaft_depth_mm": self.depth_mm,
            "lesser_trochanter_depth_mm": self.trochanters.lesser_depth_mm,
        }


def prepare_femur(mask: Volume, side: Side, given: Mapping[str, FloatArray] | None = None) -> Specimen:
    """Find landmarks, frame and the part that is modelled.

    Parameters
    ----------
    mask
        (K, J, I) 0/1 label of one femur, whole or its proximal part.
    side
        Side by name; NONE takes what the shape tells.
    given
        Landmarks that the user sets, RAS [mm]; see LANDMARKS.

    Returns
    -------
    Specimen with regions "femur" and "distal".

    Raises
    ------
    AnatomyError
        When the label is no proximal femur, or of the other side.
    """
    given = dict(given or {})
    unknown = sorted(set(given) - set(LANDMARKS))
    if unknown:
        raise AnatomyError(f"a femur has no landmark {', '.join(unknown)}; it has {', '.join(LANDMARKS)}")
    bone, lines = checks.one_piece(mask)
    lines += [checks.two_bones_line(mask, bone)]
    found = find_landmarks(smooth_solid(bone, mask), side, given)
    index = np.argwhere(bone)
    ras = mask.grid.to_ras(index[:, ::-1].astype(np.float64))
    modelled = (found.head.centre - ras) @ found.shaft.proximal <= found.depth_mm
    regions = np.zeros(bone.shape, dtype=np.uint8)
    regions[tuple(index.T)] = np.where(modelled, FEMUR, REST)
    lines += _completeness(regions == FEMUR, mask, found)
    return Specimen(
        Site.FEMUR,
        "",
        found.side,
        mask.with_array(regions, Quantity.LABEL),
        REGION_NAMES,
        found.frame,
        found.points(),
        QualityReport(tuple(lines)),
        found.measurements(),
    )


def find_landmarks(solid: Solid, side: Side, given: Mapping[str, FloatArray]) -> Landmarks:
    """Find the landmarks of a femur.

    Parameters
    ----------
    solid
        The bone.
    side
        Side by name, or NONE.
    given
        Landmarks that replace what would be found.

    Returns
    -------
    The landmarks.

    Raises
    ------
    AnatomyError
        When a part is not found, or the side is not what the name says.
    """
    surface = solid.surface()
    fixed = given.get("head_centre")
    head = find_head(*surface) if fixed is None else head_about(np.asarray(fixed, dtype=np.float64), *surface)
    shaft = _shaft(solid, head, given)
    neck = _neck(solid, head, shaft, given)
    if fixed is None:
        head = refine_head(head, surface, neck.direction, solid.blur_mm)
        shaft = _shaft(solid, head, given)
        neck = _neck(solid, head, shaft, given)
    trochanters = _trochanters(surface[0], head, shaft, given)
    depth = min(SHAFT_DEPTH * head.radius_mm, shaft.end_mm)
    return Landmarks(head, shaft, neck, trochanters, _side(side, trochanters, head, shaft), depth)


def _shaft(solid: Solid, head: Head, given: Mapping[str, FloatArray]) -> Shaft:
    shaft = find_shaft(solid, head)
    if "shaft_proximal" in given and "shaft_distal" in given:
        upper, lower = (np.asarray(given[f"shaft_{n}"], dtype=np.float64) for n in ("proximal", "distal"))
        proximal = unit(upper - lower)
        point = upper + ((head.centre - upper) @ proximal) * proximal
        return dataclasses.replace(shaft, point=point, proximal=proximal)
    if "shaft_proximal" in given or "shaft_distal" in given:
        raise AnatomyError("the shaft's axis needs both landmarks, shaft_proximal and shaft_distal; one was given")
    return shaft


def _neck(solid: Solid, head: Head, shaft: Shaft, given: Mapping[str, FloatArray]) -> Neck:
    if "neck_centre" not in given:
        return find_neck(solid, head, shaft)
    centre = np.asarray(given["neck_centre"], dtype=np.float64)
    return Neck(centre, unit(centre - head.centre), float("nan"))


def _trochanters(points: FloatArray, head: Head, shaft: Shaft, given: Mapping[str, FloatArray]) -> Trochanters:
    found = find_trochanters(points, head, shaft)
    if "lesser_trochanter" in given:
        lesser = np.asarray(given["lesser_trochanter"], dtype=np.float64)
        away = lesser - shaft.point
        across = away @ np.cross(shaft.proximal, unit(shaft.point - head.centre))
        ring = float(np.linalg.norm(away - (away @ shaft.proximal) * shaft.proximal))
        found = dataclasses.replace(
            found,
            lesser=lesser,
            lesser_depth_mm=float(-(away @ shaft.proximal)),
            prominence_mm=2 * PROMINENCE_MM,
            across=float(across) / max(ring, 1e-9),
        )
    if "greater_trochanter" in given:
        found = dataclasses.replace(found, greater=np.asarray(given["greater_trochanter"], dtype=np.float64))
    return found


def _side(named: Side, trochanters: Trochanters, head: Head, shaft: Shaft) -> Side:
    shown = Side.NONE
    if trochanters.prominence_mm >= PROMINENCE_MM and abs(trochanters.across) > 0.25:
        shown = Side.RIGHT if trochanters.across < 0 else Side.LEFT
    if named is not Side.NONE and shown is not Side.NONE and named is not shown:
        raise AnatomyError(
            f"the label names a {named.value} femur, but head and lesser trochanter are those of a {shown.value} one; "
            "check the label and that the image is not mirrored, or give the landmark lesser_trochanter",
            code="SIDE_DISAGREES",
        )
    # a patient's right femur has its head to the left of its shaft
    placed = Side.RIGHT if (shaft.point - head.centre)[0] > 0 else Side.LEFT
    return next(side for side in (named, shown, placed) if side is not Side.NONE)


def anteversion_deg(neck: Neck, shaft: Shaft) -> float:
    """Angle of the neck to the scan's frontal plane, seen along the shaft; positive when the head lies in front.

    Parameters
    ----------
    neck, shaft
        Neck and shaft.

    Returns
    -------
    Angle [degrees]. It holds the rotation of the leg on the table: without the knee in the label the true
    anteversion cannot be known.
    """
    z = shaft.proximal
    forward = np.array((0.0, 1.0, 0.0))
    forward = unit(forward - (forward @ z) * z)
    medial = -(neck.direction - (neck.direction @ z) * z)
    return float(np.degrees(np.arcsin(np.clip(unit(medial) @ forward, -1.0, 1.0))))


def _completeness(femur: Array, volume: Volume, found: Landmarks) -> list[QualityLine]:
    size = float(femur.sum()) * volume.voxel_volume_mm3 / 1000.0
    shape = "the label does not have the shape of a human proximal femur; check that it holds one bone"
    return [
        checks.edge_line("FEMUR_CUT_BY_FOV", _without_end(femur, volume, found), Outcome.REFUSE, "the proximal femur"),
        _coverage_line(found),
        checks.range_line("HEAD_RADIUS", found.head.radius_mm, "mm", HEAD_RADIUS_MM, shape),
        checks.range_line("HEAD_SPHERE_RMS", found.head.rms_mm, "mm", (0.0, HEAD_RMS_MM), shape, Outcome.WARN),
        checks.range_line(
            "NECK_SHAFT_ANGLE",
            neck_shaft_angle_deg(found.neck.direction, found.shaft),
            "degrees",
            NECK_SHAFT_DEG,
            "a deformed or fractured femur, or a label that is not one; look at the pictures",
            Outcome.WARN,
        ),
        checks.range_line("FEMUR_VOLUME", size, "cm3", VOLUME_CM3, shape),
    ]


def _without_end(femur: Array, volume: Volume, found: Landmarks) -> Array:
    # the shaft may leave the image at its end, below the lesser trochanter; everything above must not
    index = np.argwhere(femur)
    ras = volume.grid.to_ras(index[:, ::-1].astype(np.float64))
    limit = min(found.depth_mm - 2 * max(volume.spacing_mm), found.trochanters.lesser_depth_mm + LEAST_BELOW_LESSER_MM)
    above = (found.head.centre - ras) @ found.shaft.proximal < limit
    out = np.zeros_like(femur)
    out[tuple(index[above].T)] = True
    return out


def _coverage_line(found: Landmarks) -> QualityLine:
    below = found.shaft.end_mm - found.trochanters.lesser_depth_mm
    wanted = SHAFT_DEPTH * found.head.radius_mm - found.trochanters.lesser_depth_mm
    verdict = Outcome.PASS if below >= wanted - 1.0 else Outcome.WARN
    if below < LEAST_BELOW_LESSER_MM:
        verdict = Outcome.REFUSE
    return QualityLine(
        "SHAFT_COVERAGE",
        verdict,
        f"{below:.0f} mm of whole shaft below the lesser trochanter",
        f"{wanted:.0f} mm; at least {LEAST_BELOW_LESSER_MM:g} mm",
        "the model ends where the bone does, which changes its stiffness: compare only with scans of equal coverage",
    )
