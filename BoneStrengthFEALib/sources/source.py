"""What a source of images is asked and what it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from BoneStrengthFEALib.errors import InputError, PacsError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
KEYWORDS = {"accession": "AccessionNumber", "patient_id": "PatientID", "study_uid": "StudyInstanceUID"}
"""Fields of a query and their DICOM keywords."""


@dataclass(frozen=True)
class Query:
    """What to look for; all given values must match exactly.

    Parameters
    ----------
    accession, patient_id, study_uid
        Values; empty ones do not count. At least one is needed.
    """

    accession: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    study_uid: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse questions that would match other people."""
        if not self.filters:
            raise InputError("say what to look for: an accession number, a patient ID or a study UID")
        for name, value in vars(self).items():
            # wildcards, and the separator of several values, would widen the question
            if len(value) > 64 or any(c in "*?\\" or not c.isprintable() for c in value) or value != value.strip():
                raise InputError(f"the {name.replace('_', ' ')} holds wildcards, control characters or is too long")
        if self.study_uid and not is_uid(self.study_uid):
            raise InputError("the study UID is malformed; it has digits and dots, up to 64")

    @property
    def filters(self) -> dict[str, str]:
        """DICOM keyword to value of what is given."""
        return {KEYWORDS[name]: value for name, value in vars(self).items() if value}

    def matches(self, found: Mapping[str, str]) -> bool:
        """Check an answer: archives that do not know a filter ignore it and return everything.

        Parameters
        ----------
        found
            DICOM keyword to value.

        Returns
        -------
        True when every value asked for is there.
        """
        return all(found.get(keyword, "").strip() == value for keyword, value in self.filters.items())


@dataclass(frozen=True)
class SeriesRecord:
    """One series as a source lists it.

    Parameters
    ----------
    study_uid, series_uid
        Its UIDs.
    modality
        Modality.
    images
        Number of instances the source says it holds; None when it does not say.
    description
        Series description.
    study_date
        YYYYMMDD or empty.
    protocol, body_part, station
        Protocol name, body part and station name where the source tells.
    """

    study_uid: str = field(repr=False)
    series_uid: str = field(repr=False)
    modality: str
    images: int | None = None
    description: str = ""
    study_date: str = ""
    protocol: str = ""
    body_part: str = ""
    station: str = ""

    def __post_init__(self) -> None:
        """Refuse UIDs that are none: they become parts of addresses."""
        if not (is_uid(self.study_uid) and is_uid(self.series_uid)):
            raise PacsError("the source lists a series with a malformed UID; it cannot be fetched", code="BAD_UID")


SERIES_KEYWORDS = (
    *("SeriesInstanceUID", "Modality", "SeriesDescription", "NumberOfSeriesRelatedInstances"),
    *("ProtocolName", "BodyPartExamined", "StationName"),
)
"""What is asked of a series."""


def series_record(study_uid: str, study_date: str, text: Callable[[str], str]) -> SeriesRecord:
    """One series from an archive's answer.

    Parameters
    ----------
    study_uid, study_date
        Its study.
    text
        Gives the value of a DICOM keyword, empty when it is missing.

    Returns
    -------
    The record.
    """
    count = text("NumberOfSeriesRelatedInstances")
    return SeriesRecord(
        study_uid,
        text("SeriesInstanceUID"),
        text("Modality"),
        int(count) if count.isdecimal() else None,
        text("SeriesDescription"),
        study_date,
        text("ProtocolName"),
        text("BodyPartExamined"),
        text("StationName"),
    )


@dataclass(frozen=True)
class StudyRecord:
    """One study as an archive lists it.

    Parameters
    ----------
    study_uid
        Its UID.
    study_date
        YYYYMMDD or empty.
    description
        Study description.
    """

    study_uid: str = field(repr=False)
    study_date: str = ""
    description: str = ""


class StudyLister(Protocol):
    """An archive that can be asked what is new."""

    def list_studies(self, filters: Mapping[str, str]) -> tuple[StudyRecord, ...]:
        """List studies.

        Parameters
        ----------
        filters
            DICOM keyword to value, for example StudyDate to a range; archives may ignore some.

        Returns
        -------
        Studies.
        """

    def list_series(self, study: StudyRecord) -> tuple[SeriesRecord, ...]:
        """List the series of a study.

        Parameters
        ----------
        study
            Study.

        Returns
        -------
        Series of any modality.
        """


class ImageSource(Protocol):
    """A place that holds images.

    Parameters
    ----------
    way
        How images come from it, see service_facts.Retrieval.
    name
        Name of the connection; empty for files.
    encrypted
        Whether transfers are encrypted.
    """

    way: str
    name: str
    encrypted: bool

    def find(self, query: Query) -> tuple[SeriesRecord, ...]:
        """List the series of what is asked for.

        Parameters
        ----------
        query
            Question.

        Returns
        -------
        All its series, of any modality; empty when nothing matches.
        """

    def fetch(self, record: SeriesRecord, folder: Path, callback: ProgressCallback = no_progress) -> tuple[Path, ...]:
        """Bring one series into a new folder, whole or not at all.

        Parameters
        ----------
        record
            Series, as find returned it.
        folder
            Folder to make; it must not hold anything.
        callback
            Progress; may raise to cancel.

        Returns
        -------
        The files.
        """


def is_uid(text: str) -> bool:
    """Whether a text is a well-formed UID.

    Parameters
    ----------
    text
        Text.

    Returns
    -------
    True for digits and dots, at most 64.
    """
    return len(text) <= 64 and UID.fullmatch(text) is not None
