"""Names that stand for the numbers of well-known label maps stored without names."""

from __future__ import annotations

import json
from importlib import resources

from BoneStrengthFEALib.errors import InputError

SCHEMES = ("none", "totalsegmentator", "tptbox", "ogo")
"""Known numberings; "none" keeps numbers only."""


def label_names(scheme: str) -> dict[int, str]:
    """Names of a numbering.

    Parameters
    ----------
    scheme
        One of SCHEMES.

    Returns
    -------
    Label value to name.

    Raises
    ------
    InputError
        When the scheme is unknown.
    """
    if scheme not in SCHEMES:
        raise InputError(f"label numbering {scheme!r} is unknown; choose one of {', '.join(SCHEMES)}")
    if scheme == "none":
        return {}
    text = resources.files("BoneStrengthFEALib").joinpath("data", f"labels_{scheme}.json").read_text(encoding="utf-8")
    return {int(value): name for value, name in json.loads(text)["labels"].items()}
