"""Connections to archives: read strictly, never unverified, secrets from outside only."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.pacs_settings import DicomWebPacs, DimsePacs, default_pacs_file, read_pacs, secret_of

FILE = """
[ward]
kind = "dicomweb"
url = "https://pacs.example.org:8443/dicom-web"
login = "basic"
user = "reader"

[archive]
kind = "dimse"
host = "10.1.2.3"
port = 104
called_aet = "ARCHIVE"
retrieve = "move"
bind_port = 11113
"""


def pacs_file(tmp_path: Path, text: str = FILE) -> Path:
    path = tmp_path / "pacs.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_both_kinds_are_read(tmp_path: Path) -> None:
    path = pacs_file(tmp_path)
    assert read_pacs("ward", path) == DicomWebPacs("ward", "https://pacs.example.org:8443/dicom-web", "basic", "reader")
    archive = read_pacs("archive", path)
    assert isinstance(archive, DimsePacs)
    assert (archive.port, archive.retrieve, archive.bind_port, archive.bind_address) == (
        104,
        "move",
        11113,
        "127.0.0.1",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[a]\nkind="dicomweb"\nurl="http://pacs.example.org/x"', "not encrypted"),
        ('[a]\nkind="dicomweb"\nurl="https://u:p@pacs.example.org/x"', "no user"),
        ('[a]\nkind="dicomweb"\nurl="ftp://pacs.example.org"', "https"),
        ('[a]\nkind="dicomweb"\nurl="https://p/x"\nlogin="basic"', "user"),
        ('[a]\nkind="dicomweb"\nurl="https://p/x"\nverify=false', "verify"),
        ('[a]\nkind="dicomweb"\nurl="https://p/x"\npassword="x"', "password"),
        ('[a]\nkind="dicomweb"\nurl="https://p/x"\n[a.tls]\nca_file="/no/such.pem"', "such.pem"),
        ('[a]\nkind="dicomweb"', "incomplete"),
        ('[a]\nkind="ftp"', "kind"),
        ('[a]\nkind="dimse"\nhost="h"\nport=104\ncalled_aet="A TITLE THAT IS TOO LONG"', "AE title"),
        ('[a]\nkind="dimse"\nhost="h"\nport=70000\ncalled_aet="A"', "65535"),
        ('[b]\nkind="dimse"', "knows b"),
        ("a = 1", "kind"),
        ("not toml", "cannot read"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_pacs("a", pacs_file(tmp_path, text))


def test_http_on_this_machine_is_allowed() -> None:
    assert DicomWebPacs("a", "http://127.0.0.1:8042/dicom-web").url


def test_secret_comes_from_the_environment_then_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    pacs = DicomWebPacs("my-ward", "https://p/x", "token")
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda service, name: f"{service}/{name}"))
    assert secret_of(pacs, {"BONESTRENGTHFEA_SECRET_MY_WARD": "s3"}) == "s3"
    assert secret_of(pacs, {}) == "bone-strength-fea/my-ward"
    assert secret_of(DicomWebPacs("a", "https://p/x"), {}) == ""
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=lambda *_: None))
    with pytest.raises(InputError, match="BONESTRENGTHFEA_SECRET_MY_WARD"):
        secret_of(pacs, {})


def test_the_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    assert default_pacs_file({"BONESTRENGTHFEA_PACS_FILE": str(tmp_path / "x.toml")}) == tmp_path / "x.toml"
    assert default_pacs_file({}).name == "pacs.toml"
