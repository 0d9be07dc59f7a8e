"""A DICOMweb service as a source: QIDO-RS to find, WADO-RS to fetch; files go to disk as they came.

References
----------
DICOM PS3.18, sections 10.4 (retrieve) and 10.6 (search).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.pacs_settings import DicomWebPacs
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.sources.multipart import boundary_of, split_parts
from BoneStrengthFEALib.sources.source import (
    KEYWORDS,
    SERIES_KEYWORDS,
    Query,
    SeriesRecord,
    StudyRecord,
    is_uid,
    series_record,
)
from BoneStrengthFEALib.sources.spool import Spool, fetch_whole
from BoneStrengthFEALib.sources.web_session import open_client, open_session, translated

PAGE = 500
MOST_PAGES = 60
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
CHUNK = 1 << 18
ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Files as they are stored: the archive neither decodes nor compresses them for us."""


class DicomWebSource:
    """A DICOMweb service.

    Parameters
    ----------
    pacs
        Connection.
    secret
        Password or token, see pacs_settings.secret_of.
    """

    def __init__(self, pacs: DicomWebPacs, secret: str = "") -> None:
        self._pacs = pacs
        self.way, self.name, self.encrypted = "WADO-RS", pacs.name, pacs.url.lower().startswith("https")
        self._session = open_session(pacs, secret)
        self._client = open_client(pacs, self._session)

    def find(self, query: Query) -> tuple[SeriesRecord, ...]:
        """List series, see ImageSource.

        Parameters
        ----------
        query
            Question.

        Returns
        -------
        The series.
        """
        records: list[SeriesRecord] = []
        with translated(self._pacs.name):
            studies = self._studies(query.filters)
            if not studies:
                # some archives find no value with a space or a letter outside ASCII; ask more widely, then compare
                studies = self._studies({k: UNSAFE.sub("*", value) for k, value in query.filters.items()})
            for study in studies:
                if query.matches({keyword: _text(study, keyword) for keyword in KEYWORDS.values()}):
                    records += self._series(_text(study, "StudyInstanceUID"), _text(study, "StudyDate"))
        return tuple(sorted(records, key=lambda record: (record.study_date, record.series_uid)))

    def fetch(self, record: SeriesRecord, folder: Path, callback: ProgressCallback = no_progress) -> tuple[Path, ...]:
        """Bring a series, see ImageSource.

        Parameters
        ----------
        record
            Series that find returned.
        folder
            New folder.
        callback
            Progress.

        Returns
        -------
        The files.
        """
        with translated(self._pacs.name):
            found = _pages(
                lambda page: self._client.search_for_instances(record.study_uid, record.series_uid, **page),
                "SOPInstanceUID",
            )
            wanted = frozenset(uid for uid in (_text(one, "SOPInstanceUID") for one in found) if is_uid(uid))
        return fetch_whole(record, folder, wanted, lambda spool: self._transfer(record, spool), callback)

    def _studies(self, filters: dict[str, str]) -> list[Any]:
        if any(set(value) == {"*"} for value in filters.values()):
            return []
        fields = [*KEYWORDS.values(), "StudyDate"]
        return _pages(lambda page: self._client.search_for_studies(search_filters=filters, fields=fields, **page))

    def _series(self, study_uid: str, study_date: str) -> list[SeriesRecord]:
        if not is_uid(study_uid):
            return []
        found = _pages(
            lambda page: self._client.search_for_series(study_uid, fields=list(SERIES_KEYWORDS), **page),
            "SeriesInstanceUID",
        )
        return [series_record(study_uid, study_date, partial(_text, series)) for series in found]

    def list_studies(self, filters: Mapping[str, str]) -> tuple[StudyRecord, ...]:
        """List studies, see StudyLister.

        Parameters
        ----------
        filters
            Keyword to value.

        Returns
        -------
        Studies.
        """
        fields = ["StudyDescription", "StudyDate", "StudyInstanceUID"]
        with translated(self._pacs.name):
            found = _pages(
                lambda page: self._client.search_for_studies(search_filters=dict(filters), fields=fields, **page)
            )
        keys = ("StudyInstanceUID", "StudyDate", "StudyDescription")
        return tuple(StudyRecord(*(_text(one, key) for key in keys)) for one in found)

    def list_series(self, study: StudyRecord) -> tuple[SeriesRecord, ...]:
        """List series, see StudyLister.

        Parameters
        ----------
        study
            Study.

        Returns
        -------
        Series.
        """
        with translated(self._pacs.name):
            return tuple(self._series(study.study_uid, study.study_date))

    def _transfer(self, record: SeriesRecord, spool: Spool) -> None:
        root = f"{self._pacs.url.rstrip('/')}/studies/{record.study_uid}/series/{record.series_uid}"
        if not spool.arrived:
            self._get(root, spool)
            return
        for uid in spool.missing:
            self._get(f"{root}/instances/{uid}", spool)

    def _get(self, url: str, spool: Spool) -> None:
        with (
            translated(self._pacs.name),
            self._session.get(
                url, headers={"Accept": ACCEPT}, stream=True, timeout=self._pacs.timeout_s, allow_redirects=False
            ) as answer,
        ):
            answer.raise_for_status()
            boundary = boundary_of(answer.headers.get("Content-Type", ""))
            for content in split_parts(answer.iter_content(CHUNK), boundary):
                spool.receive(content)


def _pages(search: Callable[[dict[str, int]], list[Any]], key: str = "StudyInstanceUID") -> list[Any]:
    """All pages of a search; a server that ignores the offset sends what is known already and ends it."""
    found: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        page = _twice(search, {"limit": PAGE, "offset": len(found)})
        new = {uid: one for one in page if (uid := _text(one, key)) not in found}
        found |= new
        if not new or len(page) < PAGE:
            break
    return list(found.values())


def _twice(search: Callable[[dict[str, int]], list[Any]], page: dict[str, int]) -> list[Any]:
    """Ask again once when a connection is closed at the moment of asking, as idle ones are; asking changes nothing."""
    import requests

    try:
        return search(page)
    except requests.exceptions.SSLError:
        raise
    except requests.exceptions.ConnectionError:
        return search(page)


def _text(attributes: Any, keyword: str) -> str:
    """First value of an attribute in DICOM JSON (PS3.18, annex F)."""
    from pydicom.datadict import tag_for_keyword

    values = attributes.get(f"{tag_for_keyword(keyword):08X}", {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])
