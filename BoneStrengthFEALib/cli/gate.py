"""Command ``gate``: can this DICOM folder be measured, judged by headers alone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from BoneStrengthFEALib.anatomy import Site
from BoneStrengthFEALib.dicom_in import Verdict, judge_folder
from BoneStrengthFEALib.quality import Outcome


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser("gate", help="judge a DICOM folder by its headers: can it be measured?")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--series", default="", metavar="UID", help="one series; else the best one is chosen")
    add_gate_arguments(parser)
    parser.set_defaults(run=run)


def add_gate_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the gate needs to know.

    Parameters
    ----------
    parser
        Parser of a command.
    """
    group = parser.add_argument_group("gate")
    group.add_argument("--site", choices=[site.value for site in Site], default=Site.VERTEBRA.value)
    group.add_argument("--profile", default="default", help="quality profile: id or file")
    group.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Judge a folder.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    0 when it can be measured, 1 when not.
    """
    verdict = judge_folder(arguments.folder, arguments.site, arguments.series, arguments.profile)
    return print_verdict(verdict, arguments.json)


def print_verdict(verdict: Verdict, as_json: bool) -> int:
    """Print checks and verdict; no name, ID or UID.

    Parameters
    ----------
    verdict
        Verdict.
    as_json
        Whether to print JSON.

    Returns
    -------
    0 when it can be measured, 1 when not.
    """
    lines = verdict.quality.lines
    refused = bool(verdict.quality.refused)
    if as_json:
        rows = [{**vars(line), "outcome": line.outcome.value} for line in lines]
        print(json.dumps({"accepted": not refused, "checks": rows}, indent=2))
        return int(refused)
    for line in lines:
        reason = "" if line.outcome is Outcome.PASS else f" (expected {line.expected}). {line.action}"
        print(f"{line.outcome.value:6} {line.check}: {line.found}{reason}")
    print("refused: it cannot be measured as it is" if refused else "accepted: it can be measured")
    return int(refused)
