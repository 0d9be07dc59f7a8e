"""Command ``info``: versions, threads and what is installed."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform

from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.version import __version__

PACKAGES = ("numpy", "scipy", "SimpleITK", "pydicom", "numba", "xraydb", "highdicom", "pynetdicom", "dicomweb-client")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("info", help="versions, cores and installed optional packages")
    parser.add_argument("--settings", action="store_true", help="print all settings with their defaults as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what a bug report needs.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    if arguments.settings:
        print(json.dumps(Settings().to_dict(), indent=2))
        return 0
    print(f"bone-strength-fea {__version__}")
    print(f"python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    for package in PACKAGES:
        print(f"{package} {_installed(package)}")
    return 0


def _installed(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
