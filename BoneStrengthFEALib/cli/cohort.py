"""Command ``cohort``: many examinations on a Dask cluster, resumable, one table and one report."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from BoneStrengthFEALib.cli.progress_bar import LINE_PREFIX
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.settings_arguments import settings_of
from BoneStrengthFEALib.cohort import Case, CaseState, Outcome, check_cases, read_rows
from BoneStrengthFEALib.cohort.engine import Resources, run_cases, sole_use, summary, to_do
from BoneStrengthFEALib.cohort.manifest import OWN_COLUMNS, Column, columns_of
from BoneStrengthFEALib.cohort.memory import physical_memory
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.settings import Settings

OWN_ARGUMENTS = ("out", "overwrite", "progress_lines", "settings")
EXAMPLE = """The manifest is a CSV or Parquet table, a row per examination. Columns are 'case' (unique name), optionally
'subject', 'time' and 'memory_gb', and any long option of 'bone-strength-fea run' ('_' for '-'); several values are
separated by ';'. Paths are relative to the manifest.

example manifest:
  case,subject,time,ct,labels,numbering,label,tissues,sex,age
  a1,a,2021-03-01,a1/ct.nii.gz,a1/v.nii.gz,totalsegmentator,vertebrae_L1;vertebrae_L2,a1/total.nii.gz,F,71

A run that was stopped goes on where it was; a case is computed again only when its row, its files or the settings
change. The folder gets cases/<case>/ as 'run' makes them, cohort.csv, cohort.parquet, data_dictionary.csv, cases.csv
and report.html."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "cohort",
        help="run many examinations, resumable",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="CSV or Parquet table of cases")
    parser.add_argument("out", type=Path, metavar="OUT", help="cohort folder")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of all cases, TOML or JSON")
    parser.add_argument("--precision", type=Path, metavar="FILE", help="precision.json, for least significant changes")
    parser.add_argument("--check", action="store_true", help="check the manifest and stop")
    parser.add_argument("--columns", action="store_true", help="print the columns a manifest may have and stop")
    parser.add_argument("--progress-lines", action="store_true", help="print progress as lines for a parent process")
    cluster = parser.add_argument_group("resources")
    cluster.add_argument("--slots", type=int, help="cases at one time; default: cores / threads")
    cluster.add_argument(
        "--threads-per-case", type=int, default=1, help="default: 1, which gives the most cases an hour"
    )
    cluster.add_argument("--memory-limit", type=float, metavar="GB", help="default: 80 %% of this machine's memory")
    cluster.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="Dask scheduler, for example tcp://node1:8786"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run a cohort.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    0 when every case is done or refused, 1 when a case failed.
    """
    columns = columns_of(run_parser(), OWN_ARGUMENTS)
    if arguments.columns:
        _print_columns(columns)
        return 0
    cases = _cases(arguments, columns)
    if arguments.check:
        print(f"{len(cases)} cases, no faults")
        return 0
    with sole_use(arguments.out):
        states = _run(cases, arguments)
        counts = summary(list(states.values()))
        _gather(cases, states, arguments)
    print(", ".join(f"{number} {outcome.value}" for outcome, number in counts.items()))
    print(f"report: {(arguments.out / 'report.html').resolve()}")
    return 1 if counts[Outcome.FAILED] else 0


def _cases(arguments: argparse.Namespace, columns: dict[str, Column]) -> list[Case]:
    if arguments.threads_per_case < 1 or (arguments.slots is not None and arguments.slots < 1):
        raise InputError("--slots and --threads-per-case must be 1 or more")
    common = [f"--set=solver.threads={arguments.threads_per_case}"]
    if arguments.settings:
        common.append(f"--settings={arguments.settings.absolute()}")
    parser = run_parser()

    def settings_of_line(line: tuple[str, ...]) -> Settings:
        return settings_of(parser.parse_args(["--out=unused", *common, *line]))

    cases = check_cases(read_rows(arguments.manifest), columns, settings_of_line, arguments.manifest.absolute().parent)
    return [dataclasses.replace(case, arguments=(*common, *case.arguments)) for case in cases]


def _resources(arguments: argparse.Namespace) -> Resources:
    slots = arguments.slots or max(1, (os.cpu_count() or 1) // arguments.threads_per_case)
    limit = int(arguments.memory_limit * 1e9) if arguments.memory_limit else int(0.8 * physical_memory())
    return Resources(slots, arguments.threads_per_case, limit, arguments.scheduler)


def _run(cases: Sequence[Case], arguments: argparse.Namespace) -> dict[str, CaseState]:
    waiting, ended = to_do(cases, arguments.out)
    states = {case.id: state for case, state in ended}
    if ended:
        print(f"{len(ended)} of {len(cases)} cases are in their final state already")
    lines = arguments.progress_lines
    bar = tqdm(total=len(cases), initial=len(ended), unit="case", file=sys.stderr, smoothing=0.05, disable=lines)

    def finished(case: Case, state: CaseState) -> None:
        states[case.id] = state
        if state.outcome is not Outcome.DONE:
            bar.write(f"{case.id}: {state.outcome.value} [{state.code}] {state.message}", file=sys.stderr)
        bar.update()
        if lines:
            print(f"{LINE_PREFIX} {len(states) / len(cases):.4f} {len(states)} of {len(cases)} cases", flush=True)

    try:
        run_cases(waiting, arguments.out, _resources(arguments), finished)
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on where this one was", file=sys.stderr)
        raise
    finally:
        bar.close()
    return {case.id: states[case.id] for case in cases}


def _gather(cases: Sequence[Case], states: dict[str, CaseState], arguments: argparse.Namespace) -> None:
    from BoneStrengthFEALib.cohort.gather import gather

    gather(cases, states, arguments.out, arguments.precision)


def _print_columns(columns: dict[str, Column]) -> None:
    for name, text in OWN_COLUMNS.items():
        print(f"{name:<20} {text}")
    for column in columns.values():
        kind = " (several, separated by ';')" if column.repeats else " (yes or no)" if column.flag else ""
        print(f"{column.name:<20} as {column.option or 'CT'} of run{kind}")
