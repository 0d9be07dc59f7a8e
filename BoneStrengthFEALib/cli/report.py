"""Command ``report``: render a result folder again as HTML and PDF, compared with a prior examination when given."""

from __future__ import annotations

import argparse
from pathlib import Path

from BoneStrengthFEALib.cli.report_arguments import add_report_arguments, report_options
from BoneStrengthFEALib.report_files import write_report
from BoneStrengthFEALib.results_reading import read_results


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("report", help="render report.html and report.pdf from a result folder")
    parser.add_argument("folder", type=Path, help="result folder of a run")
    add_report_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the command.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    0.

    Raises
    ------
    InputError
        When a folder holds no results, or the prior ones are of another person.
    """
    results = read_results(arguments.folder)
    options = report_options(arguments, results)
    for path in write_report(results, arguments.folder, options):
        print(path.resolve())
    return 0
