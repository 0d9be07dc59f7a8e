"""A bone that the command line names by a point in it or a box around it."""

from __future__ import annotations

import argparse

import numpy as np

from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.cli.progress_bar import showing_progress
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.landmark_files import landmarks_of, read_landmarks
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
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


def box_of(text: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Read a box.

    Parameters
    ----------
    text
        ``R,A,S,R,A,S`` of two opposite corners [mm].

    Returns
    -------
    The corners.

    Raises
    ------
    argparse.ArgumentTypeError
        When these are not six numbers.
    """
    words = text.split(",")
    try:
        return point_of(",".join(words[:3])), point_of(",".join(words[3:]))
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not R,A,S,R,A,S of two corners in mm, for example --box=-40,90,280,40,180,330"
        ) from error


def isolated_bone(arguments: argparse.Namespace, ct: Volume, callback: ProgressCallback = no_progress) -> IsolatedBone:
    """Isolate the bone at the point, or in the box, of the arguments.

    Parameters
    ----------
    arguments
        With point, box and site.
    ct
        CT [HU].
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    The bone.
    """
    # imported here: segmentation is not needed with labels
    from BoneStrengthFEALib.segmentation.boxed import isolate_in_box
    from BoneStrengthFEALib.segmentation.isolate import isolate

    site = Site(arguments.site or Site.VERTEBRA.value)
    if arguments.box:
        return isolate_in_box(ct, np.array(arguments.box), site, callback)
    return isolate(ct, np.array(arguments.point), site, callback)


def isolated_at_point(
    arguments: argparse.Namespace, ct: Volume
) -> tuple[LabelMap, tuple[Target, ...], LabelMap | None, tuple[QualityLine, ...]]:
    """Isolate the bone at the point, or in the box, of the arguments.

    Parameters
    ----------
    arguments
        With point or box, site, level, side and landmarks.
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
    from BoneStrengthFEALib.segmentation.isolate import body_parts_of, label_map_of

    if arguments.labels or arguments.label or (arguments.point and arguments.box):
        raise InputError("give --point, --box, or --labels with --label: one of them")
    with showing_progress(arguments.progress_lines) as progress:
        bone = isolated_bone(arguments, ct, progress)
    labels = label_map_of((bone,), ct)
    name = labels.names[1]
    arguments.label = [name]
    marks = read_landmarks(arguments.landmarks) if arguments.landmarks else {}
    side = Side(arguments.side) if arguments.side else bone.side
    target = Target(name, bone.site, arguments.level, side, landmarks=landmarks_of(marks, name, True))
    voxels = bone.labels.volume.array > 0
    unsure = float((bone.confidence[voxels] < UNSURE).mean())
    given = "box" if arguments.box else "point"
    line = QualityLine(
        "ISOLATED_FROM_POINT",
        Outcome.WARN,
        f"label made from a {given}; {100 * unsure:.0f} % of it less than {100 * UNSURE:.0f} % certain",
        "a label that a person has checked",
        " ".join(["Look at the outline in the report.", *(f"{note[:1].upper()}{note[1:]}." for note in bone.notes)]),
    )
    return labels, (target,), body_parts_of((bone,), ct), (line,)
