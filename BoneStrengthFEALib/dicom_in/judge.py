"""The gate's verdict on a folder, without decoding a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.dicom_in.folder import choose, list_series
from BoneStrengthFEALib.dicom_in.gate import admit
from BoneStrengthFEALib.dicom_in.geometry import spacing_mm
from BoneStrengthFEALib.dicom_in.refusal import refuse
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.quality_profile import check_acquisition


@dataclass(frozen=True)
class Verdict:
    """What the gate says.

    Parameters
    ----------
    acquisition
        Facts of the chosen series.
    quality
        Checks of the gate and of the site's quality profile.
    """

    acquisition: Acquisition
    quality: QualityReport


def judge_folder(folder: Path, site: str, series_uid: str = "", profile: str = "default") -> Verdict:
    """Choose a series and judge it by its headers.

    Parameters
    ----------
    folder
        Folder of any depth.
    site
        "vertebra", "femur", "radius" or "tibia".
    series_uid
        The series; empty chooses by rule.
    profile
        Quality profile, see check_acquisition.

    Returns
    -------
    The verdict; its quality may hold refusals of the profile.

    Raises
    ------
    RefusedError
        When the gate refuses.
    InputError
        When the series or the profile is not there.
    """
    found = list_series(folder)
    if not found:
        raise refuse("NO_DICOM")
    series, reason = choose(found, series_uid, avoid_contrast=site == "vertebra")
    admitted = admit(series.files)
    largest = max(spacing_mm(admitted.slices), *admitted.slices[0].spacing)
    chosen = QualityLine(
        "SERIES", Outcome.PASS, f"{series.words}; {reason}", "one series chosen by rule or by the user"
    )
    taken = check_acquisition(admitted.acquisition, largest, site, profile)
    return Verdict(admitted.acquisition, QualityReport((chosen, *admitted.quality.lines, *taken.lines)))
