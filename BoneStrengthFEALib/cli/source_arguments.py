"""Arguments that say which examination to fetch from which source, and the fetching."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from BoneStrengthFEALib.cli.progress_bar import showing_progress
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.privacy import private_folder
from BoneStrengthFEALib.sources import ImageSource, Query, candidates, fetch_series, label_series, open_source
from BoneStrengthFEALib.sources.source import SeriesRecord

PREFIXES = ("pacs:", "slicer:", "folder:")


def add_query_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what names an examination at a source.

    Parameters
    ----------
    parser
        Parser of a command.
    """
    group = parser.add_argument_group(
        "examination at a source (PACS, Slicer's database); '-' reads the value from stdin"
    )
    group.add_argument("--accession", default="", metavar="NUMBER")
    group.add_argument("--patient-id", default="", metavar="ID")
    group.add_argument("--study", default="", metavar="UID", help="study instance UID")
    group.add_argument("--pacs-file", type=Path, metavar="FILE", help="connections, see docs/retrieval.md")


def query_of(arguments: argparse.Namespace) -> Query:
    """The question in the arguments.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    The question.
    """
    values = [arguments.accession, arguments.patient_id, arguments.study]
    # arguments can be seen by all users of a machine, what comes through a pipe cannot
    return Query(*(sys.stdin.readline().strip() if value == "-" else value for value in values))


def fetch(arguments: argparse.Namespace, source: ImageSource, records: tuple[SeriesRecord, ...], folder: Path) -> Path:
    """Fetch series with progress.

    Parameters
    ----------
    arguments
        Parsed arguments.
    source, records
        From where, and what.
    folder
        New folder.

    Returns
    -------
    The folder.
    """
    with showing_progress(arguments.progress_lines) as progress:
        return fetch_series(source, records, folder, progress)


def wants_labels(arguments: argparse.Namespace) -> bool:
    """Tell whether the labels of the study are asked for.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    True for a command that measures, without a file of labels, a point or a box.
    """
    return hasattr(arguments, "label") and not (arguments.labels or arguments.point or arguments.box)


@contextlib.contextmanager
def local_ct(arguments: argparse.Namespace) -> Iterator[argparse.Namespace]:
    """Make a CT at a source a folder on this machine, which is private and goes when the block ends.

    When labels are needed and no file is given, those of the study come with it.

    Parameters
    ----------
    arguments
        Parsed arguments with ct, series and those of add_query_arguments.

    Yields
    ------
    Arguments whose ct is a local path.

    Raises
    ------
    InputError
        When the examination is not named, or named for a local file.
    """
    name = str(arguments.ct)
    if not name.startswith(PREFIXES):
        if arguments.accession or arguments.patient_id or arguments.study:
            raise InputError(
                "--accession, --patient-id and --study name an examination at a source; give CT as pacs:NAME"
            )
        yield arguments
        return
    source = open_source(name, arguments.pacs_file)
    listed = source.find(query_of(arguments))
    records = candidates(listed, arguments.series)
    with private_folder() as place:
        changed = argparse.Namespace(**vars(arguments))
        changed.ct = fetch(arguments, source, records, place / "ct")
        if wants_labels(arguments):
            for number, record in enumerate(label_series(listed, records[0].study_uid)):
                fetch(arguments, source, (record,), changed.ct / f"labels{number + 1:02d}")
        yield changed
