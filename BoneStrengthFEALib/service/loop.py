"""The loop: find, run, queue, send. Every step is on the disk before the next one starts, so it may die anywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from BoneStrengthFEALib.atomic_files import make_folder
from BoneStrengthFEALib.errors import BoneStrengthError, DependencyError, InputError, PacsError
from BoneStrengthFEALib.parent_watch import PARENT_VARIABLE
from BoneStrengthFEALib.privacy import case_key, site_salt
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.service import case as states
from BoneStrengthFEALib.service.case import ServiceCase
from BoneStrengthFEALib.service.reception import StudyReceiver, is_ready, receiving, write_evidence
from BoneStrengthFEALib.service.search import Search, fetch_study, find_studies, ready_series
from BoneStrengthFEALib.service.settings import ServiceSettings
from BoneStrengthFEALib.sources.source import StudyRecord
from BoneStrengthFEALib.transmission.outbox import Outbox
from BoneStrengthFEALib.transmission.queueing import queue_result, send_and_record
from BoneStrengthFEALib.transmission.service_record import write_service_record

LOGGER = logging.getLogger(__name__)
VERDICT = 1
"""Exit code of a run that refused the examination or failed with words."""


class Service:
    """The service.

    Parameters
    ----------
    settings
        Configuration.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        home = Path(settings.home)
        self.states, self.results, self.images = home / "states", home / "results", home / "images"
        self.received = home / "received"
        for folder in (self.states, self.results, self.images, self.received):
            make_folder(folder)
        self.outbox = Outbox(home / "outbox", settings.connections)
        self.progress = ""
        self._salt = site_salt()
        self._seen: dict[Path, tuple[tuple[int, float], float]] = {}

    def cases(self) -> dict[str, ServiceCase]:
        """All examinations.

        Returns
        -------
        Key to case.
        """
        return states.load(self.states)

    def step(self) -> bool:
        """Look for new examinations, run one, send what is due.

        Returns
        -------
        Whether something was run.
        """
        known = self.cases()
        for found in self._find():
            if found.key not in known:
                known[found.key] = states.save(found, self.states)
        for case in known.values():
            if case.state == states.MEASURED:
                self._queue(case)
        waiting = [c for c in known.values() if c.state in (states.QUEUED, states.RUNNING)]
        waiting.sort(key=lambda c: (c.attempts, c.utc))
        if waiting:
            self._run(waiting[0])
        send_and_record(self.outbox)
        return bool(waiting)

    def run_forever(self, until_idle: bool = False) -> None:
        """Repeat.

        Parameters
        ----------
        until_idle
            Whether to end when nothing is left to run or send.
        """
        with self._alone(), contextlib.ExitStack() as stack:
            for reception in self.settings.reception:
                receiver = StudyReceiver(self.received, self.states, self._salt, reception.hosts)
                stack.enter_context(receiving(reception, receiver))
            self._run_steps(until_idle)

    def _run_steps(self, until_idle: bool) -> None:
        while True:
            worked = self.step()
            if until_idle and not worked and not self.outbox.entries() and self._quiet():
                return
            if not worked:
                time.sleep(self.settings.poll_s)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse a second service on the same home; the system frees the lock of one that died."""
        try:
            from filelock import FileLock, Timeout
        except ImportError as error:
            raise DependencyError("the service needs the package filelock; install it") from error
        lock = FileLock(str(self.states.parent / ".service.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError("another service works in this home; stop it or choose another home") from error
        try:
            yield
        finally:
            lock.release()

    def _quiet(self) -> bool:
        return all(case.state in states.ENDED for case in self.cases().values()) and not self._unsettled()

    def _find(self) -> Iterator[ServiceCase]:
        if self.settings.incoming and Path(self.settings.incoming).is_dir():
            for folder in sorted(Path(self.settings.incoming).iterdir()):
                if folder.is_dir() and not folder.is_symlink() and self._settled(folder):
                    yield ServiceCase(case_key(str(folder.resolve()), self._salt), str(folder.resolve()))
        if self.settings.worklist and Path(self.settings.worklist).is_file():
            for line in Path(self.settings.worklist).read_text(encoding="utf-8").splitlines():
                if line.strip():
                    yield ServiceCase(case_key(line.strip(), self._salt), "", line.strip())
        for folder in sorted(self.received.iterdir()) if self.settings.reception else ():
            if is_ready(folder, self.settings.needs_labels) and self._settled(folder):
                yield ServiceCase(folder.name, str(folder.resolve()))
        for number, search in enumerate(self.settings.search):
            yield from self._search(number, search)

    def _search(self, number: int, search: Search) -> Iterator[ServiceCase]:
        """Studies that hold what is needed and have not changed for a while; an archive that is down is asked again."""
        try:
            for study in find_studies(search, self.settings.connections):
                key = case_key(study.study_uid, self._salt)
                if (self.states / f"{key}.json").exists():
                    continue
                scans, labels = ready_series(search, study, self.settings.connections)
                count = sum(one.images or 1 for one in (*scans, *labels))
                if scans and labels and self._unchanged(Path(key), (count, float(len(labels)))):
                    yield ServiceCase(key, "", study_uid=study.study_uid, study_date=study.study_date, search=number)
        except PacsError as error:
            LOGGER.warning("search %d: %s", number + 1, error.code)

    def _settled(self, folder: Path) -> bool:
        """Whether nothing has changed for a while: a sender may still be at work."""
        files = [path.stat() for path in folder.rglob("*") if path.is_file()]
        now = (len(files), max((s.st_mtime for s in files), default=0.0))
        return self._unchanged(folder, now) and bool(files)

    def _unchanged(self, folder: Path, now: tuple[int, float]) -> bool:
        last, since = self._seen.get(folder, ((-1, 0.0), 0.0))
        if now != last:
            self._seen[folder] = (now, time.monotonic())
            since = time.monotonic()
        return time.monotonic() - since >= self.settings.settle_s

    def _unsettled(self) -> bool:
        return any(time.monotonic() - since < self.settings.settle_s for _, since in self._seen.values())

    def _arguments(self, case: ServiceCase) -> list[str]:
        settings = self.settings
        if case.search >= 0:
            home = self.images / case.key
            labels = next((home / "labels").glob("*.dcm"))
            return ["run", str(home / "ct"), "--labels", str(labels), *settings.run, *self._fixed(case)]
        if self._was_received(case):
            return ["run", case.source, *settings.run, *self._fixed(case)]
        name = case.accession or Path(case.source).name
        labels = Path(settings.labels.replace("{name}", name))
        if not labels.is_absolute():
            labels = Path(case.source or settings.home) / labels
        image = case.source or f"pacs:{settings.pacs}"
        where = ["--accession", "-"] if case.accession else []
        if case.accession and settings.pacs_file:
            where += ["--pacs-file", settings.pacs_file]
        return ["run", image, "--labels", str(labels), *settings.run, *where, *self._fixed(case)]

    def _was_received(self, case: ServiceCase) -> bool:
        return bool(case.source) and Path(case.source).parent == self.received.resolve()

    def _fixed(self, case: ServiceCase) -> list[str]:
        fixed = ["--dicom", "--refusal-report", "--overwrite", "--progress-lines"]
        return [*fixed, "--out", str(self.results / case.key)]

    def _run(self, case: ServiceCase) -> None:
        if case.state == states.RUNNING and (self.results / case.key / "results.json").is_file():
            # the service ended after the results had appeared, whole as they do: they are not made a second time
            self._queue(
                states.save(dataclasses.replace(case, state=states.MEASURED, message=self._words(case)), self.states)
            )
            return
        case = states.save(dataclasses.replace(case, state=states.RUNNING, attempts=case.attempts + 1), self.states)
        LOGGER.info("case %s: attempt %d", case.key, case.attempts)
        try:
            if case.search >= 0:
                study = StudyRecord(case.study_uid, case.study_date)
                search = self.settings.search[case.search]
                fetch_study(search, study, self.images / case.key, self.settings.connections)
            if self._was_received(case):
                write_evidence(Path(case.source), any(r.tls.certificate_file for r in self.settings.reception))
            code, last = self._process(case)
        except (BoneStrengthError, IndexError) as error:
            code, last = VERDICT, f"error [{getattr(error, 'code', 'CONFIGURATION')}]: {error}"
        self.progress = ""
        has_results = (self.results / case.key / "results.json").is_file()
        if code == 0 or (code == VERDICT and has_results):
            case = states.save(dataclasses.replace(case, state=states.MEASURED, message=last), self.states)
            self._queue(case)
        elif case.attempts >= self.settings.attempts or code == 2:
            states.save(dataclasses.replace(case, state=states.FAILED, message=last), self.states)
        else:
            states.save(dataclasses.replace(case, state=states.QUEUED, message=last), self.states)

    def _words(self, case: ServiceCase) -> str:
        results = read_results(self.results / case.key)
        refused = results.quality.refused
        return f"error [{refused[0].check}]: {refused[0].found}" if refused and not results.sites else ""

    def _process(self, case: ServiceCase) -> tuple[int, str]:
        command = [sys.executable, "-m", "BoneStrengthFEALib.cli", *self._arguments(case)]
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", PARENT_VARIABLE: str(os.getpid())},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{case.accession}\n")
        process.stdin.close()
        last = ""
        for line in process.stdout:
            self.progress = line.strip()
            if line.startswith("error ["):
                last = line.strip()
        return process.wait(), last

    def _queue(self, case: ServiceCase) -> None:
        """Hand the results to the outbox; doing it again is harmless."""
        folder = self.results / case.key
        try:
            write_service_record(folder)
            if self.settings.destinations:
                queue_result(self.outbox, folder, self.settings.destinations)
        except BoneStrengthError as error:
            # images whose headers cannot even be read have no study the report could belong to: it stays here
            end = states.REFUSED if case.message else states.FAILED
            states.save(dataclasses.replace(case, state=end, message=case.message or str(error)), self.states)
            return
        end = states.REFUSED if case.message else states.DONE
        states.save(dataclasses.replace(case, state=end), self.states)
        # images that came for the case have done their work and hold a person's data
        for folder in (self.images, self.received):
            shutil.rmtree(folder / case.key, ignore_errors=True)
