"""Integral, trabecular and cortical compartments of a bone mask, and their density measures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.uncertainty import ImageNoise, image_noise, mean_uncertainty
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

PEEL_MM = 3.0
"""Thickness taken off a mask to leave trabecular bone (two to three voxels of 1 mm)."""


@dataclass(frozen=True, eq=False)
class Compartments:
    """Masks of one bone; cortical and trabecular make up integral.

    Parameters
    ----------
    integral, trabecular, cortical
        (K, J, I) booleans.
    """

    integral: Array
    trabecular: Array
    cortical: Array


def depth_mm(mask: Array, grid_volume: Volume) -> FloatArray:
    """Depth below the surface of a mask.

    Parameters
    ----------
    mask
        (K, J, I) booleans.
    grid_volume
        Any volume on the same grid, for the spacing.

    Returns
    -------
    (K, J, I) distance from the mask's surface [mm]: to the centre of the nearest voxel outside, less half a voxel.
    """
    spacing = grid_volume.spacing_mm
    depth = np.zeros(mask.shape)
    if not mask.any():
        return depth
    box = bounding_box(mask)
    # beyond the image there is no bone: one voxel of outside is put around it
    distance = ndimage.distance_transform_edt(np.pad(mask[box], 1), sampling=spacing[::-1])[1:-1, 1:-1, 1:-1]
    depth[box] = np.maximum(distance - 0.5 * min(spacing), 0.0)
    return depth


def split(mask: Array, grid_volume: Volume, peel_mm: float = PEEL_MM) -> Compartments:
    """Split a bone by depth.

    Parameters
    ----------
    mask
        (K, J, I) booleans of the whole bone.
    grid_volume
        Any volume on the same grid.
    peel_mm
        Depth of the cortical compartment [mm].

    Returns
    -------
    The compartments.

    Raises
    ------
    AnatomyError
        When nothing is left inside.
    """
    trabecular = mask & (depth_mm(mask, grid_volume) > peel_mm)
    if not trabecular.any():
        raise AnatomyError(f"nothing of the bone lies deeper than {peel_mm:g} mm; check the mask and the voxel size")
    return Compartments(mask, trabecular, mask & ~trabecular)


def density_measures(density: Volume, parts: Compartments, calibration: Calibration, source: str) -> list[Measure]:
    """Volumetric density of the three compartments, bone mineral content and volume.

    Parameters
    ----------
    density
        (K, J, I) volume [mg/cm3].
    parts
        Compartments.
    calibration
        For the uncertainties.
    source
        Citation of the definitions.

    Returns
    -------
    integral_vbmd, trabecular_vbmd, cortical_vbmd [mg/cm3], bmc [mg], volume [cm3]. Voxels of zero density count. The
    noise is that of the trabecular compartment: the others hold edges.
    """
    made = calibration, image_noise(density, parts.trabecular)
    measures = [
        vbmd(density, mask, made, (f"{name}_vbmd", f"{name.capitalize()} vBMD"), source)
        for name, mask in (
            ("integral", parts.integral),
            ("trabecular", parts.trabecular),
            ("cortical", parts.cortical),
        )
    ]
    volume_cm3 = float(parts.integral.sum()) * density.voxel_volume_mm3 / 1000.0
    integral = measures[0]
    spread = None if integral.uncertainty is None else integral.uncertainty * volume_cm3
    measures.append(Measure("bmc", "Bone mineral content", integral.value * volume_cm3, "mg", spread, source=source))
    measures.append(Measure("volume", "Volume", volume_cm3, "cm3", source=source))
    return measures


def vbmd(
    density: Volume, mask: Array, made: tuple[Calibration, ImageNoise], names: tuple[str, str], source: str
) -> Measure:
    """Mean density of a region.

    Parameters
    ----------
    density
        (K, J, I) volume [mg/cm3].
    mask
        (K, J, I) booleans with at least one voxel.
    made
        Calibration and noise of the density, for the uncertainty.
    names
        Id and label.
    source
        Citation.

    Returns
    -------
    The measure [mg/cm3].
    """
    values = density.array[mask].astype(np.float64)
    return Measure(*names, float(values.mean()), "mg/cm3", mean_uncertainty(made[0], values, made[1]), source=source)
