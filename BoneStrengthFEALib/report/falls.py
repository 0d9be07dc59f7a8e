"""Falls in several directions as table and curve."""

from __future__ import annotations

from html import escape

from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.report.charts import sweep_chart
from BoneStrengthFEALib.results import SiteResult

SWEEP_COLUMNS = ("Internal rotation", "Adduction", "Failure load, linear", "Stiffness", "")


def sweep_rows(site: SiteResult) -> list[tuple[str, ...]]:
    """Rows of a table of falls.

    Parameters
    ----------
    site
        Bone.

    Returns
    -------
    Texts in the order of SWEEP_COLUMNS; the weakest direction is named.
    """
    weakest = min(site.sweep, key=lambda point: point.force_n)
    return [
        (
            f"{p.rotation_deg:g}°",
            f"{p.adduction_deg:g}°",
            f"{words.number(p.force_n, 'N')} N",
            f"{words.number(p.stiffness_n_per_mm, 'N/mm')} N/mm",
            "weakest" if p is weakest else "",
        )
        for p in site.sweep
    ]


def fall_sweep(site: SiteResult) -> str:
    """Table and curve of a sweep.

    Parameters
    ----------
    site
        Bone.

    Returns
    -------
    HTML, empty without a sweep.
    """
    if not site.sweep:
        return ""
    head = "".join(f"<th>{escape(column)}</th>" for column in SWEEP_COLUMNS)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in sweep_rows(site))
    chart = f"<figure style='max-width:480px'>{sweep_chart(site.sweep)}</figure>" if len(site.sweep) > 1 else ""
    return f"<h3>Directions of the fall</h3><table><tr>{head}</tr>{rows}</table>{chart}"
