"""TOML and JSON files, and their tables as dataclasses, strictly."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from BoneStrengthFEALib.errors import InputError

T = TypeVar("T")


def read_table(path: Path) -> dict[str, Any]:
    """Read a TOML or JSON file.

    Parameters
    ----------
    path
        The file; JSON when its name ends in .json.

    Returns
    -------
    Nested dictionary.

    Raises
    ------
    InputError
        When it cannot be read or is no table.
    """
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix.lower() == ".json" else _toml_loads(text)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"cannot read settings {path}: {reason}; give a TOML or JSON file") from error
    if not isinstance(data, dict):
        raise InputError(f"cannot read settings {path}: it holds no table of names and values")
    return data


def table_to(kind: type[T], data: dict[str, Any], where: str) -> T:
    """Make a dataclass from a nested dictionary, strictly.

    Parameters
    ----------
    kind
        The dataclass.
    data
        Values by field; fields with defaults may be missing, none may be unknown.
    where
        What it is, for the error text.

    Returns
    -------
    The object.

    Raises
    ------
    InputError
        On an unknown key or a value of the wrong type.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where} must be a table of names and values, got {data!r}")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise InputError(f"{where} has no setting {', '.join(unknown)}; it knows {', '.join(sorted(hints))}")
    return kind(**{key: _value(hints[key], value, f"{where}.{key}") for key, value in data.items()})


def _toml_loads(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


def _value(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return table_to(typing.cast("type[Any]", kind), value, where)
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value is None and type(None) in options:
        return None
    if typing.get_origin(kind) is tuple:
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise InputError(f"{where} must be a list, got {value!r}")
        return tuple(_value(typing.get_args(kind)[0], item, where) for item in value)
    if float in options and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = tuple(option for option in options if isinstance(option, type))
    if not isinstance(value, plain) or (isinstance(value, bool) and bool not in options):
        raise InputError(f"{where} must be {' or '.join(o.__name__ for o in plain)}, got {value!r}")
    return value
