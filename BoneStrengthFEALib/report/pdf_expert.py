"""Parts of the PDF for the expert: sources, calibration, models, change since a prior examination."""

from __future__ import annotations

from typing import Any

from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.report.comparison import compare, settings_differences
from BoneStrengthFEALib.report.falls import SWEEP_COLUMNS, sweep_rows
from BoneStrengthFEALib.report.pdf_calibration import evidence
from BoneStrengthFEALib.report.pdf_charts import calibration_plot, xy_plot
from BoneStrengthFEALib.report.pdf_pages import WIDTH, heading, table
from BoneStrengthFEALib.report.pdf_text import paragraph
from BoneStrengthFEALib.results import SiteResult, StudyResults


def measures(site: SiteResult) -> list[Any]:
    """All numbers of one bone with the source of each.

    Parameters
    ----------
    site
        Bone.

    Returns
    -------
    Flowables.
    """
    rows = [
        (m.label, words.with_uncertainty(m), m.unit, m.classification, m.source + (" (unverified)" * m.unverified))
        for m in site.bmd
    ]
    rows += [(f"Failure load, {s.criterion}", words.number(s.force_n, "N"), "N", "", s.source) for s in site.strengths]
    parts = (
        [heading(site.name), table(("Measure", "Value", "Unit", "Class", "Source"), rows, (4, 2, 1.5, 2, 7))]
        if rows
        else []
    )
    if site.sweep:
        parts.append(table(SWEEP_COLUMNS, sweep_rows(site), (4, 4, 4, 4, 4)))
    if site.curve:
        line = ([0.0, *(p.displacement_mm for p in site.curve)], [0.0, *(p.force_n for p in site.curve)])
        parts.append(xy_plot(line, (), ("displacement (mm)", "force (N)"), WIDTH / 2, 150))
    return parts


def calibration(results: StudyResults) -> list[Any]:
    """Calibration curve, samples and source.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Flowables.
    """
    fit = results.calibration
    if fit is None:
        return []
    rows = [
        (p.name, f"{p.hu_mean:.1f} ± {p.hu_sd:.1f}", str(p.voxels), f"{p.reference:.5g}", f"{p.fitted:.5g}")
        for p in fit.points
    ]
    polynomial = " + ".join(f"({c:.5g}) HU^{n}" if n else f"{c:.5g}" for n, c in enumerate(fit.coefficients))
    return [
        heading("Density calibration"),
        paragraph(f"{fit.method}: {fit.quantity.value} [mg/cm³] = {polynomial}"),
        calibration_plot(fit, WIDTH * 0.6, 170),
        table(("Sample", "HU", "Voxels", "Reference", "Fitted"), rows, (4, 3, 2, 2, 2)),
        *evidence(fit, WIDTH),
        *(paragraph(f"{name.replace('_', ' ')}: {text}", 7) for name, text in fit.details.items()),
        paragraph("; ".join(f"{k} = {v:.5g}" for k, v in fit.numbers.items()), 6),
        paragraph(fit.source, 6),
    ]


def model(results: StudyResults) -> list[Any]:
    """Models and solver records.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Flowables.
    """
    rows, sources = [], []
    for site in results.sites:
        if site.model is not None:
            m, s = site.model, site.model.solver
            ends = (f"{s.get('iterations', float('nan')):.0f}", f"{s.get('relative_residual', float('nan')):.1e}")
            rows.append((site.name, m.law, m.load_case, m.analysis, f"{m.voxel_mm:g} mm", f"{m.elements:,}", *ends))
            sources += [source for source in m.sources if source not in sources]
    if not rows:
        return []
    columns = ("Bone", "Law", "Load case", "Analysis", "Voxel", "Elements", "Iterations", "Residual")
    return [
        heading("Finite-element model"),
        table(columns, rows, (2, 1.5, 4, 2, 2, 2, 2, 2)),
        *(paragraph(source, 6) for source in sources),
    ]


def prior(results: StudyResults, before: StudyResults | None) -> list[Any]:
    """Comparison with a prior examination.

    Parameters
    ----------
    results
        Present results.
    before
        Prior results, or None.

    Returns
    -------
    Flowables.
    """
    if before is None:
        return []
    rows = [
        (
            c.site,
            c.measure,
            words.number(c.before, c.unit),
            words.number(c.now, c.unit),
            f"{c.change:+.3g} {c.unit}",
            c.verdict,
        )
        for c in compare(results, before)
    ]
    different = settings_differences(results, before)
    words_ = (
        "Same settings, scanner and software." if not different else "Not fully comparable: " + "; ".join(different)
    )
    title = heading(f"Change since {words.date(before.acquisition.study_date) or 'the prior examination'}")
    return [
        title,
        paragraph(words_, 7),
        table(("Bone", "Measure", "Before", "Now", "Change", "95 %"), rows, (1.5, 5, 2, 2, 3, 3)),
    ]
