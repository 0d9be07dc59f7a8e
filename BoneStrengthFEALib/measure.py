"""One measured number with unit, uncertainty and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A number of the report.

    Parameters
    ----------
    id
        Stable id, for example ``trabecular_vbmd``; the data dictionary lists all.
    label
        Words for people, for example "Trabecular vBMD".
    value
        The number.
    unit
        UCUM-like unit: "mg/cm3", "g/cm2", "N", "N/mm", "cm3", "mm".
    uncertainty
        Standard uncertainty in the same unit, or None when it is not known.
    classification
        Class by a published table, or empty.
    source
        Citation of the definition and of the class limits.
    unverified
        Whether a number behind it has not been confirmed in its source.
    """

    id: str
    label: str
    value: float
    unit: str
    uncertainty: float | None = None
    classification: str = ""
    source: str = ""
    unverified: bool = False
