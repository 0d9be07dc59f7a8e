"""Asking an archive for new studies, and fetching one with the segmentation it holds."""

from __future__ import annotations

import datetime
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.dicom_out.origin import NAME
from BoneStrengthFEALib.errors import InputError, PacsError
from BoneStrengthFEALib.sources.dicomweb import DicomWebSource
from BoneStrengthFEALib.sources.dimse import DimseSource
from BoneStrengthFEALib.sources.retrieve import FEWEST_IMAGES, fetch_series, open_source
from BoneStrengthFEALib.sources.source import SeriesRecord, StudyRecord, is_uid


@dataclass(frozen=True)
class Search:
    """An archive that is asked for new studies with a CT series and a segmentation.

    Parameters
    ----------
    pacs
        Connection; QIDO-RS for kind dicomweb, C-FIND for kind dimse.
    days_back
        Studies dated today or up to so many days before [days].
    since
        Earliest study date YYYYMMDD instead.
    study_description, series_description, protocol
        Regular expressions, searched without regard to case; empty ones fit everything. Those of a series must fit in
        the same CT series.
    """

    pacs: str
    days_back: int = 2
    since: str = ""
    study_description: str = ""
    series_description: str = ""
    protocol: str = ""

    def __post_init__(self) -> None:
        """Check dates and expressions."""
        if not 0 <= self.days_back <= 36500:
            raise InputError(f"search: days_back must lie between 0 and 36500, got {self.days_back}")
        if self.since and not re.fullmatch("[0-9]{8}", self.since):
            raise InputError(f"search: since is a date YYYYMMDD, got {self.since!r}")
        for pattern in (self.study_description, self.series_description, self.protocol):
            try:
                re.compile(pattern)
            except re.error as error:
                raise InputError(f"search: {pattern!r} is no regular expression ({error})") from error

    def window(self, today: datetime.date) -> tuple[str, str]:
        """Study dates that count.

        Parameters
        ----------
        today
            Today.

        Returns
        -------
        First and last date YYYYMMDD; tomorrow is the last, for archives in other time zones.
        """
        first = self.since or f"{today - datetime.timedelta(days=self.days_back):%Y%m%d}"
        return first, f"{today + datetime.timedelta(days=1):%Y%m%d}"

    def scans(self, series: Sequence[SeriesRecord]) -> tuple[SeriesRecord, ...]:
        """CT series that fit.

        Parameters
        ----------
        series
            Series of a study.

        Returns
        -------
        Those that can be a volume and fit.
        """
        return tuple(
            one
            for one in series
            if one.modality == "CT"
            and (one.images is None or one.images >= FEWEST_IMAGES)
            and _found(self.series_description, one.description)
            and _found(self.protocol, one.protocol)
        )


def find_studies(search: Search, connections: Path | None) -> tuple[StudyRecord, ...]:
    """Ask for studies.

    Parameters
    ----------
    search
        What to look for.
    connections
        File of connections.

    Returns
    -------
    Studies whose date and description fit; answers are checked, as archives may ignore filters.
    """
    first, last = search.window(datetime.date.today())
    filters = {"StudyDate": f"{first}-{last}", "ModalitiesInStudy": "CT"}
    return tuple(
        study
        for study in _open(search.pacs, connections).list_studies(filters)
        if is_uid(study.study_uid)
        and first <= study.study_date <= last
        and _found(search.study_description, study.description)
    )


def ready_series(
    search: Search, study: StudyRecord, connections: Path | None
) -> tuple[tuple[SeriesRecord, ...], tuple[SeriesRecord, ...]]:
    """Series of a study that are needed.

    Parameters
    ----------
    search
        What to look for.
    study
        Study.
    connections
        File of connections.

    Returns
    -------
    CT series that fit, and segmentations that are not our own results; one of them is empty when the study is not for
    us or not ready.
    """
    series = _open(search.pacs, connections).list_series(study)
    labels = tuple(one for one in series if one.modality == "SEG" and not one.description.startswith(NAME))
    return search.scans(series), labels


def fetch_study(search: Search, study: StudyRecord, folder: Path, connections: Path | None) -> Path:
    """Fetch the scan into ``ct`` and the segmentation into ``labels`` of a folder.

    Parameters
    ----------
    search, study
        Which study.
    folder
        Private folder of the case; what an earlier attempt left is removed.
    connections
        File of connections.

    Returns
    -------
    File of the segmentation.

    Raises
    ------
    PacsError
        When it does not arrive whole, or holds several segmentations.
    """
    scans, labels = ready_series(search, study, connections)
    if not scans or len(labels) != 1:
        raise PacsError(
            f"the study holds {len(scans)} CT series that fit and {len(labels)} segmentations; one segmentation is "
            "needed, remove or move the others",
            code="LABELS",
        )
    shutil.rmtree(folder, ignore_errors=True)
    source = open_source(f"pacs:{search.pacs}", connections)
    fetch_series(source, scans, folder / "ct")
    fetch_series(source, labels, folder / "labels")
    found = sorted((folder / "labels").glob("*.dcm"))
    if len(found) != 1:
        raise PacsError(f"the segmentation's series holds {len(found)} objects; one is needed", code="LABELS")
    return found[0]


def _open(pacs: str, connections: Path | None) -> DicomWebSource | DimseSource:
    source = open_source(f"pacs:{pacs}", connections)
    if not isinstance(source, (DicomWebSource, DimseSource)):
        raise InputError(f"search: {pacs} is no connection to an archive")
    return source


def _found(pattern: str, text: str) -> bool:
    return not pattern or re.search(pattern, text, re.IGNORECASE) is not None
