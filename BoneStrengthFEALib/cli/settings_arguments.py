"""Arguments that choose settings: a file, the common choices, and single assignments."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from BoneStrengthFEALib.calibration.record import GIVEN_DENSITY
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.settings import Settings, read_settings
from BoneStrengthFEALib.settings_override import override

SWEEP = "model.fall_sweep_deg=-15,0,15,30"
"""Internal rotations of --sweep: from in front over straight from the side to posterolateral [degrees]."""


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose settings.

    Parameters
    ----------
    parser
        Parser of a command.
    """
    choice = parser.add_argument_group("settings")
    choice.add_argument("--settings", type=Path, metavar="FILE", help="TOML or JSON file")
    choice.add_argument(
        "--calibration", default="", metavar="METHOD", help="phantom, asynchronous, internal-air-fat-muscle, ..."
    )
    choice.add_argument(
        "--phantom", default="", metavar="ID", help="phantom in the scan: shipped id or definition file"
    )
    choice.add_argument(
        "--store", type=Path, metavar="FOLDER", help="store of 'calibrate' for --calibration asynchronous, or one file"
    )
    choice.add_argument(
        "--nonlinear", action="store_true", help="load beyond yield: strength from the force-displacement curve"
    )
    choice.add_argument(
        "--sweep",
        action="store_true",
        help="femur: falls in four directions (model.fall_sweep_deg), to find the weakest",
    )
    choice.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PART.NAME=VALUE",
        help="one setting, for example model.voxel_mm=1.5; 'info --settings' lists all",
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Settings from file and single assignments.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    The settings.
    """
    return changed(read_settings(arguments.settings) if arguments.settings else Settings(), arguments)


def changed(base: Settings, arguments: argparse.Namespace) -> Settings:
    """Settings with what single arguments say.

    Parameters
    ----------
    base
        Settings to start from.
    arguments
        Parsed arguments.

    Returns
    -------
    The changed settings.
    """
    given = {"method": arguments.calibration, "phantom": arguments.phantom, "store": arguments.store}
    if arguments.density:
        if arguments.calibration not in ("", GIVEN_DENSITY):
            raise InputError(f"--density says that the image is calibrated, --calibration {arguments.calibration} not")
        given |= {"method": GIVEN_DENSITY, "density_kind": arguments.density}
    # as JSON texts: a path such as 2024 is no number
    chosen = [f"calibration.{name}={json.dumps(str(value))}" for name, value in given.items() if value]
    return override(
        base, chosen + ["model.analysis=nonlinear"] * arguments.nonlinear + [SWEEP] * arguments.sweep + arguments.set
    )
