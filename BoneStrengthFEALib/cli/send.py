"""Commands ``send`` and ``outbox``: deliver results, now or when the destination answers again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from BoneStrengthFEALib.errors import InputError, PacsError

if TYPE_CHECKING:
    from BoneStrengthFEALib.transmission import Outbox


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands.

    Parameters
    ----------
    subparsers
        Where to add them.
    """
    parser = subparsers.add_parser("send", help="send the DICOM objects and FHIR bundle of a result")
    parser.add_argument("folder", type=Path, help="result folder")
    parser.add_argument(
        "--to", action="append", required=True, metavar="WHERE", help="pacs:NAME, fhir:NAME or folder:PATH; repeatable"
    )
    _shared(parser)
    parser.set_defaults(run=run)
    parser = subparsers.add_parser("outbox", help="show, retry or drop what waits to be sent")
    parser.add_argument("action", nargs="?", choices=["list", "retry", "drop", "audit"], default="list")
    parser.add_argument("id", nargs="?", default="", help="entry to drop")
    _shared(parser)
    parser.set_defaults(run=run_outbox)


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outbox", type=Path, help="folder of the outbox (default: BONESTRENGTHFEA_OUTBOX)")
    parser.add_argument("--pacs-file", type=Path, help="TOML or JSON file with the connections")


def run(arguments: argparse.Namespace) -> int:
    """Put the result into the outbox and send it.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    0.

    Raises
    ------
    PacsError
        When a destination did not take it; it stays in the outbox.
    """
    from BoneStrengthFEALib.transmission.queueing import queue_result, send_queued

    box = _box(arguments)
    queue_result(box, arguments.folder, arguments.to)
    waiting = send_queued(box, arguments.folder)
    for entry in box.entries("sent"):
        if Path(entry.result_folder) == arguments.folder.resolve():
            print(f"{entry.id}  {entry.destination}  {entry.answer}")
    if waiting:
        words = "; ".join(entry.last_error for entry in waiting)
        raise PacsError(f"not everything was sent and waits in the outbox: {words}", code="WAITING")
    return 0


def run_outbox(arguments: argparse.Namespace) -> int:
    """Show, retry or drop.

    Parameters
    ----------
    arguments
        Parsed arguments.

    Returns
    -------
    0; 1 when the audit trail was changed by others.
    """
    box = _box(arguments)
    if arguments.action == "audit":
        for line in box.audit.lines():
            print("  ".join(str(line.get(key, "")) for key in ("utc", "user", "event", "id", "to", "answer")))
        whole = box.audit.is_unbroken()
        print("chain of hashes: unbroken" if whole else "chain of hashes: BROKEN")
        return 0 if whole else 1
    if arguments.action == "drop":
        if not arguments.id:
            raise InputError("name the entry to drop: 'outbox drop ID'; 'outbox list' shows them")
        box.drop(arguments.id)
    if arguments.action == "retry":
        from BoneStrengthFEALib.transmission.queueing import send_and_record

        send_and_record(box, force=True)
    for entry in box.entries():
        print(
            f"{entry.id}  {entry.destination}  files: {len(entry.files)}  tries: {entry.attempts}  "
            f"next: {_time(entry.next_try)}  {entry.last_error}"
        )
    print(f"{len(box.entries())} waiting, {len(box.entries('sent'))} sent, {len(box.entries('dropped'))} dropped")
    return 0


def _box(arguments: argparse.Namespace) -> Outbox:
    from BoneStrengthFEALib.transmission import Outbox, default_outbox

    return Outbox(arguments.outbox or default_outbox(), arguments.pacs_file)


def _time(seconds: float) -> str:
    """Seconds since 1970 for people; 0 is a parcel that was not tried yet."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%H:%M:%S UTC") if seconds else "now"
