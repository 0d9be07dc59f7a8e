"""A DICOMweb service as a source: QIDO-RS to find, WADO-RS to fetch; files go to disk as they came.

References
----------
DICOM PS3.18, sections 10.4 (retrieve) and 10.6 (search).
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.errors import DependencyError, PacsError
from BoneStrengthFEALib.pacs_settings import DicomWebPacs
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.sources.multipart import boundary_of, split_parts
from BoneStrengthFEALib.sources.source import KEYWORDS, Query, SeriesRecord, is_uid
from BoneStrengthFEALib.sources.spool import Spool, fetch_whole

PAGE = 500
MOST_PAGES = 60
UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
CHUNK = 1 << 18
ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
"""Files as they are stored: the archive neither decodes nor compresses them for us."""


class DicomWebSource:
    """A DICOMweb service.

    Parameters
    ----------
    pacs
        Connection.
    secret
        Password or token, see pacs_settings.secret_of.
    """

    def __init__(self, pacs: DicomWebPacs, secret: str = "") -> None:
        self._pacs = pacs
        self.way, self.name, self.encrypted = "WADO-RS", pacs.name, pacs.url.lower().startswith("https")
        self._session = open_session(pacs, secret)
        self._client = _client(pacs, self._session)

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
        records: list[SeriesRecord] = []
        with translated(self._pacs.name):
            studies = self._studies(query.filters)
            if not studies:
                # some archives find no value with a space or a letter outside ASCII; ask more widely, then compare
                studies = self._studies({k: UNSAFE.sub("*", value) for k, value in query.filters.items()})
            for study in studies:
                if query.matches({keyword: _text(study, keyword) for keyword in KEYWORDS.values()}):
                    records += self._series(_text(study, "StudyInstanceUID"), _text(study, "StudyDate"))
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
        with translated(self._pacs.name):
            found = _pages(
                lambda page: self._client.search_for_instances(record.study_uid, record.series_uid, **page),
                "SOPInstanceUID",
            )
            wanted = frozenset(uid for uid in (_text(one, "SOPInstanceUID") for one in found) if is_uid(uid))
        return fetch_whole(record, folder, wanted, lambda spool: self._transfer(record, spool), callback)

    def _studies(self, filters: dict[str, str]) -> list[Any]:
        if any(set(value) == {"*"} for value in filters.values()):
            return []
        fields = [*KEYWORDS.values(), "StudyDate"]
        return _pages(lambda page: self._client.search_for_studies(search_filters=filters, fields=fields, **page))

    def _series(self, study_uid: str, study_date: str) -> list[SeriesRecord]:
        if not is_uid(study_uid):
            return []
        found = _pages(
            lambda page: self._client.search_for_series(
                study_uid, fields=["SeriesDescription", "NumberOfSeriesRelatedInstances"], **page
            ),
            "SeriesInstanceUID",
        )
        return [
            SeriesRecord(
                study_uid,
                _text(series, "SeriesInstanceUID"),
                _text(series, "Modality"),
                _count(_text(series, "NumberOfSeriesRelatedInstances")),
                _text(series, "SeriesDescription"),
                study_date,
            )
            for series in found
        ]

    def _transfer(self, record: SeriesRecord, spool: Spool) -> None:
        root = f"{self._pacs.url.rstrip('/')}/studies/{record.study_uid}/series/{record.series_uid}"
        if not spool.arrived:
            self._get(root, spool)
            return
        for uid in spool.missing:
            self._get(f"{root}/instances/{uid}", spool)

    def _get(self, url: str, spool: Spool) -> None:
        with (
            translated(self._pacs.name),
            self._session.get(
                url, headers={"Accept": ACCEPT}, stream=True, timeout=self._pacs.timeout_s, allow_redirects=False
            ) as answer,
        ):
            answer.raise_for_status()
            boundary = boundary_of(answer.headers.get("Content-Type", ""))
            for content in split_parts(answer.iter_content(CHUNK), boundary):
                spool.receive(content)


def open_session(pacs: DicomWebPacs, secret: str) -> Any:
    """Make an HTTP session: certificates verified, login by header, nothing taken from the environment.

    Parameters
    ----------
    pacs
        Connection.
    secret
        Password or token.

    Returns
    -------
    requests.Session.

    Raises
    ------
    DependencyError
        Without the packages requests and dicomweb-client.
    """
    try:
        import requests
    except ImportError as error:
        raise DependencyError("DICOMweb needs the packages requests and dicomweb-client; install them") from error
    for name in ("dicomweb_client", "urllib3", "requests"):
        # they log addresses, which hold UIDs, and headers
        logging.getLogger(name).setLevel(logging.ERROR)

    class SpacesAsPercent(requests.adapters.HTTPAdapter):  # type: ignore[misc]
        """Writes spaces as %20 and wildcards as they are: not all archives read what dicomweb-client writes."""

        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            address, mark, question = request.url.partition("?")
            request.url = address + mark + question.replace("+", "%20").replace("%2A", "*")
            return super().send(request, *arguments, **options)

    session = requests.Session()
    session.mount("https://", SpacesAsPercent())
    session.mount("http://", SpacesAsPercent())
    # a certificate bundle named by the environment would go before ours
    session.trust_env = False
    # an archive that sends us elsewhere would receive our login there
    session.max_redirects = 0
    session.verify = pacs.tls.ca_file or True
    if pacs.tls.certificate_file:
        session.cert = (pacs.tls.certificate_file, pacs.tls.key_file)
    if pacs.login == "basic":
        session.auth = (pacs.user.encode("utf-8"), secret.encode("utf-8"))
    elif pacs.login == "token":
        session.headers["Authorization"] = f"Bearer {secret}"
    return session


@contextlib.contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn what the network raises into errors a person can act on; no address or UID in them.

    Parameters
    ----------
    name
        Name of the connection.

    Yields
    ------
    Nothing.

    Raises
    ------
    PacsError
        PACS_TLS, PACS_UNREACHABLE, PACS_BROKEN, PACS_LOGIN, NOT_FOUND or PACS_ANSWER.
    """
    import requests

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise PacsError(
            f"PACS {name}: its certificate cannot be verified, or it wants ours; set tls.ca_file to the authority of "
            "the site, or tls.certificate_file and key_file",
            code="PACS_TLS",
        ) from error
    except requests.exceptions.HTTPError as error:
        raise _status_error(name, error.response.status_code) from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        raise PacsError(f"PACS {name}: the connection broke in the middle; try again", code="PACS_BROKEN") from error
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        raise PacsError(f"PACS {name} does not answer; check address, port and network", code="PACS_BROKEN") from error
    except requests.exceptions.TooManyRedirects as error:
        raise PacsError(f"PACS {name} redirects elsewhere; put its final address in the file", "PACS_ANSWER") from error
    except (requests.exceptions.RequestException, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PacsError(
            f"PACS {name} answers with something that is no DICOMweb; check the url", code="PACS_ANSWER"
        ) from error


def _status_error(name: str, status: int) -> PacsError:
    if status in (401, 403):
        return PacsError(f"PACS {name} refuses the login (HTTP {status}); check user and secret", code="PACS_LOGIN")
    if status in (404, 410):
        return PacsError(f"PACS {name} does not have it (HTTP {status}); it may have been deleted", code="NOT_FOUND")
    if status in (408, 429, 502, 503, 504):
        return PacsError(f"PACS {name} is busy (HTTP {status}); try again", code="PACS_BROKEN")
    return PacsError(f"PACS {name} answers HTTP {status}; check the url and the archive's log", code="PACS_ANSWER")


def _client(pacs: DicomWebPacs, session: Any) -> Any:
    try:
        from dicomweb_client.web import DICOMwebClient
    except ImportError as error:
        raise DependencyError("DICOMweb needs the package dicomweb-client; install it") from error
    client = DICOMwebClient(pacs.url.rstrip("/"), session=session, timeout=pacs.timeout_s)
    client.set_http_retry_params(retry=False)
    return client


def _pages(search: Callable[[dict[str, int]], list[Any]], key: str = "StudyInstanceUID") -> list[Any]:
    """All pages of a search; a server that ignores the offset sends what is known already and ends it."""
    found: dict[str, Any] = {}
    for _ in range(MOST_PAGES):
        page = _twice(search, {"limit": PAGE, "offset": len(found)})
        new = {uid: one for one in page if (uid := _text(one, key)) not in found}
        found |= new
        if not new or len(page) < PAGE:
            break
    return list(found.values())


def _twice(search: Callable[[dict[str, int]], list[Any]], page: dict[str, int]) -> list[Any]:
    """Ask again once when a connection is closed at the moment of asking, as idle ones are; asking changes nothing."""
    import requests

    try:
        return search(page)
    except requests.exceptions.SSLError:
        raise
    except requests.exceptions.ConnectionError:
        return search(page)


def _text(attributes: Any, keyword: str) -> str:
    """First value of an attribute in DICOM JSON (PS3.18, annex F)."""
    from pydicom.datadict import tag_for_keyword

    values = attributes.get(f"{tag_for_keyword(keyword):08X}", {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
