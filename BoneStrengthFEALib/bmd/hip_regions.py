"""Regions of a hip's projection: femoral neck, trochanter, intertrochanter, and total hip as their union.

All lines follow from the axes of neck and shaft, the notch between neck and greater trochanter, and the lesser
trochanter. With t along the neck's axis from the head's centre and q across it:

- the femoral neck is a box of 49 mm by 15 mm, the size a Hologic densitometer draws by default (49 x 15 pixels of
  about 1 mm; ISCD DXA atlas), whose lateral side passes through the notch, where that densitometer anchors it;
- everything lateral of the box down to the lower end of the total hip is divided by the neck's axis: the trochanter
  lies above, the intertrochanteric region below. A densitometer draws this line from the neck's midline to the base
  of the greater trochanter (Radiology 2003;228:620, Figure 4), which is where the axis meets the lateral cortex;
- the total hip ends 10 mm (10 lines; ISCD DXA atlas) below the lower edge of the lesser trochanter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Specimen
from BoneStrengthFEALib.bmd.hip_projection import HipProjection, plane_point
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import Array, FloatArray

NECK_BOX_MM = (49.0, 15.0)
"""Extent of the neck box across and along the neck's axis."""
BELOW_LESSER_MM = 10.0
"""The total hip ends so far below the lesser trochanter."""
LESSER_HALF_MM = 10.0
"""From the middle of the crest of the lesser trochanter to its lower edge."""
NOTCH_FROM, NOTCH_TO = 1.15, 2.6
"""The notch is sought between these distances from the head's centre along the neck, in head radii."""
SOURCE = (
    "projection along the normal of the plane of neck and shaft; regions after the Hologic layout (ISCD DXA atlas; "
    "Radiology 2003;228:620); docs/methods.md, Hip projection"
)
NAMES = {
    "femoral_neck": "Femoral neck",
    "trochanter": "Trochanter",
    "intertrochanter": "Intertrochanter",
    "total_hip": "Total hip",
}


@dataclass(frozen=True, eq=False)
class HipRegions:
    """Regions of a projection.

    Parameters
    ----------
    masks
        Region name to (rows, columns) booleans; regions the scan does not cover are missing.
    neck
        (2,) unit vector of the neck's axis: lateral, proximal.
    notch_mm
        Distance of the notch along the neck's axis.
    lower_end_mm
        Proximal coordinate of the lower end of the total hip.
    """

    masks: dict[str, Array]
    neck: FloatArray
    notch_mm: float
    lower_end_mm: float


def find_regions(projection: HipProjection, specimen: Specimen) -> HipRegions:
    """Divide a projection.

    Parameters
    ----------
    projection
        Projection of the specimen.
    specimen
        Femur with its landmarks.

    Returns
    -------
    The regions. Intertrochanter and total hip are missing when the scan ends above their lower end.

    Raises
    ------
    AnatomyError
        When neck or notch is not found.
    """
    neck = plane_point(specimen, specimen.landmarks["neck_centre"])
    neck = neck / np.linalg.norm(neck)
    lateral, proximal = np.meshgrid(projection.lateral_mm, projection.proximal_mm)
    along = lateral * neck[0] + proximal * neck[1]
    # positive above the neck
    across = proximal * neck[0] - lateral * neck[1]
    bone = projection.bone
    notch = _notch(bone, along, across, specimen.measurements["head_radius_mm"])
    lower = plane_point(specimen, specimen.landmarks["lesser_trochanter"])[1] - LESSER_HALF_MM - BELOW_LESSER_MM
    box = bone & (along <= notch) & (along > notch - NECK_BOX_MM[1]) & (np.abs(across) <= NECK_BOX_MM[0] / 2)
    beyond = bone & (along > notch) & (proximal >= lower)
    masks = {"femoral_neck": box, "trochanter": beyond & (across > 0)}
    end = plane_point(specimen, specimen.landmarks["shaft_distal"])[1]
    if end <= lower:
        masks["intertrochanter"] = beyond & (across <= 0)
        masks["total_hip"] = box | beyond
    if not all(mask.any() for mask in masks.values()):
        raise AnatomyError("no femoral neck or trochanter in the projection; check the label and its landmarks")
    return HipRegions(masks, np.asarray(neck), notch, float(lower))


def _notch(bone: Array, along: FloatArray, across: FloatArray, radius: float) -> float:
    """Where the upper outline lies deepest below the line that bridges head and greater trochanter.

    The bridge is the upper hull of the outline between the top of the head and the trochanter.
    """
    bins = np.round(along[bone]).astype(int)
    first = int(bins.min())
    upper = np.full(int(bins.max()) - first + 1, -np.inf)
    np.maximum.at(upper, bins - first, across[bone])
    t = first + np.arange(len(upper), dtype=np.float64)
    valid = np.isfinite(upper)
    t, upper = t[valid], upper[valid]
    hull = _upper_hull(t, upper)
    gap = np.interp(t, t[hull], upper[hull]) - upper
    window = (t >= NOTCH_FROM * radius) & (t <= NOTCH_TO * radius)
    if not window.any() or gap[window].max() < 1.0:
        raise AnatomyError(
            "no notch between femoral neck and greater trochanter in the projection; check the label and landmarks"
        )
    return float(t[window][gap[window].argmax()])


def _upper_hull(t: FloatArray, height: FloatArray) -> list[int]:
    hull: list[int] = []
    for n in range(len(t)):
        while len(hull) >= 2:
            a, b = hull[-2], hull[-1]
            if (height[b] - height[a]) * (t[n] - t[a]) > (height[n] - height[a]) * (t[b] - t[a]):
                break
            hull.pop()
        hull.append(n)
    return hull
