"""The report of an examination that was refused: why there is no number."""

from __future__ import annotations

import re
from pathlib import Path

from BoneStrengthFEALib import provenance
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.dicom_in.identity import identity_of
from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.outcome_files import measures_csv
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.report import ReportOptions
from BoneStrengthFEALib.report_files import write_report
from BoneStrengthFEALib.results import StudyResults, write_results
from BoneStrengthFEALib.service_record import with_service, write_record
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.study import Study

FOUND = re.compile(r"(.*?) \((?:found )?(.*)\)")
"""How a refusal of an image's header ends: what was found, in brackets."""


def refused_results(examined: Study | Path, settings: Settings, error: BoneStrengthError) -> StudyResults:
    """Results without numbers.

    Parameters
    ----------
    examined
        The examination, or the folder of its images when they could not even be read.
    settings
        Settings.
    error
        Why it was refused.

    Returns
    -------
    Results with the checks made so far and the reason.
    """
    study = examined if isinstance(examined, Study) else None
    quality = study.quality.accepting(settings.accept) if study else QualityReport()
    if error.code not in {line.check for line in quality.refused}:
        quality = quality.merged(getattr(error, "lines", ()) or (_line(error),))
    inputs = {"ct": study.ct, "labels": study.labels.volume} if study else {}
    record = provenance.record(inputs, study.files if study else (), settings.sha256())
    read = identity_of(examined) if isinstance(examined, Path) else examined.acquisition
    exam = read or Acquisition(source="unread")
    return StudyResults(exam, None, (), None, quality, settings.to_dict(), record)


def _line(error: BoneStrengthError) -> QualityLine:
    found, _, action = (part.strip() for part in str(error).partition(";"))
    told = FOUND.fullmatch(action)
    if told:
        action, found = told[1], f"{found} ({told[2]})"
    return QualityLine(error.code, Outcome.REFUSE, found, "", action)


def write_refusal(
    examined: Study | Path,
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
    examined, settings, error
        See refused_results.
    folder
        Existing folder.
    dicom
        Whether to write the report as a DICOM object too, when a patient and a study could be read.
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
    results = with_service(refused_results(examined, settings, error), runs)
    write_results(results, folder / "results.json")
    write_record(results.service, folder)
    write_text(folder / "measures.csv", measures_csv(results))
    write_report(results, folder, ReportOptions(language))
    if dicom and results.acquisition.files:
        from BoneStrengthFEALib.dicom_out import write_dicom_objects

        write_dicom_objects(results, {}, None, folder)
    return results
