"""Labels that a person has edited are kept when a segmentation is made again.

Beside a label file a record holds a hash of each label as it was written. A label whose voxels differ from its hash was
edited; one without a hash was added by hand.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation.label_files import read_labels, write_labels
from BoneStrengthFEALib.segmentation.slicer_files import SUFFIX
from BoneStrengthFEALib.volume import Array

RECORD_SUFFIX = ".made.json"


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


def write_keeping_edits(labels: LabelMap, path: Path) -> tuple[LabelMap, tuple[str, ...]]:
    """Write labels; those in the file that a person has edited or added stay as they are.

    Parameters
    ----------
    labels
        Labels made anew.
    path
        Label file; need not exist.

    Returns
    -------
    What was written, and the names of the labels that were kept.

    Raises
    ------
    InputError
        When the file or its record cannot be read.
    """
    hashes, named = _read_record(path), path.name.lower().endswith(SUFFIX)
    kept: dict[str, Array] = {}
    if path.exists():
        given = read_labels(path)
        # Slicer writes the box of the segments only
        present = LabelMap(onto_grid(given.volume, labels.volume.grid), given.names)
        kept = {name: mask for name, mask in _masks(present, named).items() if hashes.get(name) != _hash(mask)}
    merged = _merged(labels, kept, named)
    # labels first: when this is cut off, a label with an old hash counts as edited, and nothing is lost
    write_labels(merged, path)
    made = {name: _hash(mask) for name, mask in _masks(merged, named).items() if name not in kept}
    edited = {name: hashes[name] for name in kept if name in hashes}
    write_text(record_of(path), json.dumps({"sha256": {**edited, **made}}, indent=1) + "\n")
    return merged, tuple(kept)


def _merged(labels: LabelMap, kept: dict[str, Array], named: bool) -> LabelMap:
    """New labels with the kept ones over them."""
    values, names = np.array(labels.volume.array), dict(labels.names)
    by_name = {_name(labels, value, named): value for value in labels.values()}
    for name, mask in kept.items():
        free = max([*names, *by_name.values(), 0]) + 1
        value = by_name.get(name, free if named else int(name))
        values[values == value] = 0
        values[mask] = value
        names.setdefault(value, name)
        by_name[name] = value
    return LabelMap(labels.volume.with_array(values), names)


def _masks(labels: LabelMap, named: bool) -> dict[str, Array]:
    return {_name(labels, value, named): np.asarray(labels.volume.array == value) for value in labels.values()}


def _name(labels: LabelMap, value: int, named: bool) -> str:
    """Name of a label in a file that keeps names, else its value."""
    return (labels.names.get(value) if named else None) or str(value)


def _hash(mask: Array) -> str:
    return hashlib.sha256(repr(mask.shape).encode() + np.packbits(mask).tobytes()).hexdigest()


def _read_record(path: Path) -> dict[str, str]:
    record = record_of(path)
    if not record.exists():
        return {}
    try:
        found = json.loads(record.read_text(encoding="utf-8"))["sha256"]
        return {str(name): str(value) for name, value in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{record.name} cannot be read ({error}); remove it, which keeps every label of {path.name}, "
            "or choose another file"
        ) from error
