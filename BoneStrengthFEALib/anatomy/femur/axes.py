"""Shaft and neck axes from the centroids of cuts perpendicular to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from BoneStrengthFEALib.anatomy.femur.head import Head
from BoneStrengthFEALib.anatomy.surface import Section, Solid, perpendicular, section, unit
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import FloatArray

ROUNDS = 8
SHAFT_FROM, SHAFT_TO = 3.3, 6.5
"""The shaft is looked at between these depths below the head's centre, in head radii: below the lesser trochanter."""
LEAST_SHAFT_MM = 18.0
"""When the bone ends earlier, its last stretch of this length serves."""
LEAST_REACH = 3.6
"""Least reach of the bone from the head's centre, aslant of the neck, in head radii."""
LEAST_DEPTH = 2.6
"""Least depth of the last whole cut below the head's centre, in head radii: just below the lesser trochanter."""
START_SLANTS_DEG = (25.0, 35.0, 45.0, 55.0, 65.0, 75.0)
"""Angles between neck and shaft the search starts from."""
FIRST_STRETCH_MM = 12.0
SHORT_STRETCH_MM = 30.0
"""Length of a short shaft that a cylinder is fitted to."""
END_MM = 3.0
"""The last cuts before the end of the bone may be incomplete."""
COMPLETE_SHARE = 0.8
"""A cut smaller than this share of the median is cut by the image's edge."""
CUT_STEP_MM = 1.5
SHAFT_RADIUS_MM = 32.0
NECK_SHAFT_START_DEG = 127.0
NECK_FROM, NECK_TO = 0.8, 2.1
"""The narrowest part of the neck lies between these distances from the head's centre, in head radii."""
NECK_WIDER = 1.10
"""Cuts up to this factor wider than the narrowest belong to the neck; wider ones run into head or trochanter."""
NECK_LIMITS_DEG = (95.0, 165.0)


@dataclass(frozen=True, eq=False)
class Shaft:
    """Axis of the proximal shaft.

    Parameters
    ----------
    point
        (3,) point on the axis nearest to the head's centre, RAS [mm].
    proximal
        (3,) unit vector towards the hip.
    length_mm
        Length of shaft the axis was fitted to.
    end_mm
        Depth below the head's centre, along the axis, of the last whole cut of the bone.
    radius_mm
        Radius of the circle with the median area of the cuts.
    """

    point: FloatArray
    proximal: FloatArray
    length_mm: float
    end_mm: float
    radius_mm: float


@dataclass(frozen=True, eq=False)
class Neck:
    """The neck.

    Parameters
    ----------
    centre
        (3,) centroid of its narrowest cut, RAS [mm].
    direction
        (3,) unit vector from the head's centre to it.
    area_mm2
        Area of that cut.
    """

    centre: FloatArray
    direction: FloatArray
    area_mm2: float


def find_shaft(solid: Solid, head: Head) -> Shaft:
    """Fit the axis of the shaft.

    Parameters
    ----------
    solid
        The bone.
    head
        Its head.

    Returns
    -------
    The shaft.

    Raises
    ------
    AnatomyError
        When too little shaft is in the label.
    """
    inside = solid.inside()
    distal, point = _first_axis(inside, head)
    shaft = None
    for _ in range(ROUNDS):
        depth = (inside - head.centre) @ distal
        end = float(depth.max())
        low, high = _window(end, head.radius_mm)
        cuts = _shaft_cuts(solid, head.centre, distal, (low, high), _foot(point, distal, head.centre))
        point, distal, area = _line(cuts, distal)
        last = max(float((c.centroid - head.centre) @ distal) for c in cuts if c.area_mm2 > COMPLETE_SHARE * area)
        whole = end if last > high - CUT_STEP_MM and end > high + 2 * END_MM else last
        shaft = Shaft(_foot(point, distal, head.centre), -distal, high - low, whole, float(np.sqrt(area / np.pi)))
    assert shaft is not None
    _require_reach(shaft.end_mm, LEAST_DEPTH * head.radius_mm)
    if _window(shaft.end_mm, head.radius_mm)[0] < SHAFT_FROM * head.radius_mm - 1.0:
        shaft = _as_cylinder(solid.surface()[0], head, shaft)
        _require_reach(shaft.end_mm, LEAST_DEPTH * head.radius_mm)
    return shaft


def _as_cylinder(points: FloatArray, head: Head, shaft: Shaft) -> Shaft:
    """Fit a cylinder to the surface of a short shaft; a robust loss leaves out the lesser trochanter.

    Centroids of cuts follow the trochanter when most of the cuts hold it.
    """
    depth = (head.centre - points) @ shaft.proximal
    high = shaft.end_mm - END_MM
    away = points - shaft.point
    ring = np.linalg.norm(away - (away @ shaft.proximal)[:, None] * shaft.proximal, axis=1)
    stretch = (depth < high) & (depth > high - SHORT_STRETCH_MM) & (ring < SHAFT_RADIUS_MM)
    middle = shaft.point - (high - SHORT_STRETCH_MM / 2) * shaft.proximal
    first, second = perpendicular(shaft.proximal)
    local = (points[stretch] - middle) @ np.column_stack([first, second, shaft.proximal])

    def distances(x: FloatArray) -> FloatArray:
        across = local[:, :2] - x[:2] - local[:, 2:] * x[2:4]
        return np.asarray(np.linalg.norm(across, axis=1) / np.sqrt(1 + x[2] ** 2 + x[3] ** 2) - x[4])

    start = np.array((0.0, 0.0, 0.0, 0.0, shaft.radius_mm))
    x = least_squares(distances, start, loss="cauchy", f_scale=0.7).x
    proximal = unit(x[2] * first + x[3] * second + shaft.proximal)
    point = middle + x[0] * first + x[1] * second
    end = shaft.end_mm * float(proximal @ shaft.proximal)
    return Shaft(_foot(point, -proximal, head.centre), proximal, SHORT_STRETCH_MM, end, float(x[4]))


