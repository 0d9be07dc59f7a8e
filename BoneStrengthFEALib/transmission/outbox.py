"""An outbox on disk: what is in it is sent, once, whatever breaks in between.

An entry appears by one rename after its files are on the disk. It leaves after three steps that can each be repeated:
the answer is written into the entry, the audit trail gets its line, the entry moves to "sent". Archives identify
objects by UID, so an object sent again after a crash is the same object.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from BoneStrengthFEALib.atomic_files import make_folder, write_text
from BoneStrengthFEALib.errors import BoneStrengthError, DependencyError, InputError, OutputError
from BoneStrengthFEALib.pacs_settings import configuration_folder
from BoneStrengthFEALib.transmission.audit import AuditTrail
from BoneStrengthFEALib.transmission.destination import check_destination, deliver, sop_uid
from BoneStrengthFEALib.transmission.entry import Entry, entry_json, read_entry, sync_folder, write_entry

WAITING, SENT, DROPPED = "waiting", "sent", "dropped"
FIRST_WAIT_S, LONGEST_WAIT_S = 15.0, 3600.0
FOLDER_VARIABLE = "BONESTRENGTHFEA_OUTBOX"


def default_outbox() -> Path:
    """Folder of the outbox.

    Returns
    -------
    Value of BONESTRENGTHFEA_OUTBOX, else a folder of the user's configuration.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else configuration_folder() / "outbox"


