"""Checks of an examination and its bones as rows: what was said alike is said once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.report.sentences import check_name
from BoneStrengthFEALib.report.words import Words
from BoneStrengthFEALib.results import StudyResults

ORDER = (Outcome.REFUSE, Outcome.WARN, Outcome.PASS)
Named = tuple[str, QualityReport]


def reports_of(results: StudyResults, say: Words) -> list[Named]:
    """All checks with the name of what was checked.

    Parameters
    ----------
    results
        Results.
    say
        Words.

    Returns
    -------
    Name and checks: the examination, then each bone.
    """
    return [(say("examination"), results.quality), *((site.name, site.quality) for site in results.sites)]


def merged_rows(
    reports: Sequence[Named], say: Words, only: Sequence[Outcome] = ORDER
) -> tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """Rows of a table, refusals first.

    Parameters
    ----------
    reports
        Named checks.
    say
        Words.
    only
        Outcomes to show.

    Returns
    -------
    Rows (outcome, check, found, expected, what to do) and the kind of each; what several bones share is one row.
    """
    groups: dict[tuple[Outcome, str, str, str], list[tuple[str, str]]] = defaultdict(list)
    for name, report in reports:
        for line in report.lines:
            if line.outcome in only:
                groups[_key(line)].append((name, line.found))
    ordered = sorted(groups.items(), key=lambda item: ORDER.index(item[0][0]))
    rows = tuple(
        (
            say(f"outcome_{outcome.value}"),
            check_name(check, say),
            _found(found, [name for name, _ in reports]),
            say.text(expected),
            say.text(action),
        )
        for (outcome, check, expected, action), found in ordered
    )
    return rows, tuple(key[0].value for key, _ in ordered)


def _key(line: QualityLine) -> tuple[Outcome, str, str, str]:
    return line.outcome, line.check, line.expected, line.action if line.outcome is not Outcome.PASS else ""


def _found(found: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    """Values with the bones they belong to; only those of the examination stand alone."""
    values: dict[str, list[str]] = defaultdict(list)
    for name, value in found:
        if name not in values[value]:
            values[value].append(name)
    parts = []
    for value, owners in values.items():
        bones = [owner for owner in owners if owner != names[0]]
        parts.append(f"{', '.join(bones)}: {value}" if bones else value)
    return "; ".join(parts)
