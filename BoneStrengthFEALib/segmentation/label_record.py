"""What is known of labels beside their file: a hash of each as it was written, names, and what a reader must know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.errors import InputError

RECORD_SUFFIX = ".made.json"


@dataclass(frozen=True)
class LabelRecord:
    """Record of a label file.

    Parameters
    ----------
    sha256
        Hash of each label that was made, by its name in the file.
    names
        Names of values, which image files do not hold.
    notes
        By name: how a label was found, what its level rests on, places to check.
    """

    sha256: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def record_of(path: Path) -> Path:
    """Record that belongs to a label file.

    Parameters
    ----------
    path
        Label file.

    Returns
    -------
    File beside it.
    """
    return path.with_name(path.name + RECORD_SUFFIX)


def write_record(record: LabelRecord, path: Path) -> None:
    """Write the record of a label file.

    Parameters
    ----------
    record
        Record.
    path
        Label file.
    """
    write_text(record_of(path), json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n")


def read_record(path: Path) -> LabelRecord:
    """Read the record of a label file.

    Parameters
    ----------
    path
        Label file.

    Returns
    -------
    The record; an empty one when there is none.

    Raises
    ------
    InputError
        When it is damaged.
    """
    record = record_of(path)
    if not record.exists():
        return LabelRecord()
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        return LabelRecord(
            {str(name): str(value) for name, value in found["sha256"].items()},
            {int(value): str(name) for value, name in found.get("names", {}).items()},
            {str(name): tuple(map(str, notes)) for name, notes in found.get("notes", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{record.name} cannot be read ({error}); remove it, which keeps every label of {path.name}, "
            "or choose another file"
        ) from error
