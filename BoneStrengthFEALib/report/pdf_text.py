"""Fonts and paragraphs of the PDF: any script or a word that says which one, everything escaped."""

from __future__ import annotations

import functools
import importlib.util
import itertools
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from BoneStrengthFEALib.errors import DependencyError
from BoneStrengthFEALib.report.drawing import INK
from BoneStrengthFEALib.report.scripts import NEEDS_SHAPING, script_name, visual
from BoneStrengthFEALib.report.system_fonts import font_for

FONTS = Path(__file__).parent / "fonts"
REGULAR, BOLD = "Report", "Report-Bold"
NAMES = {REGULAR: "DejaVuSans.ttf", BOLD: "DejaVuSans-Bold.ttf"}
KOREAN, JAPANESE, CHINESE = "HYGothic-Medium", "HeiseiKakuGo-W5", "STSong-Light"


@functools.cache
def register_fonts() -> frozenset[int]:
    """Register the fonts once.

    Returns
    -------
    Code points the embedded font can draw.

    Raises
    ------
    DependencyError
        When reportlab is not installed.
    """
    try:
        from reportlab.lib.fonts import addMapping
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.cidfonts import UnicodeCIDFont
        from reportlab.pdfbase.ttfonts import TTFont
    except ImportError as error:
        raise DependencyError("the PDF report needs the package reportlab; install bone-strength-fea[all]") from error
    for name, file in NAMES.items():
        pdfmetrics.registerFont(TTFont(name, str(FONTS / file)))
    for bold, name in enumerate(NAMES):
        addMapping(REGULAR, bold, 0, name)
        addMapping(REGULAR, bold, 1, name)
    for name in (KOREAN, JAPANESE, CHINESE):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return frozenset(pdfmetrics.getFont(REGULAR).face.charToGlyph)


def markup(text: str) -> str:
    """Escape text and name a font for the characters the embedded one lacks.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    Markup for a paragraph; what no font can draw becomes the name of its script in brackets.
    """
    known = register_fonts()

    def foreign(character: str) -> bool:
        return ord(character) not in known and not character.isspace()

    parts = []
    for missing, run in itertools.groupby(visual(text), foreign):
        letters = "".join(run)
        parts.append(_foreign(letters, text) if missing else escape(letters))
    return "".join(parts)


def needs_shaping(text: str) -> bool:
    """Whether letters of a text change places and shapes when written.

    Parameters
    ----------
    text
        Text.

    Returns
    -------
    True for Indic scripts and their like.
    """
    return bool(NEEDS_SHAPING.search(text))


def can_shape() -> bool:
    """Whether the shaping engine is installed.

    Returns
    -------
    True with the package uharfbuzz.
    """
    return importlib.util.find_spec("uharfbuzz") is not None


def paragraph(text: str, size: float = 8.0, bold: bool = False, colour: str = INK) -> Any:
    """A paragraph.

    Parameters
    ----------
    text
        Text.
    size
        Font size [pt].
    bold
        Whether bold.
    colour
        Hexadecimal colour.

    Returns
    -------
    Flowable.
    """
    register_fonts()
    from reportlab.lib.colors import HexColor
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        f"p{size}{bold}{colour}",
        fontName=BOLD if bold else REGULAR,
        fontSize=size,
        leading=size * 1.28,
        textColor=HexColor(colour),
        splitLongWords=1,
        embeddedHyphenation=1,
        shaping=int(needs_shaping(text) and can_shape()),
    )
    return Paragraph(markup(text), style)


def _foreign(letters: str, text: str) -> str:
    family = _family(letters, text)
    if family is None:
        return escape(f"[{script_name(letters[0])}]")
    return f'<font name="{family}">{escape(letters)}</font>'


def _family(letters: str, text: str) -> str | None:
    if needs_shaping(letters) and not can_shape():
        # letters in the wrong order would be another name
        return None
    if all(_is_east_asian(letter) for letter in letters):
        return font_for(frozenset(map(ord, letters))) or _east_asian(text)
    return font_for(frozenset(map(ord, letters)))


def _is_east_asian(letter: str) -> bool:
    return "\u2e80" <= letter <= "\ud7ff" or "\uf900" <= letter <= "\ufaff" or "\uff00" <= letter <= "\uffef"


def _east_asian(text: str) -> str:
    if any("\uac00" <= c <= "\ud7a3" or "\u1100" <= c <= "\u11ff" for c in text):
        return KOREAN
    return JAPANESE if any("\u3040" <= c <= "\u30ff" for c in text) else CHINESE
