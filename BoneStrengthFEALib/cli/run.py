"""Command ``run``: one examination from images to report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from BoneStrengthFEALib.cli.progress_bar import showing_progress
from BoneStrengthFEALib.cli.report_arguments import add_report_arguments, check_report_arguments, report_options
from BoneStrengthFEALib.cli.settings_arguments import settings_of
from BoneStrengthFEALib.cli.source_arguments import add_query_arguments, local_ct
from BoneStrengthFEALib.cli.study_arguments import add_study_arguments, study_of
from BoneStrengthFEALib.errors import BoneStrengthError, DependencyError, InputError, OutputError
from BoneStrengthFEALib.output_folder import check_target, filling
from BoneStrengthFEALib.results import StudyResults
from BoneStrengthFEALib.service_record import earlier_runs
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.study import Study

EXAMPLE = """example:
  bone-strength-fea run ct.nii.gz --labels vertebrae.nii.gz --numbering totalsegmentator --label vertebrae_L1 \\
      --tissues total.nii.gz --sex F --age 71 --out results/case1

The result folder holds report.html, results.json, measures.csv and pictures; it appears only when all is well.
Exit codes: 0 done, 1 refused or failed (the reason is printed), 2 wrong input, 130 cancelled."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "run",
        help="measure density and strength of bones in one CT",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _fill(parser)


def run_parser() -> argparse.ArgumentParser:
    """Parser of this command alone, for callers that check or run many examinations.

    Returns
    -------
    A parser that raises InputError where the command line would print its usage and exit.
    """
    parser = _RaisingParser(prog="run", add_help=False)
    _fill(parser)
    return parser


class _RaisingParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def _fill(parser: argparse.ArgumentParser) -> None:
    add_study_arguments(parser)
    add_query_arguments(parser)
    add_output_arguments(parser)
    parser.set_defaults(run=run)


def add_output_arguments(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    """Add what says where results go and how progress is shown.

    Parameters
    ----------
    parser
        Parser of a command.
    default
        Result folder when none is given; None makes it required.
    """
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, required=default is None, default=default, help="result folder")
    output.add_argument("--overwrite", action="store_true", help="replace earlier results in the folder")
    output.add_argument(
        "--dicom", action="store_true", help="write DICOM SEG, SR and PDF too (with --images the density map)"
    )
    output.add_argument(
        "--refusal-report", action="store_true", help="write a report with the reasons when the examination is refused"
    )
    add_report_arguments(parser)
    output.add_argument("--images", action="store_true", help="write density volume and regions as NIfTI too")
    output.add_argument("--progress-lines", action="store_true", help="print progress as lines for a parent process")


def run(arguments: argparse.Namespace) -> int:
    """Run one examination.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    check_target(arguments.out, arguments.overwrite)
    check_report_arguments(arguments)
    settings = settings_of(arguments)
    study: Study | None = None
    with local_ct(arguments) as local:
        try:
            study = study_of(local)
            results = run_study(study, settings, local)
        except BoneStrengthError as error:
            if arguments.refusal_report and not isinstance(error, (InputError, OutputError, DependencyError)):
                _report_refusal(study or local.ct, settings, error, arguments)
            raise
    print_results(results, arguments.out)
    return 0


def _report_refusal(
    examined: Study | Path, settings: Settings, error: BoneStrengthError, arguments: argparse.Namespace
) -> None:
    from BoneStrengthFEALib.refusal_files import write_refusal

    runs = 1 + earlier_runs(arguments.out)
    with filling(arguments.out, arguments.overwrite) as folder:
        write_refusal(examined, settings, error, folder, arguments.dicom, runs, arguments.language)


def run_study(study: Study, settings: Settings, arguments: argparse.Namespace) -> StudyResults:
    """Run the chain with progress and write the result folder.

    Parameters
    ----------
    study
        The examination.
    settings
        Settings.
    arguments
        Output arguments.

    Returns
    -------
    The results.
    """
    # imported here: they load the solver's compiler, which "--help" must not wait for
    from BoneStrengthFEALib import pipeline
    from BoneStrengthFEALib.outcome_files import write_outcome

    with showing_progress(arguments.progress_lines) as progress:
        outcome = pipeline.run(study, settings, progress)
    runs = 1 + earlier_runs(arguments.out)
    options = report_options(arguments, outcome.results)
    with filling(arguments.out, arguments.overwrite) as folder:
        return write_outcome(study, outcome, folder, arguments.images, arguments.dicom, runs, options)


def print_results(results: StudyResults, folder: Path) -> None:
    """Print the headline numbers and where the report is.

    Parameters
    ----------
    results
        Results.
    folder
        Result folder.
    """
    from BoneStrengthFEALib.report import words

    wide = max([6, *(len(site.name) for site in results.sites)]) + 2
    print(f"{'bone':<{wide}}{'failure load':>14}{'stiffness':>16}{'density':>20}   class")
    for site in results.sites:
        if not site.strengths:
            print(f"{site.name:<{wide}}refused: {'; '.join(line.check for line in site.quality.refused)}")
            continue
        strength, density = site.strengths[0], site.bmd[0]
        classes = [line.classification for line in site.risk if line.unit == "N"] or ["not classified"]
        classes += [density.classification] * bool(density.classification)
        print(
            f"{site.name:<{wide}}{strength.force_n:>12.0f} N{strength.stiffness_n_per_mm:>11.0f} N/mm"
            f"{words.number(density.value, density.unit):>14} {density.unit}   {', '.join(classes)}"
        )
    if results.risk is not None:
        print(f"fracture-risk class: {results.risk.classification} (research use only)")
    print(f"report: {(folder / 'report.html').resolve()}")
