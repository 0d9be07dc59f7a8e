"""Command ``precision``: precision errors and least significant changes from a cohort of repeat scans."""

from __future__ import annotations

import argparse
from pathlib import Path

from BoneStrengthFEALib.cohort.measure_rows import saved_rows
from BoneStrengthFEALib.cohort.precision import ENOUGH_FREEDOM, precision_of, write_precision

EXAMPLE = """example: scan 15 people three times, run all scans as a cohort with 'subject' saying whose scan it is, then
  bone-strength-fea precision repeats/ --out precision.json
  bone-strength-fea cohort manifest.csv results/ --precision precision.json"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "precision",
        help="precision errors from repeat scans",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cohort", type=Path, metavar="COHORT", help="folder of a finished cohort of repeat scans")
    parser.add_argument("--out", type=Path, default=Path("precision.json"), help="default: precision.json")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compute and write precision.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    found = precision_of(saved_rows(arguments.cohort))
    write_precision(found, arguments.out)
    print(f"{'site':<10}{'measure':<34}{'subjects':>9}{'df':>5}{'RMS-SD':>12}{'RMS-CV':>9}{'LSC':>12}  unit")
    for line in found.values():
        print(
            f"{line.site:<10}{line.measure:<34}{line.subjects:>9}{line.freedom:>5}{line.rms_sd:>12.4g}"
            f"{100 * line.rms_cv:>8.2f}%{line.least_significant_change:>12.4g}  {line.unit}"
        )
    if any(line.freedom < ENOUGH_FREEDOM for line in found.values()):
        print(f"fewer than {ENOUGH_FREEDOM} degrees of freedom: the errors are not well known (Glüer 1995); scan more")
    print(f"written: {arguments.out.resolve()}")
    return 0
