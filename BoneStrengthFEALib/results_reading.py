"""Results read back from results.json, for rendering again, comparing with a prior examination and sending."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.results import SCHEMA, StudyResults
from BoneStrengthFEALib.volume import FloatArray

T = typing.TypeVar("T")


def read_results(path: Path) -> StudyResults:
    """Read results.json.

    Parameters
    ----------
    path
        The file, or the result folder that holds it.

    Returns
    -------
    The results.

    Raises
    ------
    InputError
        When the file is missing, is no JSON, or does not hold results of this schema.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read results at {path}: {error.strerror}; give a result folder") from error
    except ValueError as error:
        raise InputError(f"{file} is not valid JSON ({error}); give the results.json of a run") from error
    return results_from_dict(data)


def results_from_dict(data: Mapping[str, Any]) -> StudyResults:
    """Rebuild results from plain data.

    Parameters
    ----------
    data
        What results_to_dict gave.

    Returns
    -------
    Equal results; numbers that were not finite come back as NaN.

    Raises
    ------
    InputError
        When schema or content are not those of results.
    """
    found = data.get("schema") if isinstance(data, Mapping) else None
    if found != SCHEMA:
        raise InputError(f"results have schema {found!r}, expected {SCHEMA!r}; run the examination again")
    try:
        return typing.cast(StudyResults, _decode(StudyResults, data))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"results.json does not hold what it should: {error}; run the examination again") from error


def from_plain(kind: type[T], value: Any) -> T:
    """Read one record back from plain data.

    Parameters
    ----------
    kind
        Class of the record.
    value
        What results.to_plain gave.

    Returns
    -------
    An equal record.

    Raises
    ------
    KeyError, TypeError, AttributeError
        When the data are not those of the record.
    """
    return typing.cast(T, _decode(kind, value))


def _decode(kind: Any, value: Any) -> Any:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _decode(next(i for i in inner if i is not type(None)), value)
    if kind == FloatArray:
        return np.asarray(value, dtype=np.float64)
    if origin is tuple:
        return tuple(_decode(inner[0], item) for item in value)
    if origin is not None:
        return {key: _decode(inner[1], item) for key, item in value.items()}
    return _decode_plain(kind, value)


def _decode_plain(kind: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        known = [f.name for f in dataclasses.fields(kind) if f.name in value]
        return typing.cast(type, kind)(**{name: _decode(hints[name], value[name]) for name in known})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind[value] if value in kind.__members__ else kind(value)
    if kind is float:
        # JSON has no NaN: a number that does not exist was written as null
        return float("nan") if value is None else float(value)
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, found {type(value).__name__}")
    return value
