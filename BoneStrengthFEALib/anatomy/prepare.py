"""From a label to a specimen, whatever the site."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from BoneStrengthFEALib.anatomy.femur import prepare_femur
from BoneStrengthFEALib.anatomy.limb import prepare_limb
from BoneStrengthFEALib.anatomy.names import recognise, require_level
from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen
from BoneStrengthFEALib.anatomy.vertebra import prepare_vertebra
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.settings import LimbSettings
from BoneStrengthFEALib.volume import FloatArray, Volume, require_same_grid

BODY_NAME = re.compile(r"corpus|vertebral[ _]?bod|(^|[ _])bod(y|ies)($|[ _])", re.IGNORECASE)
"""Names of labels that hold vertebral bodies: TPTBox "corpus", "corpus border"; "vertebral bodies"."""


def identify(
    labels: LabelMap, label: int | str, site: Site | None = None, level: str = "", side: Side | None = None
) -> tuple[Site, str, Side]:
    """Decide which bone a label is: what the user says counts, its name fills the rest.

    Parameters
    ----------
    labels
        Label map.
    label
        Value or name.
    site, level, side
        What the user says; None or empty takes it from the name.

    Returns
    -------
    Site, level, side.

    Raises
    ------
    AnatomyError
        When the two disagree, or neither tells the site.
    """
    name = labels.names.get(labels.value_of(label), str(label))
    named_site, named_level, named_side = recognise(name)
    wanted = require_level(level)
    if site and named_site and site is not named_site:
        raise AnatomyError(f"label {name!r} names a {named_site.value}, but {site.value} was asked for; choose one")
    if wanted and named_level and wanted != named_level:
        raise AnatomyError(f"label {name!r} names {named_level}, but level {wanted} was asked for; choose one")
    found = site or named_site or (Site.VERTEBRA if wanted else None)
    if found is None:
        raise AnatomyError(f"label {name!r} does not tell which bone it is; say the site and level")
    if side and named_side is not Side.NONE and side is not named_side:
        raise AnatomyError(f"label {name!r} names the {named_side.value} side, but {side.value} was asked for")
    return found, wanted or named_level, side or named_side


def prepare(
    labels: LabelMap,
    label: int | str,
    identity: tuple[Site, str, Side],
    parts: LabelMap | None = None,
    landmarks: Mapping[str, FloatArray] | None = None,
    limb: LimbSettings | None = None,
) -> Specimen:
    """Isolate the bone of a label and find its frame.

    Parameters
    ----------
    labels
        Label map.
    label
        Value or name of the bone.
    identity
        Site, level and side, see identify.
    parts
        Finer labels of the same scan that name vertebral bodies; optional.
    landmarks
        Landmarks that replace what would be found, RAS [mm]; names by site.
    limb
        Standard region of a radius or tibia.

    Returns
    -------
    The specimen; refusing checks are lines of its quality.

    Raises
    ------
    AnatomyError
        When the bone is not what it is said to be.
    """
    site, level, side = identity
    mask = labels.mask(label)
    if int(np.count_nonzero(mask.array)) < 2:
        raise AnatomyError(f"label {label} has a single voxel; segment the bone")
    if site is Site.FEMUR:
        return prepare_femur(mask, side, landmarks)
    if site in (Site.RADIUS, Site.TIBIA):
        return prepare_limb(mask, site, side, landmarks, limb)
    return prepare_vertebra(mask, level, _body_label(labels, parts), landmarks)


def _body_label(labels: LabelMap, parts: LabelMap | None) -> Volume | None:
    source = parts or labels
    require_same_grid(labels.volume, source.volume, "the label map and the parts")
    values = [value for value, name in source.names.items() if BODY_NAME.search(name)]
    found = np.isin(source.volume.array, values)
    return source.volume.with_array(found.astype(np.uint8)) if found.any() else None
