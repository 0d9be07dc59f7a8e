"""Which bone a label name means."""

from __future__ import annotations

import re

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.errors import AnatomyError

LEVELS = tuple(f"{region}{n}" for region, last in (("C", 7), ("T", 12), ("L", 6)) for n in range(1, last + 1))
"""Vertebral levels, cranial to caudal."""
ANALYSED_LEVELS = tuple(level for level in LEVELS if level[0] in "TL")

_LEVEL = re.compile(r"(?:^|[^a-z])([ctl])[ _-]?(\d{1,2})(?![0-9])", re.IGNORECASE)
_SITES = ((Site.FEMUR, r"femur|proximal femur|hip bone"), (Site.RADIUS, r"radius"), (Site.TIBIA, r"tibia"))
_SIDES = ((Side.LEFT, r"left|(?:^|[^a-z])l(?:$|[^a-z])"), (Side.RIGHT, r"right|(?:^|[^a-z])r(?:$|[^a-z])"))


def recognise(name: str) -> tuple[Site | None, str, Side]:
    """Read site, level and side from a label name.

    Parameters
    ----------
    name
        Name as TotalSegmentator ("vertebrae_L1", "femur_left"), TPTBox, Ogo or people write it.

    Returns
    -------
    Site (None when the name tells none), level ("" when none), side.
    """
    text = name.replace("_", " ").lower()
    level = _LEVEL.search(text)
    if level and f"{level[1].upper()}{int(level[2])}" in LEVELS:
        return Site.VERTEBRA, f"{level[1].upper()}{int(level[2])}", Side.NONE
    if re.search(r"vertebra", text):
        return Site.VERTEBRA, "", Side.NONE
    for site, pattern in _SITES:
        if re.search(pattern, text):
            return site, "", next((side for side, p in _SIDES if re.search(p, text)), Side.NONE)
    return None, "", Side.NONE


def require_level(level: str) -> str:
    """Normalise a vertebral level.

    Parameters
    ----------
    level
        "L1", "l1" or "".

    Returns
    -------
    Level in upper case.

    Raises
    ------
    AnatomyError
        When there is no such level.
    """
    wanted = level.strip().upper()
    if wanted and wanted not in ANALYSED_LEVELS:
        raise AnatomyError(f"{level!r} is no thoracic or lumbar level; choose T1 to T12 or L1 to L6")
    return wanted
