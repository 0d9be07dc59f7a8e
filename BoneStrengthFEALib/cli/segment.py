"""Command ``segment``: labels of bones from another tool, from one click or from none, on a CT's grid."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from BoneStrengthFEALib.anatomy import Site
from BoneStrengthFEALib.cli.point_arguments import box_of, isolated_bone, point_of
from BoneStrengthFEALib.cli.progress_bar import showing_progress
from BoneStrengthFEALib.cli.scan_arguments import read_scan
from BoneStrengthFEALib.cli.source_arguments import add_query_arguments, local_ct
from BoneStrengthFEALib.dicom_in import DicomScan
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import SCHEMES
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation import read_labels, write_labels
from BoneStrengthFEALib.segmentation.edits import Made, write_keeping_edits
from BoneStrengthFEALib.segmentation.label_objects import require_same_patient_space
from BoneStrengthFEALib.segmentation.label_record import record_of
from BoneStrengthFEALib.segmentation.tools import run_chosen, run_tool, totalsegmentator_command, words_of
from BoneStrengthFEALib.segmentation_settings import SegmentationSettings
from BoneStrengthFEALib.settings import read_settings
from BoneStrengthFEALib.volume import Volume

if TYPE_CHECKING:
    from BoneStrengthFEALib.dicom_out.segmentation import Maker


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("segment", help="labels of bones from another tool, a point or nothing")
    parser.add_argument(
        "ct",
        type=Path,
        metavar="CT",
        help="DICOM folder, NIfTI, NRRD or MetaImage, or a source (pacs:NAME, slicer:PATH)",
    )
    parser.add_argument(
        "--series", default="", metavar="UID", help="DICOM series; else the best one for bone is chosen"
    )
    _add_origin(parser)
    parser.add_argument("--settings", type=Path, metavar="FILE", help="with segmentation.command for --tool")
    parser.add_argument("--confidence", type=Path, metavar="FILE", help="write how certain each voxel is [percent]")
    parser.add_argument("--numbering", choices=SCHEMES, default="none", help="what values mean without names")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help=".seg.nrrd or .dcm (DICOM SEG, of a CT that is DICOM), which keep names; .nii.gz, .nrrd or .mha",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file, but keep labels that were edited")
    parser.add_argument("--discard-edits", action="store_true", help="with --overwrite: replace edited labels too")
    parser.add_argument("--progress-lines", action="store_true", help="print progress as lines for a parent process")
    add_query_arguments(parser)
    parser.set_defaults(run=run)


def _add_origin(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--labels", type=Path, help="label image, .seg.nrrd, DICOM SEG, RTSTRUCT, or folder of masks (TotalSegmentator)"
    )
    source.add_argument(
        "--point",
        type=point_of,
        metavar="R,A,S",
        help="isolate the bone of --site at this point [mm]: --point=-12,30,5",
    )
    source.add_argument(
        "--box",
        type=box_of,
        metavar="R,A,S,R,A,S",
        help="isolate the bone of --site that fills a rough box, by two opposite corners [mm]",
    )
    source.add_argument(
        "--totalsegmentator", nargs="?", const="total", metavar="TASK", help="run TotalSegmentator (must be installed)"
    )
    source.add_argument(
        "--tool",
        nargs="?",
        const="",
        metavar="COMMAND",
        help="run a program: 'PROGRAM --in {input} --out {output}'; without a command that of --settings",
    )
    source.add_argument(
        "--auto",
        action="store_true",
        help="find vertebrae along the canal and proximal femora; levels are counted from sacrum or last rib in view",
    )
    parser.add_argument(
        "--site", choices=[site.value for site in Site], default="vertebra", help="kind of bone at --point or in --box"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="HU", help="with --point: a bone of any kind, above this CT number"
    )
    parser.add_argument("--split", type=float, metavar="MM", help="with --threshold: how sharp a neck parts two bones")
    parser.add_argument("--close", type=float, metavar="MM", help="with --threshold: gaps of the shell that are closed")


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
    own = arguments.auto or arguments.point is not None or arguments.box is not None
    _require_fitting(arguments, own)
    with local_ct(arguments) as local:
        scan = read_scan(local.ct, local.series, arguments.site == Site.VERTEBRA.value)
        writer = _writer(arguments, scan)
        labels, notes = _isolated(arguments, scan.ct) if own else (_given(arguments, scan), {})
        if arguments.discard_edits:
            arguments.out.unlink(missing_ok=True)
            record_of(arguments.out).unlink(missing_ok=True)
        labels, kept = write_keeping_edits(labels, arguments.out, Made(writer, notes))
    for name in kept:
        print(f"kept: {name} was edited or added by hand (--discard-edits replaces it)")
    for value in labels.values():
        name = labels.names.get(value, "")
        print("; ".join([f"{value:>6}  {name}", *notes.get(name, ())]))
    return 0


def _require_fitting(arguments: argparse.Namespace, own: bool) -> None:
    if arguments.confidence and (not own or arguments.threshold is not None):
        raise InputError(
            "--confidence belongs to --point, --box or --auto without --threshold: other labels carry no certainty"
        )
    if arguments.threshold is not None and arguments.point is None:
        raise InputError("--threshold belongs to --point: say where the bone is")
    if arguments.threshold is None and (arguments.split is not None or arguments.close is not None):
        raise InputError("--split and --close belong to --threshold")


def _writer(arguments: argparse.Namespace, scan: DicomScan) -> Callable[[LabelMap, Path], None]:
    """What writes the labels; refused before the work when it could not be written."""
    if arguments.out.suffix.lower() != ".dcm":
        return write_labels
    # imported here: other formats do not need them
    from BoneStrengthFEALib.dicom_out.label_segmentation import write_label_segmentation
    from BoneStrengthFEALib.dicom_out.origin import require_highdicom, require_source_images

    require_source_images(scan.acquisition)
    require_highdicom()
    maker = _maker(arguments)
    return lambda labels, path: write_label_segmentation(labels, scan.acquisition, path, maker)


def _maker(arguments: argparse.Namespace) -> Maker:
    # imported here: other formats do not need it
    from BoneStrengthFEALib.dicom_out.segmentation import Maker

    name, way = Maker.name, "SEMIAUTOMATIC"
    if arguments.auto or arguments.totalsegmentator or arguments.tool is not None:
        way = "AUTOMATIC"
    if arguments.totalsegmentator:
        name = "TotalSegmentator"
    elif arguments.tool is not None:
        name = Path((words_of(_program(arguments).command) or [name])[0]).name
    elif arguments.labels:
        name = "labels of another origin"
    return Maker(name, way, "Bone labels, to be checked by a person", f"{Maker.name}: bone labels")


def _given(arguments: argparse.Namespace, scan: DicomScan) -> LabelMap:
    ct = scan.ct
    if arguments.totalsegmentator:
        return run_tool(totalsegmentator_command(arguments.totalsegmentator), ct, "totalsegmentator")
    if arguments.tool is not None:
        return run_chosen(_program(arguments), ct)
    require_same_patient_space(arguments.labels, scan.acquisition)
    given = read_labels(arguments.labels, arguments.numbering, ct.grid)
    return LabelMap(onto_grid(given.volume, ct.grid), given.names)


def _program(arguments: argparse.Namespace) -> SegmentationSettings:
    """Program of --tool; without a command there that of the settings."""
    if arguments.tool:
        return SegmentationSettings(arguments.tool, arguments.numbering)
    return read_settings(arguments.settings).segmentation if arguments.settings else SegmentationSettings()


def _isolated(arguments: argparse.Namespace, ct: Volume) -> tuple[LabelMap, dict[str, tuple[str, ...]]]:
    # imported here: other labels do not need it
    from BoneStrengthFEALib.segmentation.isolate import isolate_all, label_map_of, percent_sure

    if arguments.threshold is not None:
        return _above_threshold(arguments, ct), {}
    with showing_progress(arguments.progress_lines) as progress:
        bones = isolate_all(ct, progress) if arguments.auto else (isolated_bone(arguments, ct, progress),)
    if arguments.confidence:
        write_volume(percent_sure(bones, ct), arguments.confidence)
    labels = label_map_of(bones, ct)
    return labels, {labels.names[n]: bone.notes for n, bone in enumerate(bones, start=1)}


def _above_threshold(arguments: argparse.Namespace, ct: Volume) -> LabelMap:
    # imported here: other labels do not need it
    from BoneStrengthFEALib.segmentation.by_threshold import Cut, bone_by_threshold

    lengths = {"split_mm": arguments.split, "close_mm": arguments.close}
    cut = Cut(arguments.threshold, **{name: value for name, value in lengths.items() if value is not None})
    return bone_by_threshold(ct, np.array(arguments.point), cut)
