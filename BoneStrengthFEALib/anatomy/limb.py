"""Distal radius and tibia: long axis, standard region, local frame.

Local frame: origin on the long axis in the middle of the standard region, z proximal along the axis, x along the
larger principal axis of the region's cross-section toward its narrower end, y = z x x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy import checks
from BoneStrengthFEALib.anatomy.limb_axis import LongAxis, find_axis
from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen
from BoneStrengthFEALib.anatomy.surface import Solid, smooth_solid
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.settings import LimbSettings
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

SECTION, MARGIN, REST = 1, 2, 3
REGION_NAMES = {SECTION: "section", MARGIN: "margin", REST: "rest"}
MARGIN_MM = 6.0
"""Bone kept beyond each end of the region, so that interpolation at its faces sees bone."""
OFFSET_MM = {Site.RADIUS: 9.5, Site.TIBIA: 22.5}
"""Distance of the region's distal end from the reference line (fixed offset of HR-pQCT)."""
RELATIVE_OFFSET = {Site.RADIUS: 0.04, Site.TIBIA: 0.073}
"""Distance of the region's middle from the reference line over the length of the bone (relative offset)."""
LANDMARKS = ("joint", "axis_distal", "axis_proximal")
"""Landmarks a user may give: a point of the joint surface; two points of the long axis, together."""
FLAT_SHARE = 0.5
"""A last slice at least so large, relative to the largest, is a cut, not a joint."""
AREA_LIMITS_MM2 = {Site.RADIUS: (80.0, 900.0), Site.TIBIA: (250.0, 1900.0)}
ELONGATION = 1.03
"""Rounder cross-sections do not tell their rotation about the axis; models under axial load hardly depend on it."""
RAMP_MM = 3.0
"""Length over which a cross-section gains its weight in the rotation."""
AXIS_LENGTH_MM = 25.0
UPSIDE_DOWN_COSINE = -0.3
"""A knee bent by more than 107 degrees is not scanned for its ankle."""
PATIENT_AXES_MM = 0.3
"""Finer images come from scanners that know no axes of the patient."""


@dataclass(frozen=True)
class _Region:
    """Distal and proximal end of the standard region along the axis [mm]."""

    distal_mm: float
    proximal_mm: float

    @property
    def middle_mm(self) -> float:
        return 0.5 * (self.distal_mm + self.proximal_mm)


def prepare_limb(
    mask: Volume,
    site: Site,
    side: Side,
    given: Mapping[str, FloatArray] | None = None,
    settings: LimbSettings | None = None,
) -> Specimen:
    """Find the long axis and the standard region of a distal radius or tibia.

    Parameters
    ----------
    mask
        (K, J, I) 0/1 label of the bone, whole or its distal part, filled or a shell.
    site
        Radius or tibia.
    side
        Side, when known.
    given
        Landmarks that the user sets, RAS [mm]; see LANDMARKS.
    settings
        Where the region lies.

    Returns
    -------
    Specimen with regions "section" (analysed), "margin" and "rest".

    Raises
    ------
    AnatomyError
        When the label has no long axis or does not cover the region.

    References
    ----------
    Boutroy S (2005), J Clin Endocrinol Metab 90:6508; Whittier DE (2020), Osteoporos Int 31:1607; both unverified.
    """
    chosen = settings or LimbSettings()
    points = _checked(given)
    bone, lines = checks.one_piece(mask)
    lines += [checks.two_bones_line(mask, bone)]
    solid = smooth_solid(bone, mask)
    axis = find_axis(solid, site, (_offset_mm(site, chosen), chosen.region_length_mm), points)
    region = _region(axis, site, chosen, lines)
    frame = _frame(solid, axis, region, lines)
    labels, along = _regions(bone, mask, frame, chosen.region_length_mm)
    lines += _quality(bone, mask, labels, axis, site, points)
    return Specimen(
        site,
        "",
        side,
        mask.with_array(labels, Quantity.LABEL),
        REGION_NAMES,
        frame,
        landmarks={**_marks(axis, region), **points},
        quality=QualityReport(tuple(lines)),
        measurements=_sizes(axis, region, along),
    )


def _sizes(axis: LongAxis, region: _Region, along: FloatArray) -> dict[str, float]:
    return {
        "region_length_mm": region.proximal_mm - region.distal_mm,
        "region_offset_mm": region.distal_mm - axis.joint_mm,
        "label_length_mm": float(np.ptp(along)),
    }


