"""Fonts of the machine for scripts that the report's own font lacks."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

NAMES = (
    *("thai", "garuda", "loma", "waree", "leelawui", "tahoma", "thonburi", "lohit", "nirmala", "mangal", "latha"),
    *("devanagari", "tamil", "bengali", "gujarati", "telugu", "kannada", "malayalam", "gurmukhi", "sinhala", "khmer"),
    *("myanmar", "ethiopic", "tibetan", "msgothic", "yugoth", "simsun", "msyh", "malgun", "arialuni", "arial unicode"),
    *("droidsansfallback", "wqy", "ipag", "nanumgothic", "freesans", "freeserif", "unifont", "notosans-regular"),
)
"""Parts of the names of fonts that are worth a look, in small letters."""
MOST = 60
"""Fonts that are opened at most."""


def font_folders() -> list[Path]:
    """Folders in which systems keep their fonts.

    Returns
    -------
    Existing folders.
    """
    home = Path.home()
    folders = [home / ".fonts", home / ".local/share/fonts", Path("/usr/share/fonts"), Path("/usr/local/share/fonts")]
    if sys.platform == "darwin":
        folders = [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    if sys.platform == "win32":
        folders = [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    return [folder for folder in folders if folder.is_dir()]


@functools.cache
def candidates() -> tuple[Path, ...]:
    """Fonts of the machine that may know other scripts.

    Returns
    -------
    TrueType files, in a fixed order.
    """
    files = [path for folder in font_folders() for path in folder.rglob("*.tt[fc]")]
    wanted = [path for path in files if any(name in path.name.lower() for name in NAMES)]
    plain = [path for path in wanted if not any(s in path.stem.lower() for s in ("bold", "oblique", "italic"))]
    return tuple(sorted(plain, key=lambda path: path.name)[:MOST])


@functools.cache
def font_for(letters: frozenset[int]) -> str | None:
    """Register a font of the machine that can draw letters.

    Parameters
    ----------
    letters
        Code points.

    Returns
    -------
    Name under which it is registered, or None when no font has them all.
    """
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    for path in candidates():
        name = f"System-{path.stem}"
        try:
            font = TTFont(name, str(path))
        except (TTFError, OSError, ValueError, KeyError, IndexError):
            # a font this writer cannot embed
            continue
        if letters <= set(font.face.charToGlyph):
            pdfmetrics.registerFont(font)
            return name
    return None
