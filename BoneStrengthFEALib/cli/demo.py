"""Command ``demo``: the whole chain on a real CT that comes with the package."""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.cli.run import add_output_arguments, print_results, run_study
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import label_names
from BoneStrengthFEALib.output_folder import check_target
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Quantity, Volume

LEVELS = ("L1", "L2", "L3")
CASE = "spine_totalseg"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("demo", help="run the whole chain on the real CT that comes with the package")
    add_output_arguments(parser, default=Path("demo-output"))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run L1, L2 and L3 of the demo case.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    check_target(arguments.out, arguments.overwrite)
    print("demo: real CT (3 mm, no contrast) from the package totalsegmentator 2.18.0, Apache-2.0; sex not published")
    results = run_study(demo_study(), Settings(), arguments)
    print_results(results, arguments.out)
    return 0


def demo_study(levels: tuple[str, ...] = LEVELS) -> Study:
    """The demo case.

    Parameters
    ----------
    levels
        Vertebrae to analyse, L1 to L5.

    Returns
    -------
    Study with TotalSegmentator's labels of vertebrae, bodies, aorta and muscle.
    """
    names = label_names("totalsegmentator")
    return Study(
        _volume("example_ct", Quantity.HU),
        LabelMap(_volume("example_ct_vertebrae", Quantity.LABEL), names),
        tuple(Target(f"vertebrae_{level}") for level in levels),
        Acquisition(source="nifti", series_description="TotalSegmentator example CT, 3 mm"),
        LabelMap(_volume("example_ct_seg_fast", Quantity.LABEL), names),
        LabelMap(_volume("example_ct_vertebrae_body", Quantity.LABEL), {1: "vertebrae_body", 2: "discs"}),
    )


def _volume(name: str, quantity: Quantity) -> Volume:
    file = resources.files("BoneStrengthFEALib").joinpath("data", CASE, f"{name}.nii.gz")
    with resources.as_file(file) as path:
        return read_volume(path, quantity)
