"""The report as files: HTML, PDF, FHIR bundle, and the options they were made with."""

from __future__ import annotations

from pathlib import Path

from BoneStrengthFEALib.fhir import write_bundle
from BoneStrengthFEALib.report import ReportOptions, write_html, write_options, write_pdf
from BoneStrengthFEALib.results import StudyResults


def write_report(results: StudyResults, folder: Path, options: ReportOptions | None = None) -> list[Path]:
    """Write report.html, report.pdf and the FHIR bundle.

    Parameters
    ----------
    results
        Results.
    folder
        Result folder with the pictures.
    options
        Language, prior examination; the usual ones when left out.

    Returns
    -------
    Files.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    options = options or ReportOptions()
    write_options(options, folder)
    pdf = write_pdf(results, folder, options)
    return [
        write_html(results, folder, options),
        pdf,
        write_bundle(results, folder, pdf.read_bytes(), options=options),
    ]
