"""What receives images over DIMSE: transfer syntaxes we read, and a storage service for C-MOVE."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

from BoneStrengthFEALib.dicom_in.header import COMPRESSED, NATIVE
from BoneStrengthFEALib.dicom_in.slices import CT, ENHANCED_CT
from BoneStrengthFEALib.errors import PacsError
from BoneStrengthFEALib.pacs_settings import DimsePacs, TlsSettings
from BoneStrengthFEALib.sources.spool import Spool

SUCCESS, OUT_OF_RESOURCES, NOT_AUTHORIZED = 0x0000, 0xA700, 0x0124
SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
"""Contours of radiotherapy planning (RTSTRUCT)."""
CLASSES = (CT, *ENHANCED_CT, *SEGMENTATION, STRUCTURES)
SYNTAXES = (*NATIVE, *COMPRESSED)
"""Deflated and lossy syntaxes are not offered: the gate would refuse them."""
MOST_ASSOCIATIONS = 4


class Receiver:
    """Answers C-STORE by putting files in a spool; keeps the first thing that went wrong.

    Parameters
    ----------
    spool
        Where files go.
    peers
        Addresses that may store; empty for those of an association we opened.
    """

    def __init__(self, spool: Spool, peers: frozenset[str] = frozenset()) -> None:
        self._spool = spool
        self._peers = peers
        self.error: BaseException | None = None

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
        if self._peers and event.assoc.requestor.address not in self._peers:
            return NOT_AUTHORIZED
        try:
            self._spool.receive(event.encoded_dataset())
        except BaseException as error:
            # raised in a thread of the network library, where nobody would hear it; cancelling comes this way too
            self.error = self.error or error
            return OUT_OF_RESOURCES
        return SUCCESS


def no_delay(event: Any) -> None:
    """Send small packets at once: waiting for more makes DIMSE ten times slower.

    Parameters
    ----------
    event
        pynetdicom's event of an open connection.
    """
    with contextlib.suppress(AttributeError, OSError):
        event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextlib.contextmanager
def storage_service(pacs: DimsePacs, receiver: Receiver) -> Iterator[None]:
    """Listen for what a C-MOVE sends us, from the archive alone, and only while the block lasts.

    Parameters
    ----------
    pacs
        Connection.
    receiver
        Takes the images.

    Yields
    ------
    Nothing.

    Raises
    ------
    PacsError
        PACS_PORT when the port cannot be opened.
    """
    from pynetdicom import AE

    service = AE(ae_title=pacs.calling_aet)
    service.require_calling_aet = [pacs.called_aet]
    service.network_timeout = service.dimse_timeout = pacs.timeout_s
    context = tls_context(pacs.tls, server=True) if pacs.use_tls else None
    with listening(service, (pacs.bind_address, pacs.bind_port), receiver, context, f"PACS {pacs.name}"):
        yield


@contextlib.contextmanager
def listening(
    service: Any,
    address: tuple[str, int],
    receiver: Callable[[Any], int],
    context: ssl.SSLContext | None,
    name: str,
) -> Iterator[None]:
    """Take CT and labels by C-STORE while the block lasts.

    Parameters
    ----------
    service
        pynetdicom's application entity, with the titles that may call it.
    address
        Address and port to listen on.
    receiver
        Answers each C-STORE event with a status.
    context
        TLS; None for none.
    name
        Who listens, for the error.

    Yields
    ------
    Nothing.

    Raises
    ------
    PacsError
        PACS_PORT when the port cannot be opened.
    """
    from pynetdicom import evt

    service.maximum_associations = MOST_ASSOCIATIONS
    service.require_called_aet = True
    for sop_class in CLASSES:
        service.add_supported_context(sop_class, list(SYNTAXES))
    try:
        server = service.start_server(
            address,
            block=False,
            ssl_context=context,
            evt_handlers=[(evt.EVT_C_STORE, receiver), (evt.EVT_CONN_OPEN, no_delay)],
        )
    except OSError as error:
        raise PacsError(
            f"{name}: cannot listen on port {address[1]}: {error.strerror}; choose a free port and an address of this "
            "machine",
            code="PACS_PORT",
        ) from error
    try:
        yield
    finally:
        server.shutdown()


def tls_context(tls: TlsSettings, server: bool) -> ssl.SSLContext:
    """TLS settings of a connection, TLS 1.2 or later, the other side always verified.

    Parameters
    ----------
    tls
        Certificates.
    server
        Whether we are the side that is called.

    Returns
    -------
    The context.

    Raises
    ------
    PacsError
        PACS_TLS when a file holds no certificate or key.
    """
    purpose = ssl.Purpose.CLIENT_AUTH if server else ssl.Purpose.SERVER_AUTH
    try:
        context = ssl.create_default_context(purpose, cafile=tls.ca_file or None)
        if tls.certificate_file:
            context.load_cert_chain(tls.certificate_file, tls.key_file)
    except (ssl.SSLError, OSError) as error:
        raise PacsError("a TLS file holds no PEM certificate or key, or they do not match", code="PACS_TLS") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def addresses_of(host: str) -> frozenset[str]:
    """Network addresses of a host.

    Parameters
    ----------
    host
        Name or address.

    Returns
    -------
    Its addresses; empty when the name is unknown.
    """
    try:
        return frozenset(str(entry[4][0]) for entry in socket.getaddrinfo(host, None))
    except OSError:
        return frozenset()
