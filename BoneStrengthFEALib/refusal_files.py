"""The report of an examination that was refused: why there is no number."""

from __future__ import annotations

from pathlib import Path

from BoneStrengthFEALib import provenance
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.outcome_files import measures_csv
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.report import ReportOptions
from BoneStrengthFEALib.report_files import write_report
from BoneStrengthFEALib.results import StudyResults, write_results
from BoneStrengthFEALib.service_record import with_service, write_record
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.study import Study


def refused_results(study: Study | None, settings: Settings, error: BoneStrengthError) -> StudyResults:
    """Results without numbers.

    Parameters
    ----------
    study
        The examination, or None when its images could not even be read.
    settings
        Settings.
    error
        Why it was refused.

    Returns
    -------
    Results with the checks made so far and the reason.
    """
    quality = study.quality.accepting(settings.accept) if study else QualityReport()
    if error.code not in {line.check for line in quality.refused}:
        found, _, action = str(error).partition(";")
        line = QualityLine(error.code, Outcome.REFUSE, found.strip(), "", action.strip())
        quality = quality.merged((line,))
    inputs = {"ct": study.ct, "labels": study.labels.volume} if study else {}
    record = provenance.record(inputs, study.files if study else (), settings.sha256())
    exam = study.acquisition if study else Acquisition(source="unread")
    return StudyResults(exam, None, (), None, quality, settings.to_dict(), record)


def write_refusal(
    study: Study | None,
    settings: Settings,
    error: BoneStrengthError,
    folder: Path,
    dicom: bool = False,
    runs: int = 1,
    language: str = "en",
) -> StudyResults:
    """Write the report of a refusal.

    Parameters
    ----------
    study, settings, error
        See refused_results.
    folder
        Existing folder.
    dicom
        Whether to write the report as a DICOM object too, when the images could be read.
    runs
        Runs of this examination into this result folder, this one included.
    language
        Language of the report.

    Returns
    -------
    The results.

    Raises
    ------
    OutputError
        When something cannot be written.
    """
    results = with_service(refused_results(study, settings, error), runs)
    write_results(results, folder / "results.json")
    write_record(results.service, folder)
    write_text(folder / "measures.csv", measures_csv(results))
    write_report(results, folder, ReportOptions(language))
    if dicom and study is not None and results.acquisition.files:
        from BoneStrengthFEALib.dicom_out import write_dicom_objects

        write_dicom_objects(results, {}, study.ct, folder)
    return results
