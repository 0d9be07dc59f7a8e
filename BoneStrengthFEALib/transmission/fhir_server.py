"""Sending a bundle to a FHIR server so that it is there once, however often it is sent.

References
----------
HL7 FHIR R4, RESTful API: transaction, conditional create (If-None-Exist), search by identifier.
"""

from __future__ import annotations

import json
from typing import Any

from BoneStrengthFEALib.errors import PacsError
from BoneStrengthFEALib.pacs_settings import DicomWebPacs, secret_of

KIND = "application/fhir+json"
REASONS = {
    400: "it finds the bundle malformed; see its log",
    409: "it reports a conflict with another change; it is tried again",
    412: "several of its resources have our identifier; have them merged there",
    422: "it refuses the content by its rules; see its log",
}


def post_bundle(pacs: DicomWebPacs, content: bytes) -> str:
    """Send a transaction, unless the server has its report already.

    Parameters
    ----------
    pacs
        Connection.
    content
        JSON of a transaction whose entries are created conditionally.

    Returns
    -------
    The server's answer in words.

    Raises
    ------
    PacsError
        When the server does not take all of it.
    """
    from BoneStrengthFEALib.sources.web_session import open_session, translated

    bundle = json.loads(content)
    headers = {"Content-Type": KIND, "Accept": KIND}
    with open_session(pacs, secret_of(pacs)) as session, translated(pacs.name):
        if _is_there(session, pacs, bundle):
            return "there already"
        answer = session.post(
            pacs.url.rstrip("/"), data=content, headers=headers, timeout=pacs.timeout_s, allow_redirects=False
        )
        if answer.status_code in REASONS:
            words = REASONS[answer.status_code]
            raise PacsError(f"FHIR server {pacs.name} answers HTTP {answer.status_code}: {words}", "PACS_REFUSED")
        answer.raise_for_status()
        if answer.status_code not in (200, 201):
            raise PacsError(f"FHIR server {pacs.name} answers HTTP {answer.status_code}", "PACS_ANSWER")
        return f"HTTP {answer.status_code}, {_taken(answer, bundle, pacs.name)}"


def _is_there(session: Any, pacs: DicomWebPacs, bundle: dict[str, Any]) -> bool:
    """Ask for the report by its identifier: an answer may have been lost, or the server ignores conditions."""
    query = next(
        (
            entry["request"].get("ifNoneExist", "")
            for entry in bundle.get("entry", [])
            if entry["request"]["url"] == "DiagnosticReport"
        ),
        "",
    )
    name, _, value = query.partition("=")
    if not value:
        return False
    address = f"{pacs.url.rstrip('/')}/DiagnosticReport"
    answer = session.get(
        address, params={name: value}, headers={"Accept": KIND}, timeout=pacs.timeout_s, allow_redirects=False
    )
    # servers that let nobody search still take what is sent to them
    if answer.status_code != 200:
        return False
    try:
        found = answer.json()
        same = [
            one
            for one in found.get("entry", [])
            if any(
                f"{i.get('system', '')}|{i.get('value', '')}" == value for i in one["resource"].get("identifier", [])
            )
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(same)


def _taken(answer: Any, bundle: dict[str, Any], name: str) -> str:
    try:
        states = [str(entry["response"]["status"])[:3] for entry in answer.json().get("entry", [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        states = []
    wanted = len(bundle.get("entry", []))
    if not states:
        # answers may be minimal; the status holds for the whole transaction
        return f"{wanted} resources"
    if len(states) != wanted or any(not state.startswith("2") for state in states):
        done = sum(state.startswith("2") for state in states)
        raise PacsError(f"FHIR server {name} took {done} of {wanted} resources; see its log", "PACS_REFUSED")
    return f"{states.count('201')} resources created, {states.count('200')} there before"
