"""Landmarks that a person has set: 3D Slicer markups (.mrk.json) or a table in TOML or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.table_files import read_table
from BoneStrengthFEALib.volume import FloatArray

Landmarks = dict[str, FloatArray]
FLIPS = {"RAS": (1.0, 1.0, 1.0), "LPS": (-1.0, -1.0, 1.0)}
NUMBERED = {"0": "RAS", "1": "LPS"}
"""Coordinate systems by number, as older versions of 3D Slicer write them."""


def read_landmarks(path: Path) -> dict[str, Landmarks]:
    """Read landmarks.

    Parameters
    ----------
    path
        ``.mrk.json``: control points whose labels are landmark names ("head_centre"), or "bone:name" in a file for
        several bones; positions are converted from the file's coordinateSystem. Other files: TOML or JSON with an
        optional ``coordinate_system`` ("RAS" by default, or "LPS") and a table ``landmarks`` of name to [x, y, z], or
        of bone to such a table.

    Returns
    -------
    Bone ("" where none is named) to landmark name to (3,) RAS [mm].

    Raises
    ------
    InputError
        When the file holds no landmarks or something that is none.
    """
    found: dict[str, Landmarks] = {}
    for bone, name, point in _markups(path) if path.name.lower().endswith(".mrk.json") else _table(path):
        place = found.setdefault(bone, {})
        if name in place:
            raise InputError(f"{path.name} holds landmark {name} twice; keep one")
        place[name] = point
    if not found:
        raise InputError(f"{path.name} holds no landmark; give control points named as the landmarks")
    return found


def landmarks_of(found: Mapping[str, Landmarks], label: str, alone: bool) -> Landmarks | None:
    """Landmarks of one bone.

    Parameters
    ----------
    found
        What read_landmarks gave.
    label
        The bone's label as the user names it.
    alone
        Whether it is the only bone; then landmarks without a bone's name are its own.

    Returns
    -------
    Landmarks, None when there are none for it.

    Raises
    ------
    InputError
        When landmarks without a bone's name could belong to several bones.
    """
    if "" in found and not alone:
        raise InputError("landmarks for several bones need the bone's label before their name: 'L1:posterior_wall'")
    own = {**found.get("", {}), **found.get(label, {})}
    return own or None


def _markups(path: Path) -> Iterator[tuple[str, str, FloatArray]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read landmarks {path.name}: {error}; give a markups file of 3D Slicer") from error
    markups = data.get("markups") if isinstance(data, dict) else None
    if not isinstance(markups, list):
        raise InputError(f"{path.name} holds no markups; save a point list of 3D Slicer as .mrk.json")
    for markup in markups:
        system = _system(markup.get("coordinateSystem", "LPS"), path)
        unit = markup.get("coordinateUnits", "mm")
        if unit not in ("mm", ["mm"] * 3):
            raise InputError(f"{path.name} has coordinates in {unit}; expected mm")
        for point in markup.get("controlPoints", ()):
            if point.get("positionStatus", "defined") == "defined":
                yield _entry(str(point.get("label", "")), point.get("position"), system, path)


def _table(path: Path) -> Iterator[tuple[str, str, FloatArray]]:
    data = read_table(path)
    system = _system(data.get("coordinate_system", "RAS"), path)
    landmarks = data.get("landmarks")
    if not isinstance(landmarks, dict):
        raise InputError(f"{path.name} holds no table 'landmarks' of names and [x, y, z]")
    for name, value in landmarks.items():
        if isinstance(value, dict):
            for inner, point in value.items():
                yield (name, *_entry(inner, point, system, path)[1:])
        else:
            yield _entry(name, value, system, path)


def _system(value: object, path: Path) -> str:
    name = NUMBERED.get(str(value), str(value))
    if name not in FLIPS:
        raise InputError(f"{path.name} has coordinate system {value!r}; expected RAS or LPS")
    return name


def _entry(label: str, position: Any, system: str, path: Path) -> tuple[str, str, FloatArray]:
    bone, _, name = label.rpartition(":")
    try:
        point = np.asarray(position, dtype=np.float64)
    except (TypeError, ValueError):
        point = np.empty(0)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f"landmark {label!r} of {path.name} has position {position!r}; expected three numbers [mm]")
    plain = re.sub(r"[ -]+", "_", name.strip().lower()).replace("center", "centre")
    return bone.strip(), plain, point * FLIPS[system]
