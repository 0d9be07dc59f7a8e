"""Slicer's DICOM database as a source: its SQLite file is read, never written, and Slicer need not run.

Tables Patients, Studies, Series and Images are those of CTK's ctkDICOMDatabase, whose file Slicer calls ctkDICOM.sql.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.errors import InputError, PacsError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.sources.source import Query, SeriesRecord, is_uid
from BoneStrengthFEALib.sources.spool import Spool, fetch_whole

DATABASE_NAME = "ctkDICOM.sql"
FIND = """
SELECT Studies.StudyInstanceUID, Series.SeriesInstanceUID, Series.Modality, Series.SeriesDescription,
       Studies.StudyDate, COUNT(Images.SOPInstanceUID)
FROM Series
JOIN Studies ON Studies.StudyInstanceUID = Series.StudyInstanceUID
JOIN Patients ON Patients.UID = Studies.PatientsUID
LEFT JOIN Images ON Images.SeriesInstanceUID = Series.SeriesInstanceUID
WHERE (:accession = '' OR TRIM(Studies.AccessionNumber) = :accession)
  AND (:patient_id = '' OR TRIM(Patients.PatientID) = :patient_id)
  AND (:study_uid = '' OR Studies.StudyInstanceUID = :study_uid)
GROUP BY Series.SeriesInstanceUID
ORDER BY Studies.StudyDate, Series.SeriesInstanceUID
"""
FILES = "SELECT Filename FROM Images WHERE SeriesInstanceUID = ? ORDER BY Filename"


class SlicerDatabaseSource:
    """Studies imported into 3D Slicer.

    Parameters
    ----------
    database
        The file ctkDICOM.sql, or the folder it lies in (``slicer.dicomDatabase.databaseDirectory``).
    """

    def __init__(self, database: Path) -> None:
        self.way, self.name, self.encrypted = "Slicer database", "", False
        self._path = database / DATABASE_NAME if database.is_dir() else database
        if not self._path.is_file():
            raise InputError(f"{self._path.name} does not exist; give the folder of Slicer's DICOM database")

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
        rows = self._rows(FIND, vars(query))
        return tuple(
            SeriesRecord(study, series, modality or "", images, description or "", (date or "").replace("-", ""))
            for study, series, modality, description, date, images in rows
            # dicom files without UIDs get made-up ones in the database; they are of no use to us
            if is_uid(study) and is_uid(series)
        )

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

        Raises
        ------
        PacsError
            INCOMPLETE when a file of the series is gone.
        """
        # paths are relative to the database's folder when Slicer copied the files
        paths = [self._path.parent / name for (name,) in self._rows(FILES, (record.series_uid,)) if name]
        gone = sum(not path.is_file() for path in paths)
        if gone:
            raise PacsError(
                f"{gone} of {len(paths)} files of the series are no longer where Slicer's database says; import the "
                "study again",
                code="INCOMPLETE",
            )

        def transfer(spool: Spool) -> None:
            for path in paths:
                spool.copy(path)

        return fetch_whole(record, folder, frozenset(), transfer, callback)

    def _rows(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._connection() as connection:
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise InputError(f"{self._path.name} is no DICOM database of Slicer, or is damaged or locked") from error

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            yield connection
        finally:
            connection.close()
