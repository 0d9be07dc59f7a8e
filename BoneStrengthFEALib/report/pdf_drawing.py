"""Drawings and pictures on the pages of the PDF."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

from BoneStrengthFEALib.report.drawing import Disc, Drawing, Label, Shape
from BoneStrengthFEALib.report.pdf_text import BOLD, REGULAR, paragraph
from BoneStrengthFEALib.report.view import Figures, Pictures

WIDTH = 513.0
"""Width of the text on A4, as wide as paragraphs are [pt]."""
CAPTION = 6.6


def pictures(block: Pictures, folder: FilePath) -> Any:
    """Pictures in rows with their captions.

    Parameters
    ----------
    block
        Pictures.
    folder
        Their folder.

    Returns
    -------
    Flowable.
    """
    from PIL import Image as PillowImage
    from reportlab.platypus import Image

    edge = WIDTH / block.columns - 4
    cells = []
    for item in block.items:
        with PillowImage.open(folder / item.file) as picture:
            scale = edge / max(picture.size)
            drawn = Image(str(folder / item.file), picture.width * scale, picture.height * scale)
        cells.append([drawn, paragraph(item.caption, CAPTION)])
    return _grid(cells, block.columns)


def figures(block: Figures) -> Any:
    """Drawings in rows with their captions.

    Parameters
    ----------
    block
        Drawings.

    Returns
    -------
    Flowable.
    """
    width = WIDTH / block.columns - 6
    return _grid(
        [[sheet(drawing, width), *([paragraph(words, CAPTION)] if words else [])] for drawing, words in block.items],
        block.columns,
    )


def sheet(drawing: Drawing, width: float) -> Any:
    """A drawing at a width.

    Parameters
    ----------
    drawing
        Drawing.
    width
        Width [pt].

    Returns
    -------
    reportlab Drawing.
    """
    from reportlab.graphics.shapes import Drawing as Sheet

    scale = min(width / drawing.width, 1.1)
    made = Sheet(drawing.width * scale, drawing.height * scale)
    made.scale(scale, scale)
    for shape in drawing.shapes:
        made.add(_shape(shape, drawing.height))
    return made


def _shape(shape: Shape, height: float) -> Any:
    from reportlab.graphics.shapes import Circle, Polygon, PolyLine, String

    if isinstance(shape, Label):
        font = BOLD if shape.bold else REGULAR
        style = {"fontName": font, "fontSize": shape.size, "textAnchor": shape.anchor, "fillColor": _of(shape.colour)}
        return String(shape.x, height - shape.y, shape.text, **style)
    if isinstance(shape, Disc):
        return Circle(shape.x, height - shape.y, shape.radius, fillColor=_of(shape.fill), strokeColor=None)
    flat = [value for x, y in shape.points for value in (x, height - y)]
    line = {"strokeColor": _of(shape.stroke), "strokeWidth": shape.width}
    if shape.dashed:
        line["strokeDashArray"] = [3, 2]
    return Polygon(flat, fillColor=_of(shape.fill), **line) if shape.fill else PolyLine(flat, **line)


def _of(colour: str) -> Any:
    from reportlab.lib.colors import HexColor

    return HexColor(colour) if colour else None


def _grid(cells: list[list[Any]], columns: int) -> Any:
    from reportlab.platypus import Table

    rows: list[list[Any]] = [list(cells[n : n + columns]) for n in range(0, len(cells), columns)]
    rows[-1] += [""] * (columns - len(rows[-1]))
    style: list[Any] = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("RIGHTPADDING", (0, 0), (-1, -1), 2)]
    style += [("VALIGN", (0, 0), (-1, -1), "TOP"), ("TOPPADDING", (0, 0), (-1, -1), 1)]
    style += [("BOTTOMPADDING", (0, 0), (-1, -1), 2)]
    return Table(rows, [WIDTH / columns] * columns, hAlign="LEFT", style=style)
