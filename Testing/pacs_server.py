"""A real archive (Orthanc) for tests, certificates, and a proxy that adds TLS or breaks connections."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests
from external_tools import require_executable

from BoneStrengthFEALib.pacs_settings import DicomWebPacs, DimsePacs, TlsSettings

PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
OUR_AET = "BONEFEA"


def free_port() -> int:
    """A port below those that outgoing connections take, so that none of ours occupies it before it is used."""
    dice = secrets.SystemRandom()
    while True:
        port = dice.randrange(20000, 32000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


@dataclass
class Orthanc:
    """A running archive with user "tester", password "secret"."""

    http: int
    dicom: int
    move_port: int
    process: subprocess.Popen[bytes]
    tls: TlsSettings = field(default_factory=TlsSettings)

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def web(self, url: str = "", **changes: object) -> DicomWebPacs:
        return DicomWebPacs("test", url or f"{self.rest}/dicom-web", "basic", "tester", timeout_s=5.0, **changes)

    def node(self, retrieve: str = "get", **changes: object) -> DimsePacs:
        base = {"calling_aet": OUR_AET, "bind_port": self.move_port, "timeout_s": 5.0, "host": "127.0.0.1"}
        return DimsePacs(
            **{"name": "test", "port": self.dicom, "called_aet": "ORTHANC", "retrieve": retrieve, **base, **changes}
        )

    def store(self, folder: Path) -> None:
        with requests.Session() as session:
            session.trust_env, session.auth = False, ("tester", "secret")
            for path in sorted(folder.iterdir()):
                session.post(f"{self.rest}/instances", data=path.read_bytes()).raise_for_status()

    def ids(self, level: str) -> list[str]:
        return self._call("GET", f"/{level}").json()

    def delete(self, level: str, one: str) -> None:
        self._call("DELETE", f"/{level}/{one}")

    def _call(self, method: str, path: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(method, self.rest + path, auth=("tester", "secret"))
        answer.raise_for_status()
        return answer

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def orthanc(folder: Path, tls: Path | None = None) -> Iterator[Orthanc]:
    """Start the archive on free ports of this machine, stop it afterwards."""
    # Debian keeps it where not every PATH looks
    program = require_executable("Orthanc" if shutil.which("Orthanc") else "/usr/sbin/Orthanc", "orthanc")
    assert Path(PLUGIN).is_file(), "the Debian package orthanc-dicomweb is missing"
    http, dicom, move = free_port(), free_port(), free_port()
    us = {"AET": OUR_AET, "Host": "127.0.0.1", "Port": move, "AllowEcho": True, "AllowFind": True, "AllowGet": True}
    settings = {
        "Name": "test",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [PLUGIN],
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"tester": "secret"},
        "DicomAet": "ORTHANC",
        "DicomPort": dicom,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowStore": False,
        "DicomCheckModalityHost": True,
        "DicomModalities": {"us": {**us, "AllowStore": True, "AllowMove": True, "UseDicomTls": tls is not None}},
        "UnknownSopClassAccepted": True,
        "DefaultEncoding": "Utf8",
        "StableAge": 1,
        "WebDavEnabled": False,
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
    }
    if tls:
        settings |= {
            "DicomTlsEnabled": True,
            "DicomTlsCertificate": str(tls / "server.crt"),
            "DicomTlsPrivateKey": str(tls / "server.key"),
            "DicomTlsTrustedCertificates": str(tls / "ca.crt"),
        }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "orthanc.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([program, str(path)], stdout=log, stderr=log, env={**os.environ, "TCP_NODELAY": "1"})
    server = Orthanc(http, dicom, move, process)
    try:
        wait_for(server, folder)
        yield server
    finally:
        server.stop()


def wait_for(server: Orthanc, folder: Path) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(requests.ConnectionError):
            server.ids("studies")
            return
        assert server.process.poll() is None, (folder / "orthanc.log").read_text(encoding="utf-8", errors="replace")
        time.sleep(0.02)
    raise AssertionError("Orthanc did not start within 30 s")


def make_certificates(folder: Path) -> Path:
    """An authority, a server's certificate for localhost, ours, and a second authority nobody trusts."""
    program = require_executable("openssl", "openssl")
    folder.mkdir(parents=True, exist_ok=True)

    def run(*arguments: str) -> None:
        subprocess.run([program, *arguments], cwd=folder, check=True, capture_output=True)

    for authority in ("ca", "other"):
        run(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=Test {authority}"),
            *("-addext", "keyUsage=critical,keyCertSign", "-keyout", f"{authority}.key", "-out", f"{authority}.crt"),
        )
    (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", encoding="utf-8")
    for name in ("server", "client"):
        run(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key"),
            *("-out", f"{name}.csr"),
        )
        run(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", "2", "-extfile", "san", "-out", f"{name}.crt"),
        )
    return folder


class Proxy:
    """Passes connections on to a port; may add TLS, and may break after some bytes of an answer.

    Parameters
    ----------
    target
        Port on this machine.
    context
        TLS settings of the listening side, or None.
    break_after
        Bytes of answer after which a connection is cut, for each connection in turn; later ones are not cut.
    """

    def __init__(self, target: int, context: ssl.SSLContext | None = None, break_after: tuple[int, ...] = ()) -> None:
        self.target, self.context, self.breaks = target, context, list(break_after)
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self.connections += 1
        limit = self.breaks.pop(0) if self.breaks else None
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            stack.enter_context(client)
            server = stack.enter_context(socket.create_connection(("127.0.0.1", self.target)))
            threading.Thread(target=self._pass, args=(client, server, None), daemon=True).start()
            self._pass(server, client, limit)

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                passed += len(data)
                if limit is not None and passed > limit:
                    break
                sink.sendall(data)
            for one in (sink, source):
                one.shutdown(socket.SHUT_RDWR)
