"""The loop: find, run, queue, send. Every step is on the disk before the next one starts, so it may die anywhere."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from BoneStrengthFEALib.atomic_files import make_folder
from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.privacy import case_key, site_salt
from BoneStrengthFEALib.service import case as states
from BoneStrengthFEALib.service.case import ServiceCase
from BoneStrengthFEALib.service.settings import ServiceSettings
from BoneStrengthFEALib.transmission.outbox import Outbox
from BoneStrengthFEALib.transmission.queueing import queue_result
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
        self.states, self.results = home / "states", home / "results"
        for folder in (self.states, self.results):
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
        for entry in self.outbox.send_due():
            folder = Path(entry.result_folder)
            if entry.answer and folder.is_dir():
                write_service_record(folder)
        return bool(waiting)

    def run_forever(self, until_idle: bool = False) -> None:
        """Repeat.

        Parameters
        ----------
        until_idle
            Whether to end when nothing is left to run or send.
        """
        while True:
            worked = self.step()
            if until_idle and not worked and not self.outbox.entries() and self._quiet():
                return
            if not worked:
                time.sleep(self.settings.poll_s)

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

    def _settled(self, folder: Path) -> bool:
        """Whether nothing has changed for a while: a sender may still be at work."""
        files = [path.stat() for path in folder.rglob("*") if path.is_file()]
        now = (len(files), max((s.st_mtime for s in files), default=0.0))
        last, since = self._seen.get(folder, ((-1, 0.0), 0.0))
        if now != last:
            self._seen[folder] = (now, time.monotonic())
            since = time.monotonic()
        return bool(files) and time.monotonic() - since >= self.settings.settle_s

    def _unsettled(self) -> bool:
        return any(time.monotonic() - since < self.settings.settle_s for _, since in self._seen.values())

    def _arguments(self, case: ServiceCase) -> list[str]:
        settings = self.settings
        name = case.accession or Path(case.source).name
        labels = Path(settings.labels.replace("{name}", name))
        if not labels.is_absolute():
            labels = Path(case.source or settings.home) / labels
        image = case.source or f"pacs:{settings.pacs}"
        where = ["--accession", "-"] if case.accession else []
        if case.accession and settings.pacs_file:
            where += ["--pacs-file", settings.pacs_file]
        fixed = ["--dicom", "--refusal-report", "--overwrite", "--progress-lines"]
        out = ["--out", str(self.results / case.key)]
        return ["run", image, "--labels", str(labels), *settings.run, *where, *fixed, *out]

    def _run(self, case: ServiceCase) -> None:
        case = states.save(dataclasses.replace(case, state=states.RUNNING, attempts=case.attempts + 1), self.states)
        LOGGER.info("case %s: attempt %d", case.key, case.attempts)
        code, last = self._process(case)
        self.progress = ""
        has_results = (self.results / case.key / "results.json").is_file()
        if code == 0 or (code == VERDICT and has_results):
            case = states.save(dataclasses.replace(case, state=states.MEASURED, message=last), self.states)
            self._queue(case)
        elif case.attempts >= self.settings.attempts or code == 2:
            states.save(dataclasses.replace(case, state=states.FAILED, message=last), self.states)
        else:
            states.save(dataclasses.replace(case, state=states.QUEUED, message=last), self.states)

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
            env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
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
            # images that cannot even be read have no study the report could belong to: it stays here
            end = states.REFUSED if case.message else states.FAILED
            states.save(dataclasses.replace(case, state=end, message=case.message or str(error)), self.states)
            return
        end = states.REFUSED if case.message else states.DONE
        states.save(dataclasses.replace(case, state=end), self.states)
