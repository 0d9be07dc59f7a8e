"""Who interpreted and signed a report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SignedBy:
    """A signature as the report shows it.

    Parameters
    ----------
    name
        DICOM person name.
    organization
        Where the person works.
    utc
        When, ISO 8601.
    statement
        Interpretation in the person's words.
    """

    name: str
    organization: str
    utc: str
    statement: str = ""
