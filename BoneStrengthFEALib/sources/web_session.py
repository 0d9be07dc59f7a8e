"""HTTP to an archive: a session that verifies and keeps its login, and errors a person can act on."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from BoneStrengthFEALib.errors import DependencyError, PacsError
from BoneStrengthFEALib.pacs_settings import DicomWebPacs


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


def open_client(pacs: DicomWebPacs, session: Any) -> Any:
    """Make a DICOMweb client on a session.

    Parameters
    ----------
    pacs
        Connection.
    session
        See open_session.

    Returns
    -------
    dicomweb_client.DICOMwebClient.

    Raises
    ------
    DependencyError
        Without the package dicomweb-client.
    """
    try:
        from dicomweb_client.web import DICOMwebClient
    except ImportError as error:
        raise DependencyError("DICOMweb needs the package dicomweb-client; install it") from error
    client = DICOMwebClient(pacs.url.rstrip("/"), session=session, timeout=pacs.timeout_s)
    client.set_http_retry_params(retry=False)
    return client
