"""Fields of a definition file, each with an error that says what was found and what was expected."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.errors import InputError


def read_definition(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Its content.

    Raises
    ------
    InputError
        When it cannot be read, is empty or no JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path.name} cannot be read: {reason}; expected a JSON file in UTF-8") from error
    if not text.strip():
        raise InputError(f"{path.name} is empty; expected a definition in JSON: start from a shipped one")
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{path.name} is no JSON ({error}); start from a shipped definition") from error


class Fields:
    """A table of a definition file.

    Parameters
    ----------
    data
        The table.
    where
        File and place in it, for the error text.
    known
        Names it may have.
    """

    def __init__(self, data: Any, where: str, known: Sequence[str]) -> None:
        if not isinstance(data, Mapping):
            raise InputError(f"{where}: found {_shown(data)}, expected a table of names and values")
        self._data, self._where = data, where
        for name in data:
            if name not in known:
                self.fail(str(name), data[name], f"no such field; known are {', '.join(known)}")

    def fail(self, name: str, found: Any, expected: str) -> None:
        """Refuse a field.

        Parameters
        ----------
        name, found, expected
            Field, its value, and words for what it should be.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(f"{self._where}, field {name}: found {_shown(found)}, expected {expected}")

    def _given(self, name: str, expected: str) -> Any:
        if name not in self._data:
            raise InputError(f"{self._where}, field {name}: it is missing, expected {expected}")
        return self._data[name]

    def text(self, name: str, filled: bool = True) -> str:
        """A text; not empty where it must be filled.

        Parameters
        ----------
        name, filled
            Field, and whether it must hold something.

        Returns
        -------
        The text.
        """
        expected = "a text that is not empty" if filled else "a text, which may be empty"
        value = self._given(name, expected)
        if not isinstance(value, str) or (filled and not value.strip()):
            self.fail(name, value, expected)
        return str(value)

    def choice(self, name: str, options: Sequence[str]) -> str:
        """One of a few words.

        Parameters
        ----------
        name, options
            Field and what it may be.

        Returns
        -------
        The word as it stands among the options; upper and lower case do not matter.
        """
        value = self._given(name, f"one of {', '.join(options)}")
        right = {option.lower(): option for option in options}
        if not isinstance(value, str) or value.lower() not in right:
            self.fail(name, value, f"one of {', '.join(options)}")
        return right[value.lower()]

    def number(self, name: str, limits: tuple[float, float], unit: str = "", default: float | None = None) -> float:
        """A number within limits.

        Parameters
        ----------
        name, limits, unit
            Field, least and largest value, unit for the text.
        default
            Value of a field that may be left out.

        Returns
        -------
        The number.
        """
        expected = f"a number from {limits[0]:g} to {limits[1]:g} {unit}".rstrip()
        if default is not None and name not in self._data:
            return default
        value = self._given(name, expected)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not limits[0] <= value <= limits[1]:
            self.fail(name, value, expected)
        return float(value)

    def items(self, name: str, expected: str) -> list[Any]:
        """A list.

        Parameters
        ----------
        name, expected
            Field and words for what its items are.

        Returns
        -------
        The list.
        """
        value = self._given(name, expected)
        if not isinstance(value, list):
            self.fail(name, value, expected)
        return list(value)

    def table(self, name: str, known: Sequence[str]) -> Fields:
        """A table within this one.

        Parameters
        ----------
        name, known
            Field and the names it may have.

        Returns
        -------
        The table.
        """
        return Fields(self._given(name, f"a table with {', '.join(known)}"), f"{self._where}, field {name}", known)

    def day(self, name: str) -> str:
        """A day, or nothing.

        Parameters
        ----------
        name
            Field.

        Returns
        -------
        YYYY-MM-DD or an empty text.
        """
        value = self.text(name, filled=False)
        try:
            return value and datetime.date.fromisoformat(value).isoformat()
        except ValueError:
            self.fail(name, value, "a day as YYYY-MM-DD, or an empty text")
            raise


def _shown(value: Any) -> str:
    words = json.dumps(value, ensure_ascii=False, default=str)
    return words if len(words) <= 60 else f"{words[:57]}..."
