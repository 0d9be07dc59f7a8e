"""Fonts and paragraphs of the PDF: any script, everything escaped."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from BoneStrengthFEALib.errors import DependencyError

FONTS = Path(__file__).parent / "fonts"
NAMES = {"Report": "DejaVuSans.ttf", "Report-Bold": "DejaVuSans-Bold.ttf"}
KOREAN, JAPANESE, CHINESE = "HYGothic-Medium", "HeiseiKakuGo-W5", "STSong-Light"
INK, ACCENT = "#1c2733", "#1f6f8b"


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
        addMapping("Report", bold, 0, name)
        addMapping("Report", bold, 1, name)
    for name in (KOREAN, JAPANESE, CHINESE):
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return frozenset(pdfmetrics.getFont("Report").face.charToGlyph)


def markup(text: str) -> str:
    """Escape text and name a font for the characters the embedded one lacks.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    Markup for a paragraph.
    """
    known = register_fonts()
    family = _east_asian(text)
    parts, run, foreign = [], "", False
    for character in f"{text}\0":
        missing = character != "\0" and ord(character) not in known and not character.isspace()
        if missing != foreign or character == "\0":
            parts.append(f'<font name="{family}">{escape(run)}</font>' if foreign else escape(run))
            run, foreign = "", missing
        run += character
    return "".join(parts)


def paragraph(text: str, size: float = 8.0, bold: bool = False, colour: str = INK, raw: bool = False) -> Any:
    """A paragraph.

    Parameters
    ----------
    text
        Text, or markup when raw.
    size
        Font size [pt].
    bold
        Whether bold.
    colour
        Hexadecimal colour.
    raw
        Whether text is markup already.

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
        fontName="Report-Bold" if bold else "Report",
        fontSize=size,
        leading=size * 1.3,
        textColor=HexColor(colour),
        splitLongWords=1,
    )
    return Paragraph(text if raw else markup(text), style)


def _east_asian(text: str) -> str:
    if any("\uac00" <= c <= "\ud7a3" or "\u1100" <= c <= "\u11ff" for c in text):
        return KOREAN
    return JAPANESE if any("\u3040" <= c <= "\u30ff" for c in text) else CHINESE
