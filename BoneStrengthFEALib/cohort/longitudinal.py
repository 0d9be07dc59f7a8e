"""Changes over time: scans of one subject compared on the same settings."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date

from BoneStrengthFEALib.cohort.measure_rows import MeasureRow
from BoneStrengthFEALib.cohort.precision import Precision
from BoneStrengthFEALib.errors import InputError


@dataclass(frozen=True)
class Change:
    """Change of one measure between a subject's first scan and a later one.

    Parameters
    ----------
    subject, bone, measure, unit
        What changed.
    first_case, later_case, first_time, later_time
        Between which scans.
    first_value, later_value, change
        In the unit.
    change_percent
        Of the first value; None when that is zero.
    least_significant_change
        In the unit, from the precision study; None without one.
    verdict
        "increase", "decrease", "within precision error", "no precision known", or "settings differ".
    """

    subject: str
    bone: str
    measure: str
    unit: str
    first_case: str
    later_case: str
    first_time: str
    later_time: str
    first_value: float
    later_value: float
    change: float
    change_percent: float | None
    least_significant_change: float | None
    verdict: str


def changes(rows: Sequence[MeasureRow], precision: Precision | None) -> list[Change]:
    """Changes of every subject that was scanned at several times.

    Parameters
    ----------
    rows
        All values.
    precision
        Precision study, or None.

    Returns
    -------
    Changes against each subject's first scan.

    Raises
    ------
    InputError
        When the times of a subject cannot be put in order.
    """
    series: dict[tuple[str, str, str], list[MeasureRow]] = defaultdict(list)
    for row in rows:
        if row.case.subject and row.case.time:
            series[row.case.subject, row.bone, row.measure].append(row)
    found = []
    for (subject, _, _), values in series.items():
        ordered = sorted(values, key=lambda row: _moment(row.case.time, subject))
        found += [_change(ordered[0], later, precision) for later in ordered[1:]]
    return found


def changes_csv(rows: Sequence[Change]) -> str:
    """Changes as a table.

    Parameters
    ----------
    rows
        Changes.

    Returns
    -------
    CSV text with a header line.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(field.name for field in fields(Change))
    writer.writerows([repr(v) if isinstance(v, float) else v for v in astuple(row)] for row in rows)
    return stream.getvalue()


def _change(first: MeasureRow, later: MeasureRow, precision: Precision | None) -> Change:
    difference = later.value - first.value
    line = precision.get((first.site, first.measure)) if precision else None
    limit = line.least_significant_change if line else None
    return Change(
        *(first.case.subject, first.bone, first.measure, first.unit),
        *(first.case.id, later.case.id, first.case.time, later.case.time),
        *(first.value, later.value, difference),
        100.0 * difference / first.value if first.value else None,
        limit,
        _verdict(first, later, limit),
    )


def _verdict(first: MeasureRow, later: MeasureRow, limit: float | None) -> str:
    if first.case.settings_sha256 != later.case.settings_sha256:
        return "settings differ"
    if limit is None:
        return "no precision known"
    if abs(later.value - first.value) <= limit:
        return "within precision error"
    return "increase" if later.value > first.value else "decrease"


def _moment(text: str, subject: str) -> tuple[int, float]:
    try:
        return (0, float(text))
    except ValueError:
        pass
    try:
        return (1, float(date.fromisoformat(text).toordinal()))
    except ValueError as error:
        raise InputError(
            f"time {text!r} of subject {subject} is neither a number nor an ISO date (2024-05-31)"
        ) from error
