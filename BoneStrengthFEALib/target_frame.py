"""The frame a bone is loaded in: found from its shape, or set by a person."""

from __future__ import annotations

import dataclasses

from BoneStrengthFEALib.anatomy import Specimen, identify, prepare
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.settings import LimbSettings
from BoneStrengthFEALib.study import Study, Target


def isolate(study: Study, target: Target, limb: LimbSettings) -> Specimen:
    """Find one bone and its frame, without density or load.

    Parameters
    ----------
    study
        The examination.
    target
        The bone.
    limb
        Region of a distal radius or tibia.

    Returns
    -------
    The specimen.

    Raises
    ------
    BoneStrengthError
        When the label is not the bone it should be.
    """
    identity = identify(study.labels, target.label, target.site, target.level, target.side)
    return placed(prepare(study.labels, target.label, identity, study.parts, target.landmarks, limb), target)


def placed(specimen: Specimen, target: Target) -> Specimen:
    """Let a frame set by a person replace the one found from the shape; a quality line says so.

    Parameters
    ----------
    specimen
        Specimen with the frame found.
    target
        The bone as the person asked for it.

    Returns
    -------
    The specimen to load.
    """
    specimen = _with_line(
        specimen, "LANDMARKS_BY_HAND", sorted(target.landmarks or {}), "landmarks found from the shape"
    )
    if target.local_to_ras is None:
        return specimen
    specimen = _with_line(specimen, "FRAME_BY_HAND", ["a frame"], "the frame found from the bone's shape")
    return dataclasses.replace(specimen, local_to_ras=target.local_to_ras)


def _with_line(specimen: Specimen, code: str, given: list[str], usual: str) -> Specimen:
    if not given:
        return specimen
    found = f"{', '.join(given)} set by a person"
    line = QualityLine(code, Outcome.WARN, found, usual, "check the loading direction in the pictures")
    return dataclasses.replace(specimen, quality=specimen.quality.merged((line,)))
