"""All load cases by id."""

from __future__ import annotations

from BoneStrengthFEALib.anatomy import AlignedSpecimen, Site
from BoneStrengthFEALib.errors import InputError, ModelError
from BoneStrengthFEALib.load_case import femur, limb, vertebra_compression
from BoneStrengthFEALib.load_case.record import LoadCase, LoadedModel
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.settings import ModelSettings

LOAD_CASES: dict[str, LoadCase] = {case.id: case for case in (*vertebra_compression.CASES, *femur.CASES, *limb.CASES)}
DEFAULT_LOAD_CASE = {
    Site.VERTEBRA: vertebra_compression.CASES[0].id,
    Site.FEMUR: femur.CASES[0].id,
    **{case.site: case.id for case in limb.CASES},
}
DEFAULT_VOXEL_MM = {Site.VERTEBRA: 1.0, Site.FEMUR: 1.5, Site.RADIUS: 0.5, Site.TIBIA: 0.5}


def load_case(identifier: str, site: Site) -> LoadCase:
    """Find a load case.

    Parameters
    ----------
    identifier
        Id, with or without version; empty takes the site's default.
    site
        Site it must be for.

    Returns
    -------
    The load case.

    Raises
    ------
    InputError
        When it is unknown or for another site.
    """
    wanted = identifier or DEFAULT_LOAD_CASE.get(site, "")
    found = LOAD_CASES.get(wanted) or LOAD_CASES.get(f"{wanted}/1")
    if found is None or found.site is not site:
        known = ", ".join(case.id for case in LOAD_CASES.values() if case.site is site) or "none"
        raise InputError(f"no load case {wanted!r} for the {site.value}; there is {known}")
    return found


def build(case: LoadCase, aligned: AlignedSpecimen, material: MaterialMap, settings: ModelSettings) -> LoadedModel:
    """Build the model of a load case.

    Parameters
    ----------
    case
        Load case.
    aligned
        Specimen in its local frame.
    material
        Moduli on the same grid.
    settings
        Cap thickness and the like.

    Returns
    -------
    The model.

    Raises
    ------
    ModelError
        When material and specimen lie on different grids.
    """
    if not material.grid.matches(aligned.density.grid):
        raise ModelError("the material map lies on another grid than the specimen")
    return case.build(aligned, material, settings)
