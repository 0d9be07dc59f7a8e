"""The outbox and its destinations: a real archive, crashes at any moment, an archive that goes down."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from dicom_cases import series, write
from pacs_server import Orthanc, make_certificates, orthanc
from report_fixtures import made_up_results

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.fhir import write_bundle
from BoneStrengthFEALib.pacs_settings import DicomWebPacs, DimsePacs
from BoneStrengthFEALib.results import write_results
from BoneStrengthFEALib.transmission import Outbox
from BoneStrengthFEALib.transmission.audit import AuditTrail

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def result_folder(folder: Path, count: int = 3) -> Path:
    """Results whose objects are small images: the outbox does not look into them."""
    folder.mkdir(parents=True)
    results = made_up_results(folder)
    write_results(results, folder / "results.json")
    write_bundle(results, folder, b"%PDF")
    write(series(count), folder / "dicom")
    return folder


def pacs_file(path: Path, *connections: DicomWebPacs | DimsePacs) -> Path:
    tables = {}
    for one in connections:
        web = isinstance(one, DicomWebPacs)
        keys = ("url", "login", "user") if web else ("host", "port", "called_aet", "calling_aet", "use_tls")
        tables[one.name] = {"kind": "dicomweb" if web else "dimse", **{k: getattr(one, k) for k in keys}}
        tables[one.name] |= {"timeout_s": 5.0}
        tls = {k: v for k, v in vars(one.tls).items() if v}
        if tls:
            tables[one.name]["tls"] = tls
    path.write_text(json.dumps(tables), encoding="utf-8")
    return path


def test_a_parcel_is_sent_once_and_leaves_a_receipt(tmp_path: Path) -> None:
    folder = result_folder(tmp_path / "result")
    box = Outbox(tmp_path / "box")
    target = f"folder:{tmp_path / 'there'}"
    files = sorted((folder / "dicom").iterdir())
    first = box.put(target, files, folder)
    assert box.put(target, files, folder).id == first.id
    assert [entry.id for entry in box.entries()] == [first.id]
    (sent,) = box.send_due()
    assert sent.answer == "3 files written"
    assert not box.entries()
    assert box.put(target, files, folder).answer, "known to be sent"
    assert not box.send_due(force=True)
    assert len(list((tmp_path / "there").iterdir())) == 3
    assert sorted(p.read_bytes() for p in (tmp_path / "there").iterdir()) == sorted(p.read_bytes() for p in files)
    receipt = json.loads((folder / f"receipt_{first.id}.json").read_text(encoding="utf-8"))
    assert receipt["answer"] == "3 files written"
    assert [line["event"] for line in box.audit.lines()] == ["queued", "sending", "sent"]
    assert box.audit.is_unbroken()
    uids = [p.name for p in (tmp_path / "box").rglob("*.dcm")]
    assert not uids, "the outbox keeps no data of what was sent"


@pytest.mark.parametrize("text", ["pacs", "ftp:there", "pacs:unknown", "folder:"])
def test_unknown_destinations_are_refused(tmp_path: Path, text: str) -> None:
    file = pacs_file(tmp_path / "pacs.json")
    with pytest.raises(InputError):
        Outbox(tmp_path / "box", file).put(text, [tmp_path / "x.dcm"], tmp_path)


def test_a_torn_or_changed_trail_is_noticed(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path)
    for n in range(3):
        trail.append("sent", id=str(n))
    assert trail.is_unbroken()
    content = trail.path.read_bytes()
    trail.path.write_bytes(content + b'{"event": "se')
    trail.append("sent", id="9")
    assert [line["event"] for line in trail.lines()] == ["sent", "sent", "sent", "torn", "sent"]
    assert trail.is_unbroken(), "a power failure is no forgery"
    trail.path.write_bytes(content.replace(b'"id": "1"', b'"id": "7"'))
    assert not trail.is_unbroken()


@pytest.mark.server
def test_archive_by_both_ways_and_when_it_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONESTRENGTHFEA_SECRET_WEB", "secret")
    folder = result_folder(tmp_path / "result")
    with orthanc(tmp_path / "orthanc") as server:
        web = DicomWebPacs("web", f"{server.rest}/dicom-web", "basic", "tester")
        node = DimsePacs("node", "127.0.0.1", server.dicom, "ORTHANC")
        file = pacs_file(tmp_path / "pacs.json", web, node)
        base = ["send", str(folder), "--outbox", str(tmp_path / "box"), "--pacs-file", str(file)]
        assert main([*base, "--to", "pacs:web"]) == 0
        assert len(server.ids("instances")) == 3
        assert main([*base, "--to", "pacs:node"]) == 0
        assert len(server.ids("instances")) == 3, "the same objects"
        record = json.loads((folder / "service_record.json").read_text(encoding="utf-8"))
        assert record["parts"]["0557T"]["done"] is False
        assert [line.partition(" to ")[2][:4] for line in record["delivered"]] == ["pacs", "pacs"]
        stored = {server._call("GET", f"/instances/{one}/file").content for one in server.ids("instances")}
        assert {len(content) for content in stored} == {p.stat().st_size for p in (folder / "dicom").iterdir()}
    other = result_folder(tmp_path / "other")
    base[1] = str(other)
    assert main([*base, "--to", "pacs:web", "--to", "pacs:node"]) == 1
    box = Outbox(tmp_path / "box", file)
    assert [entry.attempts for entry in box.entries()] == [1, 1]
    soon = [entry.next_try - time.time() for entry in box.entries()]
    assert all(0 < wait <= 15 for wait in soon)
    assert not box.send_due(now=time.time()), "not yet"
    (again, _) = box.send_due(now=time.time() + 16)
    assert again.next_try - time.time() > 16 + 29, "twice as long"
    box.drop(again.id)
    assert [entry.id for entry in box.entries("dropped")] == [again.id]
    assert box.audit.is_unbroken()


@pytest.mark.server
def test_store_by_tls_needs_our_certificate(tmp_path: Path) -> None:
    from BoneStrengthFEALib.pacs_settings import TlsSettings

    keys = make_certificates(tmp_path / "keys")
    ours = TlsSettings(str(keys / "ca.crt"), str(keys / "client.crt"), str(keys / "client.key"))
    stranger = TlsSettings(str(keys / "other.crt"), str(keys / "client.crt"), str(keys / "client.key"))
    folder = result_folder(tmp_path / "result")
    with orthanc(tmp_path / "orthanc", keys) as server:
        nodes = [
            DimsePacs("good", "localhost", server.dicom, "ORTHANC", use_tls=True, tls=ours),
            DimsePacs("bad", "localhost", server.dicom, "ORTHANC", use_tls=True, tls=stranger),
        ]
        box = Outbox(tmp_path / "box", pacs_file(tmp_path / "pacs.json", *nodes))
        files = sorted((folder / "dicom").iterdir())
        box.put("pacs:bad", files, folder)
        assert box.send_due()[0].last_error
        assert not server.ids("instances")
        box.put("pacs:good", files, folder)
        assert any(entry.answer for entry in box.send_due(force=True))
        assert len(server.ids("instances")) == 3


KILLS = int(os.environ.get("BONESTRENGTHFEA_KILLS", "40"))
"""Kills of the sender; set 100 for the full test, which takes five minutes on two busy cores."""

WORKER = """
import sys
from pathlib import Path
from BoneStrengthFEALib.transmission import Outbox
from BoneStrengthFEALib.transmission.queueing import queue_result
print("ready", flush=True)
root = Path(sys.argv[1])
box = Outbox(root / "box", root / "pacs.json")
for folder in sorted((root / "results").iterdir()):
    queue_result(box, folder, ["pacs:web"])
    box.send_due(force=True)
