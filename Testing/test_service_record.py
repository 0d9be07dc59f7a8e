"""The service record: what counts as done, what evidence it rests on, what made the work harder."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from dicom_cases import series, write
from report_fixtures import made_up_results

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.results import StudyResults, write_results
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.retrieval_file import retrieval_of, uid_hash, write_retrieval
from BoneStrengthFEALib.service_facts import Retrieval, ServicePart, service_rows
from BoneStrengthFEALib.service_record import earlier_runs, with_service
from BoneStrengthFEALib.sources import Query, fetch_series, open_source
from BoneStrengthFEALib.transmission import Outbox
from BoneStrengthFEALib.transmission.service_record import write_service_record


def retrieved(folder: Path, way: str, images: int = 5, announced: int = 5) -> StudyResults:
    """Results of images that came by a way."""
    data = series(images)
    write(data, folder)
    study, one = str(data[0].StudyInstanceUID), str(data[0].SeriesInstanceUID)
    retrieval = Retrieval(
        *(way, "main", "2026-03-09T09:00:00+00:00", "2026-03-09T09:01:00+00:00", 1, images, announced, 4321),
        study_hash=hashlib.sha256(study.encode()).hexdigest(),
        series_hashes=(hashlib.sha256(one.encode()).hexdigest(),),
        encrypted=True,
    )
    write_retrieval(retrieval, folder)
    results = made_up_results(folder.parent)
    files = tuple(str(path) for path in sorted(folder.glob("*.dcm")))
    exam = dataclasses.replace(results.acquisition, files=files, study_uid=study, series_uid=one)
    return dataclasses.replace(results, acquisition=exam)


@pytest.mark.parametrize("way", ["WADO-RS", "C-GET", "C-MOVE", "C-STORE"])
def test_a_scan_fetched_whole_from_another_system_is_done(tmp_path: Path, way: str) -> None:
    (scan, *_), record = (r := with_service(retrieved(tmp_path / "ct", way)).service).parts, r
    assert scan.code == "0555T"
    assert scan.done
    assert scan.utc == "2026-03-09T09:01:00+00:00"
    words = " ".join(scan.evidence)
    assert f"by {way} from main, encrypted" in words
    assert "5 of 5 announced images" in words
    assert record.retrieval is not None
    assert record.retrieval.study_hash[:16] in words
    assert not any(uid in words for uid in ("1.2.826",)), "UIDs only as hashes"


def test_files_and_deliveries_alone_are_no_retrieval(tmp_path: Path) -> None:
    """Images from a folder, results sent to a folder: nobody can tell that the scan was retrieved."""
    folder = tmp_path / "result"
    folder.mkdir()
    results = with_service(dataclasses.replace(retrieved(tmp_path / "ct", "folder")))
    write_results(results, folder / "results.json")
    write(series(2), folder / "dicom")
    box = Outbox(tmp_path / "box")
    box.put(f"folder:{tmp_path / 'there'}", sorted((folder / "dicom").iterdir()), folder)
    assert box.send_due()[0].answer
    record = json.loads(write_service_record(folder).read_text(encoding="utf-8"))
    assert record["delivered"][0].endswith("2 files written (parcel " + box.entries("sent")[0].id + ")")
    assert not record["parts"]["0555T"]["done"]
    assert "transfer from another system" in record["parts"]["0555T"]["missing"][0]
    assert not record["parts"]["0554T"]["done"]
    assert read_results(folder).service.delivered == tuple(record["delivered"]), "results.json has it too"


def test_images_that_are_not_as_they_came_have_no_evidence(tmp_path: Path) -> None:
    results = retrieved(tmp_path / "ct", "C-STORE")
    exam = results.acquisition
    files = [Path(name) for name in exam.files]
    assert retrieval_of(files, exam.study_uid, exam.series_uid) is not None
    assert retrieval_of(files, "1.2.3", exam.series_uid) is None
    files[3].write_bytes(files[3].read_bytes() + b"\0\0")
    assert retrieval_of(files, exam.study_uid, exam.series_uid) is None
    assert not with_service(results).service.parts[0].done


def test_images_that_are_missing_are_said(tmp_path: Path) -> None:
    scan = with_service(retrieved(tmp_path / "ct", "C-STORE", images=5, announced=7)).service.parts[0]
    assert not scan.done
    assert scan.missing == ("2 of the images that were announced",)


def test_what_made_the_work_harder_is_named_by_kind(tmp_path: Path) -> None:
    lines = tuple(
        QualityLine(code, Outcome.WARN, "found", "expected") for code in ("METAL", "LANDMARKS_BY_HAND", "KVP")
    )
    results = retrieved(tmp_path / "ct", "C-GET")
    results = dataclasses.replace(results, quality=QualityReport(lines), settings={"accept": ["STREAK"]})
    assert with_service(results).service.parts[1].missing == ("a fracture-risk class",)
    results = dataclasses.replace(results, risk=results.sites[0].risk[0])
    record = with_service(results, runs=3).service
    kinds = [line.partition(":")[0] for line in record.harder]
    assert kinds[:3] == ["artefact", "manual", "warning"]
    assert "manual: accepted by a person: STREAK" in record.harder
    assert record.harder[-1] == "repeated: the examination was run 3 times"
    rows = service_rows(record)
    assert [row[0] for row in rows[:4]] == ["0555T", "0556T", "0557T", "0554T"]
    assert [row[2] for row in rows[:4]] == ["done", "done", "not done", "not done"]
    assert ("effort", "repeated", "", "", "the examination was run 3 times") in rows
    assert all(isinstance(cell, str) for row in rows for cell in row)


def test_runs_into_one_folder_are_counted(tmp_path: Path) -> None:
    assert earlier_runs(tmp_path) == 0
    write_results(with_service(made_up_results(tmp_path), runs=2), tmp_path / "results.json")
    assert earlier_runs(tmp_path) == 2


def test_fetching_leaves_evidence(tmp_path: Path) -> None:
    data = series(6)
    write(data, tmp_path / "there")
    source = open_source(f"folder:{tmp_path / 'there'}")
    records = source.find(Query(accession="A77"))
    fetch_series(source, records, tmp_path / "ct")
    files = sorted((tmp_path / "ct").glob("*.dcm"))
    found = retrieval_of(files, str(data[0].StudyInstanceUID), str(data[0].SeriesInstanceUID))
    assert found is not None
    assert (found.way, found.images, found.announced, found.series) == ("folder", 6, 6, 1)
    assert found.size_bytes == sum(path.stat().st_size for path in files)
    assert found.series_hashes == (uid_hash(str(data[0].SeriesInstanceUID)),)
    assert not found.by_network


def test_a_part_without_evidence_cannot_be_done() -> None:
    with pytest.raises(InputError):
        ServicePart("0557T", "report", True, "2026-03-09T10:00:00+00:00")
    with pytest.raises(InputError):
        ServicePart("9999T", "report", False)
