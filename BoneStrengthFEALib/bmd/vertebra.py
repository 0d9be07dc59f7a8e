"""Density measures of a vertebral body."""

from __future__ import annotations

import dataclasses

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Specimen
from BoneStrengthFEALib.bmd.acr import ACR_SOURCE, CLASSED_LEVELS, acr_class
from BoneStrengthFEALib.bmd.compartments import density_measures, depth_mm, split, vbmd
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.uncertainty import image_noise
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

SLAB_MM = 9.0
"""Thickness of the mid-vertebral slab."""
CLEARANCE_MM = 3.0
"""Least distance of the elliptical region from the surface of the body."""
WIDTH_SHARE = 0.35
"""Half-width of the largest ellipse as a share of the body's width."""
SHRINK = 0.97
MINIMUM_VOXELS = 10
SOURCE = "compartments by depth below the surface; docs/methods.md, Density"
ROI_SOURCE = "elliptical region in the anterior half of a 9 mm mid-vertebral slab; docs/methods.md, Density"


def measure_vertebra(density: Volume, specimen: Specimen, calibration: Calibration) -> tuple[Measure, ...]:
    """Measure a vertebral body.

    Parameters
    ----------
    density
        (K, J, I) volume [mg/cm3].
    specimen
        Vertebra with a region "body"; x to the right, y anterior, z superior, origin in the body's centroid.
    calibration
        For the uncertainties.

    Returns
    -------
    Trabecular vBMD of the elliptical region first, with its ACR class at lumbar levels, then the compartments, BMC and
    volume.

    Raises
    ------
    AnatomyError
        When there is no body or no room for the ellipse.
    """
    body = body_mask(specimen)
    ellipse = elliptical_roi(body, density, specimen.local_to_ras)
    names = ("trabecular_ellipse_vbmd", "Trabecular vBMD, mid-body ellipse")
    made = calibration, image_noise(density, ellipse)
    lumbar = specimen.level in CLASSED_LEVELS
    said = f"classes: {ACR_SOURCE}" if lumbar else "no class: the ACR's limits are of lumbar bodies"
    roi = vbmd(density, ellipse, made, names, f"{ROI_SOURCE}; {said}")
    roi = dataclasses.replace(roi, classification=acr_class(roi.value, density.quantity, specimen.level))
    return (roi, *density_measures(density, split(body, density), calibration, SOURCE))


def body_mask(specimen: Specimen) -> Array:
    """Voxels of the vertebral body.

    Parameters
    ----------
    specimen
        Vertebra.

    Returns
    -------
    (K, J, I) booleans.

    Raises
    ------
    AnatomyError
        When no region is called "body".
    """
    values = [value for value, name in specimen.region_names.items() if name == "body"]
    mask = np.isin(specimen.regions.array, values)
    if not mask.any():
        names = ", ".join(specimen.region_names.values()) or "none"
        raise AnatomyError(f"{specimen.name} has no region called body (regions: {names}); separate the body first")
    return mask


def elliptical_roi(body: Array, grid_volume: Volume, local_to_ras: FloatArray) -> Array:
    """Elliptical trabecular region in the anterior half of the mid-slab.

    Parameters
    ----------
    body
        (K, J, I) booleans of the vertebral body.
    grid_volume
        Any volume on the same grid.
    local_to_ras
        (4, 4) frame of the body: x right, y anterior, z superior.

    Returns
    -------
    (K, J, I) booleans: the largest ellipse of its family that stays CLEARANCE_MM inside the body everywhere in the
    slab. Its rear edge stays in front of the middle of the body, where the basivertebral vein runs.

    Raises
    ------
    AnatomyError
        When the body is too small for it.
    """
    index = np.argwhere(body)[:, ::-1]
    x, y, z = _local(index, grid_volume, local_to_ras).T
    slab = np.abs(z - 0.5 * (z.min() + z.max())) <= 0.5 * SLAB_MM
    middle_x, width = _middle_and_extent(x[slab])
    middle_y, depth = _middle_and_extent(y[slab])
    clear = depth_mm(body, grid_volume)[body] >= CLEARANCE_MM
    half = np.array([WIDTH_SHARE * width, 0.25 * depth])
    while half.min() > 0.5 * min(grid_volume.spacing_mm):
        # the ellipse touches the middle of the body from the front
        inside = ((x - middle_x) / half[0]) ** 2 + ((y - middle_y - half[1]) / half[1]) ** 2 <= 1.0
        chosen = inside & slab
        if chosen.sum() >= MINIMUM_VOXELS and clear[chosen].all():
            roi = np.zeros(body.shape, dtype=bool)
            roi[body] = chosen
            return roi
        half *= SHRINK
    raise AnatomyError("no room for the trabecular ellipse inside the vertebral body; check the mask and its frame")


def _local(index_ijk: Array, grid_volume: Volume, local_to_ras: FloatArray) -> FloatArray:
    ras = grid_volume.grid.to_ras(index_ijk)
    return (ras - local_to_ras[:3, 3]) @ local_to_ras[:3, :3]


def _middle_and_extent(values: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(values, (1.0, 99.0))
    return 0.5 * float(low + high), float(high - low)
