"""Scripts that are written from right to left, and how letters join, for a renderer that places glyphs one by one."""

from __future__ import annotations

import functools
import re
import unicodedata

FORMS = ("isolated", "final", "initial", "medial")
_LETTER = r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]"
RIGHT_TO_LEFT = re.compile(rf"{_LETTER}(?:(?:{_LETTER}|[ ,.'-])*{_LETTER})?")
NEEDS_SHAPING = re.compile(r"[\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff]")
"""Indic scripts, Tibetan, Myanmar and Khmer: letters change places and shapes when written."""


def visual(text: str) -> str:
    """Put runs of Arabic and Hebrew into the order and the forms in which they are seen.

    Parameters
    ----------
    text
        Text in the order in which it is read.

    Returns
    -------
    The text for a renderer that writes every character to the right of the last.
    """
    return RIGHT_TO_LEFT.sub(lambda found: _turned(found.group()), text)


def script_name(character: str) -> str:
    """Name of a character's script.

    Parameters
    ----------
    character
        One character.

    Returns
    -------
    For example "Thai".
    """
    name = unicodedata.name(character, "unknown").split(" ")[0]
    return "Chinese" if name == "CJK" else name.capitalize()


def _turned(run: str) -> str:
    clusters: list[str] = []
    for character in _joined(run):
        if clusters and unicodedata.combining(character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return "".join(reversed(clusters))


def _joined(text: str) -> str:
    """Arabic letters in the forms their neighbours ask for."""
    forms = _forms()
    text = re.sub("\u0644([\u0622\u0623\u0625\u0627])", lambda m: forms[m.group()]["isolated"], text)
    shaped = []
    for n, letter in enumerate(text):
        known = forms.get(_plain(letter), {})
        before = _neighbour(text, n, -1)
        after = _neighbour(text, n, 1)
        to_right = "final" in known and "initial" in forms.get(_plain(before), {})
        to_left = "initial" in known and "final" in forms.get(_plain(after), {})
        wanted = FORMS[to_right + 2 * to_left]
        shaped.append(known.get(wanted, letter))
    return "".join(shaped)


def _plain(letter: str) -> str:
    # a ligature of lam and alef joins as alef does
    return letter if letter < "\ufe70" or not letter else unicodedata.normalize("NFKC", letter)


def _neighbour(text: str, place: int, step: int) -> str:
    place += step
    while 0 <= place < len(text) and unicodedata.combining(text[place]):
        place += step
    return text[place] if 0 <= place < len(text) else ""


@functools.cache
def _forms() -> dict[str, dict[str, str]]:
    """Letter or ligature to its forms, from Unicode's own decompositions."""
    found: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFDFC), *range(0xFE70, 0xFEFD)):
        parts = unicodedata.decomposition(chr(code)).split()
        if parts and parts[0].strip("<>") in FORMS:
            letters = "".join(chr(int(part, 16)) for part in parts[1:])
            found.setdefault(letters, {}).setdefault(parts[0].strip("<>"), chr(code))
    return found
