"""Long axis of a distal radius or tibia, which end is distal, and where the joint surface lies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Site
from BoneStrengthFEALib.anatomy.surface import STEP_MM, Solid, unit
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import FloatArray

SHAFT_MM = 40.0
"""Length of bone proximal to the region that also counts for the axis."""
ROUNDS = 6
SLENDER = 1.2
"""Least ratio of the largest to the next spread of a label with a long axis."""
WHOLE_MM = {Site.RADIUS: 160.0, Site.TIBIA: 230.0}
"""A longer label holds both ends of the bone."""
END_SHARE = 0.9
"""A slab smaller than this share of those before it is cut obliquely by the end of the image."""
RAY_MM = 0.5
"""Step of the rays along which the joint surface is looked for."""
JOINT_SHARE = 0.5
"""The joint surface is looked for within this share of the metaphysis' radius around the axis."""


@dataclass(frozen=True, eq=False)
class LongAxis:
    """Line along the bone.

    Parameters
    ----------
    origin
        (3,) point of the line [mm].
    direction
        (3,) unit vector toward proximal.
    joint_mm, top_mm
        Joint surface, and the highest whole cross-section, along the line.
    area_mm2
        Cross-section of the region.
    window_mm
        Length of bone the line was fitted to.
    """

    origin: FloatArray
    direction: FloatArray
    joint_mm: float
    top_mm: float
    area_mm2: float
    window_mm: float

    def place(self, along_mm: float) -> FloatArray:
        """Point of the line.

        Parameters
        ----------
        along_mm
            Position along it [mm].

        Returns
        -------
        (3,) RAS [mm].
        """
        return np.asarray(self.origin + along_mm * self.direction)


@dataclass(frozen=True, eq=False)
class _Cloud:
    """Points of the solid with their share of bone."""

    ras: FloatArray
    weight: FloatArray
    solid: Solid


@dataclass(frozen=True, eq=False)
class _Slabs:
    """Cross-sections along a direction: position, area, centroid."""

    along: FloatArray
    area: FloatArray
    centroid: FloatArray


def find_axis(solid: Solid, site: Site, region_mm: tuple[float, float], given: Mapping[str, FloatArray]) -> LongAxis:
    """Find the long axis: the line through the centroids of the cross-sections from the region to 40 mm above it.

    Parameters
    ----------
    solid
        The bone.
    site
        Radius or tibia.
    region_mm
        Offset of the region from the joint surface, and its length.
    given
        Landmarks by the user.

    Returns
    -------
    The axis.

    Raises
    ------
    AnatomyError
        When the bone is not longer than wide, or too short.
    """
    cloud = _cloud(solid)
    if "axis_distal" in given:
        direction = unit(given["axis_proximal"] - given["axis_distal"])
        return _measured(cloud, given["axis_distal"], direction, region_mm, given)
    middle, direction = _first_guess(cloud)
    direction *= _proximal_sign(_slabs(cloud, middle, direction), site)
    axis = _measured(cloud, middle, direction, region_mm, given)
    for _ in range(ROUNDS):
        middle, direction, window = _fitted(cloud, axis, region_mm)
        axis = dataclasses.replace(_measured(cloud, middle, direction, region_mm, given), window_mm=window)
    return axis


def _cloud(solid: Solid) -> _Cloud:
    index = np.argwhere(solid.field > 0.26)
    share = np.clip(solid.field[tuple(index.T)] * 2.0 - 0.5, 0.0, 1.0)
    return _Cloud(solid.grid.to_ras(index[:, ::-1].astype(np.float64)), share, solid)


def _first_guess(cloud: _Cloud) -> tuple[FloatArray, FloatArray]:
    middle = np.average(cloud.ras, axis=0, weights=cloud.weight)
    sizes, vectors = np.linalg.eigh(np.cov((cloud.ras - middle).T, aweights=cloud.weight))
    if np.sqrt(sizes[2] / sizes[1]) < SLENDER:
        raise AnatomyError(
            "the label is not longer than wide, so that its long axis is unknown; include more of the shaft or give "
            "the landmarks axis_distal and axis_proximal",
            code="NO_LONG_AXIS",
        )
    return middle, vectors[:, 2]


def _slabs(cloud: _Cloud, origin: FloatArray, direction: FloatArray) -> _Slabs:
    along = (cloud.ras - origin) @ direction
    first = np.floor(along.min() / STEP_MM)
    bins = np.floor(along / STEP_MM).astype(int) - int(first)
    weight = np.bincount(bins, cloud.weight)
    safe = np.maximum(weight, 1e-9)
    centroid = np.stack([np.bincount(bins, cloud.weight * cloud.ras[:, n]) / safe for n in range(3)], axis=1)
    centres = np.bincount(bins, cloud.weight * along) / safe
    return _Slabs(centres, weight * STEP_MM**2, centroid)


