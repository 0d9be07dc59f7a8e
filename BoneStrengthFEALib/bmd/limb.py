"""Densities and geometry of the standard region of a distal radius or tibia."""

from __future__ import annotations

import math

import numpy as np

from BoneStrengthFEALib.anatomy.align import AlignedSpecimen, resample
from BoneStrengthFEALib.anatomy.specimen import Specimen
from BoneStrengthFEALib.bmd.compartments import Compartments
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.uncertainty import changed, image_noise, likely_changes
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.volume import Array, Volume

MEASURE_VOXEL_MM = 0.5
"""Voxel of the aligned grid that is measured on; finer than clinical scans resolve."""
CORTEX_MG_CM3 = 450.0
"""Density that counts as cortex (fixed threshold of HR-pQCT, Burghardt 2010; unverified, quoted from memory)."""
SOURCE = (
    "standard region of HR-pQCT; cortex: voxels of at least 450 mg/cm3 (Burghardt AJ et al. 2010, Bone 47:519, "
    "unverified); thickness of the circular ring of the same areas; docs/methods.md, Distal radius and tibia"
)
MEASURES = {
    "total_vbmd": ("Total vBMD", "mg/cm3", False),
    "trabecular_vbmd": ("Trabecular vBMD", "mg/cm3", True),
    "cortical_vbmd": ("Cortical vBMD", "mg/cm3", True),
    "total_area": ("Total area", "mm2", False),
    "cortical_area": ("Cortical area", "mm2", True),
    "trabecular_area": ("Trabecular area", "mm2", True),
    "cortical_thickness": ("Cortical thickness", "mm", True),
    "bmc": ("Bone mineral content", "mg", False),
}
"""Id to label, unit and whether a number behind it is unverified."""


def measure_limb(density: Volume, specimen: Specimen, calibration: Calibration) -> tuple[Measure, ...]:
    """Measure the standard region.

    Parameters
    ----------
    density
        (K, J, I) volume [mg/cm3] on the specimen's grid.
    specimen
        Distal radius or tibia.
    calibration
        For the uncertainties.

    Returns
    -------
    total_vbmd, trabecular_vbmd, cortical_vbmd [mg/cm3], total_area, cortical_area, trabecular_area [mm2],
    cortical_thickness [mm], bmc [mg]; cortical ones only where some cortex was resolved. Their standard uncertainties
    hold the calibration, with what it does to the cortex found by a threshold, and for means the noise.
    """
    aligned = resample(density, specimen, MEASURE_VOXEL_MM, ("section", "margin"))
    section, parts = split_section(aligned)
    bone = parts.integral
    values, spread = _values(section.array, bone), _spread(section, bone, calibration)
    if spread is not None:
        noise = image_noise(section, parts.trabecular)
        for name, mask in (("total", bone), ("trabecular", parts.trabecular), ("cortical", parts.cortical)):
            spread[f"{name}_vbmd"] = float(np.hypot(spread[f"{name}_vbmd"], noise.of_mean(int(mask.sum()))))
    return tuple(
        Measure(name, words, values[name], unit, _known(spread, name), "", SOURCE, unverified)
        for name, (words, unit, unverified) in MEASURES.items()
        if np.isfinite(values[name])
    )


def _known(spread: dict[str, float] | None, name: str) -> float | None:
    """Uncertainty of a measure; None also where a likely change of the calibration leaves no such compartment."""
    return None if spread is None or not np.isfinite(spread[name]) else spread[name]


def _values(image: Array, bone: Array) -> dict[str, float]:
    """Measures of a section; densities of a compartment without voxels are NaN."""
    layers, pixel = image.shape[0], MEASURE_VOXEL_MM**2
    cortex = bone & (image >= CORTEX_MG_CM3)
    masks = {"total": bone, "trabecular": bone & ~cortex, "cortical": cortex}
    found = {
        f"{name}_vbmd": float(image[mask].mean(dtype=np.float64)) if mask.any() else np.nan
        for name, mask in masks.items()
    }
    found |= {f"{name}_area": float(mask.sum()) * pixel / layers for name, mask in masks.items()}
    outer, inner = found["total_area"], found["trabecular_area"]
    found["cortical_thickness"] = (math.sqrt(outer) - math.sqrt(inner)) / math.sqrt(math.pi)
    found["bmc"] = found["total_vbmd"] * outer * layers * MEASURE_VOXEL_MM / 1000.0
    return found


def _spread(section: Volume, bone: Array, calibration: Calibration) -> dict[str, float] | None:
    """Standard uncertainties from the calibration, None when its covariance is unknown: measured anew, both ways."""
    if calibration.covariance is None:
        return None
    changes = [
        [_values(changed(calibration, section, sign * change).array, bone) for sign in (1.0, -1.0)]
        for change in likely_changes(calibration)
    ]
    return {
        name: float(np.sqrt(sum((0.5 * (up[name] - down[name])) ** 2 for up, down in changes)))
        for name in _values(section.array, bone)
    }


def split_section(aligned: AlignedSpecimen) -> tuple[Volume, Compartments]:
    """Cut the standard region out of an aligned bone and split it by density.

    Parameters
    ----------
    aligned
        Bone in its local frame.

    Returns
    -------
    Density of the region's layers, and its compartments: cortical is what is as dense as cortex.

    Raises
    ------
    AnatomyError
        When the region holds no bone.
    """
    frame, grid = aligned.specimen.local_to_ras, aligned.density.grid
    ijk = np.zeros((grid.shape[0], 3))
    ijk[:, 2] = np.arange(grid.shape[0])
    centres = (grid.to_ras(ijk) - frame[:3, 3]) @ frame[:3, 2]
    half = 0.5 * aligned.specimen.measurements["region_length_mm"]
    inside = np.flatnonzero(np.abs(centres) <= half)
    size = aligned.density.array.shape
    box = ((int(inside[0]), 0, 0), (int(inside[-1]) + 1, size[1], size[2]))
    section = aligned.density.cropped(*box)
    bone = np.asarray(aligned.regions.cropped(*box).array > 0)
    if not bone.any():
        raise AnatomyError("the standard region holds no bone; check the mask")
    cortex = bone & (section.array >= CORTEX_MG_CM3)
    return section, Compartments(bone, bone & ~cortex, cortex)
