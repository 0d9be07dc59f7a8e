"""Command ``segment``: labels of bones from another tool, from one click or from none, on a CT's grid."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.anatomy import Site
from BoneStrengthFEALib.cli.point_arguments import point_of
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import SCHEMES
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation import read_labels
from BoneStrengthFEALib.segmentation.edits import record_of, write_keeping_edits
from BoneStrengthFEALib.segmentation.tools import run_tool, totalsegmentator_command
from BoneStrengthFEALib.volume import Quantity, Volume

logger = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("segment", help="labels of bones from another tool, a point or nothing")
    parser.add_argument("ct", type=Path, metavar="CT", help="CT: DICOM folder, NIfTI, NRRD or MetaImage")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--labels", type=Path, help="label image, .seg.nrrd, or folder of masks (TotalSegmentator)")
    source.add_argument(
        "--point",
        type=point_of,
        metavar="R,A,S",
        help="isolate the bone of --site at this point [mm]: --point=-12,30,5",
    )
    source.add_argument(
        "--totalsegmentator", nargs="?", const="total", metavar="TASK", help="run TotalSegmentator (must be installed)"
    )
    source.add_argument("--tool", metavar="COMMAND", help="run a program: 'PROGRAM --in {input} --out {output}'")
    source.add_argument("--auto", action="store_true", help="find vertebrae along the canal and proximal femora")
    parser.add_argument(
        "--site", choices=[site.value for site in Site], default="vertebra", help="kind of bone at --point"
    )
    parser.add_argument("--confidence", type=Path, metavar="FILE", help="write how certain each voxel is [percent]")
    parser.add_argument("--numbering", choices=SCHEMES, default="none", help="what values mean without names")
    parser.add_argument("--out", type=Path, required=True, help=".seg.nrrd (keeps names), .nii.gz, .nrrd or .mha")
    parser.add_argument("--overwrite", action="store_true", help="replace the file, but keep labels that were edited")
    parser.add_argument("--discard-edits", action="store_true", help="with --overwrite: replace edited labels too")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Convert labels.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    if arguments.out.exists() and not arguments.overwrite:
        raise InputError(
            f"{arguments.out} exists and may hold edits; choose another file, or give --overwrite, which keeps "
            "labels that were edited"
        )
    own = arguments.auto or arguments.point is not None
    if arguments.confidence and not own:
        raise InputError("--confidence belongs to --point or --auto: other labels carry no certainty")
    ct = read_folder(arguments.ct).ct if arguments.ct.is_dir() else read_volume(arguments.ct, Quantity.HU)
    labels = _isolated(arguments, ct) if own else _given(arguments, ct)
    if arguments.discard_edits:
        arguments.out.unlink(missing_ok=True)
        record_of(arguments.out).unlink(missing_ok=True)
    labels, kept = write_keeping_edits(labels, arguments.out)
    for name in kept:
        print(f"kept: {name} was edited or added by hand (--discard-edits replaces it)")
    for value in labels.values():
        print(f"{value:>6}  {labels.names.get(value, '')}")
    return 0


def _given(arguments: argparse.Namespace, ct: Volume) -> LabelMap:
    if arguments.totalsegmentator:
        return run_tool(totalsegmentator_command(arguments.totalsegmentator), ct, "totalsegmentator")
    if arguments.tool:
        return run_tool(_words(arguments.tool), ct, arguments.numbering)
    given = read_labels(arguments.labels, arguments.numbering, ct.grid)
    return LabelMap(onto_grid(given.volume, ct.grid), given.names)


def _words(command: str) -> list[str]:
    # backslashes are part of a path on Windows
    return [word.strip('"') for word in shlex.split(command, posix=os.name != "nt")]


def _isolated(arguments: argparse.Namespace, ct: Volume) -> LabelMap:
    # imported here: other labels do not need it
    from BoneStrengthFEALib.segmentation.isolate import confidence_of, isolate, isolate_all, label_map_of

    bones = isolate_all(ct) if arguments.auto else (isolate(ct, np.array(arguments.point), Site(arguments.site)),)
    for bone in bones:
        for note in bone.notes:
            logger.warning("%s: %s", bone.site.value, note)
    if arguments.confidence:
        percent = np.rint(100 * confidence_of(bones, ct)).astype(np.uint8)
        write_volume(Volume(percent, ct.ijk_to_ras, Quantity.LABEL), arguments.confidence)
    return label_map_of(bones, ct)
