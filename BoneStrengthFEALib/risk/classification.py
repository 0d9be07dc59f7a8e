"""Classify strengths and densities, and the examination as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.results import RiskLine
from BoneStrengthFEALib.risk.cut_offs import CAVEAT, KEAVENY_2020, cut_off

WORST = ("fragile", "osteoporosis")
BEST = ("normal strength", "normal bone mass")
OVERALL_LIMITS = (
    "high risk: fragile strength or osteoporosis at any site; not increased: everything measured is normal; "
    "increased: otherwise"
)


def classify(measure: str, value: float, sex: str = "") -> RiskLine:
    """Classify one number.

    Parameters
    ----------
    measure
        "hip strength" [N], "spine strength" [N], "hip T-score" or "spine vBMD" [mg/cm3].
    value
        The number.
    sex
        "F" or "M".

    Returns
    -------
    The line for the report; number and class are of the same rounded value.

    Raises
    ------
    InputError
        For an unknown measure, a missing sex or a number that is not finite.

    References
    ----------
    Keaveny 2020, Table 1.
    """
    if not np.isfinite(value):
        raise InputError(f"{measure} is {value}; a class needs a finite number")
    row = cut_off(measure, sex)
    shown, name = row.classify(value)
    return RiskLine(measure, shown, row.unit, name, row.limits, row.source, row.caveat)


def overall(lines: Sequence[RiskLine]) -> RiskLine | None:
    """Risk class of an examination from all its classified lines.

    Parameters
    ----------
    lines
        Lines of all bones; lines without one of the table's classes are left out.

    Returns
    -------
    "high risk", "increased risk" or "risk not increased"; value is the number of lines it rests on.
    None when nothing was classified.

    References
    ----------
    Keaveny 2020.
    """
    classes = [line.classification for line in lines if line.source == KEAVENY_2020]
    if not classes:
        return None
    if any(name in WORST for name in classes):
        verdict = "high risk"
    elif all(name in BEST for name in classes):
        verdict = "risk not increased"
    else:
        verdict = "increased risk"
    return RiskLine("fracture risk class", len(classes), "measures", verdict, OVERALL_LIMITS, KEAVENY_2020, CAVEAT)
