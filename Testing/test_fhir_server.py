"""Bundles to a FHIR server: there once, whatever it answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from report_fixtures import made_up_results
from test_transmission import pacs_file, result_folder

from BoneStrengthFEALib.errors import PacsError
from BoneStrengthFEALib.fhir import bundle
from BoneStrengthFEALib.pacs_settings import DicomWebPacs
from BoneStrengthFEALib.transmission import Outbox
from BoneStrengthFEALib.transmission.audit import AuditTrail
from BoneStrengthFEALib.transmission.fhir_server import post_bundle


class Stand:
    """A stand-in server that creates conditionally, and fails as it is told.

    Parameters
    ----------
    answers
        Status of each POST in turn, "lost" takes it and hangs up without an answer; then all is well.
    conditional
        Whether it minds If-None-Exist.
    """

    def __init__(self, *answers: int | str, conditional: bool = True) -> None:
        self.answers, self.conditional = list(answers), conditional
        self.stored: list[dict[str, Any]] = []
        self.posts = 0

    def take(self, sent: dict[str, Any]) -> list[str]:
        states = []
        for entry in sent["entry"]:
            wanted = entry["request"].get("ifNoneExist", "")
            known = self.conditional and wanted and any(e["request"].get("ifNoneExist") == wanted for e in self.stored)
            states.append("200 OK" if known else "201 Created")
            if not known:
                self.stored.append(entry)
        return states

    def reports(self) -> list[dict[str, Any]]:
        return [e["resource"] for e in self.stored if e["resource"]["resourceType"] == "DiagnosticReport"]


@contextlib.contextmanager
def served(stand: Stand) -> Iterator[DicomWebPacs]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            value = parse_qs(urlsplit(self.path).query)["identifier"][0]
            found = [r for r in stand.reports() if any(f"{i['system']}|{i['value']}" == value for i in r["identifier"])]
            self._answer(200, {"resourceType": "Bundle", "entry": [{"resource": r} for r in found]})

        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stand.posts += 1
            told = stand.answers.pop(0) if stand.answers else 200
            if told == "lost":
                stand.take(sent)
                self.close_connection = True
            elif told != 200:
                self._answer(int(told), {"resourceType": "OperationOutcome"})
            else:
                self._answer(200, {"entry": [{"response": {"status": s}} for s in stand.take(sent)]})

        def _answer(self, status: int, data: dict[str, Any]) -> None:
            content = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield DicomWebPacs("ehr", f"http://127.0.0.1:{server.server_address[1]}", timeout_s=30.0)
    finally:
        server.shutdown()
        server.server_close()


def content(folder: Path) -> bytes:
    return json.dumps(bundle(made_up_results(folder), b"%PDF")).encode()


@pytest.mark.parametrize("conditional", [True, False])
def test_a_bundle_sent_twice_is_there_once(tmp_path: Path, conditional: bool) -> None:
    stand = Stand(conditional=conditional)
    with served(stand) as pacs:
        assert "resources created, 0 there before" in post_bundle(pacs, content(tmp_path))
        count = len(stand.stored)
        assert post_bundle(pacs, content(tmp_path)) == "there already"
    assert len(stand.stored) == count
    assert len(stand.reports()) == 1


@pytest.mark.parametrize(
    ("told", "code"), [(409, "PACS_REFUSED"), (412, "PACS_REFUSED"), (500, "PACS_ANSWER"), (503, "PACS_BROKEN")]
)
def test_a_refusal_is_named_and_tried_again(tmp_path: Path, told: int, code: str) -> None:
    stand = Stand(told)
    with served(stand) as pacs:
        with pytest.raises(PacsError, match=str(told)) as caught:
            post_bundle(pacs, content(tmp_path))
        assert caught.value.code == code
        assert not stand.stored
        assert "created" in post_bundle(pacs, content(tmp_path))
    assert len(stand.reports()) == 1


@pytest.mark.parametrize("conditional", [True, False])
def test_a_lost_answer_doubles_nothing(tmp_path: Path, conditional: bool) -> None:
    folder = result_folder(tmp_path / "result")
    stand = Stand("lost", conditional=conditional)
    with served(stand) as pacs:
        box = Outbox(tmp_path / "box", pacs_file(tmp_path / "pacs.json", pacs))
        box.put("fhir:ehr", [folder / "fhir_bundle.json"], folder)
        assert "PACS_BROKEN" in box.send_due()[0].last_error
        (sent,) = box.send_due(force=True)
    assert sent.answer == "1 bundles: there already"
    assert stand.posts == 1
    assert len(stand.reports()) == 1


def test_what_was_dropped_can_be_sent_later(tmp_path: Path) -> None:
    folder = result_folder(tmp_path / "result")
    box = Outbox(tmp_path / "box")
    files = sorted((folder / "dicom").iterdir())
    target = f"folder:{tmp_path / 'there'}"
    box.drop(box.put(target, files, folder).id)
    again = box.put(target, files, folder)
    assert [entry.id for entry in box.send_due()] == [again.id]
    assert len(list((tmp_path / "there").iterdir())) == 3


def test_a_trail_whose_end_was_cut_off_is_noticed(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path)
    for n in range(4):
        trail.append("sent", id=str(n))
    assert trail.is_unbroken()
    content = trail.path.read_bytes()
    lines = content.splitlines(keepends=True)
    for kept in (lines[:-1], lines[:1], []):
        trail.path.write_bytes(b"".join(kept))
        assert not trail.is_unbroken()
    trail.path.write_bytes(content)
    head = trail.head.read_bytes()
    trail.append("sent", id="5")
    trail.head.write_bytes(head)
    assert trail.is_unbroken(), "a crash before the head was written is no forgery"


def test_the_status_page_answers_to_its_own_name_alone(tmp_path: Path) -> None:
    from BoneStrengthFEALib.service import Service, ServiceSettings
    from BoneStrengthFEALib.service import case as states
    from BoneStrengthFEALib.service.status_page import page, serve

    service = Service(ServiceSettings(str(tmp_path / "home"), (), (), incoming=str(tmp_path)))
    states.save(states.ServiceCase("00ff", "/secret/Doe", state=states.RUNNING, attempts=1), service.states)
    states.save(states.ServiceCase("11ff", "", state=states.FAILED, message="error [X]: /secret/Doe"), service.states)
    service.progress = "progress 0.420 solving <L2>"
    shown = page(service)
    assert "1 running, 1 failed" in shown
    assert 'case 00ff, solving &lt;L2&gt;, 42 % <progress max="100" value="42">' in shown
    assert "secret" not in shown
    web = serve(service, 0)
    port = web.server_address[1]
    for name, status in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200), ("evil.example", 421)):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/", headers={"Host": name})
        assert connection.getresponse().status == status
        connection.close()
    web.shutdown()
