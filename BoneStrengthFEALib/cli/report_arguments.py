"""Arguments of commands that write a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from BoneStrengthFEALib.errors import InputError

if TYPE_CHECKING:
    from BoneStrengthFEALib.report import ReportOptions
    from BoneStrengthFEALib.results import StudyResults


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add language, prior examination and precision.

    Parameters
    ----------
    parser
        Parser of a command.
    """
    group = parser.add_argument_group("report")
    group.add_argument(
        "--prior",
        type=Path,
        metavar="FILE_OR_FOLDER",
        help="prior examination of the same person: result folder, results.json, or its DICOM SR",
    )
    group.add_argument("--language", default="en", help="language of the report: de, en (default: en)")
    group.add_argument(
        "--precision", type=Path, help="precision.json of 'precision', for least significant changes of the site"
    )


def check_report_arguments(arguments: argparse.Namespace) -> None:
    """Refuse a language or files that cannot be used before anything is computed.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Raises
    ------
    InputError
        For an unknown language, or a file that is not there.
    """
    from BoneStrengthFEALib.report.words import words_of

    words_of(getattr(arguments, "language", "en"))
    for name in ("prior", "precision"):
        path = getattr(arguments, name, None)
        if path is not None and not path.exists():
            raise InputError(f"--{name} {path} does not exist")


def report_options(arguments: argparse.Namespace, results: StudyResults) -> ReportOptions:
    """Options of a report.

    Parameters
    ----------
    arguments
        Parsed arguments; those that a command does not have count as left out.
    results
        Present results.

    Returns
    -------
    Options.

    Raises
    ------
    InputError
        When the prior examination, the precision or the language cannot be used.
    """
    from BoneStrengthFEALib.report import ReportOptions, read_prior

    prior, study = getattr(arguments, "prior", None), getattr(arguments, "precision", None)
    limits: dict[str, float] = {}
    if study is not None:
        from BoneStrengthFEALib.cohort.precision import read_precision

        limits = {"/".join(key): line.least_significant_change for key, line in read_precision(study).items()}
    return ReportOptions(
        language=getattr(arguments, "language", "en"),
        prior=read_prior(prior, results) if prior is not None else None,
        limits=limits,
        limits_source=study.name if study is not None else "",
    )
