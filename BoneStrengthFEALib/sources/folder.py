"""A folder of DICOM files as a source."""

from __future__ import annotations

from pathlib import Path

from BoneStrengthFEALib.dicom_in.folder import list_series
from BoneStrengthFEALib.dicom_in.header import Header, read_header
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.sources.source import KEYWORDS, Query, SeriesRecord
from BoneStrengthFEALib.sources.spool import Spool, fetch_whole


class FolderSource:
    """CT series in a folder of any depth.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder.name} is no folder; give the folder of a study")
        self._folder = folder
        self.way, self.name, self.encrypted = "folder", "", False
        self._files: dict[str, tuple[Path, ...]] = {}

    def find(self, query: Query) -> tuple[SeriesRecord, ...]:
        """List CT series, see ImageSource.

        Parameters
        ----------
        query
            Question.

        Returns
        -------
        The series.
        """
        try:
            found = list_series(self._folder)
        except RefusedError as error:
            if error.code == "NOT_CT":
                return ()
            raise
        records = []
        for series in found:
            header = read_header(series.files[0])
            if not query.matches({keyword: header.text(keyword) for keyword in KEYWORDS.values()}):
                continue
            self._files[series.uid] = series.files
            records.append(_record(header, len(series.files)))
        return tuple(records)

    def fetch(self, record: SeriesRecord, folder: Path, callback: ProgressCallback = no_progress) -> tuple[Path, ...]:
        """Copy a series, see ImageSource.

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
        files = self._files.get(record.series_uid, ())

        def transfer(spool: Spool) -> None:
            for path in files:
                spool.copy(path)

        return fetch_whole(record, folder, frozenset(), transfer, callback)


def _record(header: Header, count: int) -> SeriesRecord:
    return SeriesRecord(
        header.text("StudyInstanceUID"),
        header.text("SeriesInstanceUID"),
        header.text("Modality"),
        count,
        header.text("SeriesDescription"),
        header.text("StudyDate"),
    )
