"""A parcel of the outbox and its file."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text

FILE = "entry.json"


@dataclass(frozen=True)
class Entry:
    """One parcel: some files for one destination.

    Parameters
    ----------
    id
        16 hexadecimal digits of destination and UIDs: the same parcel has the same id.
    destination
        See destination.check_destination.
    files
        Names in the order in which they are sent.
    uid_hashes
        SHA-256 of the UIDs, for the audit trail.
    result_folder
        Where the receipt goes.
    queued_utc
        When it was put in.
    attempts
        Failed attempts.
    next_try
        Seconds since 1970 before which it is not tried again.
    last_error
        Why the last attempt failed.
    answer, sent_utc
        The destination's answer; empty until it is sent.
    """

    id: str
    destination: str
    files: tuple[str, ...]
    uid_hashes: tuple[str, ...]
    result_folder: str
    queued_utc: str
    attempts: int = 0
    next_try: float = 0.0
    last_error: str = ""
    answer: str = ""
    sent_utc: str = ""


def entry_json(entry: Entry) -> str:
    """Text of an entry.

    Parameters
    ----------
    entry
        Entry.

    Returns
    -------
    JSON.
    """
    return json.dumps(dataclasses.asdict(entry), indent=1, ensure_ascii=False) + "\n"


def write_entry(entry: Entry, folder: Path) -> None:
    """Write an entry into its folder, onto the disk.

    Parameters
    ----------
    entry
        Entry.
    folder
        Existing folder.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    write_text(folder / FILE, entry_json(entry))
    sync_folder(folder)


def read_entry(folder: Path) -> Entry | None:
    """Read an entry.

    Parameters
    ----------
    folder
        Its folder.

    Returns
    -------
    The entry, or None when there is none.
    """
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Entry(**{**data, "files": tuple(data["files"]), "uid_hashes": tuple(data["uid_hashes"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def sync_folder(folder: Path) -> None:
    """Force a rename in a folder to the disk.

    Parameters
    ----------
    folder
        Folder.
    """
    # a rename is on the disk when its folder is; Windows has no such call and needs none
    if sys.platform != "win32":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
