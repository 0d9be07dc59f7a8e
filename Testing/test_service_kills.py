"""The whole service killed at random moments of run and send, while its archive goes down and comes back."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
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


def work(path: Path, seconds: float) -> bool:
    """Start the service, kill it after a while; whether it was killed at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "BoneStrengthFEALib.cli", "service", str(path), "--until-idle"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
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
    cases = kills = 0

    def connect(url: str) -> str:
        return str(pacs_file(tmp_path / "pacs.json", DicomWebPacs("web", url, "basic", "tester")))

    file = connect("http://127.0.0.1:9/dicom-web")
    path = configuration(tmp_path, destinations=["pacs:web"], pacs_file=file, attempts=9)
    while kills < KILLS:
        examination(tmp_path / "incoming" / f"{cases:03d}")
        cases += 1
        up = orthanc(tmp_path / "orthanc") if kills % 2 else contextlib.nullcontext()
        with up as server:
            connect(f"{server.rest}/dicom-web" if server else "http://127.0.0.1:9/dicom-web")
            kills += work(path, random.uniform(0.5, 6.0))
    with orthanc(tmp_path / "orthanc") as server:
        connect(f"{server.rest}/dicom-web")
        service = Service(read_service(path))
        work(path, 90.0)
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
