"""The program that makes labels when none are given."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_names import SCHEMES


@dataclass(frozen=True)
class SegmentationSettings:
    """Program that makes labels when none are given.

    Parameters
    ----------
    command
        Program and arguments with {input}, the CT as NIfTI, and {output}, a label image or folder of masks; empty for
        none. No shell reads it.
    numbering
        What values mean when its output holds no names: "none", "totalsegmentator", "tptbox" or "ogo".
    timeout_s
        Longest time it may take [s].
    """

    command: str = ""
    numbering: str = "none"
    timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        """Refuse what is no command or numbering."""
        if self.numbering not in SCHEMES:
            raise InputError(f"segmentation.numbering is one of {', '.join(SCHEMES)}, got {self.numbering!r}")
        if self.command and not ("{input}" in self.command and "{output}" in self.command):
            raise InputError(f"segmentation.command names {{input}} and {{output}}, got: {self.command}")
