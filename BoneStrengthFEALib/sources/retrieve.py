"""From a name to files: which source, which series, and all of them in one folder."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from BoneStrengthFEALib.dicom_out.origin import ANALYSED_SERIES
from BoneStrengthFEALib.errors import InputError, PacsError
from BoneStrengthFEALib.pacs_settings import DicomWebPacs, read_pacs, secret_of
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.retrieval_file import uid_hash, utc_now, write_retrieval
from BoneStrengthFEALib.service_facts import Retrieval
from BoneStrengthFEALib.sources.dicomweb import DicomWebSource
from BoneStrengthFEALib.sources.dimse import DimseSource
from BoneStrengthFEALib.sources.folder import FolderSource
from BoneStrengthFEALib.sources.slicer_database import DATABASE_NAME, SlicerDatabaseSource
from BoneStrengthFEALib.sources.source import ImageSource, SeriesRecord

FEWEST_IMAGES = 5
"""Fewer images are localizers or dose reports, unless a study has nothing else: an Enhanced CT is one image."""
MOST_CANDIDATES = 12


def open_source(name: str, pacs_file: Path | None = None) -> ImageSource:
    """Open a source.

    Parameters
    ----------
    name
        "folder:PATH", "slicer:PATH" (ctkDICOM.sql or its folder), an existing folder or ctkDICOM.sql, or the name of a
        connection, with or without "pacs:" before it.
    pacs_file
        File of connections; the default one when left out.

    Returns
    -------
    The source.

    Raises
    ------
    InputError
        When there is no such source.
    """
    kind, _, rest = name.partition(":")
    if kind == "folder" and rest:
        return FolderSource(Path(rest))
    if kind == "slicer" and rest:
        return SlicerDatabaseSource(Path(rest))
    if kind != "pacs" and Path(name).exists():
        path = Path(name)
        database = path.name == DATABASE_NAME or (path / DATABASE_NAME).is_file()
        return SlicerDatabaseSource(path) if database else FolderSource(path)
    pacs = read_pacs(rest if kind == "pacs" and rest else name, pacs_file)
    return DicomWebSource(pacs, secret_of(pacs)) if isinstance(pacs, DicomWebPacs) else DimseSource(pacs)


def candidates(records: Sequence[SeriesRecord], series_uid: str = "") -> tuple[SeriesRecord, ...]:
    """Series worth fetching.

    Parameters
    ----------
    records
        What the source lists.
    series_uid
        The one wanted; empty takes all CT series that can be a volume.

    Returns
    -------
    One or more series of one study.

    Raises
    ------
    PacsError
        NOT_FOUND.
    InputError
        When several studies match.
    """
    chosen = tuple(
        record
        for record in records
        if (record.series_uid == series_uid if series_uid else _can_be_volume(record, records))
    )
    if not chosen:
        raise PacsError(
            f"no such CT: the source lists {len(records)} series, none of which fits; check accession number, IDs and "
            "series UID",
            code="NOT_FOUND",
        )
    studies = {record.study_uid for record in chosen}
    if len(studies) > 1:
        raise InputError(f"{len(studies)} studies match; give the accession number or the study UID of one")
    if len(chosen) > MOST_CANDIDATES:
        raise InputError(f"{len(chosen)} CT series match; say which with its series UID ('retrieve --list' shows them)")
    return chosen


def label_series(records: Sequence[SeriesRecord], study_uid: str) -> tuple[SeriesRecord, ...]:
    """Series that hold labels made by others.

    Parameters
    ----------
    records
        What the source lists.
    study_uid
        Study of the CT.

    Returns
    -------
    DICOM SEG; RT Structure Sets where there is none. Bones that this program has analysed are results, not labels.
    """
    own = [one for one in records if one.study_uid == study_uid and not one.description.startswith(ANALYSED_SERIES)]
    return tuple(one for one in own if one.modality == "SEG") or tuple(one for one in own if one.modality == "RTSTRUCT")


def fetch_series(
    source: ImageSource, records: Sequence[SeriesRecord], folder: Path, callback: ProgressCallback = no_progress
) -> Path:
    """Fetch series into one folder, each into a folder of its own when there are several.

    Parameters
    ----------
    source
        Source.
    records
        Series, see candidates.
    folder
        New folder.
    callback
        Progress.

    Returns
    -------
    The folder.

    Raises
    ------
    PacsError
        When something does not arrive whole.
    """
    started = utc_now()
    if len(records) == 1:
        source.fetch(records[0], folder, callback)
    else:
        _fetch_several(source, records, folder, callback)
    _write_evidence(source, records, folder, started)
    return folder


def _fetch_several(
    source: ImageSource, records: Sequence[SeriesRecord], folder: Path, callback: ProgressCallback
) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder.name} exists and is not empty; choose a new folder")
    made: list[Path] = []
    try:
        for number, record in enumerate(records):
            made.append(folder / f"series{number + 1:02d}")
            source.fetch(record, made[-1], callback)
    except BaseException:
        for path in made:
            shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise


def _write_evidence(source: ImageSource, records: Sequence[SeriesRecord], folder: Path, started: str) -> None:
    files = list(folder.rglob("*.dcm"))
    counts = [record.images for record in records]
    retrieval = Retrieval(
        way=source.way,
        source=source.name,
        started_utc=started,
        ended_utc=utc_now(),
        series=len(records),
        images=len(files),
        announced=sum(count for count in counts if count) if all(counts) else 0,
        size_bytes=sum(path.stat().st_size for path in files),
        study_hash=uid_hash(records[0].study_uid),
        series_hashes=tuple(uid_hash(record.series_uid) for record in records),
        encrypted=source.encrypted,
    )
    write_retrieval(retrieval, folder)


def _can_be_volume(record: SeriesRecord, records: Sequence[SeriesRecord]) -> bool:
    if record.modality != "CT":
        return False
    large = any(r.modality == "CT" and (r.images is None or r.images >= FEWEST_IMAGES) for r in records)
    return not large or record.images is None or record.images >= FEWEST_IMAGES
