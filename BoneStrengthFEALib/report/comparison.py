"""What changed since a prior examination."""

from __future__ import annotations

import math
from dataclasses import dataclass

from BoneStrengthFEALib.results import SiteResult, StudyResults

COVERAGE = 1.96
"""Two-sided 95 % of a normal deviate; for equal uncertainties the limit is the familiar 2.77 u."""
IGNORED_SETTINGS = ("accept", "threads", "solver")
"""Settings that may differ without making numbers incomparable."""


@dataclass(frozen=True)
class Change:
    """One number now and before.

    Parameters
    ----------
    site, measure, unit
        What it is.
    now, before
        Values.
    limit
        Smallest change that is significant at 95 %, or None when an uncertainty is unknown.
    """

    site: str
    measure: str
    unit: str
    now: float
    before: float
    limit: float | None

    @property
    def change(self) -> float:
        """Now minus before."""
        return self.now - self.before

    @property
    def verdict(self) -> str:
        """Words for the reader."""
        if self.limit is None:
            return "significance unknown"
        return "significant" if abs(self.change) > self.limit else "within uncertainty"


def compare(now: StudyResults, before: StudyResults) -> tuple[Change, ...]:
    """Compare every bone and measure present in both examinations.

    Parameters
    ----------
    now, before
        Results of the same person.

    Returns
    -------
    Changes in the order of the present report.

    References
    ----------
    Bonnick SL et al. (2001), J Clin Densitom 4:105: least significant change = 2.77 precision error, which is
    1.96 times the root of the summed squares of two equal uncertainties.
    """
    earlier = {site.name: site for site in before.sites}
    changes: list[Change] = []
    for site in now.sites:
        if site.name in earlier:
            changes += _site_changes(site, earlier[site.name])
    return tuple(changes)


def settings_differences(now: StudyResults, before: StudyResults) -> tuple[str, ...]:
    """Name what makes two examinations hard to compare.

    Parameters
    ----------
    now, before
        Results.

    Returns
    -------
    One line per difference; empty when method, settings, scanner and software agree.
    """
    names = sorted((set(now.settings) | set(before.settings)) - set(IGNORED_SETTINGS))
    pairs = [(f"setting {name}", now.settings.get(name), before.settings.get(name)) for name in names]
    exam, prior = now.acquisition, before.acquisition
    pairs += [(name, getattr(exam, name), getattr(prior, name)) for name in ("kvp", "kernel", "manufacturer", "model")]
    pairs += [("software", now.provenance.get("software"), before.provenance.get("software"))]
    return tuple(f"{name}: {new} now, {old} before" for name, new, old in pairs if new != old)


def _site_changes(site: SiteResult, earlier: SiteResult) -> list[Change]:
    old = {measure.id: measure for measure in earlier.bmd}
    changes = []
    for m in site.bmd:
        if m.id in old and m.unit == old[m.id].unit:
            limit = _limit(m.uncertainty, old[m.id].uncertainty)
            changes.append(Change(site.name, m.label, m.unit, m.value, old[m.id].value, limit))
    strengths = {s.criterion: s.force_n for s in earlier.strengths}
    for s in site.strengths:
        if s.criterion in strengths:
            name = f"Failure load, {s.criterion}"
            changes.append(Change(site.name, name, "N", s.force_n, strengths[s.criterion], None))
    return changes


def _limit(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else COVERAGE * math.hypot(first, second)
