"""Where results go: a folder, an archive by STOW-RS or C-STORE, a FHIR server."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import make_folder, write_bytes
from BoneStrengthFEALib.errors import DependencyError, InputError, PacsError
from BoneStrengthFEALib.pacs_settings import DicomWebPacs, DimsePacs, read_pacs, secret_of

KINDS = ("pacs", "folder", "fhir")


def check_destination(text: str, pacs_file: Path | None = None) -> None:
    """Refuse a destination that cannot be meant.

    Parameters
    ----------
    text
        "pacs:NAME", "folder:PATH" or "fhir:NAME"; NAME is a connection of the PACS file.
    pacs_file
        The file; the default one when left out.

    Raises
    ------
    InputError
        When kind or connection are unknown.
    """
    kind, _, name = text.partition(":")
    if kind not in KINDS or not name:
        raise InputError(f"a destination is pacs:NAME, folder:PATH or fhir:NAME, got {text!r}")
    if kind != "folder":
        pacs = read_pacs(name, pacs_file)
        if kind == "fhir" and not isinstance(pacs, DicomWebPacs):
            raise InputError(f"connection {name} is no http service; fhir needs one of kind dicomweb with its url")


def deliver(text: str, files: Sequence[Path], pacs_file: Path | None = None) -> str:
    """Send files; sending them again does no harm, because everything is identified by its UID.

    Parameters
    ----------
    text
        Destination.
    files
        DICOM objects, those others refer to first; for fhir JSON bundles. Files of the other kind are left out.
    pacs_file
        File of connections.

    Returns
    -------
    The destination's answer in words.

    Raises
    ------
    PacsError
        When not everything arrived.
    """
    kind, _, name = text.partition(":")
    dicom = [path for path in files if path.suffix == ".dcm"]
    if kind == "folder":
        return _to_folder(Path(name), files)
    pacs = read_pacs(name, pacs_file)
    if kind == "fhir":
        if not isinstance(pacs, DicomWebPacs):
            raise InputError(f"connection {name} is no http service")
        return _to_fhir(pacs, [path for path in files if path.suffix == ".json"])
    return _by_stow(pacs, dicom) if isinstance(pacs, DicomWebPacs) else _by_store(pacs, dicom)


def _to_folder(folder: Path, files: Sequence[Path]) -> str:
    make_folder(folder)
    for path in files:
        content = path.read_bytes()
        # the same object gets the same name; no identity in it
        name = f"{path.stem}_{_identity(path)}{path.suffix}"
        if not (folder / name).exists() or (folder / name).read_bytes() != content:
            write_bytes(folder / name, content)
    return f"{len(files)} files written"


def _identity(path: Path) -> str:
    key = sop_uid(path) if path.suffix == ".dcm" else path.read_text(encoding="utf-8", errors="replace")
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def sop_uid(path: Path) -> str:
    """SOP instance UID of a file.

    Parameters
    ----------
    path
        DICOM file.

    Returns
    -------
    UID.
    """
    import pydicom

    return str(pydicom.dcmread(path, specific_tags=["SOPInstanceUID"], stop_before_pixels=True).SOPInstanceUID)


def _by_stow(pacs: DicomWebPacs, files: Sequence[Path]) -> str:
    from BoneStrengthFEALib.sources.web_session import open_session, translated

    boundary = uuid.uuid4().hex
    parts = []
    for path in files:
        parts.append(f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + path.read_bytes() + b"\r\n")
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+json",
    }
    with open_session(pacs, secret_of(pacs)) as session, translated(pacs.name):
        url = f"{pacs.url.rstrip('/')}/studies"
        answer = session.post(url, data=body, headers=headers, timeout=pacs.timeout_s, allow_redirects=False)
        # 202: some were refused; 409: all
        if answer.status_code not in (200, 202, 409):
            answer.raise_for_status()
        stored, failed = _stow_answer(answer)
    if failed or stored < len(files) or answer.status_code != 200:
        raise PacsError(
            f"PACS {pacs.name} stored {stored} of {len(files)} objects (HTTP {answer.status_code}); see the archive's "
            "log for its reason",
            code="PACS_REFUSED",
        )
    return f"HTTP {answer.status_code}, {stored} of {len(files)} objects stored"


def _stow_answer(answer: Any) -> tuple[int, int]:
    data = answer.json()
    data = data[0] if isinstance(data, list) else data

    def count(tag: str) -> int:
        return len(data.get(tag, {}).get("Value", []))

    return count("00081199"), count("00081198")


def _by_store(pacs: DimsePacs, files: Sequence[Path]) -> str:
    import pydicom

    try:
        from pynetdicom import AE, evt
    except ImportError as error:
        raise DependencyError("C-STORE needs the package pynetdicom, 3.0.4 or later; install it") from error
    from BoneStrengthFEALib.sources.storage_service import no_delay, tls_context

    entity = AE(ae_title=pacs.calling_aet)
    entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = pacs.timeout_s
    entity.connection_timeout = min(pacs.timeout_s, 10.0)
    objects = [pydicom.dcmread(path) for path in files]
    for pair in {(str(o.SOPClassUID), str(o.file_meta.TransferSyntaxUID)) for o in objects}:
        entity.add_requested_context(*pair)
    context = tls_context(pacs.tls, server=False) if pacs.use_tls else None
    association = entity.associate(
        pacs.host,
        pacs.port,
        ae_title=pacs.called_aet,
        tls_args=(context, pacs.host) if context else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, no_delay)],
    )
    if not association.is_established:
        raise PacsError(f"PACS {pacs.name} does not accept a connection; check address, AE titles, TLS", "PACS_BROKEN")
    try:
        for number, one in enumerate(objects):
            _store(association, one, pacs, number)
    finally:
        if association.is_established:
            association.release()
    return f"C-STORE status 0x0000, {len(objects)} of {len(objects)} objects stored"


def _store(association: Any, one: Any, pacs: DimsePacs, number: int) -> None:
    try:
        status = association.send_c_store(one)
    except (ValueError, RuntimeError) as error:
        raise PacsError(f"PACS {pacs.name} does not take object {number + 1} of this kind", "PACS_REFUSED") from error
    # an archive that refuses us by title accepts the association and answers with an empty status
    if not status or "Status" not in status:
        raise PacsError(f"PACS {pacs.name} broke off at object {number + 1}; check what it allows us", "PACS_BROKEN")
    # B000, B006, B007: stored, with a remark
    if status.Status not in (0x0000, 0xB000, 0xB006, 0xB007):
        code = f"{int(status.Status):#06x}"
        raise PacsError(f"PACS {pacs.name} refused object {number + 1} with status {code}", "PACS_REFUSED")


def _to_fhir(pacs: DicomWebPacs, files: Sequence[Path]) -> str:
    from BoneStrengthFEALib.transmission.fhir_server import post_bundle

    answers = [post_bundle(pacs, path.read_bytes()) for path in files]
    return f"{len(files)} bundles: {'; '.join(answers)}"
