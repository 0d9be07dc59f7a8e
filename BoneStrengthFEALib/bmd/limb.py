"""Densities and geometry of the standard region of a distal radius or tibia."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from BoneStrengthFEALib.anatomy.align import AlignedSpecimen, resample
from BoneStrengthFEALib.anatomy.specimen import Specimen
from BoneStrengthFEALib.bmd.compartments import Compartments, vbmd
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.volume import Volume

MEASURE_VOXEL_MM = 0.5
"""Voxel of the aligned grid that is measured on; finer than clinical scans resolve."""
CORTEX_MG_CM3 = 450.0
"""Density that counts as cortex (fixed threshold of HR-pQCT, Burghardt 2010; unverified, quoted from memory)."""
SOURCE = (
    "standard region of HR-pQCT; cortex: voxels of at least 450 mg/cm3 (Burghardt AJ et al. 2010, Bone 47:519, "
    "unverified); thickness of the circular ring of the same areas; docs/methods.md, Distal radius and tibia"
)


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
    cortical_thickness [mm], bmc [mg]; cortical ones only where some cortex was resolved.
    """
    aligned = resample(density, specimen, MEASURE_VOXEL_MM, ("section", "margin"))
    section, parts = split_section(aligned)
    layers = section.array.shape[0]
    pixel = MEASURE_VOXEL_MM**2 / layers
    areas = {name: float(getattr(parts, name).sum()) * pixel for name in ("integral", "cortical", "trabecular")}
    measures = []
    for name, words in (("integral", "Total"), ("trabecular", "Trabecular"), ("cortical", "Cortical")):
        mask = getattr(parts, name)
        identifier = f"{words.lower()}_vbmd"
        if mask.any():
            found = vbmd(section, mask, calibration, (identifier, f"{words} vBMD"), SOURCE)
            measures.append(dataclasses.replace(found, unverified=name != "integral"))
    ring = (math.sqrt(areas["integral"]) - math.sqrt(areas["integral"] - areas["cortical"])) / math.sqrt(math.pi)
    content = measures[0].value * areas["integral"] * layers * MEASURE_VOXEL_MM / 1000.0
    return (
        *measures,
        Measure("total_area", "Total area", areas["integral"], "mm2", source=SOURCE),
        Measure("cortical_area", "Cortical area", areas["cortical"], "mm2", source=SOURCE, unverified=True),
        Measure("trabecular_area", "Trabecular area", areas["trabecular"], "mm2", source=SOURCE, unverified=True),
        Measure("cortical_thickness", "Cortical thickness", ring, "mm", source=SOURCE, unverified=True),
        Measure("bmc", "Bone mineral content", content, "mg", source=SOURCE),
    )


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
