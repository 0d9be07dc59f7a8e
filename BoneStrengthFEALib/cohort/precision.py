"""Precision of repeated measurements: RMS errors and least significant change by bone and measure.

References
----------
Glüer CC et al. (1995) Accurate assessment of precision errors: how to measure the reproducibility of bone densitometry
techniques. Osteoporos Int 5:262-270, doi:10.1007/BF01774016 (RMS over subjects, degrees of freedom).
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.cohort.measure_rows import MeasureRow
from BoneStrengthFEALib.errors import InputError

SCHEMA = "bonestrengthfea-precision/1"
LSC_FACTOR = 1.96 * math.sqrt(2.0)
"""Change between two single measurements that chance exceeds in 5 % of cases, per precision error."""
ENOUGH_FREEDOM = 27
"""Degrees of freedom at which the upper 90 % limit of the error is 30 % above the estimate (Glüer 1995)."""


@dataclass(frozen=True)
class PrecisionLine:
    """Precision of one measure.

    Parameters
    ----------
    site, measure, unit
        What was measured; all levels and sides of a site are taken together.
    subjects, freedom
        Subjects with repeats, and degrees of freedom.
    rms_sd
        Precision error in the unit.
    rms_cv
        Precision error as a fraction.
    upper_sd
        Upper 95 % one-sided confidence limit of rms_sd, in the unit.
    least_significant_change
        In the unit.
    """

    site: str
    measure: str
    unit: str
    subjects: int
    freedom: int
    rms_sd: float
    rms_cv: float
    upper_sd: float
    least_significant_change: float


Precision = Mapping[tuple[str, str], PrecisionLine]
"""(site, measure) to its line."""


def precision_of(rows: Iterable[MeasureRow]) -> dict[tuple[str, str], PrecisionLine]:
    """Precision from repeat scans.

    Parameters
    ----------
    rows
        Values of a cohort in which each subject was scanned at least twice within a time in which bone does not change.

    Returns
    -------
    (site, measure) to precision.

    Raises
    ------
    InputError
        When no subject has repeats.
    """
    repeats: dict[tuple[str, str, str], dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.case.subject and math.isfinite(row.value):
            repeats[row.site, row.measure, row.unit][row.case.subject, row.bone].append(row.value)
    found = {}
    for (site, measure, unit), by_bone in repeats.items():
        groups = {who: np.asarray(values) for who, values in by_bone.items() if len(values) > 1}
        if groups:
            found[site, measure] = _line((site, measure, unit), groups)
    if not found:
        raise InputError("no subject has two scans; a precision study needs the column 'subject' and repeat scans")
    return found


def _line(what: tuple[str, str, str], groups: Mapping[tuple[str, str], Any]) -> PrecisionLine:
    # a heavy import that 'bone-strength-fea --help' must not wait for
    from scipy.stats import chi2

    values = list(groups.values())
    freedom = sum(v.size - 1 for v in values)
    squares = sum(float(((v - v.mean()) ** 2).sum()) for v in values)
    relative = sum(float(((v - v.mean()) ** 2).sum()) / v.mean() ** 2 for v in values if v.mean() != 0)
    sd = math.sqrt(squares / freedom)
    upper = sd * math.sqrt(freedom / float(chi2.ppf(0.05, freedom)))
    subjects = len({who for who, _ in groups})
    return PrecisionLine(*what, subjects, freedom, sd, math.sqrt(relative / freedom), upper, LSC_FACTOR * sd)


def write_precision(precision: Precision, path: Path) -> None:
    """Write precision.json.

    Parameters
    ----------
    precision
        Precision by site and measure.
    path
        File.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    data = {"schema": SCHEMA, "lines": [dataclasses.asdict(line) for line in precision.values()]}
    write_text(path, json.dumps(data, indent=1) + "\n")


def read_precision(path: Path) -> dict[tuple[str, str], PrecisionLine]:
    """Read precision.json.

    Parameters
    ----------
    path
        File.

    Returns
    -------
    (site, measure) to precision.

    Raises
    ------
    InputError
        When it cannot be read or is something else.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != SCHEMA:
            raise InputError(f"{path} has schema {data['schema']!r}, expected {SCHEMA!r}")
        lines = [PrecisionLine(**line) for line in data["lines"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"cannot read precision from {path}: {error}; give the file 'bone-strength-fea precision' wrote"
        raise InputError(text) from error
    return {(line.site, line.measure): line for line in lines}
