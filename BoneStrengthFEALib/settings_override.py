"""Settings given one by one on a command line: ``model.voxel_mm=1.5``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.settings import Settings, settings_from_dict


def override(settings: Settings, assignments: Iterable[str]) -> Settings:
    """Change settings by name.

    Parameters
    ----------
    settings
        Settings to start from.
    assignments
        "part.name=value"; the value is JSON where it parses as JSON, else text; lists may be "a,b".

    Returns
    -------
    The changed settings.

    Raises
    ------
    InputError
        When a name is unknown or a value has the wrong type.
    """
    data = settings.to_dict()
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise InputError(f"{assignment!r} is no setting; write part.name=value, for example model.voxel_mm=1.5")
        _assign(data, path.strip(), text.strip())
    return settings_from_dict(data)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _assign(data: dict[str, Any], path: str, text: str) -> None:
    *parents, name = path.split(".")
    table: Any = data
    for parent in parents:
        table = table.get(parent) if isinstance(table, dict) else None
    if not isinstance(table, dict) or name not in table:
        raise InputError(f"there is no setting {path}; 'bone-strength-fea info --settings' lists all")
    if isinstance(table[name], (tuple, list)) and not text.startswith("["):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        table[name] = [float(part) for part in parts] if parts and all(map(_is_number, parts)) else parts
        return
    try:
        table[name] = json.loads(text)
    except json.JSONDecodeError:
        table[name] = text
