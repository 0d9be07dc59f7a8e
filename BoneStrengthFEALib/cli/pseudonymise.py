"""Command ``pseudonymise``: CT series for research without identity."""

from __future__ import annotations

import argparse
from pathlib import Path

from BoneStrengthFEALib.privacy import site_salt
from BoneStrengthFEALib.pseudonymise import pseudonymise_folder


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "pseudonymise",
        help="export CT series without names, IDs, dates and free text",
        epilog="Only elements on a list are kept. The salt that makes keys (BONESTRENGTHFEA_SALT, else one made for "
        "this user) stays here: who has it can make the key of a known patient ID.",
    )
    parser.add_argument("folder", type=Path, help="DICOM folder of any depth")
    parser.add_argument("out", type=Path, help="new folder")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    exported = pseudonymise_folder(arguments.folder, arguments.out, site_salt())
    print(f"{exported.series} series, {exported.images} images in {arguments.out}")
    for code in exported.refused:
        print(f"left out: a series the gate refuses ({code})")
    return 0
