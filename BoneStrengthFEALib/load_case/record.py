"""What a load case is, and what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.anatomy import AlignedSpecimen, Site, Specimen
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.volume import FloatArray


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with what a strength criterion needs to know of it.

    Parameters
    ----------
    model
        The model.
    loaded_set
        Name of the set or platen that is moved.
    height_mm
        Height the strains refer to [mm].
    bone
        (K, J, I) bool, bone elements (no cement).
    cap_mm
        Least thickness of the caps [mm].
    """

    model: FeModel
    loaded_set: str
    height_mm: float
    bone: npt.NDArray[np.bool_]
    cap_mm: float


Builder = Callable[[AlignedSpecimen, MaterialMap, ModelSettings], LoadedModel]
Frame = Callable[[Specimen, ModelSettings], FloatArray]


@dataclass(frozen=True)
class LoadCase:
    """A declared load case.

    Parameters
    ----------
    id
        Stable id with version, for example "vertebra-compression/1".
    site
        Site it is for.
    title
        Words for people.
    regions
        Regions of the specimen that are modelled.
    source
        Citation and differences from it.
    build
        Makes the model.
    frame
        Axes the specimen is resampled into, when they are not its anatomical ones.
    """

    id: str
    site: Site
    title: str
    regions: tuple[str, ...]
    source: str
    build: Builder
    frame: Frame | None = None
