"""Nouns of a vector drawing: what both renderers of the report can draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INK, ACCENT, MARK, AXIS, GRID = "#1c2733", "#1f6f8b", "#c8553d", "#8a94a0", "#e4e8ec"
SMALL = 6.5
"""Font size of a chart [pt]."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Path:
    """A line or an area.

    Parameters
    ----------
    points
        Corners (x right, y down) [pt].
    stroke, fill
        Hexadecimal colours; empty for none. A filled path is closed.
    width
        Width of the line [pt].
    dashed
        Whether the line is dashed.
    """

    points: tuple[Point, ...]
    stroke: str = ""
    fill: str = ""
    width: float = 0.6
    dashed: bool = False


@dataclass(frozen=True)
class Disc:
    """A dot.

    Parameters
    ----------
    x, y, radius
        Middle and radius [pt].
    fill
        Hexadecimal colour.
    tip
        Words shown where the reader can point at it.
    """

    x: float
    y: float
    radius: float
    fill: str = MARK
    tip: str = ""


@dataclass(frozen=True)
class Label:
    """Words on a base line.

    Parameters
    ----------
    x, y
        Anchor on the base line [pt].
    text
        Words.
    anchor
        "start", "middle" or "end".
    size
        Font size [pt].
    colour
        Hexadecimal colour.
    bold
        Whether bold.
    """

    x: float
    y: float
    text: str
    anchor: str = "start"
    size: float = SMALL
    colour: str = INK
    bold: bool = False


Shape = Path | Disc | Label


@dataclass(frozen=True)
class Drawing:
    """Shapes on a sheet.

    Parameters
    ----------
    width, height
        Size [pt]; a renderer may scale it.
    shapes
        From back to front.
    title
        What it shows, for readers who cannot see it.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    title: str


def rectangle(x: float, y: float, width: float, height: float, stroke: str = "", fill: str = "") -> Path:
    """An upright rectangle.

    Parameters
    ----------
    x, y, width, height
        Upper left corner and size [pt].
    stroke, fill
        Colours.

    Returns
    -------
    Closed path.
    """
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y))
    return Path(corners, stroke, fill)


def polyline(points: Sequence[Point], stroke: str, width: float = 1.2) -> Path:
    """An open line.

    Parameters
    ----------
    points
        Corners.
    stroke
        Colour.
    width
        Width [pt].

    Returns
    -------
    Path.
    """
    return Path(tuple((float(x), float(y)) for x, y in points), stroke, "", width)
