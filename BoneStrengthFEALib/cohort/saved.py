"""Measured values of a finished cohort, read back from its table."""

from __future__ import annotations

import csv
from pathlib import Path

from BoneStrengthFEALib.cohort.case import Case
from BoneStrengthFEALib.cohort.gather import MeasureRow
from BoneStrengthFEALib.errors import InputError


def saved_rows(out: Path) -> list[MeasureRow]:
    """Read cohort.csv.

    Parameters
    ----------
    out
        Cohort folder.

    Returns
    -------
    Its rows.

    Raises
    ------
    InputError
        When the folder holds no finished cohort.
    """
    path = out / "cohort.csv"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return [_row(line) for line in csv.DictReader(stream)]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; give the folder of a cohort that has ended") from error


def _row(line: dict[str, str]) -> MeasureRow:
    age = float(line["age"]) if line["age"] else None
    case = Case(line["case"], (), (), "", line["subject"], line["time"], age, line["sex"])
    uncertainty = float(line["standard_uncertainty"]) if line["standard_uncertainty"] else None
    texts = (line["site"], line["level"], line["side"], line["measure"])
    return MeasureRow(case, *texts, float(line["value"]), line["unit"], uncertainty, line["class"], line["source"])
