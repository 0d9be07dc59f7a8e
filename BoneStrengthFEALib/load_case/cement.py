"""Cement of caps and pads: which one, elastic or plastic."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.errors import MaterialError
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.material import fixed_material
from BoneStrengthFEALib.settings import ModelSettings


def with_cement(model: FeModel, where: npt.NDArray[np.bool_], settings: ModelSettings) -> FeModel:
    """Make elements of a model cement.

    Parameters
    ----------
    model
        Model of the bone.
    where
        (K, J, I) elements of cement, outside the bone.
    settings
        Material of the caps, and whether it yields.

    Returns
    -------
    The model with the cement's constants; elastic, or with its yield stresses and perfect plasticity.

    Raises
    ------
    MaterialError
        When the material is unknown, or is to yield and has no yield stress.
    """
    row = fixed_material(settings.cap_material)
    young = np.where(where, row.young_mpa, model.young_mpa)
    poisson = np.where(where, row.poisson, model.poisson)
    model = dataclasses.replace(model, young_mpa=young, poisson=poisson)
    if not settings.cap_yields or model.yield_stress is None:
        return model
    if row.compression_mpa is None or row.tension_mpa is None:
        raise MaterialError(f"caps of {row.id} cannot yield: it has no yield stress; choose another or elastic caps")
    stress = dataclasses.replace(
        model.yield_stress,
        compression_mpa=np.where(where, row.compression_mpa, model.yield_stress.compression_mpa),
        tension_mpa=np.where(where, row.tension_mpa, model.yield_stress.tension_mpa),
        hardening_mpa=np.where(where, 0.0, model.yield_stress.hardening_mpa),
    )
    return dataclasses.replace(model, yield_stress=stress)
