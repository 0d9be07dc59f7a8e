"""Command ``retrieve``: list or fetch the CT of an examination, and judge it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from BoneStrengthFEALib.cli.gate import add_gate_arguments, print_verdict
from BoneStrengthFEALib.cli.source_arguments import add_query_arguments, fetch, query_of
from BoneStrengthFEALib.dicom_in import judge_folder
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.sources import SeriesRecord, candidates, open_source

EXAMPLE = """examples:
  bone-strength-fea retrieve hospital --accession A1234567 --list
  bone-strength-fea retrieve hospital --accession A1234567 --out ct
  bone-strength-fea retrieve slicer:Documents/SlicerDICOMDatabase --patient-id - --out ct

A series arrives whole or not at all, and is then judged by its headers; exit code 1 and a reason when it cannot be
measured.
Connections are described in docs/retrieval.md; secrets come from BONESTRENGTHFEA_SECRET_<NAME> or the keyring."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command.

    Parameters
    ----------
    subparsers
        Where to add it.
    """
    parser = subparsers.add_parser(
        "retrieve",
        help="fetch a CT from a PACS, Slicer's DICOM database or a folder",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar="SOURCE", help="name of a connection, slicer:PATH or folder:PATH")
    add_query_arguments(parser)
    parser.add_argument("--series", default="", metavar="UID", help="one series; else all CT series of the study")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="only list the series")
    what.add_argument("--out", type=Path, help="new folder for the files")
    parser.add_argument("--progress-lines", action="store_true", help="print progress as lines for a parent process")
    add_gate_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List or fetch.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    Exit code.
    """
    source = open_source(arguments.source, arguments.pacs_file)
    found = source.find(query_of(arguments))
    if arguments.list:
        _print_list(found, arguments.json)
        return 0
    if arguments.out.exists() and (not arguments.out.is_dir() or any(arguments.out.iterdir())):
        raise InputError(f"{arguments.out.name} exists and is not empty; choose a new folder")
    chosen = candidates(found, arguments.series)
    folder = fetch(arguments, source, chosen, arguments.out)
    if not arguments.json:
        print(f"{len(chosen)} series, {sum(1 for p in folder.rglob('*.dcm'))} files in {folder}")
    return print_verdict(judge_folder(folder, arguments.site, arguments.series, arguments.profile), arguments.json)


def _print_list(found: tuple[SeriesRecord, ...], as_json: bool) -> None:
    if as_json:
        print(json.dumps([vars(record) for record in found], indent=2))
        return
    print(f"{len(found)} series")
    for record in found:
        images = "?" if record.images is None else record.images
        print(
            f"{record.study_date:8}  {record.modality:4} {images:>6} images  {record.series_uid}  {record.description}"
        )