class Outbox:
    """The outbox in a folder; several processes may use it.

    Parameters
    ----------
    folder
        Its folder, made when missing.
    pacs_file
        File of connections; the default one when left out.
    """

    def __init__(self, folder: Path, pacs_file: Path | None = None) -> None:
        self.folder, self._pacs_file = folder, pacs_file
        for name in (WAITING, SENT, DROPPED):
            make_folder(folder / name)
        self.audit = AuditTrail(folder)

    def put(self, destination: str, files: Sequence[Path], result_folder: Path) -> Entry:
        """Put a parcel in; it is safe on the disk when this returns.

        Parameters
        ----------
        destination
            Where it goes.
        files
            DICOM objects and JSON bundles.
        result_folder
            Where the receipt goes.

        Returns
        -------
        The entry; the earlier one when the same parcel waits or was sent already.

        Raises
        ------
        InputError
            For an unknown destination or no files.
        OutputError
            When it cannot be written.
        """
        check_destination(destination, self._pacs_file)
        kinds = {"pacs": (".dcm",), "fhir": (".json",)}.get(destination.partition(":")[0], (".dcm", ".json"))
        chosen = [path for path in files if path.suffix in kinds]
        if not chosen:
            raise InputError("there is nothing to send to this destination; run with --dicom on a DICOM series")
        hashes = tuple(_identity(path) for path in chosen)
        key = hashlib.sha256("|".join((destination, *hashes)).encode()).hexdigest()[:16]
        with self._lock():
            known = self._find(key)
            if known is not None:
                return known
            names = tuple(f"{n:03d}_{path.name}" for n, path in enumerate(chosen))
            entry = Entry(key, destination, names, hashes, str(result_folder.resolve()), _now())
            # a parcel given up before would be taken for one whose move to "dropped" was cut short
            shutil.rmtree(self.folder / DROPPED / key, ignore_errors=True)
            self._place(entry, chosen)
            self._once("queued", entry)
        return entry

    def entries(self, state: str = WAITING) -> tuple[Entry, ...]:
        """List entries.

        Parameters
        ----------
        state
            "waiting", "sent" or "dropped".

        Returns
        -------
        Entries, oldest first.
        """
        found = [read_entry(path) for path in sorted((self.folder / state).iterdir()) if not path.name.startswith(".")]
        return tuple(sorted((e for e in found if e is not None), key=lambda e: (e.queued_utc, e.id)))

    def send_due(self, now: float | None = None, force: bool = False) -> tuple[Entry, ...]:
        """Send what is due; failures stay and wait twice as long each time.

        Parameters
        ----------
        now
            Seconds since 1970.
        force
            Send everything, due or not.

        Returns
        -------
        Entries that were tried, as they are afterwards.
        """
        tried = []
        with self._lock():
            self._clean()
            for entry in self.entries():
                moment = time.time() if now is None else now
                if entry.answer or force or entry.next_try <= moment:
                    tried.append(self._try(entry, moment))
        return tuple(tried)

    def drop(self, key: str) -> None:
        """Give an entry up.

        Parameters
        ----------
        key
            Its id.

        Raises
        ------
        InputError
            When no such entry waits.
        """
        with self._lock():
            entry = next((e for e in self.entries() if e.id == key), None)
            if entry is None:
                raise InputError(f"no entry {key} waits in the outbox; 'outbox list' shows them")
            self.audit.append("dropped", id=key, to=entry.destination, uids=entry.uid_hashes)
            self._move(entry, DROPPED)

    def _try(self, entry: Entry, now: float) -> Entry:
        home = self.folder / WAITING / entry.id
        # a crash may have come between the parcel and its line
        self._once("queued", entry)
        if not entry.answer:
            self.audit.append("sending", id=entry.id, to=entry.destination, uids=entry.uid_hashes)
            try:
                answer = deliver(entry.destination, [home / name for name in entry.files], self._pacs_file)
            except (BoneStrengthError, OSError) as error:
                return self._failed(entry, error, now)
            entry = dataclasses.replace(entry, answer=answer, sent_utc=_now(), last_error="")
            write_entry(entry, home)
        self._finish(entry)
        return entry

    def _failed(self, entry: Entry, error: Exception, now: float) -> Entry:
        wait = min(FIRST_WAIT_S * 2.0 ** min(entry.attempts, 20), LONGEST_WAIT_S)
        reason = f"{getattr(error, 'code', type(error).__name__)}: {error}"
        entry = dataclasses.replace(entry, attempts=entry.attempts + 1, next_try=now + wait, last_error=reason)
        write_entry(entry, self.folder / WAITING / entry.id)
        self.audit.append("failed", id=entry.id, to=entry.destination, uids=entry.uid_hashes, answer=reason)
        return entry

    def _finish(self, entry: Entry) -> None:
        self._once("sent", entry)
        place = Path(entry.result_folder)
        if place.is_dir():
            with contextlib.suppress(OutputError):
                write_text(place / f"receipt_{entry.id}.json", entry_json(entry))
        self._move(entry, SENT)

    def _once(self, event: str, entry: Entry) -> None:
        if not any(line.get("event") == event and line.get("id") == entry.id for line in self.audit.lines()):
            answer = {"answer": entry.answer} if entry.answer else {}
            self.audit.append(event, id=entry.id, to=entry.destination, uids=entry.uid_hashes, **answer)

    def _move(self, entry: Entry, state: str) -> None:
        """Keep the entry, drop its files: they hold a person's data and the results have them."""
        make_folder(self.folder / state / entry.id)
        write_entry(entry, self.folder / state / entry.id)
        shutil.rmtree(self.folder / WAITING / entry.id, ignore_errors=True)

    def _place(self, entry: Entry, files: Sequence[Path]) -> None:
        waiting = self.folder / WAITING
        try:
            home = Path(tempfile.mkdtemp(dir=waiting, prefix=".partial-"))
            for name, path in zip(entry.files, files, strict=True):
                with (home / name).open("wb") as stream:
                    stream.write(path.read_bytes())
                    stream.flush()
                    os.fsync(stream.fileno())
            write_entry(entry, home)
            home.rename(waiting / entry.id)
            sync_folder(waiting)
        except OSError as error:
            raise OutputError(
                f"cannot write the outbox: {error.strerror}; free space or set {FOLDER_VARIABLE}"
            ) from error

    def _find(self, key: str) -> Entry | None:
        for state in (WAITING, SENT):
            entry = read_entry(self.folder / state / key)
            if entry is not None:
                return entry
        return None

    def _clean(self) -> None:
        """Remove what a crash left: half-written parcels, and parcels whose move to "sent" was cut short."""
        for path in (self.folder / WAITING).iterdir():
            done = any(read_entry(self.folder / state / path.name) for state in (SENT, DROPPED))
            if path.name.startswith(".partial-") or done:
                shutil.rmtree(path, ignore_errors=True)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            from filelock import FileLock
        except ImportError as error:
            raise DependencyError("the outbox needs the package filelock; install it") from error
        # the operating system frees it when a process dies
        with FileLock(str(self.folder / ".lock")):
            yield


def _identity(path: Path) -> str:
    if path.suffix == ".dcm":
        return hashlib.sha256(sop_uid(path).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
