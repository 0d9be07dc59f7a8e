"""Append-only audit trail: one JSON line per event, each carrying the hash of the line before."""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.errors import OutputError

FILE = "audit.jsonl"
HEAD = "audit.head.json"
"""Length of the trail and hash of its last line: what a chain alone cannot show is that its end was cut off."""
START = "0" * 64


class AuditTrail:
    """The trail in a folder; one process writes at a time (the outbox holds its lock).

    Parameters
    ----------
    folder
        Folder of the trail.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.head = folder / HEAD

    def append(self, event: str, **facts: Any) -> None:
        """Add a line and force it to the disk.

        Parameters
        ----------
        event
            What happened.
        **facts
            JSON values without identity.

        Raises
        ------
        OutputError
            When it cannot be written; then nothing may be sent either.
        """
        try:
            with self.path.open("ab+") as stream:
                before, whole = _last(stream)
                line = {"event": event, "utc": _now(), "user": _user(), **facts, "before": before}
                text = json.dumps(line, ensure_ascii=False, sort_keys=True)
                # a line cut by a power failure stays as it is, and the next one starts on its own
                stream.write((("" if whole else "\n") + text + "\n").encode("utf-8"))
                stream.flush()
                os.fsync(stream.fileno())
                size = stream.tell()
            head = {"bytes": size, "last": hashlib.sha256(text.encode("utf-8")).hexdigest()}
            write_text(self.head, json.dumps(head))
        except OSError as error:
            raise OutputError(f"cannot write the audit trail: {error.strerror}; nothing was sent") from error

    def lines(self) -> Iterator[dict[str, Any]]:
        """Read the trail; a line cut by a power failure is given as event "torn".

        Yields
        ------
        Lines, first to last.
        """
        if not self.path.exists():
            return
        for raw in self.path.read_bytes().split(b"\n"):
            if raw:
                try:
                    yield json.loads(raw)
                except ValueError:
                    yield {"event": "torn"}

    def is_unbroken(self) -> bool:
        """Check the chain of hashes.

        Returns
        -------
        False when a line was changed, removed or put in between, or the end was cut off.
        """
        return self._holds_its_head() and self._is_chain()

    def _holds_its_head(self) -> bool:
        """Whether the trail reaches as far as it once did; a crash may leave it one line longer than its head says."""
        if not self.head.exists():
            # trails of earlier versions have no head
            return True
        try:
            head = json.loads(self.head.read_text(encoding="utf-8"))
            size, last = int(head["bytes"]), str(head["last"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        content = self.path.read_bytes() if self.path.exists() else b""
        lines = [raw for raw in content[:size].split(b"\n") if raw]
        return len(content) >= size and bool(lines) and hashlib.sha256(lines[-1]).hexdigest() == last

    def _is_chain(self) -> bool:
        before = START
        raw_lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        for raw in filter(None, raw_lines):
            try:
                if json.loads(raw)["before"] != before:
                    return False
            except (ValueError, KeyError, TypeError):
                pass
            before = hashlib.sha256(raw).hexdigest()
        return True


def _last(stream: Any) -> tuple[str, bool]:
    """Hash of the last line and whether the file ends with a line's end."""
    size = stream.seek(0, os.SEEK_END)
    if size == 0:
        return START, True
    stream.seek(max(0, size - (1 << 16)))
    tail = stream.read()
    last = [raw for raw in tail.split(b"\n") if raw][-1]
    return hashlib.sha256(last).hexdigest(), tail.endswith(b"\n")


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
