"""The registry of public reference cases names the bytes the tests use."""

from __future__ import annotations

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from external_tools import require_module

from BoneStrengthFEALib import reference_files
from BoneStrengthFEALib.errors import InputError


def test_registry_agrees_with_the_files_at_hand(reference_data: Path) -> None:
    entries = reference_files.registry()
    assert len(entries) == 57
    for name, entry in entries.items():
        assert hashlib.sha256((reference_data / name).read_bytes()).hexdigest() == entry["sha256"], name


def test_fetching_checks_what_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_module("pooch")
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "a.txt").write_bytes(b"bone")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "server"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/a.txt"
    good = {"case/a.txt": {"url": url, "sha256": hashlib.sha256(b"bone").hexdigest()}}
    bad = {"case/b.txt": {"url": url, "sha256": "0" * 64}}
    try:
        monkeypatch.setattr(reference_files, "registry", lambda: good)
        assert reference_files.fetch(tmp_path / "data") == 1
        assert (tmp_path / "data" / "case" / "a.txt").read_bytes() == b"bone"
        monkeypatch.setattr(reference_files, "registry", lambda: bad)
        with pytest.raises(InputError, match=r"cannot fetch case/b\.txt"):
            reference_files.fetch(tmp_path / "data")
        assert not (tmp_path / "data" / "case" / "b.txt").exists()
    finally:
        server.shutdown()
        server.server_close()
