"""Sources that need no server: folder, Slicer's database, the spool, multipart answers."""

from __future__ import annotations

import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from dicom_cases import COUNT, copy_of, every, series, write

from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import InputError, PacsError, RefusedError
from BoneStrengthFEALib.sources import Query, SeriesRecord, candidates, fetch_series, open_source
from BoneStrengthFEALib.sources.folder import FolderSource
from BoneStrengthFEALib.sources.multipart import boundary_of, split_parts
from BoneStrengthFEALib.sources.slicer_database import SlicerDatabaseSource
from BoneStrengthFEALib.sources.spool import spooling

SCHEMA = """
CREATE TABLE Images (SOPInstanceUID VARCHAR(64) NOT NULL, Filename VARCHAR(1024) NOT NULL,
  SeriesInstanceUID VARCHAR(64) NOT NULL, InsertTimestamp VARCHAR(20) NOT NULL, PRIMARY KEY (SOPInstanceUID));
CREATE TABLE Patients (UID INTEGER PRIMARY KEY AUTOINCREMENT, PatientsName VARCHAR(255), PatientID VARCHAR(255));
CREATE TABLE Studies (StudyInstanceUID VARCHAR(64) NOT NULL, PatientsUID INT NOT NULL, StudyDate DATE,
  AccessionNumber VARCHAR(255), PRIMARY KEY (StudyInstanceUID));
CREATE TABLE Series (SeriesInstanceUID VARCHAR(64) NOT NULL, StudyInstanceUID VARCHAR(64) NOT NULL,
  SeriesDescription VARCHAR(255), Modality VARCHAR(20), PRIMARY KEY (SeriesInstanceUID));
"""
"""The columns of CTK's schema (Libs/DICOM/Core/Resources/dicom-schema.sql) that are read."""


def slicer_database(folder: Path) -> Path:
    """A database with one series whose files were copied (relative names) and one left in place (absolute names)."""
    folder.mkdir()
    images = {"dicom/copied": series(), str(folder / "in place"): series(6)}
    every(AccessionNumber="B88", PatientID="B2")(images[str(folder / "in place")])
    with sqlite3.connect(folder / "ctkDICOM.sql") as connection:
        connection.executescript(SCHEMA)
        for person, (place, one) in enumerate(images.items(), start=1):
            write(one, folder / place)
            first = one[0]
            study, uid = first.StudyInstanceUID, first.SeriesInstanceUID
            connection.execute("INSERT INTO Patients VALUES (?, 'Bone^Test', ?)", (person, first.PatientID))
            connection.execute(
                "INSERT INTO Studies VALUES (?, ?, '2024-01-31', ?)", (study, person, first.AccessionNumber)
            )
            connection.execute("INSERT INTO Series VALUES (?, ?, 'soft', 'CT')", (uid, study))
            for n, data in enumerate(one):
                row = (data.SOPInstanceUID, f"{place}/{n:03d}.dcm", uid)
                connection.execute("INSERT INTO Images VALUES (?, ?, ?, '')", row)
    connection.close()
    return folder


def test_slicer_database(tmp_path: Path) -> None:
    source = open_source(f"slicer:{slicer_database(tmp_path / 'db')}")
    for query, count in ((Query(accession="A77"), COUNT), (Query(patient_id="B2"), 6)):
        (record,) = source.find(query)
        assert (record.images, record.study_date, record.modality) == (count, "20240131", "CT")
        folder = fetch_series(source, [record], tmp_path / f"out{count}")
        assert read_folder(folder).ct.array.shape[0] == count
    assert source.find(Query(accession="A7")) == ()


def test_slicer_database_is_found_by_its_folder(tmp_path: Path) -> None:
    assert isinstance(open_source(str(slicer_database(tmp_path / "db"))), SlicerDatabaseSource)


def test_slicer_database_whose_files_are_gone(tmp_path: Path) -> None:
    folder = slicer_database(tmp_path / "db")
    source = SlicerDatabaseSource(folder)
    (record,) = source.find(Query(accession="A77"))
    (folder / "dicom" / "copied" / "004.dcm").unlink()
    with pytest.raises(PacsError, match="1 of 16") as caught:
        source.fetch(record, tmp_path / "out")
    assert caught.value.code == "INCOMPLETE"


def test_slicer_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "ctkDICOM.sql").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match="no DICOM database"):
        SlicerDatabaseSource(tmp_path).find(Query(accession="A77"))
    with pytest.raises(InputError, match="does not exist"):
        SlicerDatabaseSource(tmp_path / "nowhere")


