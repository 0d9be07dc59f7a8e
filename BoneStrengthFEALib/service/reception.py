"""Receiving studies: a storage service that takes CT and labels from known senders, a private folder for each study."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom

from BoneStrengthFEALib.atomic_files import make_folder, write_bytes
from BoneStrengthFEALib.dicom_in.slices import CT, ENHANCED_CT
from BoneStrengthFEALib.dicom_out.origin import NAME
from BoneStrengthFEALib.errors import DependencyError, InputError, OutputError
from BoneStrengthFEALib.pacs_settings import AE_TITLE, TlsSettings
from BoneStrengthFEALib.privacy import case_key
from BoneStrengthFEALib.retrieval_file import uid_hash, write_retrieval
from BoneStrengthFEALib.service_facts import Retrieval
from BoneStrengthFEALib.sources.retrieve import FEWEST_IMAGES
from BoneStrengthFEALib.sources.source import is_uid
from BoneStrengthFEALib.sources.spool import MOST_BYTES, MOST_INSTANCES
from BoneStrengthFEALib.sources.storage_service import (
    NOT_AUTHORIZED,
    OUT_OF_RESOURCES,
    SUCCESS,
    listening,
    tls_context,
)

LOGGER = logging.getLogger(__name__)
NOT_UNDERSTOOD, TOO_LATE = 0xC000, 0x0110
SCAN, LABELS, SENDER = "ct-", "labels-", "sender"
"""Beginnings of the files' names, and the file that keeps who sent the study."""
VERIFICATION = "1.2.840.10008.1.1"
READ = ("StudyInstanceUID", "SOPInstanceUID", "SOPClassUID", "Manufacturer")


@dataclass(frozen=True)
class Reception:
    """The storage service.

    Parameters
    ----------
    callers
        AE titles that may send.
    port
        Port it listens on.
    aet
        Our AE title; calls for another are refused.
    address
        Address it listens on; this machine alone unless another is named.
    hosts
        Network addresses that may send; empty for any.
    tls
        Certificates; with certificate_file, only TLS is spoken and senders must prove themselves to ca_file.
    """

    callers: tuple[str, ...]
    port: int
    aet: str = "BONEFEA"
    address: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    tls: TlsSettings = TlsSettings()

    def __post_init__(self) -> None:
        """Check titles and port."""
        if not self.callers:
            raise InputError("reception: callers names the AE titles that may send, at least one")
        for title in (self.aet, *self.callers):
            if not AE_TITLE.fullmatch(title):
                raise InputError(f"reception: an AE title has 1 to 16 printable characters, got {title!r}")
        if not 0 < self.port < 65536:
            raise InputError(f"reception: a port lies between 1 and 65535, got {self.port}")


@contextlib.contextmanager
def receiving(reception: Reception, receiver: StudyReceiver) -> Iterator[None]:
    """Listen while the block lasts.

    Parameters
    ----------
    reception
        Settings.
    receiver
        Takes what comes.

    Yields
    ------
    Nothing.

    Raises
    ------
    PacsError
        PACS_PORT when the port cannot be opened.
    DependencyError
        Without pynetdicom.
    """
    try:
        from pynetdicom import AE
    except ImportError as error:
        raise DependencyError("reception needs the package pynetdicom, 3.0.4 or later; install it") from error
    entity = AE(ae_title=reception.aet)
    entity.require_calling_aet = list(reception.callers)
    # C-ECHO, by which a sender tries the connection
    entity.add_supported_context(VERIFICATION)
    context = tls_context(reception.tls, server=True) if reception.tls.certificate_file else None
    with listening(entity, (reception.address, reception.port), receiver, context, "reception"):
        yield


class StudyReceiver:
    """Answers C-STORE: an instance is on the disk before success is said.

    Parameters
    ----------
    folder
        A folder in it for each study, named by a key that tells nothing about the person.
    states
        States of the examinations; a study that has one is not added to any more.
    salt
        For the keys.
    hosts
        Network addresses that may send; empty for any.
    """

    def __init__(self, folder: Path, states: Path, salt: bytes, hosts: tuple[str, ...] = ()) -> None:
        self._folder, self._states, self._salt, self._hosts = folder, states, salt, frozenset(hosts)

    def __call__(self, event: Any) -> int:
        """Receive one instance.

        Parameters
        ----------
        event
            pynetdicom's C-STORE event.

        Returns
        -------
        Status of the answer.
        """
        requestor = event.assoc.requestor
        if self._hosts and requestor.address not in self._hosts:
            return NOT_AUTHORIZED
        try:
            return self._keep(event.encoded_dataset(), str(requestor.ae_title))
        except OutputError:
            return OUT_OF_RESOURCES
        except Exception as error:  # whatever a stranger's data set does, the service goes on
            LOGGER.warning("received an instance that cannot be read (%s)", type(error).__name__)
            return NOT_UNDERSTOOD

    def _keep(self, content: bytes, sender: str) -> int:
        data = pydicom.dcmread(io.BytesIO(content), specific_tags=list(READ), stop_before_pixels=True)
        study, instance = str(data.get("StudyInstanceUID", "")), str(data.get("SOPInstanceUID", ""))
        if not is_uid(study) or not is_uid(instance):
            return NOT_UNDERSTOOD
        key = case_key(study, self._salt)
        if str(data.get("Manufacturer", "")) == NAME or (self._states / f"{key}.json").exists():
            LOGGER.warning("case %s: an instance came after the study was taken, or is our own", key)
            return TOO_LATE
        home = self._folder / key
        make_folder(home)
        files = [path for path in home.iterdir() if path.suffix == ".dcm"]
        if len(files) >= MOST_INSTANCES or sum(path.stat().st_size for path in files) + len(content) > MOST_BYTES:
            return OUT_OF_RESOURCES
        kind = SCAN if data.SOPClassUID in (CT, *ENHANCED_CT) else LABELS
        write_bytes(home / f"{kind}{hashlib.sha256(instance.encode()).hexdigest()[:32]}.dcm", content)
        write_bytes(home / SENDER, sender.encode())
        return SUCCESS


def is_ready(folder: Path, needs_labels: bool) -> bool:
    """Whether a received study can be measured.

    Parameters
    ----------
    folder
        Folder of the study.
    needs_labels
        Whether labels must have come too.

    Returns
    -------
    True with enough images and, when needed, labels.
    """
    names = [path.name for path in folder.iterdir()]
    scans = sum(name.startswith(SCAN) for name in names)
    return scans >= FEWEST_IMAGES and (not needs_labels or any(name.startswith(LABELS) for name in names))


def write_evidence(folder: Path, encrypted: bool) -> None:
    """Note beside the images how they came.

    Parameters
    ----------
    folder
        Folder of a received study.
    encrypted
        Whether TLS was spoken.
    """
    files = sorted(folder.glob(f"{SCAN}*.dcm"))
    heads = [pydicom.dcmread(path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"]) for path in files]
    series = sorted({str(head.SeriesInstanceUID) for head in heads})
    times = [datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.timezone.utc) for path in files]
    retrieval = Retrieval(
        way="C-STORE",
        source=(folder / SENDER).read_text(encoding="utf-8"),
        started_utc=min(times).isoformat(timespec="seconds"),
        ended_utc=max(times).isoformat(timespec="seconds"),
        series=len(series),
        images=len(files),
        announced=0,
        size_bytes=sum(path.stat().st_size for path in files),
        study_hash=uid_hash(str(heads[0].StudyInstanceUID)),
        series_hashes=tuple(uid_hash(uid) for uid in series),
        encrypted=encrypted,
    )
    write_retrieval(retrieval, folder)
