"""Studies sent to the service by C-STORE: from known senders alone, measured once, nothing of them left behind."""

from __future__ import annotations

import json
import time
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_cases import series_of, write
from highdicom.sr.coding import CodedConcept
from pacs_server import free_port
from test_service import SETTINGS
from test_transmission import pacs_file

from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import InputError, PacsError
from BoneStrengthFEALib.pacs_settings import DimsePacs
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.service import Service, read_service
from BoneStrengthFEALib.service.reception import StudyReceiver, receiving
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.transmission.destination import deliver


def study(folder: Path) -> tuple[list[Path], list[Path]]:
    """CT and SEG of a synthetic vertebra."""
    ct, labels = SyntheticVertebra().scan(pose((8, -5, 4), (3.0, -20.0, 40.0)), (1.5, 1.6, 2.0))
    scan = read_folder(write(series_of(ct), folder / "ct"))
    images = [Path(path) for path in scan.acquisition.files]
    heads = [pydicom.dcmread(path) for path in images]
    mask = onto_grid(labels.volume, scan.ct.grid).array == 1
    for head in heads:
        head.PatientBirthDate = head.StudyID = head.ReferringPhysicianName = ""
    bone = hd.seg.SegmentDescription(
        1, "vertebrae_L2", CodedConcept("91723000", "SCT", "Anatomical Structure"),
        CodedConcept("14293000", "SCT", "L2"), hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )  # fmt: skip
    seg = hd.seg.Segmentation(
        heads, mask.astype(np.uint8), hd.seg.SegmentationTypeValues.BINARY, [bone], hd.UID(), 7,
        hd.UID(), 1, "Someone", "Drawing", "1", "1",
    )  # fmt: skip
    seg.save_as(folder / "seg.dcm")
    return images, [folder / "seg.dcm"]


def service_of(folder: Path, port: int) -> Service:
    run = ["--label", "1", "--site", "vertebra", "--level", "L2", *(p for one in SETTINGS for p in ("--set", one))]
    table = {"home": "state", "destinations": ["folder:" + str(folder / "sent")], "run": run, "settle_s": 0.1}
    table |= {"poll_s": 0.1, "reception": [{"callers": ["CT1"], "port": port, "aet": "BONES"}]}
    (folder / "service.json").write_text(json.dumps(table), encoding="utf-8")
    return Service(read_service(folder / "service.json"))


@pytest.mark.server
@pytest.mark.filterwarnings("ignore")
def test_a_sent_study_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONESTRENGTHFEA_SALT", "for tests only, for tests only, for tests")
    port = free_port()
    service = service_of(tmp_path, port)
    images, seg = study(tmp_path)

    def send(title: str, called: str, files: list[Path]) -> str:
        us = DimsePacs("us", "127.0.0.1", port, called, title)
        return deliver("pacs:us", files, pacs_file(tmp_path / "pacs.json", us))

    receiver = StudyReceiver(service.received, service.states, service._salt)
    with receiving(service.settings.reception[0], receiver):
        for title, called in (("STRANGER", "BONES"), ("CT1", "OTHER")):
            with pytest.raises(PacsError, match="does not accept"):
                send(title, called, images[:1])
        assert not list(service.received.iterdir())
        send("CT1", "BONES", images)
        send("CT1", "BONES", images[:3])
        for _ in range(3):
            assert not service.step(), "no labels yet"
            time.sleep(0.1)
        send("CT1", "BONES", seg)
        (folder,) = service.received.iterdir()
        assert len(list(folder.glob("*.dcm"))) == len(images) + 1, "the same image twice is one"
        assert "Bone" not in str(folder)
        end = time.monotonic() + 90
        while time.monotonic() < end and not any(c.state in ("done", "failed") for c in service.cases().values()):
            service.step()
            time.sleep(0.1)
        (case,) = service.cases().values()
        assert case.state == "done", case.message
        assert not list(service.received.iterdir()), "nobody's images stay"
        with pytest.raises(PacsError, match="0x0110"):
            send("CT1", "BONES", images[:1])
    results = read_results(service.results / case.key)
    assert results.service.parts[0].done, "a scan sent by another system was retrieved"
    assert results.service.retrieval is not None
    assert (results.service.retrieval.way, results.service.retrieval.source) == ("C-STORE", "CT1")
    assert results.service.retrieval.images == len(images)
    assert len(list((tmp_path / "sent").glob("*_sr_*"))) == 1


@pytest.mark.parametrize("change", [{"callers": []}, {"port": 0}, {"aet": "TOO LONG A TITLE OF OURS"}, {"port": "x"}])
def test_wrong_receptions_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    table = {"home": "state", "destinations": [], "run": [], "reception": [{"callers": ["CT1"], "port": 104, **change}]}
    (tmp_path / "service.json").write_text(json.dumps(table), encoding="utf-8")
    with pytest.raises(InputError):
        read_service(tmp_path / "service.json")
