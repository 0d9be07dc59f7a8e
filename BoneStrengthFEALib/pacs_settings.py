"""Connections to picture archives: addresses in a file a site edits, secrets in the environment or the keyring."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from BoneStrengthFEALib.errors import DependencyError, InputError
from BoneStrengthFEALib.table_files import read_table, table_to

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
AE_TITLE = re.compile(r"[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LOGINS = ("none", "basic", "token")
KEYRING_SERVICE = "bone-strength-fea"
FILE_VARIABLE = "BONESTRENGTHFEA_PACS_FILE"


@dataclass(frozen=True)
class TlsSettings:
    """Certificates of a connection; verification cannot be switched off.

    Parameters
    ----------
    ca_file
        PEM file of the authority that signed the server's certificate; empty takes the system's authorities.
    certificate_file, key_file
        PEM files that prove who we are (mutual TLS); empty for none.
    """

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    def __post_init__(self) -> None:
        """Check that the files are there."""
        if bool(self.certificate_file) != bool(self.key_file):
            raise InputError("TLS needs certificate_file and key_file together, or neither")
        for path in filter(None, (self.ca_file, self.certificate_file, self.key_file)):
            if not Path(path).is_file():
                raise InputError(f"TLS file {path} does not exist; give the path of a PEM file")


@dataclass(frozen=True)
class DicomWebPacs:
    """A DICOMweb service.

    Parameters
    ----------
    name
        Name of the profile.
    url
        Root of QIDO-RS, WADO-RS and STOW-RS.
    login
        "none", "basic" (user and password) or "token" (bearer).
    user
        User for "basic".
    tls
        Certificates.
    allow_plain_http
        Whether http to another machine is wanted; what is sent can then be read on the way.
    timeout_s
        Longest silence of the server [s].
    """

    name: str
    url: str
    login: str = "none"
    user: str = ""
    tls: TlsSettings = TlsSettings()
    allow_plain_http: bool = False
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Check names, address and login."""
        _check_name(self.name)
        _check_timeout(self.timeout_s)
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError as error:
            raise InputError(f"PACS {self.name}: the url is malformed; expected https://host/path") from error
        if parts.scheme not in ("http", "https") or not host:
            raise InputError(f"PACS {self.name}: the url must start with https://host, got scheme {parts.scheme!r}")
        if parts.username is not None or parts.query or parts.fragment:
            raise InputError(f"PACS {self.name}: the url must hold no user, password, query or fragment")
        if parts.scheme == "http" and host not in LOOPBACK and not self.allow_plain_http:
            raise InputError(
                f"PACS {self.name}: http to another machine is not encrypted; use https, or set allow_plain_http"
            )
        if self.login not in LOGINS or (self.login == "basic") != bool(self.user):
            raise InputError(f"PACS {self.name}: login is one of {', '.join(LOGINS)}, with user for basic only")


@dataclass(frozen=True)
class DimsePacs:
    """A classic DICOM node.

    Parameters
    ----------
    name
        Name of the profile.
    host, port
        Where it listens.
    called_aet, calling_aet
        Its AE title and ours.
    retrieve
        "get" (C-GET) or "move" (C-MOVE to our own storage service).
    bind_address, bind_port
        Where our storage service listens for "move"; the archive must know it under calling_aet.
    use_tls
        Whether to use TLS.
    tls
        Certificates.
    timeout_s
        Longest silence of the node [s].
    """

    name: str
    host: str
    port: int
    called_aet: str
    calling_aet: str = "BONEFEA"
    retrieve: str = "get"
    bind_address: str = "127.0.0.1"
    bind_port: int = 11112
    use_tls: bool = False
    tls: TlsSettings = TlsSettings()
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        """Check names and ports."""
        _check_name(self.name)
        _check_timeout(self.timeout_s)
        for title in (self.called_aet, self.calling_aet):
            if not AE_TITLE.fullmatch(title):
                raise InputError(f"PACS {self.name}: an AE title has 1 to 16 printable characters, got {title!r}")
        if not all(0 < port < 65536 for port in (self.port, self.bind_port)):
            raise InputError(f"PACS {self.name}: ports run from 1 to 65535, got {self.port} and {self.bind_port}")
        if self.retrieve not in ("get", "move") or not self.host:
            raise InputError(f"PACS {self.name}: needs a host, and retrieve is get or move, got {self.retrieve!r}")


