"""A bone that the command line names by a point in it."""

from __future__ import annotations

import argparse

import numpy as np

from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.landmark_files import landmarks_of, read_landmarks
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.study import Target
from BoneStrengthFEALib.volume import Volume

UNSURE = 0.5


def point_of(text: str) -> tuple[float, float, float]:
    """Read a point.

    Parameters
    ----------
    text
        ``R,A,S`` [mm].

    Returns
    -------
    The coordinates.

    Raises
    ------
    argparse.ArgumentTypeError
        When these are not three numbers.
    """
    try:
        right, front, up = (float(word) for word in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not R,A,S in mm, for example --point=-12.5,30,-105") from error
    return right, front, up


def isolated_at_point(
    arguments: argparse.Namespace, ct: Volume
) -> tuple[LabelMap, tuple[Target, ...], LabelMap | None, tuple[QualityLine, ...]]:
    """Isolate the bone at the point of the arguments.

    Parameters
    ----------
    arguments
        With point, site, level, side and landmarks.
    ct
        CT [HU].

    Returns
    -------
    Label, target, body of a vertebra, and lines that tell what rests on the segmentation.

    Raises
    ------
    InputError
        When labels are given too.
    RefusedError
        When no bone can be isolated there.
    """
    # imported here: segmentation is not needed with labels
    from BoneStrengthFEALib.segmentation.isolate import body_parts_of, isolate, label_map_of

    if arguments.labels or arguments.label:
        raise InputError("give --point or --labels with --label, not both")
    bone = isolate(ct, np.array(arguments.point), Site(arguments.site or Site.VERTEBRA.value))
    labels = label_map_of((bone,), ct)
    name = labels.names[1]
    arguments.label = [name]
    marks = read_landmarks(arguments.landmarks) if arguments.landmarks else {}
    side = Side(arguments.side) if arguments.side else bone.side
    target = Target(name, bone.site, arguments.level, side, landmarks=landmarks_of(marks, name, True))
    voxels = bone.labels.volume.array > 0
    unsure = float((bone.confidence[voxels] < UNSURE).mean())
    line = QualityLine(
        "ISOLATED_FROM_POINT",
        Outcome.WARN,
        f"label made from a point; {100 * unsure:.0f} % of it less than {100 * UNSURE:.0f} % certain",
        "a label that a person has checked",
        " ".join(["Look at the outline in the report.", *(f"{note[:1].upper()}{note[1:]}." for note in bone.notes)]),
    )
    return labels, (target,), body_parts_of((bone,), ct), (line,)
