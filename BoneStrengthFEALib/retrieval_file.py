"""The evidence of a retrieval, kept beside the images that came: ``retrieval.json``."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.service_facts import Retrieval
from BoneStrengthFEALib.table_files import table_to

FILE = "retrieval.json"
SCHEMA = "bonestrengthfea-retrieval/1"
LEVELS = 3
"""Folders above an image in which the evidence may lie: the folder of a study holds those of its series."""


def write_retrieval(retrieval: Retrieval, folder: Path) -> Path:
    """Write the evidence beside the images, with a hash of every file.

    Parameters
    ----------
    retrieval
        How the images came.
    folder
        Their folder, of any depth.

    Returns
    -------
    Path of the file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    files = {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(folder.rglob("*.dcm"))}
    data = {"schema": SCHEMA, "retrieval": dataclasses.asdict(retrieval), "files": files}
    write_text(folder / FILE, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return folder / FILE


def retrieval_of(files: Sequence[Path], study_uid: str, series_uid: str) -> Retrieval | None:
    """Evidence for images, believed only when they are those that came.

    Parameters
    ----------
    files
        Images that were analysed.
    study_uid, series_uid
        Theirs.

    Returns
    -------
    How they came; None without evidence, or when an image is not as it came.
    """
    if not files or not files[0].is_file():
        return None
    for folder in list(files[0].resolve().parents)[:LEVELS]:
        found = _read(folder / FILE)
        if found is not None:
            retrieval, hashes = found
            same = retrieval.study_hash == uid_hash(study_uid) and uid_hash(series_uid) in retrieval.series_hashes
            return retrieval if same and _as_they_came(files, folder, hashes) else None
    return None


def uid_hash(uid: str) -> str:
    """Hash of a UID.

    Parameters
    ----------
    uid
        UID.

    Returns
    -------
    64 hexadecimal digits.
    """
    return hashlib.sha256(uid.encode()).hexdigest()


def utc_now() -> str:
    """Time for records.

    Returns
    -------
    ISO 8601 in UTC, to the second.
    """
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _read(path: Path) -> tuple[Retrieval, dict[str, str]] | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            return None
        return table_to(Retrieval, data["retrieval"], FILE), {str(k): str(v) for k, v in data["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError):
        return None


def _as_they_came(files: Sequence[Path], folder: Path, hashes: dict[str, str]) -> bool:
    names = [path.resolve().relative_to(folder).as_posix() for path in files if path.is_file()]
    return len(names) == len(files) and all(_sha256(folder / name) == hashes.get(name) for name in names)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
