"""Checks of an examination and its bones as rows: what was said alike is said once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.report.sentences import check_name
from BoneStrengthFEALib.report.words import Words, unit_words
from BoneStrengthFEALib.results import StudyResults

ORDER = (Outcome.REFUSE, Outcome.WARN, Outcome.PASS)
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)")
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
            unit_words(_found([(name, say.text(words)) for name, words in found], [name for name, _ in reports])),
            unit_words(say.text(expected)),
            unit_words(say.text(action)),
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
    owned = [([owner for owner in owners if owner != names[0]], value) for value, owners in values.items()]
    if len(owned) > 1 and all(bones for bones, _ in owned):
        split = [(bones, *NUMBER.split(value, 1)) for bones, value in owned if NUMBER.search(value)]
        if len(split) == len(owned) and len({(before, after) for _, before, _, after in split}) == 1:
            # the same words with other numbers are said once
            numbers = ", ".join(f"{', '.join(bones)} {number}" for bones, _, number, _ in split)
            return f"{split[0][1]}{numbers}{split[0][3]}"
    return "; ".join(f"{', '.join(bones)}: {value}" if bones else value for bones, value in owned)
