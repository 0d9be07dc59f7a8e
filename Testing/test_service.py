"""The service: from an incoming folder to the archive, refusals included, after a crash too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pydicom
import pytest
from dicom_cases import series_of, write
from pacs_server import orthanc
from test_transmission import pacs_file

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.pacs_settings import DicomWebPacs
from BoneStrengthFEALib.service import Service, read_service
from BoneStrengthFEALib.service.status_page import serve
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose

ROOT = Path(__file__).resolve().parents[1]
RUN = ["--label", "1", "--site", "vertebra", "--level", "L2"]
SETTINGS = ("model.voxel_mm=2.5", "calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8",
            "calibration.intercept_mg_cm3=5", "calibration.density_kind=K2HPO4")  # fmt: skip


def configuration(folder: Path, **changes: object) -> Path:
    run = [*RUN, *(part for one in SETTINGS for part in ("--set", one))]
    table = {"home": "state", "incoming": "incoming", "destinations": [], "run": run, "settle_s": 0.2, "poll_s": 0.1}
    path = folder / "service.json"
    path.write_text(json.dumps(table | changes), encoding="utf-8")
    return path


def examination(folder: Path, sound: bool = True) -> None:
    ct, labels = SyntheticVertebra().scan(pose((8, -5, 4), (3.0, -20.0, 40.0)), (1.5, 1.6, 2.0))
    images = series_of(ct)
    if not sound:
        del images[7]
    write(images, folder)
    write_volume(labels.volume, folder / "labels.nii.gz")


@pytest.mark.slow
@pytest.mark.server
def test_new_examinations_end_in_the_archive_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONESTRENGTHFEA_SECRET_WEB", "secret")
    monkeypatch.setenv("BONESTRENGTHFEA_SALT", "for tests only, for tests only, for tests")
    examination(tmp_path / "incoming" / "Doe Jane")
    examination(tmp_path / "incoming" / "broken", sound=False)
    with orthanc(tmp_path / "orthanc") as server:
        file = pacs_file(tmp_path / "pacs.json", DicomWebPacs("web", f"{server.rest}/dicom-web", "basic", "tester"))
        path = configuration(tmp_path, destinations=["pacs:web"], pacs_file=str(file))
        # the first process dies while it works; the archive gets everything from the second
        process = subprocess.Popen(
            [sys.executable, "-m", "BoneStrengthFEALib.cli", "service", str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        states = tmp_path / "state" / "states"
        end = time.monotonic() + 60
        while time.monotonic() < end and not any("running" in p.read_text("utf-8") for p in states.glob("*.json")):
            time.sleep(0.05)
        process.kill()
        process.wait()
        assert main(["service", str(path), "--until-idle"]) == 0
        service = Service(read_service(path))
        found = sorted(case.state for case in service.cases().values())
        assert found == ["done", "refused"]
        kinds = sorted(
            server._call("GET", f"/series/{one}").json()["MainDicomTags"]["Modality"] for one in server.ids("series")
        )
        assert kinds == ["DOC", "DOC", "OT", "SEG", "SR"], "the refused one has a report too"
        assert main(["service", str(path), "--until-idle"]) == 0
        assert len(server.ids("instances")) == 5
    done = next(case for case in service.cases().values() if case.state == "done")
    record = json.loads((service.results / done.key / "service_record.json").read_text(encoding="utf-8"))
    assert not record["parts"]["0555T"]["done"], "files in a folder: nobody can tell who retrieved them"
    assert len(record["delivered"]) == 1
    assert not record["parts"]["0554T"]["done"]
    failed = next(case for case in service.cases().values() if case.state == "refused")
    assert "MISSING_SLICE" in failed.message
    assert (service.results / failed.key / "report.pdf").is_file()
    refused = pydicom.dcmread(service.results / failed.key / "dicom" / "report.dcm")
    assert refused.PatientName == "Bone^Test", "the headers of its images could be read"
    web = serve(service, 0)
    port = web.server_address[1]
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/").read().decode("utf-8")
    web.shutdown()
    assert done.key in text
    assert "Missing slice" in text
    assert "Doe" not in text


def test_a_refused_bone_is_reported_and_sent(tmp_path: Path) -> None:
    """A scan that can be read but must not be measured gives a report with the reason, as a DICOM object too."""
    examination(tmp_path / "ct")
    labels = ["--labels", str(tmp_path / "ct" / "labels.nii.gz"), *RUN, "--set", "calibration.method=given-linear"]
    settings = ["--set", "calibration.slope_mg_cm3_per_hu=0.8", "--set", "calibration.intercept_mg_cm3=5"]
    settings += ["--set", "calibration.density_kind=CAHA"]
    for path in (tmp_path / "ct").glob("*.dcm"):
        data = pydicom.dcmread(path)
        data.KVP, data.SliceThickness = 120, 9.0
        data.save_as(path)
    out = tmp_path / "out"
    code = main(["run", str(tmp_path / "ct"), *labels, *settings, "--dicom", "--refusal-report", "--out", str(out)])
    assert code == 1
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert any(line["outcome"] == "refuse" for line in results["quality"]["lines"])
    assert "No strength could be computed" in (out / "report.html").read_text(encoding="utf-8")
    report = pydicom.dcmread(out / "dicom" / "report.dcm")
    assert report.PatientName == "Bone^Test"


@pytest.mark.parametrize(
    "changes", [{"incoming": ""}, {"worklist": "list.txt"}, {"poll_s": 0}, {"destinations": ["mail:me"]}, {"typo": 1}]
)
def test_wrong_configurations_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(InputError):
        read_service(configuration(tmp_path, **changes))