def _marks(axis: LongAxis, region: _Region) -> dict[str, FloatArray]:
    ends = {"joint": axis.joint_mm, "region_distal": region.distal_mm, "region_proximal": region.proximal_mm}
    return {name: axis.place(along) for name, along in ends.items()}


def _checked(given: Mapping[str, FloatArray] | None) -> dict[str, FloatArray]:
    points: dict[str, FloatArray] = {name: np.asarray(p, dtype=np.float64) for name, p in (given or {}).items()}
    unknown = sorted(set(points) - set(LANDMARKS))
    if unknown:
        raise AnatomyError(f"a radius or tibia has no landmark {', '.join(unknown)}; it has {', '.join(LANDMARKS)}")
    if len(set(points) & set(LANDMARKS[1:])) == 1:
        raise AnatomyError("the long axis needs both landmarks, axis_distal and axis_proximal; one was given")
    return points


def _offset_mm(site: Site, chosen: LimbSettings) -> float:
    """Distance of the region's distal end from the reference line; a whole bone's own length is not known yet."""
    if chosen.region_offset_mm is not None:
        return chosen.region_offset_mm
    if chosen.region == "relative" and chosen.bone_length_mm is not None:
        return RELATIVE_OFFSET[site] * chosen.bone_length_mm - 0.5 * chosen.region_length_mm
    if chosen.region == "relative":
        raise AnatomyError(
            "the relative region needs the length of the bone: set limb.bone_length_mm, or take limb.region=fixed"
        )
    return OFFSET_MM[site]


def _region(axis: LongAxis, site: Site, chosen: LimbSettings, lines: list[QualityLine]) -> _Region:
    offset = _offset_mm(site, chosen) - chosen.distal_gap_mm
    distal = axis.joint_mm + offset
    region = _Region(distal, distal + chosen.region_length_mm)
    if offset < 0 or region.proximal_mm > axis.top_mm:
        raise AnatomyError(
            f"the standard region of the {site.value} lies {offset:.1f} to {offset + chosen.region_length_mm:.1f} mm "
            f"above the distal end, but the label covers 0 to {axis.top_mm - axis.joint_mm:.1f} mm; choose a scan that "
            "covers it or set limb.region_offset_mm",
            code="REGION_NOT_COVERED",
        )
    lines.append(
        QualityLine(
            "REGION_COVERAGE",
            Outcome.PASS,
            f"region {offset:.1f} to {offset + chosen.region_length_mm:.1f} mm above the distal end",
            f"within 0 to {axis.top_mm - axis.joint_mm:.1f} mm that the label covers",
        )
    )
    return region


def _frame(solid: Solid, axis: LongAxis, region: _Region, lines: list[QualityLine]) -> FloatArray:
    index = np.argwhere(solid.field > 0.02)
    ras = solid.grid.to_ras(index[:, ::-1].astype(np.float64))
    weight = np.clip(solid.field[tuple(index.T)] * 2.0 - 0.5, 0.0, 1.0)
    along = (ras - axis.origin) @ axis.direction
    # the region and as much again above it; the ramps keep single voxels from deciding, processes lie below
    length = region.proximal_mm - region.distal_mm
    near = np.clip((length - np.abs(along - region.proximal_mm)) / RAMP_MM, 0.0, 1.0) * weight
    near = np.where(along > axis.top_mm, 0.0, near)
    rough = np.eye(3)[int(np.abs(axis.direction).argmin())]
    u = rough - (rough @ axis.direction) * axis.direction
    u /= np.linalg.norm(u)
    v = np.cross(axis.direction, u)
    offset = ras - axis.origin - np.outer(along, axis.direction)
    flat = np.stack([offset @ u, offset @ v], axis=1)
    middle = np.average(flat, axis=0, weights=near)
    spread = np.cov((flat - middle).T, aweights=near)
    sizes, vectors = np.linalg.eigh(spread)
    elongation = float(np.sqrt(sizes[1] / sizes[0]))
    major = (flat - middle) @ vectors[:, 1]
    sign = 1.0 if np.average(major**3, weights=near) >= 0 else -1.0
    x = sign * (vectors[0, 1] * u + vectors[1, 1] * v)
    lines.append(
        QualityLine(
            "SECTION_ROTATION",
            Outcome.PASS if elongation >= ELONGATION else Outcome.WARN,
            f"larger over smaller axis of the cross-section {elongation:.2f}",
            f"at least {ELONGATION:g}",
            "the section is round and its rotation about the axis is arbitrary; axial strength hardly depends on it",
        )
    )
    frame = np.eye(4)
    frame[:3, :3] = np.column_stack([x, np.cross(axis.direction, x), axis.direction])
    frame[:3, 3] = axis.place(region.middle_mm)
    return frame


