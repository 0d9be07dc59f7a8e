"""One bone from its density to a loaded finite-element model, before anything is solved."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib import load_case, material
from BoneStrengthFEALib.anatomy import AlignedSpecimen, Specimen, resample
from BoneStrengthFEALib.calibration.conversions import conversion, convert
from BoneStrengthFEALib.errors import MaterialError
from BoneStrengthFEALib.load_case import LoadCase, LoadedModel
from BoneStrengthFEALib.material import MaterialLaw, MaterialMap
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.volume import Volume


@dataclass(frozen=True, eq=False)
class SiteModel:
    """A model and what it was made with.

    Parameters
    ----------
    aligned
        Bone in the frame of its load.
    loaded
        The model.
    materials
        Moduli of the bone.
    law
        Law they come from.
    case
        Load case.
    conversions
        Ids of the density conversions between calibration and law.
    """

    aligned: AlignedSpecimen
    loaded: LoadedModel
    materials: MaterialMap
    law: MaterialLaw
    case: LoadCase
    conversions: tuple[str, ...]


def build_model(specimen: Specimen, density: Volume, chosen: ModelSettings) -> SiteModel:
    """Resample a bone into the frame of its load, give it moduli, hold and move it.

    Parameters
    ----------
    specimen
        The bone.
    density
        Density [mg/cm3] on the specimen's grid.
    chosen
        Settings of the model.

    Returns
    -------
    The model.

    Raises
    ------
    BoneStrengthError
        When law, density, load case and bone do not go together.
    """
    site = specimen.site
    case = load_case.load_case(chosen.load_case, site)
    law = material.law(chosen.law) if chosen.law else material.usual_law(site.value, chosen.analysis == "nonlinear")
    voxel = chosen.voxel_mm or load_case.DEFAULT_VOXEL_MM[site]
    conversions = chosen.conversions or (() if chosen.law else material.usual_conversions(density.quantity, law))
    frame = specimen.local_to_ras if case.frame is None else case.frame(specimen, chosen)
    aligned = resample(converted(density, conversions), specimen, voxel, case.regions, frame)
    aligned = _thresholded(aligned, law, chosen.bone_threshold_mg_cm3)
    materials = material.map_density(aligned.density, aligned.regions, law.id)
    loaded = load_case.build(case, aligned, materials, chosen)
    return SiteModel(aligned, loaded, materials, law, case, conversions)


def _thresholded(aligned: AlignedSpecimen, law: MaterialLaw, threshold_mg_cm3: float | None) -> AlignedSpecimen:
    if threshold_mg_cm3 is None:
        if law.quantity is None:
            raise MaterialError(
                f"law {law.id} gives all bone the same modulus and needs a bone threshold: set "
                "model.bone_threshold_mg_cm3 (and a voxel size that resolves trabeculae), or take a law of density"
            )
        return aligned
    regions = np.where(aligned.density.array >= threshold_mg_cm3, aligned.regions.array, 0)
    return dataclasses.replace(aligned, regions=aligned.regions.with_array(regions.astype(np.uint8)))


def converted(density: Volume, conversions: tuple[str, ...]) -> Volume:
    """Convert a density, each conversion forward or backward as its kinds say.

    Parameters
    ----------
    density
        Density [mg/cm3].
    conversions
        Ids, in order.

    Returns
    -------
    Density of the last conversion's kind.
    """
    for identifier in conversions:
        row = conversion(identifier)
        if density.quantity is row.target_kind:
            density = density.with_array(row.backward(density.array).astype(density.array.dtype), row.source_kind)
        else:
            density = convert(density, identifier)
    return density
