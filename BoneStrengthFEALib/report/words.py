"""How names, dates and numbers are written for people."""

from __future__ import annotations

from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.results import SiteResult, StudyResults

SCALE_BY_UNIT = {"N": -1, "N/mm": -1, "mg/cm3": 0, "g/cm2": 3, "cm3": 1, "mm": 1, "mg": 0, "g": 2, "1": 2}
"""Decimals by unit; -1 rounds to tens, the resolution the cut-offs' source reports in."""


def person_name(name: str) -> str:
    """DICOM person name for people.

    Parameters
    ----------
    name
        "Family^Given^Middle^Prefix^Suffix", possibly with several representations separated by "=".

    Returns
    -------
    "Family, Given Middle".
    """
    family, _, given = name.split("=")[0].partition("^")
    rest = " ".join(part for part in given.split("^") if part)
    return f"{family}, {rest}" if rest else family


def date(text: str) -> str:
    """DICOM date for people.

    Parameters
    ----------
    text
        YYYYMMDD.

    Returns
    -------
    YYYY-MM-DD, or the text itself.
    """
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdecimal() else text


def number(value: float, unit: str) -> str:
    """A number at the resolution it is known to.

    Parameters
    ----------
    value
        Number.
    unit
        Its unit.

    Returns
    -------
    Text without the unit.
    """
    decimals = SCALE_BY_UNIT.get(unit, 2)
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def with_uncertainty(measure: Measure) -> str:
    """Value and standard uncertainty.

    Parameters
    ----------
    measure
        Measure.

    Returns
    -------
    "78 ± 3" or "78".
    """
    text = number(measure.value, measure.unit)
    return text if measure.uncertainty is None else f"{text} ± {number(measure.uncertainty, measure.unit)}"


def headline(results: StudyResults) -> str:
    """The one-line result.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    A sentence.
    """
    parts = [f"{s.name} {number(s.strengths[0].force_n, 'N')} N" for s in results.sites if s.strengths]
    if not parts and any(site.bmd for site in results.sites):
        return "Density measures alone; no strength was asked for."
    if not parts:
        return "No strength could be computed; the reasons are listed under the checks."
    strengths = "Strength: " + ", ".join(parts)
    if results.risk is None:
        return f"{strengths}. Fracture-risk class: not determined (sex unknown, or no level T12 to L3)."
    basis = "" if any(site.risk for site in results.sites) else " (from density alone)"
    return f"{strengths}. Fracture-risk class: {results.risk.classification}{basis}."


def no_strength(site: SiteResult) -> str:
    """What stands where a strength would.

    Parameters
    ----------
    site
        Bone without a strength.

    Returns
    -------
    A word.
    """
    return "not computed" if site.bmd else "refused"


def references(results: StudyResults) -> list[str]:
    """Every source the numbers rest on, each once.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Citations in the order in which the report meets them.
    """
    found = [results.calibration.source] if results.calibration else []
    found += [measure.source for measure in results.measures]
    for site in results.sites:
        found += [measure.source for measure in site.bmd]
        found += site.model.sources if site.model else ()
        found += [strength.source for strength in site.strengths]
        found += [line.source for line in site.risk]
    found += [results.risk.source] if results.risk else []
    return list(dict.fromkeys(text for text in found if text))