PacsSettings = DicomWebPacs | DimsePacs
KINDS: dict[str, type[DicomWebPacs] | type[DimsePacs]] = {"dicomweb": DicomWebPacs, "dimse": DimsePacs}


def default_pacs_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the connections are kept.

    Parameters
    ----------
    environment
        Environment variables.

    Returns
    -------
    Value of BONESTRENGTHFEA_PACS_FILE, else pacs.toml in the user's configuration folder.
    """
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE])
    return configuration_folder(environment) / "pacs.toml"


def configuration_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's configuration folder for this software.

    Parameters
    ----------
    environment
        Environment variables.

    Returns
    -------
    Path; it may not exist.
    """
    home = environment.get("APPDATA") if sys.platform == "win32" else environment.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "bone-strength-fea"


def read_pacs(name: str, path: Path | None = None) -> PacsSettings:
    """Read one connection.

    Parameters
    ----------
    name
        Its name in the file.
    path
        TOML or JSON file with one table per connection; the default file when left out.

    Returns
    -------
    The connection.

    Raises
    ------
    InputError
        When the file cannot be read, has no such connection or holds something unknown.
    """
    path = path or default_pacs_file()
    tables = read_table(path)
    if name not in tables:
        known = ", ".join(sorted(tables)) or "none"
        raise InputError(f"{path.name} has no connection {name!r}; it knows {known}")
    table = dict(tables[name]) if isinstance(tables[name], dict) else {}
    kind = table.pop("kind", None)
    if kind not in KINDS:
        raise InputError(f"connection {name} needs kind = one of {', '.join(KINDS)}, got {kind!r}")
    try:
        return table_to(KINDS[kind], {**table, "name": name}, f"connection {name}")
    except TypeError as error:
        raise InputError(f"connection {name} is incomplete; see docs/retrieval.md for what {kind} needs") from error


def secret_of(pacs: DicomWebPacs, environment: Mapping[str, str] = os.environ) -> str:
    """Password or token of a connection; keep it in local variables only.

    Parameters
    ----------
    pacs
        Connection.
    environment
        Environment variables; BONESTRENGTHFEA_SECRET_<NAME> goes before the keyring.

    Returns
    -------
    The secret; empty when the connection needs none.

    Raises
    ------
    InputError
        When there is none.
    DependencyError
        When the environment has none and the package keyring is not installed.
    """
    if pacs.login == "none":
        return ""
    variable = "BONESTRENGTHFEA_SECRET_" + pacs.name.upper().replace("-", "_")
    if environment.get(variable):
        return environment[variable]
    try:
        import keyring
    except ImportError as error:
        raise DependencyError(
            f"PACS {pacs.name} needs a secret; set {variable}, or install the package keyring"
        ) from error
    try:
        secret = keyring.get_password(KEYRING_SERVICE, pacs.name)
    except Exception as error:
        raise InputError(f"PACS {pacs.name}: the keyring cannot be read; set {variable}") from error
    if not secret:
        raise InputError(f"PACS {pacs.name}: no secret; set {variable}, or 'keyring set {KEYRING_SERVICE} {pacs.name}'")
    return str(secret)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise InputError(f"a connection's name has up to 32 of a-z, 0-9 and -, got {name!r}")


def _check_timeout(timeout_s: float) -> None:
    if not 0 < timeout_s <= 3600:
        raise InputError(f"timeout_s must lie between 0 and 3600, got {timeout_s:g}")
