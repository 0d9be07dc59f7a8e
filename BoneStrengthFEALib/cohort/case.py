"""One case of a cohort, the state it ended in, and the fingerprint that tells whether it must be run again."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.version import __version__

STATE_FILE = "state.json"


class Outcome(enum.Enum):
    """How a case ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Case:
    """One row of a manifest, ready to run.

    Parameters
    ----------
    id
        Unique name; also the name of the result folder.
    arguments
        Arguments of ``bone-strength-fea run``, without the output options.
    files
        Input files and folders.
    settings_sha256
        Hash of the settings the arguments lead to.
    subject, time
        Who and when, for longitudinal comparison; empty when unknown.
    age_years, sex
        For the cohort report.
    memory_bytes
        Estimated peak memory.
    """

    id: str
    arguments: tuple[str, ...]
    files: tuple[Path, ...]
    settings_sha256: str
    subject: str = ""
    time: str = ""
    age_years: float | None = None
    sex: str = ""
    memory_bytes: int = 0


@dataclass(frozen=True)
class CaseState:
    """The final state of a case.

    Parameters
    ----------
    outcome
        Done, refused or failed.
    code
        Error code; empty when done.
    message
        Sentence for a person; empty when done.
    request_sha256
        Hash of software version, settings and arguments.
    inputs
        Path to its size [bytes], modification time [ns] and SHA-256.
    seconds
        Wall time of the run [s].
    peak_bytes
        Peak resident memory of the process [bytes].
    traceback
        For failures only.
    """

    outcome: Outcome
    code: str
    message: str
    request_sha256: str
    inputs: Mapping[str, tuple[int, int, str]] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0
    traceback: str = ""


def request_sha256(case: Case) -> str:
    """Hash of everything but the inputs' content that decides the numbers of a case.

    Parameters
    ----------
    case
        Case.

    Returns
    -------
    64 hexadecimal digits.
    """
    parts = [__version__, case.settings_sha256, *case.arguments]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def fingerprint(paths: Iterable[Path], known: Mapping[str, tuple[int, int, str]]) -> dict[str, tuple[int, int, str]]:
    """Size, time and hash of files; a hash is taken over when size and time have not changed.

    Parameters
    ----------
    paths
        Files, or folders, of which every file counts.
    known
        Earlier fingerprint.

    Returns
    -------
    Path to size [bytes], modification time [ns], SHA-256.
    """
    found = {}
    for path in _files(paths):
        stat = path.stat()
        before = known.get(str(path))
        same = before is not None and tuple(before[:2]) == (stat.st_size, stat.st_mtime_ns)
        digest = before[2] if before is not None and same else _sha256(path)
        found[str(path)] = (stat.st_size, stat.st_mtime_ns, digest)
    return found


def is_current(state: CaseState, case: Case) -> bool:
    """Whether a state was reached with the same software, settings, arguments and inputs.

    Parameters
    ----------
    state
        State on disk.
    case
        Case as it is asked for now.

    Returns
    -------
    True when running the case again would give the same.
    """
    if state.request_sha256 != request_sha256(case):
        return False
    try:
        now = fingerprint(case.files, state.inputs)
    except OSError:
        return False
    return {k: v[2] for k, v in now.items()} == {k: v[2] for k, v in state.inputs.items()}


def write_state(state: CaseState, folder: Path) -> None:
    """Write a state.

    Parameters
    ----------
    state
        State.
    folder
        Existing folder of the case.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    data = dataclasses.asdict(state) | {"outcome": state.outcome.value}
    write_text(folder / STATE_FILE, json.dumps(data, indent=1) + "\n")


def read_state(folder: Path) -> CaseState | None:
    """Read the state of a case.

    Parameters
    ----------
    folder
        Folder of the case.

    Returns
    -------
    The state; None when there is none that can be read, so that the case is run.
    """
    try:
        data: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        inputs = {path: (int(size), int(time), str(digest)) for path, (size, time, digest) in data["inputs"].items()}
        return CaseState(**(data | {"outcome": Outcome(data["outcome"]), "inputs": inputs}))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _files(paths: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return found


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
