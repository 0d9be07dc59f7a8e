"""One examination of the service and its state on disk."""

from __future__ import annotations

import dataclasses
import datetime
import json
from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text

QUEUED, RUNNING, MEASURED, DONE, REFUSED, FAILED = "queued", "running", "measured", "done", "refused", "failed"
ENDED = (DONE, REFUSED, FAILED)


@dataclass(frozen=True)
class ServiceCase:
    """State of an examination.

    Parameters
    ----------
    key
        Name that tells nothing about the person.
    source
        Folder of the examination, or empty when it comes from the archive.
    accession
        Accession number, kept in the private state file only.
    state
        "queued", "running", "measured" (results are there, not yet in the outbox), "done", "refused" or "failed".
    attempts
        Times it was started.
    message
        Last words of the run.
    utc
        When the state was written.
    study_uid, study_date
        Study in the archive, kept in the private state file only.
    search
        Place of its search in the configuration; -1 when it was not found by one.
    """

    key: str
    source: str
    accession: str = ""
    state: str = QUEUED
    attempts: int = 0
    message: str = ""
    utc: str = ""
    study_uid: str = ""
    study_date: str = ""
    search: int = -1


def save(case: ServiceCase, folder: Path) -> ServiceCase:
    """Write the state.

    Parameters
    ----------
    case
        Case.
    folder
        Folder of the states.

    Returns
    -------
    The case with its time.
    """
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    case = dataclasses.replace(case, utc=now)
    write_text(folder / f"{case.key}.json", json.dumps(dataclasses.asdict(case), indent=1, ensure_ascii=False))
    return case


def load(folder: Path) -> dict[str, ServiceCase]:
    """Read all states.

    Parameters
    ----------
    folder
        Folder of the states.

    Returns
    -------
    Key to case.
    """
    cases = {}
    for path in sorted(folder.glob("*.json")):
        case = ServiceCase(**json.loads(path.read_text(encoding="utf-8")))
        cases[case.key] = case
    return cases