def test_folder(tmp_path: Path) -> None:
    other = series()
    every(PatientID="B2", AccessionNumber="B88")(other)
    write(series(), tmp_path / "in" / "deep" / "one")
    write(other, tmp_path / "in" / "two")
    source = open_source(str(tmp_path / "in"))
    (record,) = source.find(Query(accession="A77", patient_id="B1"))
    folder = fetch_series(source, [record], tmp_path / "out")
    assert read_folder(folder).acquisition.subject.patient_id == "B1"
    assert source.find(Query(accession="A77", patient_id="B2")) == ()


def test_folder_keeps_the_same_instance_twice_for_the_gate(tmp_path: Path) -> None:
    images = series()
    copy_of(4)(images)
    source = FolderSource(write(images, tmp_path / "in"))
    folder = fetch_series(source, source.find(Query(accession="A77")), tmp_path / "out")
    with pytest.raises(RefusedError) as caught:
        read_folder(folder)
    assert caught.value.code == "DUPLICATE_INSTANCE"


def record(series_uid: str, images: int | None = 100, modality: str = "CT", study: str = "1.2") -> SeriesRecord:
    return SeriesRecord(study, series_uid, modality, images)


def test_candidates() -> None:
    found = (record("1.1", 2), record("1.2", 80), record("1.3", 90, "MR"), record("1.4", None))
    assert [r.series_uid for r in candidates(found)] == ["1.2", "1.4"]
    assert [r.series_uid for r in candidates(found, "1.1")] == ["1.1"]
    # an Enhanced CT is one image
    assert [r.series_uid for r in candidates(found[:1])] == ["1.1"]
    with pytest.raises(PacsError):
        candidates(found, "1.9")
    with pytest.raises(InputError, match="2 studies"):
        candidates((record("1.1"), record("1.2", study="1.3")))
    with pytest.raises(InputError, match="13 CT series"):
        candidates([record(f"1.{n}") for n in range(13)])


@pytest.mark.parametrize("uid", ["../../etc", "1.2/instances", "", "1" * 65, "1.2?x"])
def test_hostile_uids_become_no_address(uid: str) -> None:
    with pytest.raises(PacsError):
        record(uid)


def test_several_series_all_or_none(tmp_path: Path) -> None:
    class Half:
        def fetch(self, one: SeriesRecord, folder: Path, callback: object = None) -> tuple[Path, ...]:
            if one.series_uid == "1.2":
                raise PacsError("broken", code="PACS_BROKEN")
            folder.mkdir(parents=True)
            (folder / "IM00001.dcm").write_bytes(b"x")
            return ()

    with pytest.raises(PacsError):
        fetch_series(Half(), [record("1.1"), record("1.2")], tmp_path / "out")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits are those of POSIX")
def test_the_spool_is_private(tmp_path: Path) -> None:
    with spooling(tmp_path / "out") as spool:
        assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
        with pytest.raises(PacsError, match="not asked for"):
            spool.receive(b"\0" * 128 + b"DICM" + b"\0" * 64)
        assert list(spool.folder.iterdir()) == []


PARTS = (b"", b"one", b"two\r\n--almost", b"\r\n\r\n", bytes(range(256)) * 50)


def body(closed: bool = True) -> bytes:
    head = b"Content-Type: application/dicom\r\n\r\n"
    parts = b"".join(b"--x1\r\n" + head + part + b"\r\n" for part in PARTS)
    return b"preamble\r\n" + parts + (b"--x1--\r\nepilogue" if closed else b"")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 5000, 10**6])
def test_multipart_in_pieces_of_any_size(size: int) -> None:
    content = body()
    chunks = [content[n : n + size] for n in range(0, len(content), size)]
    assert tuple(split_parts(chunks, b"x1")) == PARTS


def test_multipart_that_ends_early() -> None:
    with pytest.raises(PacsError) as caught:
        list(split_parts([body(closed=False)], b"x1"))
    assert caught.value.code == "PACS_BROKEN"


def test_boundary() -> None:
    assert boundary_of('multipart/related; type="application/dicom"; boundary="a b=c"') == b"a b=c"
    for wrong in ("application/json", "multipart/related", 'multipart/related; boundary=""'):
        with pytest.raises(PacsError):
            boundary_of(wrong)
