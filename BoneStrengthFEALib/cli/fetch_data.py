"""Command ``fetch-data``: public reference cases for tests and studies."""

from __future__ import annotations

import argparse
from pathlib import Path

from BoneStrengthFEALib.reference_files import fetch


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("fetch-data", help="fetch public reference cases (needs internet and pooch)")
    parser.add_argument("folder", type=Path, help="folder for them; give it to the tests as BONESTRENGTHFEA_DATA")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fetch the files.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    print(f"{fetch(arguments.folder)} files in {arguments.folder}")
    return 0
