"""Measured values of a cohort: one row per case and measure, read from case folders or from the finished table."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.cohort.case import Case, CaseState, Outcome
from BoneStrengthFEALib.cohort.engine import cases_folder
from BoneStrengthFEALib.errors import InputError


@dataclass(frozen=True)
class MeasureRow:
    """One measured value of one case.

    Parameters
    ----------
    case
        Case it belongs to.
    site, level, side, measure, unit, classification, source
        Texts as in measures.csv.
    value
        Value in its unit.
    uncertainty
        Standard uncertainty in the unit, or None.
    """

    case: Case
    site: str
    level: str
    side: str
    measure: str
    value: float
    unit: str
    uncertainty: float | None
    classification: str
    source: str

    @property
    def bone(self) -> str:
        """Bone for people: "vertebra L1", "femur left"."""
        return " ".join(part for part in (self.site, self.level, self.side) if part)


def measured(cases: Sequence[Case], states: Mapping[str, CaseState], out: Path) -> list[MeasureRow]:
    """All values of the cases that are done.

    Parameters
    ----------
    cases
        Cases.
    states
        Case id to state.
    out
        Cohort folder.

    Returns
    -------
    Rows in the order of the manifest.
    """
    rows = []
    for case in cases:
        if states[case.id].outcome is not Outcome.DONE:
            continue
        with (cases_folder(out) / case.id / "measures.csv").open(newline="", encoding="utf-8") as stream:
            rows += [_row(case, line) for line in csv.DictReader(stream)]
    return rows


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
            return [_row(_saved_case(line), line) for line in csv.DictReader(stream)]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; give the folder of a cohort that has ended") from error


def _saved_case(line: Mapping[str, str]) -> Case:
    age = float(line["age"]) if line["age"] else None
    return Case(line["case"], (), (), "", line["subject"], line["time"], age, line["sex"])


def _row(case: Case, line: Mapping[str, str]) -> MeasureRow:
    uncertainty = float(line["standard_uncertainty"]) if line["standard_uncertainty"] else None
    texts = (line["site"], line["level"], line["side"], line["measure"])
    return MeasureRow(case, *texts, float(line["value"]), line["unit"], uncertainty, line["class"], line["source"])
