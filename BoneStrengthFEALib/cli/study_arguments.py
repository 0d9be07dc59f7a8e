"""Arguments that describe an examination, and the study they make; shared by all commands that measure."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from BoneStrengthFEALib.acquisition import Sex
from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.calibration.dispatch import KINDS
from BoneStrengthFEALib.cli.point_arguments import box_of, isolated_at_point, point_of
from BoneStrengthFEALib.cli.scan_arguments import read_scan
from BoneStrengthFEALib.cli.settings_arguments import add_settings_arguments, settings_of
from BoneStrengthFEALib.dicom_in import DicomScan
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import SCHEMES, label_names
from BoneStrengthFEALib.landmark_files import Landmarks, landmarks_of, read_landmarks
from BoneStrengthFEALib.quality import QualityLine
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation import read_labels
from BoneStrengthFEALib.segmentation.edits import made_line
from BoneStrengthFEALib.segmentation.label_objects import label_object_in, require_same_patient_space
from BoneStrengthFEALib.segmentation.tools import run_chosen
from BoneStrengthFEALib.segmentation_settings import SegmentationSettings
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Quantity, Volume

PLAUSIBLE = {"age": (0.0, 120.0), "height": (0.5, 2.5), "weight": (10.0, 350.0)}


def add_study_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the arguments of an examination.

    Parameters
    ----------
    parser
        Parser of a command.
    required
        Whether labels must be named; a command that takes case folders too checks it itself.
    """
    _add_images(parser, required)
    _add_person(parser)
    add_settings_arguments(parser)


def _add_images(parser: argparse.ArgumentParser, required: bool) -> None:
    image = parser.add_argument_group("images")
    image.add_argument(
        "ct",
        type=Path,
        metavar="CT",
        help="DICOM folder, CT in HU as NIfTI, NRRD or MetaImage, or a source (pacs:NAME, slicer:PATH)",
    )
    image.add_argument(
        "--density",
        choices=tuple(KINDS),
        default="",
        metavar="KIND",
        help="CT is an image of calibrated density [mg/cm3] already: K2HPO4 or CAHA; no calibration is made",
    )
    image.add_argument("--series", default="", metavar="UID", help="DICOM series; else the best one for bone is chosen")
    image.add_argument(
        "--labels",
        type=Path,
        required=False,
        help="labels of the bones: image, .seg.nrrd, DICOM SEG, RTSTRUCT or folder of masks; left out, the one SEG or "
        "RTSTRUCT of the study in a DICOM folder",
    )
    image.add_argument(
        "--point",
        type=point_of,
        metavar="R,A,S",
        help="instead of labels: isolate the bone of --site (default vertebra) at this point [mm]; --point=-12,30,5",
    )
    image.add_argument(
        "--box",
        type=box_of,
        metavar="R,A,S,R,A,S",
        help="instead of labels: isolate the bone that fills a rough box, by two opposite corners [mm]",
    )
    image.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="L",
        help="label to analyse, by value or name, parts of one bone as 1+2+3; repeat for several bones; not needed "
        "when the labels hold one bone",
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
        help="label map of vertebral bodies (TotalSegmentator task vertebrae_body); else found by shape",
    )
    image.add_argument(
        "--bodies-label", default="1", metavar="L", help="values of --bodies that are bodies; TPTBox: 49+50; default: 1"
    )


