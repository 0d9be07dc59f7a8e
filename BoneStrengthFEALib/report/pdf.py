"""The report as PDF; the same report gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import write_bytes
from BoneStrengthFEALib.report.build import build
from BoneStrengthFEALib.report.drawing import ACCENT
from BoneStrengthFEALib.report.options import PLAIN, ReportOptions
from BoneStrengthFEALib.report.pdf_drawing import WIDTH, figures, pictures
from BoneStrengthFEALib.report.pdf_text import BOLD, REGULAR, paragraph, register_fonts
from BoneStrengthFEALib.report.view import Block, Facts, Figures, Paragraph, Pictures, Section, Table, View
from BoneStrengthFEALib.results import StudyResults

FILE_NAME = "report.pdf"
MARGIN, PADDING = 35.0, 6.0
"""Of the page, and of the frame in it [pt]."""
ROOM_BELOW_HEADING = 80.0
"""Height that must be left on a page for a heading and the first lines below it [pt]."""
ROOM_FOR_DRAWING = 130.0
"""More of it when a drawing or picture follows the heading [pt]."""
ROOM_BELOW_SUMMARY = 480.0
"""Height that must be left on a page for the pages of the expert to begin on it [pt]."""
KEPT_ROWS = 7
"""Rows of a table that are kept on one page, its head included."""
SOFT, RULE = "#5b6875", "#d5dbe1"
TONES = {
    "plain": (8.0, False, "#1c2733", ""),
    "fine": (6.6, False, SOFT, ""),
    "result": (10.5, True, "#1c2733", "#e3f0f4"),
    "refused": (10.5, True, "#1c2733", "#f6dcd5"),
    "caveat": (7.0, False, "#1c2733", "#fdf3dc"),
    "preliminary": (7.5, True, "#9a3b1e", ""),
    "signed": (8.0, True, "#20603a", ""),
}
"""Size [pt], bold, colour and background of each tone."""
ROW_COLOURS = {"pass": "#3d7d4c", "warn": "#9a6708", "refuse": "#b3321b", "": "#1c2733"}


def write_pdf(results: StudyResults, folder: Path, options: ReportOptions = PLAIN) -> Path:
    """Write the report.

    Parameters
    ----------
    results
        Results.
    folder
        Folder that holds the pictures the results name; the report goes there.
    options
        Language, signature, prior examination.

    Returns
    -------
    Path of the report.

    Raises
    ------
    OutputError
        When it cannot be written.
    DependencyError
        When reportlab is not installed.
    """
    path = folder / FILE_NAME
    write_bytes(path, render_pdf(build(results, options), folder))
    return path


def render_pdf(view: View, folder: Path) -> bytes:
    """Render the report.

    Parameters
    ----------
    view
        The report.
    folder
        Folder of the pictures.

    Returns
    -------
    The file's bytes, identical for identical input.

    Raises
    ------
    DependencyError
        When reportlab is not installed.
    """
    register_fonts()
    # once to count the pages
    pages, _ = _built(view, folder, 0)
    return _built(view, folder, pages)[1]


def _built(view: View, folder: Path, pages: int) -> tuple[int, bytes]:
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate, Spacer

    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN - 8,
        bottomMargin=MARGIN + 8,
        title=view.title,
        author="BoneStrengthFEA",
        lang=view.language,
        invariant=1,
    )
    story = [paragraph(view.title, 15, True, ACCENT), Spacer(1, 8)]
    for section in view.sections:
        story += _section(section, folder)
    document.build(story, onFirstPage=_footer(view, pages), onLaterPages=_footer(view, pages))
    return document.page, stream.getvalue()


def _section(section: Section, folder: Path) -> list[Any]:
    from reportlab.platypus import CondPageBreak, Spacer

    # what little has run over from page 1, or a short page 1, leaves room for more
    parts: list[Any] = [CondPageBreak(ROOM_BELOW_SUMMARY)] if section.starts_page else []
    if section.title:
        drawn = any(isinstance(block, (Figures, Pictures)) for block in section.blocks[:2])
        parts += [
            CondPageBreak(ROOM_BELOW_HEADING + drawn * ROOM_FOR_DRAWING),
            Spacer(1, 6),
            paragraph(section.title, 10, True, ACCENT),
        ]
        parts.append(Spacer(1, 2))
    for block in section.blocks:
        parts += _block(block, folder)
    return parts


def _block(block: Block, folder: Path) -> list[Any]:
    if isinstance(block, Paragraph):
        return [_paragraph(block)]
    if isinstance(block, Facts):
        return _facts(block)
    if isinstance(block, Table):
        return [_table(block)]
    if isinstance(block, Pictures):
        return [pictures(block, folder)]
    return [figures(block)] if isinstance(block, Figures) else []


def _paragraph(block: Paragraph) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table as Grid

    size, bold, colour, back = TONES[block.tone]
    words = paragraph(block.text, size, bold, colour)
    if not back:
        return words
    style = [("BACKGROUND", (0, 0), (-1, -1), HexColor(back)), ("TOPPADDING", (0, 0), (-1, -1), 4)]
    return Grid([[words]], [WIDTH], style=[*style, ("BOTTOMPADDING", (0, 0), (-1, -1), 5)], spaceBefore=4, spaceAfter=4)


def _facts(block: Facts) -> list[Any]:
    from reportlab.platypus import Table as Grid

    columns = 4
    cells: list[Any] = [[paragraph(name, 6.6, colour=SOFT), paragraph(text, 8, True)] for name, text in block.items]
    cells += [""] * (-len(cells) % columns)
    rows = [cells[n : n + columns] for n in range(0, len(cells), columns)]
    style = [("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]
    style += [("TOPPADDING", (0, 0), (-1, -1), 1.5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5)]
    # the name stands in the first
    widths = [0.31 * WIDTH, *([0.23 * WIDTH] * (columns - 1))]
    return [Grid(rows, widths, style=style)]


def _table(table: Table) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import KeepTogether
    from reportlab.platypus import Table as Grid

    size = 6.8 if table.dense else 7.5
    kinds = table.kinds or ("",) * len(table.rows)
    cells = [[paragraph(column, 6.8, True) for column in table.columns]]
    cells += [
        [paragraph(row[0], size, bool(kind), ROW_COLOURS[kind]), *(paragraph(cell, size) for cell in row[1:])]
        for row, kind in zip(table.rows, kinds, strict=True)
    ]
    style = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, HexColor(RULE)),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, HexColor(ACCENT)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.5),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
    total = sum(table.widths)
    widths = [WIDTH * width / total for width in table.widths]
    grid = Grid(cells, widths, repeatRows=1, style=style, spaceAfter=4)
    return KeepTogether([grid]) if len(cells) <= KEPT_ROWS else grid


def _footer(view: View, pages: int) -> Any:
    def draw(canvas: Any, document: Any) -> None:
        if document.page > 1:
            whose = paragraph(view.identity, 6.8, colour=SOFT)
            whose.wrapOn(canvas, WIDTH, 20)
            whose.drawOn(canvas, MARGIN + PADDING, document.pagesize[1] - MARGIN + 4)
        canvas.setFont(BOLD, 6.5)
        canvas.drawString(MARGIN + PADDING, 26, view.warning)
        canvas.setFont(REGULAR, 6.5)
        canvas.drawString(MARGIN + PADDING, 16, view.footer)
        canvas.drawRightString(MARGIN + PADDING + WIDTH, 16, view.page_of.format(page=document.page, pages=pages))

    return draw
