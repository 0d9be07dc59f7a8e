"""Command ``segment``: bone labels of another tool onto a CT's grid, with names."""

from __future__ import annotations

import argparse
from pathlib import Path

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import SCHEMES
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation import read_labels, write_labels
from BoneStrengthFEALib.volume import Quantity


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("segment", help="bring bone labels of another tool onto a CT's grid, with names")
    parser.add_argument("ct", type=Path, metavar="CT", help="CT as NIfTI, NRRD or MetaImage file")
    parser.add_argument(
        "--labels", type=Path, required=True, help="label image, .seg.nrrd, or folder of masks (TotalSegmentator)"
    )
    parser.add_argument("--numbering", choices=SCHEMES, default="none", help="what values mean without names")
    parser.add_argument("--out", type=Path, required=True, help=".seg.nrrd (keeps names), .nii.gz, .nrrd or .mha")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
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
        raise InputError(f"{arguments.out} exists and may hold edits; choose another file or give --overwrite")
    ct = read_volume(arguments.ct, Quantity.HU)
    given = read_labels(arguments.labels, arguments.numbering)
    labels = LabelMap(onto_grid(given.volume, ct.grid), given.names)
    write_labels(labels, arguments.out)
    for value in labels.values():
        print(f"{value:>6}  {labels.names.get(value, '')}")
    return 0