def _add_person(parser: argparse.ArgumentParser) -> None:
    bone = parser.add_argument_group("bone, when the label's name does not tell")
    bone.add_argument("--site", choices=[site.value for site in Site])
    bone.add_argument("--level", default="", help="vertebral level, T1 to L6 (one --label only)")
    bone.add_argument("--side", choices=["left", "right"])
    bone.add_argument(
        "--landmarks",
        type=Path,
        metavar="FILE",
        help="landmarks that replace those found: 3D Slicer markups (.mrk.json), or TOML or JSON",
    )
    person = parser.add_argument_group("subject")
    person.add_argument("--sex", choices=["F", "M"], help="needed for strength classes")
    person.add_argument("--age", type=float, metavar="YEARS")
    person.add_argument("--height", type=float, metavar="M", help="standing height in metres")
    person.add_argument("--weight", type=float, metavar="KG")
    person.add_argument("--kvp", type=float, help="tube voltage when the image does not tell")


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
    scan = _scan(arguments)
    ct = scan.ct

    def on_ct(path: Path) -> Volume:
        return onto_grid(read_volume(path, Quantity.LABEL), ct.grid)

    tissues = parts = None
    if arguments.point or arguments.box:
        labels, targets, parts, lines = isolated_at_point(arguments, ct)
    else:
        labels, targets, lines = _labelled(arguments, scan)
    if arguments.tissues:
        tissues = LabelMap(on_ct(arguments.tissues), label_names(arguments.tissue_numbering))
    if arguments.bodies:
        bodies = dict.fromkeys(_values(arguments.bodies_label), "vertebrae_body")
        parts = LabelMap(on_ct(arguments.bodies), bodies)
    given = (arguments.ct, arguments.labels, arguments.tissues, arguments.bodies, arguments.landmarks)
    study = Study(
        ct,
        labels,
        targets,
        scan.acquisition,
        tissues,
        parts,
        scan.quality.merged(lines),
        files=tuple(path for path in given if path and path.is_file()),
    )
    return study.with_subject(
        sex=Sex(arguments.sex) if arguments.sex else None,
        age_years=arguments.age,
        height_m=arguments.height,
        weight_kg=arguments.weight,
    )


def _labelled(
    arguments: argparse.Namespace, scan: DicomScan
) -> tuple[LabelMap, tuple[Target, ...], tuple[QualityLine, ...]]:
    program = settings_of(arguments).segmentation if arguments.labels is None else SegmentationSettings()
    if arguments.labels is None and not arguments.ct.is_dir() and not program.command:
        raise InputError(
            "say which bones: --labels FILE and --label NAME, a point in one bone: --point R,A,S, or --box"
        )
    if program.command:
        labels = run_chosen(program, scan.ct)
    else:
        if arguments.labels is None:
            arguments.labels = label_object_in(arguments.ct, scan.acquisition)
        require_same_patient_space(arguments.labels, scan.acquisition)
        given = read_labels(arguments.labels, arguments.numbering, scan.ct.grid)
        labels = LabelMap(onto_grid(given.volume, scan.ct.grid), given.names)
    arguments.label = arguments.label or [labels.only_label()]
    lines = []
    for place, text in enumerate(arguments.label):
        line = made_line(labels, text, arguments.labels) if arguments.labels and "+" not in text else None
        lines += [line] if line else []
        labels, arguments.label[place] = labels.joined(text)
    return labels, _targets(arguments), tuple(lines)


def _values(text: str) -> list[int]:
    if not all(part.strip().isdecimal() for part in text.split("+")):
        raise InputError(f"--bodies-label takes numbers with + between them, for example 49+50; got {text!r}")
    return [int(part) for part in text.split("+")]


def _scan(arguments: argparse.Namespace) -> DicomScan:
    scan = read_scan(arguments.ct, arguments.series, arguments.site in (None, Site.VERTEBRA.value), arguments.density)
    known = scan.acquisition.kvp
    if arguments.kvp is None or known == arguments.kvp:
        return scan
    if known is not None:
        raise InputError(f"--kvp {arguments.kvp:g} was given, but the images say {known:g} kV")
    return dataclasses.replace(scan, acquisition=dataclasses.replace(scan.acquisition, kvp=arguments.kvp))


def _targets(arguments: argparse.Namespace) -> tuple[Target, ...]:
    marks = read_landmarks(arguments.landmarks) if arguments.landmarks else {}
    unknown = sorted(set(marks) - {"", *arguments.label})
    if unknown:
        raise InputError(f"{arguments.landmarks.name} has landmarks of {', '.join(unknown)}, which no --label names")
    return tuple(
        _target(label, arguments, landmarks_of(marks, label, len(arguments.label) == 1)) for label in arguments.label
    )


def _target(label: str, arguments: argparse.Namespace, landmarks: Landmarks | None) -> Target:
    return Target(
        label,
        Site(arguments.site) if arguments.site else None,
        arguments.level,
        Side(arguments.side) if arguments.side else None,
        landmarks=landmarks,
    )
