"""Short codes of measures in the private scheme 99BONEFEA, shared by DICOM objects, FHIR and comparisons."""

from __future__ import annotations

import hashlib

LONGEST = 16
"""Characters of a code value."""
SCHEME = "99BONEFEA"


def short_code(identifier: str) -> str:
    """Code value of a measure's id.

    Parameters
    ----------
    identifier
        Id.

    Returns
    -------
    At most 16 capital letters, digits and dots; a longer id is cut and gets four digits of its hash.
    """
    plain = identifier.removeprefix("failure_load_").upper().replace("_", ".").replace("-", ".")
    plain = f"FL.{plain}" if identifier.startswith("failure_load_") else plain
    if len(plain) <= LONGEST:
        return plain
    return f"{plain[: LONGEST - 5]}.{hashlib.sha256(identifier.encode()).hexdigest()[:4].upper()}"
