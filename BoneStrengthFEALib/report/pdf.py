"""The report as PDF: page 1 for the clinician, what follows for the expert; the same results give the same bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import write_bytes
from BoneStrengthFEALib.quality import Outcome, QualityReport
from BoneStrengthFEALib.report import pdf_expert as expert_parts
from BoneStrengthFEALib.report import pdf_pages as pages
from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.report.html import CAVEAT
from BoneStrengthFEALib.report.pdf_text import paragraph, register_fonts
from BoneStrengthFEALib.report.signed import SignedBy
from BoneStrengthFEALib.results import DISCLAIMER, StudyResults

FILE_NAME = "report.pdf"
MARGIN = 35.0
ON_FIRST_PAGE = 2
"""Bones whose pictures go to page 1; the others follow with their numbers."""


def write_pdf(results: StudyResults, folder: Path, before: StudyResults | None = None) -> Path:
    """Write the report.

    Parameters
    ----------
    results
        Results.
    folder
        Folder that holds the pictures the results name; the report goes there.
    before
        Results of a prior examination of the same person.

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
    write_bytes(path, render_pdf(results, folder, before))
    return path


def render_pdf(
    results: StudyResults, folder: Path, before: StudyResults | None = None, signed: SignedBy | None = None
) -> bytes:
    """Render the report.

    Parameters
    ----------
    results
        Results.
    folder
        Folder of the pictures.
    before
        Results of a prior examination.
    signed
        Who interpreted and signed it; preliminary when left out.

    Returns
    -------
    The file's bytes, identical for identical input.

    Raises
    ------
    DependencyError
        When reportlab is not installed.
    """
    register_fonts()
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 12,
        title="Bone strength report",
        author="BoneStrengthFEA",
        lang="en",
        invariant=1,
    )
    foot = _footer(results)
    document.build([*_status(signed), *_story(results, folder, before)], onFirstPage=foot, onLaterPages=foot)
    return stream.getvalue()


def _status(signed: SignedBy | None) -> list[Any]:
    if signed is None:
        return [paragraph("Preliminary: not interpreted or signed by a physician.", 7.5, True, "#9a3b1e")]
    words_of = f" Interpretation: {signed.statement}" if signed.statement else ""
    text = f"Signed by {words.person_name(signed.name)}, {signed.organization}, {signed.utc}.{words_of}"
    return [paragraph(text, 8, True, "#20603a")]


def _story(results: StudyResults, folder: Path, before: StudyResults | None) -> list[Any]:
    from reportlab.platypus import PageBreak, Spacer

    every = QualityReport((*results.quality.lines, *(line for site in results.sites for line in site.quality.lines)))
    refused = not any(site.strengths for site in results.sites)
    first = [
        *pages.header(results),
        _box(words.headline(results), "#f6dcd5" if refused else "#e3f0f4"),
        Spacer(1, 6),
        *pages.summary(results),
        Spacer(1, 4),
        *(part for site in results.sites[:ON_FIRST_PAGE] for part in pages.pictures(site, folder)),
        *expert_parts.prior(results, before),
        *pages.checks("What needs attention", every, (Outcome.REFUSE, Outcome.WARN)),
        Spacer(1, 4),
        _box(CAVEAT, "#fdf3dc", 7, False),
    ]
    expert: list[Any] = [PageBreak()]
    for n, site in enumerate(results.sites):
        expert += [*expert_parts.measures(site), *(pages.pictures(site, folder) if n >= ON_FIRST_PAGE else [])]
    expert += [*expert_parts.calibration(results), *expert_parts.model(results)]
    expert += pages.checks("Examination and calibration checks", results.quality)
    for site in results.sites:
        expert += pages.checks(f"Checks of {site.name}", site.quality)
    rows = list(results.provenance.items())
    sources = [paragraph(f"{n}. {text}", 7) for n, text in enumerate(words.references(results), 1)]
    expert += [pages.heading("References"), *sources] if sources else []
    return [*first, *expert, pages.heading("Provenance"), pages.table(("What", "Value"), rows, (1, 3))]


def _box(text: str, colour: str, size: float = 10, bold: bool = True) -> Any:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table

    style = [("BACKGROUND", (0, 0), (-1, -1), HexColor(colour)), ("TOPPADDING", (0, 0), (-1, -1), 5)]
    return Table([[paragraph(text, size, bold)]], [pages.WIDTH], style=[*style, ("BOTTOMPADDING", (0, 0), (-1, -1), 6)])


def _footer(results: StudyResults) -> Any:
    settings = results.provenance.get("settings_sha256", "")[:12]
    facts = [results.provenance.get("software", ""), results.provenance.get("utc", ""), f"settings {settings}"]

    def draw(canvas: Any, document: Any) -> None:
        canvas.setFont("Report-Bold", 6.5)
        canvas.drawString(MARGIN, 26, DISCLAIMER)
        canvas.setFont("Report", 6.5)
        canvas.drawString(MARGIN, 16, ", ".join(fact for fact in facts if fact))
        canvas.drawRightString(MARGIN + pages.WIDTH, 16, f"page {document.page}")

    return draw
