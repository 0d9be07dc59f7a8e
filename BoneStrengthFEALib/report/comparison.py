"""What changed since a prior examination, and whether the two can be compared at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from BoneStrengthFEALib.measure_codes import short_code
from BoneStrengthFEALib.report.prior import MODEL_FACTS, PriorExam, PriorValue, exam_of
from BoneStrengthFEALib.report.words import Words, date
from BoneStrengthFEALib.results import SiteResult, StudyResults

COVERAGE = 1.96
"""Two-sided 95 % of a normal deviate; for equal uncertainties the limit is the familiar 2.77 u."""
SHOWN_DIGITS = 12
"""Digits of a hash that are written."""
MODEL_SETTINGS = ("setting model.", "setting nonlinear.")
"""Settings that change a strength and leave a density as it is."""


@dataclass(frozen=True)
class Change:
    """One number now and before.

    Parameters
    ----------
    bone, measure, unit
        What it is.
    now, before
        Values.
    limit
        Least significant change (95 %) in the unit, or None when none is known.
    limit_source
        "precision" for a precision study, "uncertainty" for the stated uncertainties, empty without a limit.
    comparable
        Whether nothing is known to differ that this number depends on.
    """

    bone: str
    measure: str
    unit: str
    now: float
    before: float
    limit: float | None
    limit_source: str
    comparable: bool

    @property
    def change(self) -> float:
        """Now minus before."""
        return self.now - self.before

    @property
    def percent(self) -> float | None:
        """Change in percent of the value before; None when that is zero."""
        return 100.0 * self.change / self.before if self.before else None

    @property
    def verdict(self) -> str:
        """Key of the words for the reader."""
        if not self.comparable:
            return "verdict_not_comparable"
        if self.limit is None:
            return "verdict_no_limit"
        if abs(self.change) <= self.limit:
            return "verdict_within"
        return "verdict_increase" if self.change > 0 else "verdict_decrease"


def compare(now: StudyResults, before: PriorExam, limits: Mapping[str, float] | None = None) -> tuple[Change, ...]:
    """Compare every bone and measure present in both examinations.

    Parameters
    ----------
    now
        Present results.
    before
        Examination of the same person.
    limits
        "site/measure" to the least significant change of a precision study.

    Returns
    -------
    Changes in the order of the present report.

    References
    ----------
    Bonnick SL et al. (2001), J Clin Densitom 4:105: least significant change = 2.77 precision error, which is
    1.96 times the root of the summed squares of two equal uncertainties.
    """
    earlier = {(value.bone, value.code): value for value in before.values}
    different = [name for name, _, _ in differences(now, before)]
    found: list[Change] = []
    for site in now.sites:
        for identifier, label, value in _numbers(site):
            old = earlier.get((site.name, value.code))
            if old is not None and old.unit == value.unit:
                known = (limits or {}).get(f"{site.site}/{identifier}")
                limit, source = (known, "precision") if known is not None else _limit(value, old)
                comparable = not any(_matters(name, site.name, value.unit) for name in different)
                found.append(Change(site.name, label, value.unit, value.value, old.value, limit, source, comparable))
    return tuple(found)


def differences(now: StudyResults, before: PriorExam) -> tuple[tuple[str, str, str], ...]:
    """Name what makes two examinations hard to compare.

    Parameters
    ----------
    now, before
        Examinations.

    Returns
    -------
    (fact, now, before); empty when software, settings, calibration, scanner and models agree.
    """
    present = exam_of(now).facts
    names = [name for name in present if _bone_of(name) in ("", *{v.bone for v in before.values})]
    if any(name.startswith("setting ") for name in before.facts):
        names = [name for name in names if name != "settings_sha256"]
        names += [name for name in before.facts if name.startswith("setting ") and name not in present]
    else:
        names = [name for name in names if not name.startswith("setting ")]
    pairs = [(name, present.get(name, ""), before.facts.get(name, "")) for name in names]
    return tuple((name, new, old) for name, new, old in pairs if new != old)


def summary(now: StudyResults, before: PriorExam | None, say: Words) -> str:
    """One sentence on the comparison.

    Parameters
    ----------
    now
        Present results.
    before
        Prior examination, or None.
    say
        Words.

    Returns
    -------
    A sentence, empty without a prior examination.
    """
    if before is None:
        return ""
    day = date(before.date) or say("unknown_date")
    different = differences(now, before)
    if not different:
        return say("prior_same", date=day)
    alike: dict[tuple[str, str, str], list[str]] = {}
    for name, new, old in different:
        bone = _bone_of(name)
        alike.setdefault((name[len(bone) :].strip(), _short(name, new), _short(name, old)), []).append(bone)
    named = "; ".join(
        say(
            "difference",
            name=f"{', '.join(bones)} {fact_name(fact, say)}".strip(),
            new=new or say("unknown"),
            old=old or say("unknown"),
        )
        for (fact, new, old), bones in alike.items()
    )
    return say("prior_different", date=day, differences=named)


def _short(name: str, text: str) -> str:
    return text[:SHOWN_DIGITS] if name.endswith("sha256") else text


def fact_name(name: str, say: Words) -> str:
    """Words for a fact of a comparison.

    Parameters
    ----------
    name
        As in PriorExam.facts.
    say
        Words.

    Returns
    -------
    Words.
    """
    bone = _bone_of(name)
    plain = name[len(bone) :].strip()
    key = f"fact_{plain.removeprefix('setting ')}"
    words = say(key) if key in say.phrases else plain
    return f"{bone} {words}".strip()


def _bone_of(name: str) -> str:
    bone, _, fact = name.rpartition(" ")
    return bone if fact in MODEL_FACTS and bone != "setting" else ""


def _matters(name: str, bone: str, unit: str) -> bool:
    """Whether a difference touches a number; forces and stiffnesses depend on the model, densities do not."""
    mechanical = unit in ("N", "N/mm")
    if _bone_of(name):
        return mechanical and _bone_of(name) == bone
    return mechanical or not name.startswith(MODEL_SETTINGS)


def _numbers(site: SiteResult) -> list[tuple[str, str, PriorValue]]:
    rows: list[tuple[str, str, float, str, float | None]] = [
        (f"failure_load_{s.criterion}", f"Failure load, {s.criterion}", s.force_n, "N", None) for s in site.strengths
    ]
    rows += [(m.id, m.label, m.value, m.unit, m.uncertainty) for m in site.bmd]
    return [
        (name, label, PriorValue(site.name, short_code(name), value, unit, spread))
        for name, label, value, unit, spread in rows
    ]


def _limit(first: PriorValue, second: PriorValue) -> tuple[float | None, str]:
    if first.uncertainty is None or second.uncertainty is None:
        return None, ""
    return COVERAGE * math.hypot(first.uncertainty, second.uncertainty), "uncertainty"
