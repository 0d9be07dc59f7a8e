"""Command ``calibrate``: a phantom scan into a store of scanner calibrations, and the history of such a store."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from pathlib import Path

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.cli.source_arguments import add_query_arguments, local_ct
from BoneStrengthFEALib.errors import InputError, OutputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Quantity, Volume

EXAMPLE = """examples:
  bone-strength-fea calibrate qa_scan/ --phantom mindways-model3-ct --store calibrations
  bone-strength-fea calibrate --history --store calibrations --out history.html
  bone-strength-fea run ct/ --labels bones.nii.gz --label vertebrae_L1 --calibration asynchronous \\
      --store calibrations --out results/case1

The store is a folder with one JSON file per phantom scan. Give CT files other than DICOM what their header lacks:
--date, --kvp, --manufacturer, --model, --station, --serial, --kernel, --diameter."""
FACTS = ("manufacturer", "model", "station", "serial", "kernel")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "calibrate",
        help="store the calibration of a scanner from a phantom scan, or show the store's history",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "scan", nargs="?", type=Path, metavar="SCAN", help="phantom scan: DICOM folder, CT file in HU, or pacs:NAME"
    )
    parser.add_argument("--store", type=Path, required=True, metavar="FOLDER", help="calibration store")
    parser.add_argument("--phantom", default="", metavar="ID", help="shipped phantom or path of a definition")
    parser.add_argument(
        "--rods", type=Path, metavar="FILE", help="labels named as the rods; else they are searched for"
    )
    parser.add_argument("--series", default="", metavar="UID", help="DICOM series; else the best one")
    parser.add_argument(
        "--accept", action="append", default=[], metavar="CODE", help="store in spite of this refusing check"
    )
    parser.add_argument("--history", action="store_true", help="print the history of the store")
    parser.add_argument("--out", type=Path, metavar="FILE", help="with --history: .html or .svg with control charts")
    facts = parser.add_argument_group("what the header does not tell")
    facts.add_argument("--date", default="", metavar="YYYY-MM-DD", help="day of the phantom scan")
    facts.add_argument("--kvp", type=float, help="tube voltage")
    for name in FACTS:
        facts.add_argument(f"--{name}", default="")
    facts.add_argument("--diameter", type=float, metavar="MM", help="reconstruction diameter")
    add_query_arguments(parser)
    parser.set_defaults(run=run, progress_lines=False)


def run(arguments: argparse.Namespace) -> int:
    """Store a calibration, or show the history.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    if arguments.history == bool(arguments.scan):
        raise InputError("give a phantom scan to store its calibration, or --history to see the store; not both")
    if arguments.history:
        return _history(arguments)
    arguments.ct = arguments.scan
    with local_ct(arguments) as local:
        return _store(local)


def _store(arguments: argparse.Namespace) -> int:
    from BoneStrengthFEALib.calibration.asynchronous import examination_day
    from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
    from BoneStrengthFEALib.calibration.phantom_definition import load_phantom, shipped_phantoms
    from BoneStrengthFEALib.calibration.scanner import scanner_of
    from BoneStrengthFEALib.calibration.store import add_entry, new_entry

    if not arguments.phantom:
        raise InputError(
            f"name the phantom: --phantom with one of {', '.join(shipped_phantoms())}, or a definition file"
        )
    phantom = load_phantom(arguments.phantom)
    ct, acquisition = _scan(arguments)
    day = examination_day(acquisition)
    if day is None or acquisition.kvp is None:
        missing = " and ".join(t for t, lacks in (("--date", day is None), ("--kvp", acquisition.kvp is None)) if lacks)
        raise InputError(f"the scan does not tell when it was made or at which tube voltage; give {missing}")
    made = calibrate_phantom(ct, _rods(arguments, ct), phantom)
    made = dataclasses.replace(made, quality=made.quality.accepting(arguments.accept))
    made.quality.raise_if_refused()
    entry = new_entry(ct, phantom, made, scanner_of(acquisition), day)
    path = add_entry(entry, arguments.store)
    print(f"{made.numbers['hu_per_mg_cm3']:.4f} HU per mg/cm3, {made.numbers['hu_at_zero']:.2f} HU at zero density")
    for line in made.quality.warnings:
        print(f"warning {line.check}: {line.found} (expected {line.expected}). {line.action}")
    print(f"stored for {entry.scanner.words}: {path}")
    return 0


def _scan(arguments: argparse.Namespace) -> tuple[Volume, Acquisition]:
    from BoneStrengthFEALib.dicom_in import read_folder, read_series
    from BoneStrengthFEALib.dicom_in.header import is_dicom
    from BoneStrengthFEALib.image_files import read_volume

    path: Path = arguments.ct
    if path.is_dir() or is_dicom(path):
        scan = read_folder(path, arguments.series) if path.is_dir() else read_series([path])
        scan.quality.accepting(arguments.accept).raise_if_refused()
        ct, acquisition = scan.ct, scan.acquisition
    else:
        ct, acquisition = read_volume(path, Quantity.HU), Acquisition(source="file")
    return ct, _completed(acquisition, arguments)


def _completed(acquisition: Acquisition, arguments: argparse.Namespace) -> Acquisition:
    """Facts of the header, and those given where it has none; a contradiction is an error."""
    given = {name: getattr(arguments, name) for name in FACTS}
    given |= {"kvp": arguments.kvp, "reconstruction_diameter_mm": arguments.diameter}
    given["study_date"] = _day(arguments.date)
    changes = {}
    for name, value in given.items():
        header = getattr(acquisition, name)
        if value in (None, "") or value == header:
            continue
        if header not in (None, ""):
            raise InputError(f"{name} {value} was given, but the images say {header}")
        changes[name] = value
    return dataclasses.replace(acquisition, **changes)


def _day(text: str) -> str:
    if not text:
        return ""
    try:
        return datetime.date.fromisoformat(text).strftime("%Y%m%d")
    except ValueError as error:
        raise InputError(f"--date {text!r} is no day; write it as 2026-03-31") from error


def _rods(arguments: argparse.Namespace, ct: Volume) -> LabelMap | None:
    from BoneStrengthFEALib.regrid import onto_grid
    from BoneStrengthFEALib.segmentation import read_labels

    if arguments.rods is None:
        return None
    labels = read_labels(arguments.rods, "none")
    return LabelMap(onto_grid(labels.volume, ct.grid), labels.names)


def _history(arguments: argparse.Namespace) -> int:
    from BoneStrengthFEALib.calibration.control import groups
    from BoneStrengthFEALib.calibration.store import read_store
    from BoneStrengthFEALib.report.control_page import COLUMNS, history_rows, write_history

    if arguments.out is not None and arguments.out.suffix.lower() not in {".html", ".svg"}:
        raise OutputError(f"--out {arguments.out.name} must end in .html or .svg")
    entries = read_store(arguments.store)
    for group in groups(entries):
        print(group[-1].scanner.words)
        rows = [COLUMNS, *history_rows(group)]
        widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
        for row in rows:
            print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if arguments.out is not None:
        write_history(entries, arguments.out)
        print(f"control charts: {arguments.out.resolve()}")
    return 0
