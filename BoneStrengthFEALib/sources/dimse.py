"""A classic DICOM node as a source: C-FIND to find, C-GET or C-MOVE to fetch.

References
----------
DICOM PS3.4, annex C (query and retrieve, Study Root).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset

from BoneStrengthFEALib.errors import DependencyError, PacsError
from BoneStrengthFEALib.pacs_settings import DimsePacs
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.sources.dimse_data import identifier_of, readable, series_identifier, text_of
from BoneStrengthFEALib.sources.source import (
    KEYWORDS,
    SERIES_KEYWORDS,
    Query,
    SeriesRecord,
    StudyRecord,
    is_uid,
    series_record,
)
from BoneStrengthFEALib.sources.spool import Spool, fetch_whole
from BoneStrengthFEALib.sources.storage_service import (
    CLASSES,
    SYNTAXES,
    Receiver,
    addresses_of,
    no_delay,
    storage_service,
    tls_context,
)

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
PENDING = (0xFF00, 0xFF01)
MOST_ANSWERS = 20_000


class DimseSource:
    """A classic DICOM node.

    Parameters
    ----------
    pacs
        Connection.
    """

    def __init__(self, pacs: DimsePacs) -> None:
        try:
            import pynetdicom
        except ImportError as error:
            raise DependencyError("DIMSE needs the package pynetdicom, 3.0.4 or later; install it") from error
        # it logs data sets
        pynetdicom._config.LOG_HANDLER_LEVEL = "none"
        logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
        self._pacs = pacs
        self.way, self.name, self.encrypted = "C-MOVE" if pacs.retrieve == "move" else "C-GET", pacs.name, pacs.use_tls

    def find(self, query: Query) -> tuple[SeriesRecord, ...]:
        """List series, see ImageSource.

        Parameters
        ----------
        query
            Question.

        Returns
        -------
        The series.
        """
        records = []
        for study in self._ask("STUDY", {**dict.fromkeys(KEYWORDS.values(), ""), **query.filters}):
            uid = text_of(study, "StudyInstanceUID")
            if is_uid(uid) and query.matches({keyword: text_of(study, keyword) for keyword in KEYWORDS.values()}):
                records += self._series(uid, text_of(study, "StudyDate"))
        return tuple(sorted(records, key=lambda record: (record.study_date, record.series_uid)))

    def fetch(self, record: SeriesRecord, folder: Path, callback: ProgressCallback = no_progress) -> tuple[Path, ...]:
        """Bring a series, see ImageSource.

        Parameters
        ----------
        record
            Series that find returned.
        folder
            New folder.
        callback
            Progress.

        Returns
        -------
        The files.
        """
        keys = {"StudyInstanceUID": record.study_uid, "SeriesInstanceUID": record.series_uid, "SOPInstanceUID": ""}
        found = self._ask("IMAGE", keys)
        wanted = frozenset(uid for uid in (text_of(one, "SOPInstanceUID") for one in found) if is_uid(uid))
        transfer = self._get if self._pacs.retrieve == "get" else self._move
        return fetch_whole(record, folder, wanted, lambda spool: transfer(record, spool), callback)

    def list_studies(self, filters: Mapping[str, str]) -> tuple[StudyRecord, ...]:
        """List studies, see StudyLister.

        Parameters
        ----------
        filters
            Keyword to value.

        Returns
        -------
        Studies.
        """
        keys = ("StudyInstanceUID", "StudyDate", "StudyDescription")
        found = self._ask("STUDY", {**dict.fromkeys(keys, ""), **filters})
        return tuple(StudyRecord(*(text_of(one, key) for key in keys)) for one in found)

    def list_series(self, study: StudyRecord) -> tuple[SeriesRecord, ...]:
        """List series, see StudyLister.

        Parameters
        ----------
        study
            Study.

        Returns
        -------
        Series.
        """
        return tuple(self._series(study.study_uid, study.study_date))

    def _series(self, study_uid: str, study_date: str) -> list[SeriesRecord]:
        found = self._ask("SERIES", {"StudyInstanceUID": study_uid, **dict.fromkeys(SERIES_KEYWORDS, "")})
        return [series_record(study_uid, study_date, partial(text_of, series)) for series in found]

    def _ask(self, level: str, keys: dict[str, str]) -> list[Dataset]:
        """Ask one question on an association of its own.

        A second question at once on the same association is answered "nothing found" about once in a hundred times
        (pynetdicom 3.0.4 with Orthanc 1.10.1), which would be believed.
        """
        identifier = identifier_of(level, {"StudyDate": "", **keys} if level == "STUDY" else keys)
        found: list[Dataset] = []
        with self._association([_context(FIND)]) as association:
            try:
                for code, answer in self._statuses(association.send_c_find(identifier, FIND)):
                    if code in PENDING:
                        found.append(readable(answer, self._pacs.name))
            except PacsError as error:
                if error.code != "PACS_BROKEN" or found:
                    raise
                raise PacsError(
                    f"PACS {self._pacs.name} ends the connection at our question; check that it knows our AE title and "
                    "allows us to ask",
                    code="PACS_REFUSED",
                ) from error
        return found

    def _get(self, record: SeriesRecord, spool: Spool) -> None:
        from pynetdicom import evt
        from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

        receiver = Receiver(spool)
        # a context for each syntax lets the archive send each image as it is stored
        contexts = [_context(GET), *(_context(c, s) for c in CLASSES for s in SYNTAXES)]
        roles = []
        for sop_class in CLASSES:
            role = SCP_SCU_RoleSelectionNegotiation()
            role.sop_class_uid, role.scu_role, role.scp_role = sop_class, False, True
            roles.append(role)
        handlers = [(evt.EVT_C_STORE, receiver)]
        with self._association(contexts, roles, handlers) as association:
            identifier = series_identifier(record)
            self._drain(association.send_c_get(identifier, GET), receiver, association)

    def _move(self, record: SeriesRecord, spool: Spool) -> None:
        receiver = Receiver(spool, addresses_of(self._pacs.host))
        with storage_service(self._pacs, receiver), self._association([_context(MOVE)]) as association:
            answers = association.send_c_move(series_identifier(record), self._pacs.calling_aet, MOVE)
            self._drain(answers, receiver, association)

    def _drain(self, answers: Iterable[Any], receiver: Receiver, association: Any) -> None:
        try:
            for _ in self._statuses(answers):
                if receiver.error is not None:
                    association.abort()
                    break
        except PacsError:
            if receiver.error is None:
                raise
        if receiver.error is not None:
            raise receiver.error

    def _statuses(self, answers: Iterable[Any]) -> Iterator[tuple[int, Dataset | None]]:
        for number, (status, found) in enumerate(answers):
            if not status or "Status" not in status:
                raise PacsError(f"PACS {self._pacs.name}: the connection broke; try again", code="PACS_BROKEN")
            code = int(status.Status)
            # B000: some images failed; the count says which part is missing
            if code not in (0x0000, 0xB000, *PENDING) or number > MOST_ANSWERS:
                raise self._refusal(code)
            yield code, found

    def _refusal(self, code: int) -> PacsError:
        if code == 0xA801:
            words = f"does not know us as {self._pacs.calling_aet}; have it configured with our address and bind_port"
        else:
            words = "refuses the request; check AE titles and what it allows us"
        return PacsError(f"PACS {self._pacs.name} {words} (status {code:#06x})", code="PACS_REFUSED")

    @contextlib.contextmanager
    def _association(self, contexts: list[Any], roles: Any = None, handlers: Any = ()) -> Iterator[Any]:
        from pynetdicom import AE, evt

        pacs = self._pacs
        entity = AE(ae_title=pacs.calling_aet)
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = pacs.timeout_s
        entity.connection_timeout = min(pacs.timeout_s, 10.0)
        context = tls_context(pacs.tls, server=False) if pacs.use_tls else None
        association = entity.associate(
            pacs.host,
            pacs.port,
            contexts=contexts,
            ae_title=pacs.called_aet,
            ext_neg=roles,
            tls_args=(context, pacs.host) if context else None,
            evt_handlers=[(evt.EVT_CONN_OPEN, no_delay), *handlers],
        )
        if not association.is_established:
            raise self._no_association(association, context)
        try:
            if not any(one.abstract_syntax == contexts[0].abstract_syntax for one in association.accepted_contexts):
                raise PacsError(
                    f"PACS {pacs.name} does not offer C-{_VERBS[contexts[0].abstract_syntax]}", "PACS_REFUSED"
                )
            yield association
        finally:
            if association.is_established:
                association.release()

    def _no_association(self, association: Any, context: ssl.SSLContext | None) -> PacsError:
        pacs = self._pacs
        if association.is_rejected:
            return PacsError(
                f"PACS {pacs.name} rejects the AE titles {pacs.calling_aet} (ours) or {pacs.called_aet}; have ours "
                "configured there",
                code="PACS_REFUSED",
            )
        try:
            with socket.create_connection((pacs.host, pacs.port), timeout=5.0) as plain:
                if context:
                    context.wrap_socket(plain, server_hostname=pacs.host).close()
        except ssl.SSLError:
            return PacsError(
                f"PACS {pacs.name}: its certificate cannot be verified, or it wants ours; set tls.ca_file, "
                "certificate_file and key_file",
                code="PACS_TLS",
            )
        except OSError:
            pass
        else:
            if association.is_aborted:
                return PacsError(
                    f"PACS {pacs.name} ends the connection; check whether it wants TLS, and the AE titles",
                    code="PACS_REFUSED",
                )
        return PacsError(f"PACS {pacs.name} does not answer; check host, port and network", code="PACS_BROKEN")


_VERBS = {FIND: "FIND", GET: "GET", MOVE: "MOVE"}


def _context(syntax: str, transfer: str = "") -> Any:
    from pynetdicom import build_context

    return build_context(syntax, transfer or None)