"""


@pytest.mark.slow
@pytest.mark.server
def test_killed_at_many_moments_nothing_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONESTRENGTHFEA_SECRET_WEB", "secret")
    random.seed(80713)
    cases = kills = 0
    while kills < KILLS:
        # the archive goes down again and again: then nothing listens at its port
        with _archive(tmp_path) if cases % 16 else contextlib.nullcontext() as server:
            for _ in range(8):
                result_folder(tmp_path / "results" / f"{cases:03d}", 2)
                cases += 1
                kills += _work(tmp_path, server, random.uniform(0.0, 0.25))
                assert cases < 250, "the sender ends before it can be killed"
    with _archive(tmp_path) as server:
        _work(tmp_path, server, 120.0)
        assert len(server.ids("instances")) == 2 * cases
    box = Outbox(tmp_path / "box", tmp_path / "pacs.json")
    assert kills >= KILLS
    assert not box.entries()
    assert len(box.entries("sent")) == cases
    events = Counter((line.get("id"), line["event"]) for line in box.audit.lines() if line["event"] != "torn")
    for entry in box.entries("sent"):
        assert events[entry.id, "sent"] == 1
        assert events[entry.id, "queued"] == 1
        assert events[entry.id, "sending"] >= 1
    assert box.audit.is_unbroken()
    assert len(list(tmp_path.glob("results/*/receipt_*.json"))) == cases


def _archive(root: Path):
    return orthanc(root / "orthanc")


def _work(root: Path, server: Orthanc | None, seconds: float) -> int:
    """Start the sender, kill it after a while; 1 when it was killed at work, 0 when it had ended."""
    url = f"{server.rest}/dicom-web" if server else "http://127.0.0.1:9/dicom-web"
    pacs_file(root / "pacs.json", DicomWebPacs("web", url, "basic", "tester"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(root)], stdout=subprocess.PIPE, env=environment, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return 1
    finally:
        process.stdout.close()
    assert process.returncode == 0
    return 0
