"""One bone found in an examination, with the checks that decide whether it may be measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy import Site, Specimen, identify, prepare
from BoneStrengthFEALib.anatomy.checks import metal_line
from BoneStrengthFEALib.anatomy.names import LEVELS, recognise
from BoneStrengthFEALib.anatomy.vertebra_checks import neighbour_line
from BoneStrengthFEALib.bounding_box import bounding_box, crop, voxels_in
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.quality_profile import check_acquisition
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.target_frame import placed
from BoneStrengthFEALib.volume import Volume

SURROUNDINGS_MM = 45.0
"""What is kept around a bone: enough for the pictures and for whatever lies next to it."""

THIN_MM = 1.2
"""Neighbours are measured on every other voxel, and so on, while these are not farther apart."""
UNFIT_NEIGHBOUR = {"BODY_CUT_BY_FOV", "BODY_HEIGHT", "BODY_VOLUME", "FUSED_BONES", "TWO_BONES", "SUSPECTED_FRACTURE"}


@dataclass(frozen=True, eq=False)
class Bone:
    """A bone and what was found about it.

    Parameters
    ----------
    specimen
        The bone and its frame, on a box of the scan's grid.
    density
        Density on the same grid [mg/cm3].
    label
        Its value in the label map.
    quality
        Checks of the bone and of the scan for this site; those the user accepts are warnings.
    """

    specimen: Specimen
    density: Volume
    label: int
    quality: QualityReport


def find_bone(study: Study, target: Target, density: Volume, settings: Settings) -> Bone:
    """Find one bone, its frame and whatever speaks against measuring it.

    Parameters
    ----------
    study
        The examination.
    target
        The bone.
    density
        Density of the scan [mg/cm3].
    settings
        Quality profile and accepted checks.

    Returns
    -------
    The bone; its quality may refuse it.

    Raises
    ------
    AnatomyError
        When the label is not the bone it should be.
    """
    identity = identify(study.labels, target.label, target.site, target.level, target.side)
    labels, parts, density = around(study, target, density)
    specimen = placed(prepare(labels, target.label, identity, parts, target.landmarks, settings.limb), target)
    taken = check_acquisition(study.acquisition, max(density.spacing_mm), identity[0].value, settings.quality_profile)
    lines = (*specimen.quality.lines, *_neighbours(study, specimen), _metal(study.ct, specimen))
    return Bone(
        specimen,
        density,
        study.labels.value_of(target.label),
        taken.merged(lines).accepting(settings.accept),
    )


def around(study: Study, target: Target, density: Volume) -> tuple[LabelMap, LabelMap | None, Volume]:
    """Labels, parts and density near a bone: what happens to one bone costs what the bone is, not what the scan is.

    Parameters
    ----------
    study
        The examination.
    target
        The bone.
    density
        Any volume on the scan's grid.

    Returns
    -------
    The three, on a common smaller grid.
    """
    mask = study.labels.mask(target.label).array
    box = bounding_box(mask, voxels_in(SURROUNDINGS_MM, density.grid))
    labels = LabelMap(crop(study.labels.volume, box), study.labels.names)
    parts = None if study.parts is None else LabelMap(crop(study.parts.volume, box), study.parts.names)
    return labels, parts, crop(density, box)


def _neighbours(study: Study, specimen: Specimen) -> list[QualityLine]:
    """Compare the height of a vertebra with those above and below, where the label map names them."""
    if specimen.site is not Site.VERTEBRA or specimen.level not in LEVELS:
        return []
    place = LEVELS.index(specimen.level)
    wanted = {*LEVELS[max(place - 1, 0) : place], *LEVELS[place + 1 : place + 2]}
    heights = []
    for value, name in study.labels.names.items():
        if recognise(name)[1] in wanted and (study.labels.volume.array == value).any():
            heights += _whole_height(study, value)
    measured = specimen.measurements
    least = min(measured[f"{part}_height_mm"] for part in ("anterior", "middle", "posterior"))
    line = neighbour_line(least, heights)
    return [] if line is None else [line]


def _whole_height(study: Study, value: int) -> list[float]:
    target = Target(value)
    labels, parts, _ = around(study, target, study.ct)
    try:
        found = prepare(_thinned(labels), value, identify(labels, value), None if parts is None else _thinned(parts))
    except AnatomyError:
        return []
    # a neighbour that is cut or itself suspect tells nothing
    suspect = {line.check for line in found.quality.lines if line.outcome is not Outcome.PASS}
    return [] if suspect & UNFIT_NEIGHBOUR else [found.measurements["mean_height_mm"]]


def _thinned(labels: LabelMap) -> LabelMap:
    # heights need no more than about a millimetre
    volume = labels.volume
    steps = [max(int(THIN_MM / spacing), 1) for spacing in volume.spacing_mm]
    affine = np.array(volume.ijk_to_ras)
    affine[:3, :3] *= steps
    array = np.ascontiguousarray(volume.array[:: steps[2], :: steps[1], :: steps[0]])
    return LabelMap(Volume(array, affine, volume.quantity), labels.names)


def _metal(ct: Volume, specimen: Specimen) -> QualityLine:
    # the specimen lies on a box of the CT's grid
    regions = specimen.regions
    low = np.rint(ct.grid.to_ijk(regions.grid.to_ras(np.zeros(3)))).astype(int)[::-1]
    high = low + regions.array.shape
    box = ct.cropped((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2])))
    return metal_line(box, np.asarray(regions.array > 0))
