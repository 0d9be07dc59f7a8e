"""The whole service killed at random moments of run and send, while its archive goes down and comes back."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from pacs_server import orthanc
from test_service import ROOT, configuration, examination
from test_transmission import pacs_file

from BoneStrengthFEALib.pacs_settings import DicomWebPacs
from BoneStrengthFEALib.service import Service, read_service

KILLS = int(os.environ.get("BONESTRENGTHFEA_SERVICE_KILLS", "4"))
OBJECTS = 4
"""SEG, SR, PDF and pictures of a case."""
WAITING = 2
"""Examinations that are on their way at most: enough that a kill finds one anywhere."""
LONGEST_S = 600.0
NOBODY = "http://127.0.0.1:9/dicom-web"


def ended(path: Path) -> int:
    """Examinations measured and sent."""
    return len(Service(read_service(path)).outbox.entries("sent"))


def phase(path: Path) -> Counter[str]:
    """Where a kill found the examinations and parcels."""
    service = Service(read_service(path))
    found = Counter(case.state for case in service.cases().values() if case.state != "done")
    return found + Counter("in the outbox" for _ in service.outbox.entries())


def start(path: Path) -> subprocess.Popen[bytes]:
    """The service in a process of its own, to the end of its work."""
    return subprocess.Popen(
        [sys.executable, "-m", "BoneStrengthFEALib.cli", "service", str(path), "--until-idle"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )


def finish(path: Path) -> float:
    """Seconds the service takes to end by itself."""
    begun = time.monotonic()
    assert start(path).wait(LONGEST_S) == 0
    return time.monotonic() - begun


def kill(path: Path, usual_s: float) -> bool:
    """Start the service and kill it, three times in ten while it queues and sends; whether it was still at work."""
    process = start(path)
    try:
        if random.random() < 0.7:
            process.wait(random.uniform(0.0, 1.2 * usual_s))
        else:
            before = len(list((path.parent / "state" / "results").glob("*/results.json")))
            end = time.monotonic() + 3.0 * usual_s
            while time.monotonic() < end and process.poll() is None:
                if len(list((path.parent / "state" / "results").glob("*/results.json"))) > before:
                    break
                time.sleep(0.01)
            process.wait(random.uniform(0.0, 0.8))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


@pytest.mark.slow
@pytest.mark.server
def test_each_case_ends_once_in_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONESTRENGTHFEA_SECRET_WEB", "secret")
    monkeypatch.setenv("BONESTRENGTHFEA_SALT", "for tests only, for tests only, for tests")
    random.seed(41807)
    cases, kills = 1, 0
    phases: Counter[str] = Counter()

    def connect(url: str) -> str:
        return str(pacs_file(tmp_path / "pacs.json", DicomWebPacs("web", url, "basic", "tester")))

    path = configuration(tmp_path, destinations=["pacs:web"], pacs_file=connect(NOBODY), attempts=9)
    examination(tmp_path / "incoming" / "000")
    with orthanc(tmp_path / "orthanc") as server:
        connect(f"{server.rest}/dicom-web")
        usual_s = finish(path)
    while kills < KILLS:
        if cases - ended(path) < WAITING:
            examination(tmp_path / "incoming" / f"{cases:03d}")
            cases += 1
        up = orthanc(tmp_path / "orthanc") if kills % 2 else contextlib.nullcontext()
        with up as server:
            connect(f"{server.rest}/dicom-web" if server else NOBODY)
            killed = kill(path, usual_s)
        kills += killed
        phases.update(phase(path) if killed else ())
    sys.stdout.write(f"{kills} kills, {cases} cases, {usual_s:.0f} s a case, found at a kill: {dict(phases)}\n")
    with orthanc(tmp_path / "orthanc") as server:
        connect(f"{server.rest}/dicom-web")
        finish(path)
        service = Service(read_service(path))
        service.outbox.send_due(force=True)
        assert len(server.ids("instances")) == OBJECTS * cases
        assert len(server.ids("studies")) == cases
    assert sorted(case.state for case in service.cases().values()) == ["done"] * cases
    assert not service.outbox.entries()
    events = Counter((line.get("id"), line["event"]) for line in service.outbox.audit.lines())
    for entry in service.outbox.entries("sent"):
        assert events[entry.id, "queued"] == events[entry.id, "sent"] == 1
    assert len(service.outbox.entries("sent")) == cases
    assert service.outbox.audit.is_unbroken()
