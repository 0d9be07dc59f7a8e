"""Labels that a person has edited are kept when a segmentation is made again.

Beside a label file a record holds a hash of each label as it was written. A label whose voxels differ from its hash was
edited; one without a hash was added by hand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation.label_files import read_labels, write_labels
from BoneStrengthFEALib.segmentation.label_record import LabelRecord, read_record, write_record
from BoneStrengthFEALib.segmentation.slicer_files import SUFFIX

KEEPS_NAMES = (SUFFIX, ".dcm")
"""Files that hold names; in others a label is known by its number."""


@dataclass(frozen=True)
class Made:
    """How labels are written.

    Parameters
    ----------
    write
        Called with the labels and the path.
    notes
        By name of a label: what a reader must know of it.
    """

    write: Callable[[LabelMap, Path], None] = write_labels
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def write_keeping_edits(labels: LabelMap, path: Path, made: Made | None = None) -> tuple[LabelMap, tuple[str, ...]]:
    """Write labels; those in the file that a person has edited or added stay as they are.

    Parameters
    ----------
    labels
        Labels made anew.
    path
        Label file; need not exist.
    made
        How they are written, and notes for the record.

    Returns
    -------
    What was written, and the names of the labels that were kept.

    Raises
    ------
    InputError
        When the file or its record cannot be read.
    """
    made = made or Made()
    record, named = read_record(path), path.name.lower().endswith(KEEPS_NAMES)
    present, kept = _edited(labels, path, record, named)
    merged = _merged(labels, present, kept, named)
    # labels first: when this is cut off, a label with an old hash counts as edited, and nothing is lost
    made.write(merged, path)
    hashes = {name: _hash(merged, value) for name, value in _by_name(merged, named).items() if name not in kept}
    hashes |= {name: record.sha256[name] for name in kept if name in record.sha256}
    names = {value: merged.names[value] for value in merged.values() if value in merged.names}
    notes = {**record.notes, **made.notes}
    write_record(LabelRecord(hashes, names, {name: notes[name] for name in names.values() if name in notes}), path)
    return merged, tuple(kept)


def made_line(labels: LabelMap, label: int | str, path: Path) -> QualityLine | None:
    """Tell what a label rests on that ``segment`` made.

    Parameters
    ----------
    labels
        Labels on the grid they were written on.
    label
        One of them.
    path
        Their file.

    Returns
    -------
    A warning with the notes of the record; a pass when a person has edited the label since; None without notes.
    """
    record, value = read_record(path), labels.value_of(label)
    name = labels.names.get(value, str(value))
    if name not in record.notes:
        return None
    own = name if path.name.lower().endswith(KEEPS_NAMES) else str(value)
    edited = record.sha256.get(own) != _hash(labels, value)
    said = f"{name}: " + "; ".join(record.notes[name])
    return QualityLine(
        "LABEL_MADE_BY_PROGRAM",
        Outcome.PASS if edited else Outcome.WARN,
        f"{said}; edited by a person since" if edited else f"{said}; not edited since",
        "a label that a person has checked",
        "" if edited else "Look at the outline and the level in the report.",
    )


def _edited(labels: LabelMap, path: Path, record: LabelRecord, named: bool) -> tuple[LabelMap, dict[str, int]]:
    """Labels in the file on the new ones' grid, and the values of those that were edited or added."""
    if not path.exists():
        return labels, {}
    given = read_labels(path)
    # Slicer writes the box of the segments only
    present = LabelMap(onto_grid(given.volume, labels.volume.grid), given.names)
    found = _by_name(present, named)
    return present, {n: value for n, value in found.items() if record.sha256.get(n) != _hash(present, value)}


def _merged(labels: LabelMap, present: LabelMap, kept: Mapping[str, int], named: bool) -> LabelMap:
    """New labels with the kept ones over them."""
    if not kept:
        return labels
    values, names = np.array(labels.volume.array), dict(labels.names)
    by_name = _by_name(labels, named)
    for name, old in kept.items():
        free = max([*names, *by_name.values(), 0]) + 1
        value = by_name.get(name, free if named else int(name))
        values[values == value] = 0
        values[present.volume.array == old] = value
        names[value] = present.names.get(old) or names.get(value, name)
        by_name[name] = value
    return LabelMap(labels.volume.with_array(values), names)


def _by_name(labels: LabelMap, named: bool) -> dict[str, int]:
    """Values by the name a label has in the file: its number where the file holds no names."""
    return {(labels.names.get(value) if named else None) or str(value): value for value in labels.values()}


def _hash(labels: LabelMap, value: int) -> str:
    mask = np.asarray(labels.volume.array == value)
    return hashlib.sha256(repr(mask.shape).encode() + np.packbits(mask).tobytes()).hexdigest()
