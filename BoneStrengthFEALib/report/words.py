"""Words for people: one catalogue per language, and how names, dates and numbers are written."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.measure import Measure

FOLDER = Path(__file__).parent / "languages"
ENGLISH = "en"
GROUP = re.compile(r"\\(\d)")
"""Place of a group in the words of a pattern."""
SCALE_BY_UNIT = {"N": -1, "N/mm": -1, "mg/cm3": 0, "g/cm2": 3, "cm3": 1, "mm2": 1, "mm": 1, "mg": 0, "g": 2, "1": 2}
"""Decimals by unit; -1 rounds to tens, the resolution the cut-offs' source reports in."""


@dataclass(frozen=True)
class Words:
    """The words of one language.

    Parameters
    ----------
    language
        Code, for example "en".
    phrases
        Key to the report's own words, with {fields}.
    texts
        English words that other parts of the library produce (labels, classes, checks) to the language's.
    patterns
        Pairs of a regular expression of such words and the language's words, with groups that are translated too.
    """

    language: str
    phrases: Mapping[str, str]
    texts: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    def __call__(self, key: str, **values: object) -> str:
        """The report's own words for a key.

        Parameters
        ----------
        key
            Key of the catalogue.
        **values
            Values of its fields.

        Returns
        -------
        Words.

        Raises
        ------
        KeyError
            For a key that no catalogue holds.
        """
        return self.phrases[key].format(**values)

    def text(self, english: str) -> str:
        """Words that come from elsewhere in English.

        Parameters
        ----------
        english
            Words.

        Returns
        -------
        The language's words; the English when the catalogue has none.
        """
        if english in self.texts:
            return self.texts[english]
        for pattern, words in self.patterns:
            found = pattern.fullmatch(english)
            if found:
                parts = [self.text(part or "") for part in found.groups()]
                return GROUP.sub(lambda group, parts=parts: parts[int(group[1]) - 1], words)  # type: ignore[misc]
        return english


def languages() -> tuple[str, ...]:
    """Languages the report can be written in.

    Returns
    -------
    Codes.
    """
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@functools.cache
def words_of(language: str = ENGLISH) -> Words:
    """Catalogue of a language.

    Parameters
    ----------
    language
        Code.

    Returns
    -------
    Words.

    Raises
    ------
    InputError
        When there is no catalogue of that language.
    """
    if language not in languages():
        raise InputError(f"no report in language {language!r}; choose one of {', '.join(languages())}")
    data = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    patterns = tuple((re.compile(pattern), words) for pattern, words in data.get("patterns", ()))
    return Words(language, data["phrases"], data["texts"], patterns)


def translate(key: str, language: str = ENGLISH, **values: object) -> str:
    """The report's own words for a key.

    Parameters
    ----------
    key
        Key of the catalogue.
    language
        Code.
    **values
        Values of its fields.

    Returns
    -------
    Words.
    """
    return words_of(language)(key, **values)


def person_name(name: str) -> str:
    """DICOM person name for people.

    Parameters
    ----------
    name
        "Family^Given^Middle^Prefix^Suffix", possibly with an ideographic and a phonetic group behind "=".

    Returns
    -------
    "Family, Given Middle"; with two writings of a name, the second in brackets.
    """
    groups = [_ordered(group) for group in name.split("=")[:2]]
    first, *others = list(dict.fromkeys(group for group in groups if group)) or [""]
    return f"{first} ({others[0]})" if others else first


def _ordered(group: str) -> str:
    family, _, given = group.partition("^")
    rest = " ".join(part for part in given.split("^") if part)
    return ", ".join(part for part in (family, rest) if part)


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
    return spread(measure.value, measure.uncertainty, measure.unit)


def spread(value: float, uncertainty: float | None, unit: str) -> str:
    """Value and standard uncertainty of a number.

    Parameters
    ----------
    value
        Number.
    uncertainty
        Standard uncertainty, or None.
    unit
        Unit of both.

    Returns
    -------
    "2390 ± 80" or "2390"; at most two digits of the uncertainty, at the unit's resolution.
    """
    if uncertainty is None or not uncertainty > 0:
        return number(value, unit)
    # two digits of the uncertainty, but nothing finer than what the unit is known to: then it is rounded up
    decimals = min(SCALE_BY_UNIT.get(unit, 2), 1 - math.floor(math.log10(uncertainty)))
    rounded = round(uncertainty, decimals) or 10.0**-decimals
    shown = [f"{round(one, decimals):.{max(decimals, 0)}f}" for one in (value, rounded)]
    # no line break within the number
    return "\u00a0±\u00a0".join(shown)


def unit_words(unit: str) -> str:
    """A unit as people write it.

    Parameters
    ----------
    unit
        Unit of a measure.

    Returns
    -------
    "mg/cm³" for "mg/cm3"; empty for "1".
    """
    return "" if unit == "1" else unit.replace("cm3", "cm³").replace("cm2", "cm²").replace("mm2", "mm²")


def moment(utc: str) -> str:
    """A time for people.

    Parameters
    ----------
    utc
        ISO 8601, UTC.

    Returns
    -------
    "2026-03-09 10:00 UTC", or the text itself.
    """
    known = len(utc) >= 19 and utc[10:11] == "T" and utc.endswith("+00:00")
    return f"{utc[:10]} {utc[11:16]} UTC" if known else utc


def with_unit(text: str, unit: str) -> str:
    """A number and its unit.

    Parameters
    ----------
    text
        Number in words.
    unit
        Unit; "1" is not written.

    Returns
    -------
    "78 mg/cm³".
    """
    return f"{text} {unit_words(unit)}".rstrip()
