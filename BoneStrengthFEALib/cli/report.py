"""Command ``report``: render a result folder again as HTML and PDF, compared with a prior examination when given."""

from __future__ import annotations

import argparse
from pathlib import Path

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.report import write_html, write_pdf
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
    parser.add_argument("--prior", type=Path, help="result folder of a prior examination of the same person")
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
    before = read_results(arguments.prior) if arguments.prior else None
    if before and not results.acquisition.subject.patient_id:
        raise InputError("the results carry no patient ID, so nobody can tell whether the prior ones are of one person")
    if before and before.acquisition.subject.patient_id != results.acquisition.subject.patient_id:
        raise InputError("the prior results carry another patient ID; give an examination of the same person")
    for path in (write_html(results, arguments.folder), write_pdf(results, arguments.folder, before)):
        print(path.resolve())
    return 0
