"""Arguments that describe an examination, and the study they make; shared by all commands that measure."""

from __future__ import annotations

import argparse
from pathlib import Path

from BoneStrengthFEALib.acquisition import Acquisition, Sex
from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import SCHEMES, label_names
from BoneStrengthFEALib.settings import Settings, read_settings
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Quantity

PLAUSIBLE = {"age": (0.0, 120.0), "height": (0.5, 2.5), "weight": (10.0, 350.0)}


def add_study_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an examination.

    Parameters
    ----------
    parser
        Parser of a command.
    """
    image = parser.add_argument_group("images")
    image.add_argument("ct", type=Path, metavar="CT", help="CT in HU: NIfTI, NRRD or MetaImage file")
    image.add_argument("--labels", type=Path, required=True, help="label map of the bones, on the CT's grid")
    image.add_argument(
        "--label",
        action="append",
        required=True,
        metavar="L",
        help="label to analyse, by value or name; repeat for several",
    )
    image.add_argument(
        "--numbering", choices=SCHEMES, default="none", help="what the label values mean when the file holds no names"
    )
    image.add_argument(
        "--tissues", type=Path, help="label map with aorta, muscle, fat ... for the internal calibration"
    )
    image.add_argument("--tissue-numbering", choices=SCHEMES, default="totalsegmentator", help="numbering of --tissues")
    image.add_argument(
        "--bodies",
        type=Path,
        help="label map whose value 1 is vertebral bodies (TotalSegmentator task vertebrae_body); else found by shape",
    )
    bone = parser.add_argument_group("bone, when the label's name does not tell")
    bone.add_argument("--site", choices=[site.value for site in Site])
    bone.add_argument("--level", default="", help="vertebral level, T1 to L6 (one --label only)")
    bone.add_argument("--side", choices=["left", "right"])
    person = parser.add_argument_group("subject")
    person.add_argument("--sex", choices=["F", "M"], help="needed for strength classes")
    person.add_argument("--age", type=float, metavar="YEARS")
    person.add_argument("--height", type=float, metavar="M", help="standing height in metres")
    person.add_argument("--weight", type=float, metavar="KG")
    person.add_argument("--kvp", type=float, help="tube voltage when the image does not tell")
    choice = parser.add_argument_group("settings")
    choice.add_argument("--settings", type=Path, metavar="FILE", help="TOML or JSON file")
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
    base = read_settings(arguments.settings) if arguments.settings else Settings()
    return override(base, arguments.set)


def study_of(arguments: argparse.Namespace) -> Study:
    """Read the images and put the study together.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    The study.

    Raises
    ------
    BoneStrengthError
        When an image cannot be used.
    """
    for name, (low, high) in PLAUSIBLE.items():
        value = getattr(arguments, name)
        if value is not None and not low <= value <= high:
            raise InputError(f"--{name} {value:g} is outside {low:g} to {high:g}; check the unit (m, kg, years)")
    if arguments.level and len(arguments.label) > 1:
        raise InputError("--level describes one bone; give a single --label or a numbering that names the levels")
    ct = read_volume(arguments.ct, Quantity.HU)
    labels = LabelMap(read_volume(arguments.labels, Quantity.LABEL), label_names(arguments.numbering))
    tissues = parts = None
    if arguments.tissues:
        names = label_names(arguments.tissue_numbering)
        tissues = LabelMap(read_volume(arguments.tissues, Quantity.LABEL), names)
    if arguments.bodies:
        parts = LabelMap(read_volume(arguments.bodies, Quantity.LABEL), {1: "vertebrae_body"})
    given = (arguments.ct, arguments.labels, arguments.tissues, arguments.bodies)
    study = Study(
        ct,
        labels,
        tuple(_target(label, arguments) for label in arguments.label),
        Acquisition(source="file", kvp=arguments.kvp),
        tissues,
        parts,
        files=tuple(path for path in given if path),
    )
    return study.with_subject(
        sex=Sex(arguments.sex) if arguments.sex else None,
        age_years=arguments.age,
        height_m=arguments.height,
        weight_kg=arguments.weight,
    )


def _target(label: str, arguments: argparse.Namespace) -> Target:
    return Target(
        label,
        Site(arguments.site) if arguments.site else None,
        arguments.level,
        Side(arguments.side) if arguments.side else None,
    )