def _regions(bone: Array, mask: Volume, frame: FloatArray, length_mm: float) -> tuple[Array, FloatArray]:
    index = np.argwhere(bone)
    along = (mask.grid.to_ras(index[:, ::-1].astype(np.float64)) - frame[:3, 3]) @ frame[:3, 2]
    reach = max(MARGIN_MM, 2.0 * max(mask.spacing_mm))
    values = np.where(np.abs(along) <= length_mm / 2, SECTION, np.where(np.abs(along) < length_mm / 2 + reach, 2, REST))
    labels = np.zeros(bone.shape, dtype=np.uint8)
    labels[tuple(index.T)] = values
    return labels, along


def _quality(
    bone: Array, mask: Volume, labels: Array, axis: LongAxis, site: Site, given: Mapping[str, FloatArray]
) -> list[QualityLine]:
    area = axis.area_mm2
    cut = "joint" not in given and _flat_end(bone, mask, axis.direction)
    side_cut = np.isin(labels, (SECTION, MARGIN))
    sideways = int(np.abs(np.linalg.inv(mask.ijk_to_ras[:3, :3]) @ axis.direction).argmax())
    faces = [side_cut.take(n, 2 - a) for a in range(3) if a != sideways for n in (0, -1)]
    touching = sum(int(face.sum()) for face in faces)
    end = [_end_line(axis, mask, given)] if site is Site.TIBIA else []
    return [
        *end,
        QualityLine(
            "JOINT_IN_LABEL",
            Outcome.WARN if cut else Outcome.PASS,
            "the label ends in a flat cut" if cut else "joint surface found",
            "a label that reaches the joint surface",
            "the offset of the region counts from the end of the label: include the joint, give the landmark joint, "
            "or set limb.distal_gap_mm to the length of bone missing below the label",
        ),
        QualityLine(
            "SECTION_CUT_BY_FOV",
            Outcome.REFUSE if touching else Outcome.PASS,
            f"{touching} voxels of the region on the side of the image",
            "0",
            "the bone is cut by the field of view: choose a larger reconstruction",
        ),
        checks.range_line(
            "SECTION_AREA", area, "mm2", AREA_LIMITS_MM2[site],
            f"the label does not have the size of a distal {site.value} of an adult; check it",
        ),
        checks.range_line(
            "AXIS_LENGTH", axis.window_mm, "mm", (AXIS_LENGTH_MM, 1000.0),
            "the long axis comes from a short piece of bone; check the loading direction in the pictures", Outcome.WARN,
        ),
    ]  # fmt: skip


def _end_line(axis: LongAxis, mask: Volume, given: Mapping[str, FloatArray]) -> QualityLine:
    """The wide end of half a tibia is taken for the ankle; toward the head it is the knee."""
    down = "axis_distal" in given or float(axis.direction[2]) > UPSIDE_DOWN_COSINE
    worst = Outcome.REFUSE if min(mask.spacing_mm) > PATIENT_AXES_MM else Outcome.WARN
    return QualityLine(
        "DISTAL_END_DOWN",
        Outcome.PASS if down else worst,
        f"the wide end of the tibia lies toward the {'feet' if down else 'head'}",
        "toward the feet: the ankle",
        "a tibia below the knee, whose strength is not measured here: choose a scan of the ankle; of a specimen that "
        "lies the other way round give the landmarks axis_distal and axis_proximal, or accept this check",
    )


def _flat_end(bone: Array, mask: Volume, direction: FloatArray) -> bool:
    """Whether the distal end is one full slice of the image: the label was cut there."""
    slopes = np.linalg.inv(mask.ijk_to_ras[:3, :3]) @ direction
    column = int(np.abs(slopes * np.asarray(mask.spacing_mm)).argmax())
    sizes = bone.sum(axis=tuple(a for a in range(3) if a != 2 - column))
    used = np.flatnonzero(sizes)
    last = used[0] if slopes[column] > 0 else used[-1]
    return bool(sizes[last] >= FLAT_SHARE * sizes.max())
