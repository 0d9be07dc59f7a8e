"""The report as one HTML file: no script, no external request, everything escaped."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.report.build import build
from BoneStrengthFEALib.report.options import PLAIN, ReportOptions
from BoneStrengthFEALib.report.style import STYLE
from BoneStrengthFEALib.report.svg import svg
from BoneStrengthFEALib.report.view import Block, Facts, Figures, Paragraph, Pictures, Section, Table, View
from BoneStrengthFEALib.results import StudyResults

FILE_NAME = "report.html"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write_html(results: StudyResults, folder: Path, options: ReportOptions = PLAIN) -> Path:
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
    """
    path = folder / FILE_NAME
    write_text(path, render(build(results, options), folder))
    return path


def render(view: View, folder: Path) -> str:
    """Render the report.

    Parameters
    ----------
    view
        The report.
    folder
        Folder of the pictures.

    Returns
    -------
    A complete HTML document.
    """
    sections = "".join(_section(section, folder) for section in view.sections)
    return (
        f'<!doctype html><html lang="{escape(view.language)}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<title>{escape(view.title)}</title><style>{STYLE}</style></head><body><main>"
        f'<header><h1>{escape(view.title)}</h1><p class="badge">{escape(view.warning)}</p></header>'
        f"{sections}<footer>{escape(view.warning)} {escape(view.footer)}</footer></main></body></html>"
    )


def _section(section: Section, folder: Path) -> str:
    title = f"<h2>{escape(section.title)}</h2>" if section.title else ""
    page = ' class="page"' if section.starts_page else ""
    return f"<section{page}>{title}{''.join(_block(block, folder) for block in section.blocks)}</section>"


def _block(block: Block, folder: Path) -> str:
    if isinstance(block, Paragraph):
        return f'<p class="{block.tone}" dir="auto">{escape(block.text)}</p>'
    if isinstance(block, Facts):
        cells = "".join(
            f'<div><dt>{escape(name)}</dt><dd dir="auto">{escape(value)}</dd></div>' for name, value in block.items
        )
        return f"<dl>{cells}</dl>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Pictures):
        figures = "".join(
            f'<figure><img alt="{escape(p.caption)}" src="{_embedded(folder / p.file)}">'
            f"<figcaption>{escape(p.caption)}</figcaption></figure>"
            for p in block.items
        )
        return _grid(figures, block.columns)
    return _grid(_drawings(block), block.columns)


def _drawings(block: Figures) -> str:
    return "".join(
        f"<figure>{svg(drawing)}{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}</figure>"
        for drawing, caption in block.items
    )


def _grid(figures: str, columns: int) -> str:
    return f'<div class="grid" style="--n:{columns}">{figures}</div>'


def _table(table: Table) -> str:
    total = sum(table.widths)
    widths = "".join(f'<col style="width:{100 * width / total:.1f}%">' for width in table.widths)
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    kinds = table.kinds or ("",) * len(table.rows)
    body = "".join(
        f"<tr{f' class={kind}' if kind else ''}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row, kind in zip(table.rows, kinds, strict=True)
    )
    dense = ' class="dense"' if table.dense else ""
    return f"<table{dense}><colgroup>{widths}</colgroup><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
