"""The service end to end: a real hip series and its segmentation in an archive, results back in the same study."""

from __future__ import annotations

import json
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from highdicom.sr.coding import CodedConcept
from pacs_server import orthanc
from test_transmission import pacs_file

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.dicom_out import object_files
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.pacs_settings import DicomWebPacs, DimsePacs
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.service import Service, read_service
from BoneStrengthFEALib.volume import Quantity

RUN = ["--label", "femur_right", "--site", "femur", "--side", "right"]
SET = ("model.voxel_mm=3", "calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8",
       "calibration.intercept_mg_cm3=5", "calibration.density_kind=K2HPO4")  # fmt: skip


def write_seg(ct: Path, mask: Path, target: Path) -> None:
    """A DICOM SEG of a mask, as another software would have written it."""
    scan = read_folder(ct)
    images = [pydicom.dcmread(path) for path in scan.acquisition.files]
    array = onto_grid(read_volume(mask, Quantity.LABEL), scan.ct.grid).array == 1
    bone = hd.seg.SegmentDescription(
        1,
        "femur_right",
        CodedConcept("91723000", "SCT", "Anatomical Structure"),
        CodedConcept("71341001", "SCT", "Femur"),
        hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    seg = hd.seg.Segmentation(
        images, array.astype(np.uint8), hd.seg.SegmentationTypeValues.BINARY, [bone], hd.UID(), 77, hd.UID(), 1,
        "Someone", "Drawing", "1", "1", series_description="femur by hand",
    )  # fmt: skip
    target.mkdir()
    seg.save_as(target / "seg.dcm")


@pytest.mark.server
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["web", "node"])
def test_a_real_hip_is_found_measured_and_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference_data: Path, way: str
) -> None:
    monkeypatch.setenv("BONESTRENGTHFEA_SECRET_WEB", "secret")
    monkeypatch.setenv("BONESTRENGTHFEA_SALT", "for tests only, for tests only, for tests")
    hip = reference_data / "hip_sts044"
    write_seg(hip / "dicom", hip / "femur_right_mask.nii.gz", tmp_path / "seg")
    with orthanc(tmp_path / "orthanc") as server:
        server.store(hip / "dicom")
        server.store(tmp_path / "seg")
        before = set(server.ids("instances"))
        web = DicomWebPacs("web", f"{server.rest}/dicom-web", "basic", "tester")
        file = pacs_file(tmp_path / "pacs.json", web, DimsePacs("node", "127.0.0.1", server.dicom, "ORTHANC"))
        run = [*RUN, *(part for one in SET for part in ("--set", one))]
        table = {"home": "state", "destinations": [f"pacs:{way}"], "run": run, "settle_s": 0.1, "poll_s": 0.1}
        table |= {"search": [{"pacs": way, "since": "19000101"}], "pacs_file": file.name}
        path = tmp_path / "service.json"
        path.write_text(json.dumps(table), encoding="utf-8")
        assert main(["service", str(path), "--until-idle"]) == 0
        service = Service(read_service(path))
        (case,) = service.cases().values()
        assert case.state == "done", case.message
        assert not list(service.images.iterdir()), "nobody's images stay"
        new = set(server.ids("instances")) - before
        objects = [pydicom.dcmread(_saved(server, one, tmp_path)) for one in sorted(new)]
        assert len(server.ids("studies")) == 1, "all in the same study"
        assert {"SR", "SEG", "DOC"} <= {one.Modality for one in objects}
        assert main(["service", str(path), "--until-idle"]) == 0, "nothing is done twice, our own SEG is no new label"
        assert set(server.ids("instances")) == before | new
        with service._alone(), pytest.raises(InputError, match="another service"):
            service.run_forever(until_idle=True)
    sent = {data.SOPInstanceUID: data for data in map(pydicom.dcmread, object_files(service.results / case.key))}
    assert {one.SOPInstanceUID for one in objects} == set(sent)
    for one in objects:
        # every element, pixel and value as it was written
        assert one == sent[one.SOPInstanceUID], one.Modality
    results = read_results(service.results / case.key)
    report = next(one for one in objects if one.Modality == "SR")
    numbers = [float(item.MeasuredValueSequence[0].NumericValue) for item in _numbers(report)]
    strength = results.sites[0].strengths[0].force_n
    assert any(number == pytest.approx(strength, rel=1e-6) for number in numbers)
    assert 1000 < strength < 20000
    assert results.service.parts[0].done
    assert results.service.retrieval is not None
    assert results.service.retrieval.way == ("WADO-RS" if way == "web" else "C-GET")


def _saved(server, one: str, folder: Path) -> Path:
    path = folder / f"{one}.dcm"
    path.write_bytes(server._call("GET", f"/instances/{one}/file").content)
    return path


def _numbers(item):
    for child in item.get("ContentSequence", []):
        if child.ValueType == "NUM":
            yield child
        yield from _numbers(child)


@pytest.mark.parametrize(
    "search", [{"pacs": "web", "days_back": -1}, {"pacs": "web", "study_description": "("}, {"pacs": "other"}, {}]
)
def test_wrong_searches_are_refused(tmp_path: Path, search: dict[str, object]) -> None:
    file = pacs_file(tmp_path / "pacs.json", DicomWebPacs("web", "http://127.0.0.1:1/dicom-web"))
    table = {"home": "state", "destinations": [], "run": RUN, "search": [search], "pacs_file": file.name}
    (tmp_path / "service.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(InputError):
        read_service(tmp_path / "service.json")


@pytest.mark.server
@pytest.mark.filterwarnings("ignore")
def test_density_of_a_hip_straight_from_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference_data: Path
) -> None:
    """Command bmd fetches its CT as run does, with the same numbers as from the folder."""
    monkeypatch.setenv("BONESTRENGTHFEA_SECRET_WEB", "secret")
    hip = reference_data / "hip_sts044"
    labels = ["--labels", str(hip / "femur_right_mask.nii.gz"), "--label", "1", *RUN[2:]]
    options = [*labels, *(part for one in SET for part in ("--set", one))]
    study = str(pydicom.dcmread(next((hip / "dicom").iterdir())).StudyInstanceUID)
    with orthanc(tmp_path / "orthanc") as server:
        server.store(hip / "dicom")
        file = pacs_file(tmp_path / "pacs.json", DicomWebPacs("web", f"{server.rest}/dicom-web", "basic", "tester"))
        source = ["pacs:web", "--study", study, "--pacs-file", str(file)]
        assert main(["bmd", *source, *options, "--out", str(tmp_path / "archive")]) == 0
    assert main(["bmd", str(hip / "dicom"), *options, "--out", str(tmp_path / "folder")]) == 0
    one, two = (read_results(tmp_path / name).sites[0].bmd for name in ("archive", "folder"))
    assert [(m.id, m.value) for m in one] == [(m.id, m.value) for m in two]
    assert len(one) > 1
