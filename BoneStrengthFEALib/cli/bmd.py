"""Command ``bmd``: density measures of one examination, without a finite-element model."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.cli.progress_bar import showing_progress
from BoneStrengthFEALib.cli.settings_arguments import settings_of
from BoneStrengthFEALib.cli.source_arguments import add_query_arguments, local_ct
from BoneStrengthFEALib.cli.study_arguments import add_study_arguments, study_of
from BoneStrengthFEALib.output_folder import check_target, filling
from BoneStrengthFEALib.results import StudyResults, to_plain

EXAMPLE = """example:
  bone-strength-fea bmd ct.nii.gz --labels vertebrae.nii.gz --numbering totalsegmentator --label vertebrae_L1 \\
      --label vertebrae_L2 --tissues total.nii.gz --out results/density1
  bone-strength-fea bmd hip_dicom --labels femur.nii.gz --label 1 --site femur --side left --sex F --age 71 --format csv

The numbers are those of 'run'. With --out the folder gets measures.csv, results.json and pictures, among them the
projection of a hip with its regions; without it the measures go to the terminal alone. Warnings of the calibration
go to standard error.
Exit codes: 0 done, 1 refused or failed (the reason is printed), 2 wrong input, 130 cancelled."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "bmd",
        help="measure density alone, in seconds: vBMD of compartments, spine classes, hip aBMD with T- and Z-scores",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_study_arguments(parser)
    add_query_arguments(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, help="result folder")
    output.add_argument("--overwrite", action="store_true", help="replace earlier results in the folder")
    output.add_argument("--images", action="store_true", help="write density volume and regions as NIfTI too")
    output.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="what is printed; table when left out"
    )
    output.add_argument("--progress-lines", action="store_true", help="print progress as lines for a parent process")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure one examination.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    # imported here: "--help" must not wait for them
    from BoneStrengthFEALib import pipeline
    from BoneStrengthFEALib.outcome_files import write_measures

    if arguments.out is not None:
        check_target(arguments.out, arguments.overwrite)
    settings = settings_of(arguments)
    with local_ct(arguments) as local:
        study = study_of(local)
        with showing_progress(arguments.progress_lines) as progress:
            outcome = pipeline.measure(study, settings, progress)
        results = outcome.results
        if arguments.out is not None:
            with filling(arguments.out, arguments.overwrite) as folder:
                results = write_measures(study, outcome, folder, arguments.images)
    _PRINTERS[arguments.format](results)
    if results.calibration is not None:
        print_warnings(results.calibration)
    return 0


def print_warnings(calibration: Calibration) -> None:
    """Say what a calibration warns of, beside the numbers and not among them.

    Parameters
    ----------
    calibration
        The calibration.
    """
    for line in calibration.quality.warnings:
        print(f"warning {line.check}: {line.found} (expected {line.expected}). {line.action}", file=sys.stderr)


def _print_table(results: StudyResults) -> None:
    from BoneStrengthFEALib.report.words import with_uncertainty

    named = [("all", measure) for measure in results.measures]
    named += [(site.name, measure) for site in results.sites for measure in site.bmd]
    wide = max([10, *(len(site.name) for site in results.sites)]) + 2
    for name, m in named:
        note = f"   {m.classification}" if m.classification else ""
        note += "   (unverified reference)" if m.unverified else ""
        print(f"{name:<{wide}}{m.label:<78}{with_uncertainty(m):>14} {m.unit}{note}")
    for site in results.sites:
        if not site.bmd:
            print(f"{site.name:<{wide}}refused: {'; '.join(line.check for line in site.quality.refused)}")


def _print_csv(results: StudyResults) -> None:
    from BoneStrengthFEALib.outcome_files import COLUMNS, measures_rows

    csv.writer(sys.stdout, lineterminator="\n").writerows([COLUMNS, *measures_rows(results)])


def _print_json(results: StudyResults) -> None:
    sites = [
        {"name": s.name, "site": s.site, "level": s.level, "side": s.side, "measures": to_plain(s.bmd)}
        for s in results.sites
    ]
    quantity = results.calibration.quantity.name if results.calibration else ""
    data = {"density": quantity, "measures": to_plain(results.measures), "sites": sites}
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


_PRINTERS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
