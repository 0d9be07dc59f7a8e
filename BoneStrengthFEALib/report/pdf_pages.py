"""Parts of the PDF: what the clinician reads first, then what the expert audits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.report.pdf_charts import threshold_bar
from BoneStrengthFEALib.report.pdf_text import ACCENT, paragraph
from BoneStrengthFEALib.results import SiteResult, StudyResults
from BoneStrengthFEALib.risk.cut_offs import KEAVENY_2020, cut_off

WIDTH = 525.0
"""Width of the text on A4 [pt]."""
PICTURES = 5
ROOM_BELOW_HEADING = 80.0
"""Height that must be left on a page for a heading and the first lines below it [pt]."""


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], widths: Sequence[float]) -> Any:
    """A table whose cells wrap.

    Parameters
    ----------
    columns
        Headings.
    rows
        Texts.
    widths
        Relative widths.

    Returns
    -------
    Flowable.
    """
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table

    cells = [[paragraph(c, 7, True) for c in columns], *[[paragraph(str(c), 7) for c in row] for row in rows]]
    style = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, HexColor("#d5dbe1")),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, HexColor(ACCENT)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ]
    total = sum(widths)
    return Table(cells, [WIDTH * w / total for w in widths], repeatRows=1, style=style)


def header(results: StudyResults) -> list[Any]:
    """Title and facts of person and examination.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Flowables.
    """
    from reportlab.platypus import Spacer, Table

    exam, person = results.acquisition, results.acquisition.subject
    facts = (
        ("Patient", words.person_name(person.name)),
        ("Patient ID", person.patient_id),
        ("Born", words.date(person.birth_date)),
        (
            "Sex, age",
            ", ".join(t for t in (person.sex.value, f"{person.age_years or 0:.0f} y") if t not in ("", "0 y")),
        ),
        ("Examination", words.date(exam.study_date)),
        ("Accession", exam.accession_number),
        ("Referring physician", words.person_name(exam.referring_physician)),
        ("Scanner", " ".join(t for t in (exam.manufacturer, exam.model) if t)),
        (
            "Tube voltage, kernel",
            ", ".join(t for t in ("" if exam.kvp is None else f"{exam.kvp:g} kV", exam.kernel) if t),
        ),
    )
    cells = [[paragraph(name, 6.5, colour="#5b6875"), paragraph(text or "-", 8, True)] for name, text in facts]
    rows = [cells[n : n + 3] for n in range(0, 9, 3)]
    return [
        paragraph("CT-based bone strength and density", 15, True, ACCENT),
        Spacer(1, 4),
        Table(rows, [WIDTH / 3] * 3, style=[("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]),
        Spacer(1, 4),
    ]


def summary(results: StudyResults) -> list[Any]:
    """Table of the headline numbers and bars against the limits of the classes.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Flowables.
    """
    rows = [_summary_row(site) for site in results.sites]
    rows += [
        ("all", "", "", m.label, f"{words.with_uncertainty(m)} {m.unit}", m.classification) for m in results.measures
    ]
    parts: list[Any] = []
    if rows:
        columns = ("Bone", "Failure load", "Strength class", "Density measure", "Value", "Density class")
        parts.append(table(columns, rows, (2, 2, 2, 4, 3, 2.5)))
    sex = results.acquisition.subject.sex.value
    notes: list[str] = []
    for site in results.sites:
        for line in site.risk:
            if line.source == KEAVENY_2020:
                row = cut_off(line.measure, sex)
                parts.append(paragraph(f"{site.name}: {line.measure}", 7, True))
                limits = (row.low_limit, row.normal_limit)
                parts.append(threshold_bar(line.value, limits, row.classes, line.unit, WIDTH * 0.7))
            note = f"{line.measure}: {line.limits}. Source: {line.source}. {line.caveat}"
            notes += [note] if note not in notes else []
    return [*parts, *(paragraph(note, 6, colour="#5b6875") for note in notes)]


def _summary_row(site: SiteResult) -> tuple[str, ...]:
    line = next((line for line in site.risk if line.unit == "N"), None)
    first = site.bmd[0] if site.bmd else None
    return (
        site.name,
        f"{words.number(site.strengths[0].force_n, 'N')} N" if site.strengths else words.no_strength(site),
        line.classification if line else "not classified",
        first.label if first else "",
        f"{words.with_uncertainty(first)} {first.unit}" if first else "",
        first.classification if first else "",
    )


def pictures(site: SiteResult, folder: Path) -> list[Any]:
    """Pictures of one bone in a row.

    Parameters
    ----------
    site
        Bone.
    folder
        Folder of the pictures.

    Returns
    -------
    Flowables.
    """
    from PIL import Image as PillowImage
    from reportlab.platypus import Image, Table

    cells, names, edge = [], [], WIDTH / PICTURES - 4
    for kind, name in list(site.pictures.items())[:PICTURES]:
        with PillowImage.open(folder / name) as picture:
            scale = edge / max(picture.size)
            cells.append(Image(str(folder / name), picture.width * scale, picture.height * scale))
        names.append(paragraph(f"{site.name} {kind.replace('_', ', ')}", 6))
    if not cells:
        return []
    style = [("LEFTPADDING", (0, 0), (-1, -1), 0), ("VALIGN", (0, 0), (-1, -1), "BOTTOM")]
    return [Table([cells, names], [WIDTH / PICTURES] * len(cells), hAlign="LEFT", style=style)]


def checks(title: str, report: QualityReport, only: tuple[Outcome, ...] = tuple(Outcome)) -> list[Any]:
    """Table of checks, refusals first.

    Parameters
    ----------
    title
        Heading.
    report
        Checks.
    only
        Outcomes to show.

    Returns
    -------
    Flowables; none when there is nothing to show.
    """
    order = {Outcome.REFUSE: 0, Outcome.WARN: 1, Outcome.PASS: 2}
    lines = sorted((line for line in report.lines if line.outcome in only), key=lambda line: order[line.outcome])
    if not lines:
        return []
    return [
        heading(title),
        table(("", "Check", "Found", "Expected", "What to do"), [_check(x) for x in lines], (1.3, 4, 5, 5, 5)),
    ]


def _check(line: QualityLine) -> tuple[str, ...]:
    action = line.action if line.outcome is not Outcome.PASS else ""
    return (line.outcome.value, line.check.replace("_", " "), line.found, line.expected, action)


def heading(text: str) -> Any:
    """A section's heading.

    Parameters
    ----------
    text
        Words.

    Returns
    -------
    Flowable.
    """
    from reportlab.platypus import KeepTogether, Spacer

    class Heading(KeepTogether):  # type: ignore[misc]
        """Goes to the next page when there is no room for what it stands over."""

        def split(self, width: float, height: float) -> list[Any]:
            from reportlab.platypus import CondPageBreak

            parts: list[Any] = super().split(width, height)
            return [CondPageBreak(ROOM_BELOW_HEADING), *parts]

    return Heading([Spacer(1, 6), paragraph(text, 10, True, ACCENT), Spacer(1, 2)])