def _first_axis(inside: FloatArray, head: Head) -> tuple[FloatArray, FloatArray]:
    """Rough direction of the shaft and a point on it: where the bone reaches farthest, aslant of the neck."""
    away = inside - head.centre
    first, second = perpendicular(head.open_side)
    turns = np.radians(np.arange(0, 360, 15))
    ring = np.cos(turns)[:, None] * first + np.sin(turns)[:, None] * second
    slants = np.radians(START_SLANTS_DEG)
    candidates = np.concatenate([np.cos(a) * head.open_side + np.sin(a) * ring for a in slants])
    reach = (away @ candidates.T).max(axis=0)
    best = int(reach.argmax())
    _require_reach(float(reach[best]), LEAST_REACH * head.radius_mm)
    depth = away @ candidates[best]
    return candidates[best], inside[depth > reach[best] - FIRST_STRETCH_MM].mean(axis=0)


def _require_reach(found: float, wanted: float) -> None:
    if found < wanted:
        raise AnatomyError(
            f"the bone ends {found:.0f} mm from the head's centre; expected at least {wanted:.0f} mm, to below the "
            "lesser trochanter. Choose a scan that covers it, or segment the whole proximal femur",
            code="FEMUR_TOO_SHORT",
        )


def _window(end: float, radius: float) -> tuple[float, float]:
    high = min(end - END_MM, SHAFT_TO * radius)
    return max(min(SHAFT_FROM * radius, high - LEAST_SHAFT_MM), 0.0), high


def _foot(point: FloatArray, axis: FloatArray, centre: FloatArray) -> FloatArray:
    return np.asarray(point + ((centre - point) @ axis) * axis)


def _shaft_cuts(
    solid: Solid, origin: FloatArray, axis: FloatArray, window: tuple[float, float], foot: FloatArray
) -> list[Section]:
    low, high = window
    cuts = []
    for depth in np.arange(low, high + 1e-9, CUT_STEP_MM):
        found = section(solid, foot + depth * axis, axis, SHAFT_RADIUS_MM)
        if found is not None:
            cuts.append(found)
    if len(cuts) < 4:
        raise AnatomyError("no shaft found below the trochanters; check that the label holds a proximal femur")
    return cuts


def _line(cuts: list[Section], axis: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    areas = np.array([c.area_mm2 for c in cuts])
    points = np.array([c.centroid for c in cuts])[areas > COMPLETE_SHARE * np.median(areas)]
    middle = points.mean(axis=0)
    direction = np.linalg.svd(points - middle)[2][0]
    return middle, direction * np.sign(direction @ axis), float(np.median(areas))


def find_neck(solid: Solid, head: Head, shaft: Shaft) -> Neck:
    """Find the axis of the neck: through the head's centre and the centroid of the narrowest cut.

    Parameters
    ----------
    solid
        The bone.
    head, shaft
        Its head and shaft.

    Returns
    -------
    The neck.

    Raises
    ------
    AnatomyError
        When there is no neck between head and trochanters.
    """
    aside = shaft.point - head.centre
    offset = float(np.linalg.norm(aside))
    down = offset / np.tan(np.radians(180.0 - NECK_SHAFT_START_DEG))
    direction = unit(shaft.point - down * shaft.proximal - head.centre)
    centre, area = head.centre, 0.0
    for _ in range(ROUNDS):
        cuts = [
            (s, section(solid, head.centre + s * direction, direction, 1.15 * head.radius_mm))
            for s in np.arange(NECK_FROM * head.radius_mm, NECK_TO * head.radius_mm, CUT_STEP_MM)
        ]
        found = [(s, c) for s, c in cuts if c is not None]
        if not found:
            break
        place, narrowest = min(found, key=lambda pair: pair[1].area_mm2)
        area = narrowest.area_mm2
        neck = [(c.centroid - head.centre) / s for s, c in found if c.area_mm2 <= NECK_WIDER * area]
        # the median leaves out the cuts that already run into the trochanter
        direction = unit(np.median(neck, axis=0))
        centre = head.centre + place * direction
    angle = neck_shaft_angle_deg(direction, shaft)
    if area == 0.0 or not NECK_LIMITS_DEG[0] <= angle <= NECK_LIMITS_DEG[1]:
        raise AnatomyError(
            f"no femoral neck found: the axis from the head meets the shaft at {angle:.0f} degrees, expected "
            f"{NECK_LIMITS_DEG[0]:g} to {NECK_LIMITS_DEG[1]:g}; check the label or give the landmark neck_centre",
            code="NO_FEMORAL_NECK",
        )
    return Neck(centre, direction, area)


def neck_shaft_angle_deg(direction: FloatArray, shaft: Shaft) -> float:
    """Angle between neck and shaft as orthopaedics counts it, about 125 degrees.

    Parameters
    ----------
    direction
        (3,) unit vector from the head's centre along the neck.
    shaft
        The shaft.

    Returns
    -------
    Angle [degrees].
    """
    return float(180.0 - np.degrees(np.arccos(np.clip(-direction @ shaft.proximal, -1.0, 1.0))))
