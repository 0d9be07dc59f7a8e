"""The manifest: a table whose columns are the options of ``run``, checked whole before anything starts."""

from __future__ import annotations

import argparse
import csv
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.cohort.case import Case
from BoneStrengthFEALib.errors import BoneStrengthError, DependencyError, InputError
from BoneStrengthFEALib.settings import Settings

ID, SUBJECT, TIME, MEMORY = "case", "subject", "time", "memory_gb"
OWN_COLUMNS = {
    ID: "unique name of the case; the name of its result folder",
    SUBJECT: "who it is; cases of one subject are compared over time",
    TIME: "when the scan was made: ISO date, or a number of months or years",
    MEMORY: "peak memory in GB when the estimate is not good enough",
}
SHOWN_FAULTS = 40
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_YES, _NO = ("1", "yes", "true", "y"), ("", "0", "no", "false", "n")
Row = Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """A column that is an argument of ``run``.

    Parameters
    ----------
    name
        Name of the column.
    option
        Option text; empty for a positional argument.
    path
        Whether values are paths.
    repeats
        Whether several values, separated by ";", are allowed.
    flag
        Whether it is yes or no.
    """

    name: str
    option: str
    path: bool = False
    repeats: bool = False
    flag: bool = False


def columns_of(parser: argparse.ArgumentParser, without: Iterable[str]) -> dict[str, Column]:
    """Columns a manifest may have: one per argument of the parser.

    Parameters
    ----------
    parser
        Parser of ``run``.
    without
        Destinations of arguments that the cohort sets itself.

    Returns
    -------
    Name to column.
    """
    left_out = {"help", *without}
    actions = [action for action in parser._actions if action.dest not in left_out]
    return {
        action.dest: Column(
            action.dest,
            action.option_strings[-1] if action.option_strings else "",
            path=action.type is Path,
            repeats=isinstance(action, argparse._AppendAction) or action.nargs in {"+", "*"},
            flag=action.nargs == 0,
        )
        for action in actions
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a manifest.

    Parameters
    ----------
    path
        CSV (UTF-8) or Parquet file.

    Returns
    -------
    One dictionary of texts per row; missing values are empty.

    Raises
    ------
    InputError
        When it cannot be read, is empty, or a row has too many fields.
    """
    try:
        rows = _read_parquet(path) if path.suffix.lower() in {".parquet", ".pq"} else _read_csv(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the manifest {path}: {error}; give a CSV (UTF-8) or Parquet file") from error
    if not rows:
        raise InputError(f"the manifest {path} has no rows; expected a header line and one line per case")
    return rows


def check_cases(
    rows: Sequence[Row],
    columns: Mapping[str, Column],
    settings_of: Callable[[tuple[str, ...]], Settings],
    folder: Path,
) -> list[Case]:
    """Turn rows into cases, or list everything that is wrong with them.

    Parameters
    ----------
    rows
        Rows of the manifest.
    columns
        Columns that are arguments of ``run``.
    settings_of
        Checks arguments as ``run`` would and returns the settings they lead to; raises InputError.
    folder
        Relative paths start here.

    Returns
    -------
    The cases in the order of the rows.

    Raises
    ------
    InputError
        With all faults of all rows.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    unknown = [name for name in names if name not in columns and name not in OWN_COLUMNS]
    faults = [f"unknown column {name!r}" for name in unknown]
    if unknown:
        faults.append(f"known columns: {', '.join([*OWN_COLUMNS, *columns])}")
    if ID not in names:
        faults.append(f"column {ID!r} is missing")
    cases: list[Case] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        try:
            _check_id(row.get(ID, ""), number, seen)
            cases.append(_case(row, columns, settings_of, folder))
        except BoneStrengthError as error:
            faults.append(f"line {number} ({row.get(ID) or 'no id'}): {error}")
    faults += _duplicates(cases)
    if faults:
        more = f"\n  ... and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        text = "\n  ".join(faults[:SHOWN_FAULTS])
        raise InputError(f"the manifest has {len(faults)} faults; nothing was started:\n  {text}{more}")
    return cases


def _check_id(text: str, number: int, seen: dict[str, int]) -> None:
    if not _SAFE_ID.fullmatch(text):
        raise InputError(f"case id {text!r} must be 1 to 100 letters, digits, '.', '_' or '-', as it names a folder")
    # folders are the same on systems that ignore case
    first = seen.setdefault(text.lower(), number)
    if first != number:
        raise InputError(f"case id {text!r} was used on line {first} already")


def _case(
    row: Row, columns: Mapping[str, Column], settings_of: Callable[[tuple[str, ...]], Settings], folder: Path
) -> Case:
    arguments: list[str] = []
    positional: list[str] = []
    files: list[Path] = []
    for name, column in columns.items():
        values = _values(row.get(name, ""), column)
        if column.path:
            values = [str(_existing(value, folder, name, files)) for value in values]
        if column.flag:
            arguments += [column.option] * bool(values)
        elif column.option:
            arguments += [f"{column.option}={value}" for value in values]
        else:
            positional += values
    line = (*arguments, "--", *positional)
    settings = settings_of(line)
    return Case(
        row[ID],
        line,
        tuple(files),
        settings.sha256(),
        row.get(SUBJECT, ""),
        row.get(TIME, ""),
        float(row["age"]) if row.get("age") else None,
        row.get("sex", ""),
        int(_positive(row[MEMORY], MEMORY) * 1e9) if row.get(MEMORY) else 0,
    )


def _values(text: str, column: Column) -> list[str]:
    text = text.strip()
    if column.flag:
        if text.lower() in _YES:
            return ["yes"]
        if text.lower() in _NO:
            return []
        raise InputError(f"{column.name} must be yes or no, got {text!r}")
    parts = text.split(";") if column.repeats else [text]
    return [part.strip() for part in parts if part.strip()]


def _existing(value: str, folder: Path, name: str, files: list[Path]) -> Path | str:
    if re.match(r"[a-z][a-z0-9+-]+://", value):
        return value
    path = Path(value) if Path(value).is_absolute() else (folder / value).absolute()
    if not path.exists():
        raise InputError(f"{name}: {path} does not exist")
    files.append(path)
    return path


def _positive(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} must be a positive number, got {text!r}")
    return value


def _duplicates(cases: Sequence[Case]) -> list[str]:
    seen: dict[tuple[str, ...], str] = {}
    faults = []
    for case in cases:
        first = seen.setdefault(case.arguments, case.id)
        if first != case.id:
            faults.append(f"case {case.id} asks for exactly what case {first} does; remove one")
    return faults


def _read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        names = [name.strip() for name in reader.fieldnames or ()]
        if len(set(names)) != len(names):
            raise InputError(f"the manifest {path} has two columns of one name: {', '.join(names)}")
        reader.fieldnames = names
        rows = []
        for number, row in enumerate(reader, start=2):
            if None in row:
                raise InputError(f"line {number} of {path} has more fields than the header; quote texts with commas")
            rows.append({key: (value or "").strip() for key, value in row.items()})
    return rows


def _read_parquet(path: Path) -> list[dict[str, str]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DependencyError("Parquet manifests need the package pyarrow; install it or give a CSV file") from error
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowException as error:
        raise InputError(f"{path} is not a Parquet table: {error}") from error
    return [{str(key): _text(value) for key, value in row.items()} for row in table.to_pylist()]


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    # 71.0 in a numeric column was 71 for whoever wrote it
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