def _proximal_sign(slabs: _Slabs, site: Site) -> float:
    """+1 when the far end of the slabs is proximal: the metaphysis is wider than the shaft."""
    tenth = max(len(slabs.area) // 6, 2)
    near, far = float(slabs.area[:tenth].max()), float(slabs.area[-tenth:].max())
    wider_near = near > far
    length = STEP_MM * len(slabs.area)
    # of a whole tibia the proximal end is the wider one, of a whole radius the distal one
    if length > WHOLE_MM[site] and min(near, far) > 1.3 * float(np.median(slabs.area)) and site is Site.TIBIA:
        return -1.0 if wider_near else 1.0
    return 1.0 if wider_near else -1.0


def _top(slabs: _Slabs) -> float:
    """Highest cross-section that the end of the image or label does not cut obliquely."""
    last = len(slabs.area) - 1
    while last > 8 and slabs.area[last] < END_SHARE * np.median(slabs.area[max(last - 14, 0) : last - 4]):
        last -= 1
    return float(slabs.along[last]) + 0.5 * STEP_MM


def _measured(
    cloud: _Cloud,
    origin: FloatArray,
    direction: FloatArray,
    region_mm: tuple[float, float],
    given: Mapping[str, FloatArray],
) -> LongAxis:
    slabs = _slabs(cloud, origin, direction)
    if len(slabs.area) * STEP_MM < 2 * region_mm[1]:
        raise AnatomyError(
            f"the label is {len(slabs.area) * STEP_MM:.0f} mm long, too short for a standard region of "
            f"{region_mm[1]:g} mm; choose a scan with more of the bone",
            code="REGION_NOT_COVERED",
        )
    if "joint" in given:
        joint = float((given["joint"] - origin) @ direction)
    else:
        joint = _joint(cloud, origin, direction, slabs)
    low, high = joint + region_mm[0], joint + sum(region_mm)
    inside = (slabs.along >= low) & (slabs.along <= high)
    area = float(slabs.area[inside].mean()) if inside.any() else float(slabs.area.mean())
    return LongAxis(origin, direction, joint, _top(slabs), area, float(np.ptp(slabs.along)))


def _joint(cloud: _Cloud, origin: FloatArray, direction: FloatArray, slabs: _Slabs) -> float:
    """Median distal end of the columns around the axis: malleolus and styloid do not count."""
    u = unit(np.cross(direction, np.eye(3)[int(np.abs(direction).argmin())]))
    v = np.cross(direction, u)
    radius = JOINT_SHARE * np.sqrt(float(np.median(slabs.area)) / np.pi)
    # around the wide end, not around the axis of the shaft, which may pass beside it
    wide = int(slabs.area[: max(len(slabs.area) // 2, 1)].argmax())
    start = slabs.centroid[min(wide + 4, len(slabs.area) - 1)]
    start = start - ((start - origin) @ direction) * direction
    side = np.arange(-radius, radius + 0.5, 1.0)
    first, second = (axis.ravel() for axis in np.meshgrid(side, side))
    near = np.hypot(first, second) <= radius
    along = np.arange(slabs.along[0] - 2 * STEP_MM, slabs.along[-1], RAY_MM)
    rays = start + first[near, None] * u + second[near, None] * v
    share = cloud.solid.at(rays[:, None, :] + along[:, None] * direction)
    entered = share >= 0.5
    place = entered.argmax(axis=1)
    good = entered.any(axis=1) & (place > 0)
    if not good.any():
        return float(slabs.along[0])
    row, column = np.flatnonzero(good), place[good]
    before, after = share[row, column - 1], share[row, column]
    return float(np.median(along[column] - RAY_MM * (after - 0.5) / (after - before)))


def _fitted(cloud: _Cloud, axis: LongAxis, region_mm: tuple[float, float]) -> tuple[FloatArray, FloatArray, float]:
    slabs = _slabs(cloud, axis.origin, axis.direction)
    low = axis.joint_mm + region_mm[0]
    high = min(low + region_mm[1] + SHAFT_MM, axis.top_mm - 2 * STEP_MM)
    used = (slabs.along >= low) & (slabs.along <= high)
    if int(used.sum()) < 4:
        used = (slabs.along >= axis.joint_mm) & (slabs.along <= axis.top_mm)
    points = slabs.centroid[used]
    middle = points.mean(axis=0)
    direction = np.linalg.svd(points - middle)[2][0]
    if direction @ axis.direction < 0:
        direction = -direction
    return middle, np.asarray(direction), float(np.ptp(slabs.along[used]))
