"""DICOM SEG and RT Structure Sets that belong to a CT: found in its folder, and checked against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.dicom_in.header import is_dicom
from BoneStrengthFEALib.dicom_out.origin import ANALYSED_SERIES
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.segmentation.dicom_seg import SEG_CLASSES
from BoneStrengthFEALib.segmentation.rtstruct import RTSTRUCT_CLASS

KEYWORDS = [
    "SOPClassUID",
    "StudyInstanceUID",
    "SeriesDescription",
    "FrameOfReferenceUID",
    "ReferencedFrameOfReferenceSequence",
]


def label_object_in(folder: Path, acquisition: Acquisition) -> Path:
    """Find the one label object of a CT's study in a folder; segmentations that are results of a run are left out.

    Parameters
    ----------
    folder
        Folder with its subfolders.
    acquisition
        Of the CT; its study UID tells what belongs to it.

    Returns
    -------
    File of the DICOM SEG or RT Structure Set.

    Raises
    ------
    InputError
        When there is none, or more than one.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        header = _header(path) if path.is_file() else None
        if header is None or str(header.get("StudyInstanceUID", "")) != acquisition.study_uid:
            continue
        if not str(header.get("SeriesDescription", "")).startswith(ANALYSED_SERIES):
            found.append(path)
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(
            f"one DICOM SEG or RT Structure Set of this study is expected in {folder.name}, found {names}; name the "
            "file with --labels"
        )
    return found[0]


def require_same_patient_space(path: Path, acquisition: Acquisition) -> None:
    """Refuse a label object of another study or frame of reference.

    Parameters
    ----------
    path
        Label file; what is no DICOM label object passes.
    acquisition
        Of the CT; what it does not know is not checked.

    Raises
    ------
    InputError
        When it was drawn on another examination.
    """
    header = _header(path) if path.is_file() else None
    if header is None:
        return
    frames = {str(header.get("FrameOfReferenceUID", ""))}
    frames |= {
        str(item.get("FrameOfReferenceUID", "")) for item in header.get("ReferencedFrameOfReferenceSequence", ())
    }
    frames.discard("")
    study = str(header.get("StudyInstanceUID", ""))
    other_study = bool(acquisition.study_uid) and study != acquisition.study_uid
    other_frame = bool(acquisition.frame_of_reference_uid) and bool(frames)
    if other_study or (other_frame and acquisition.frame_of_reference_uid not in frames):
        what = "study" if other_study else "frame of reference"
        raise InputError(f"{path.name} belongs to another {what} than the CT; choose the labels of this examination")


def _header(path: Path) -> Any:
    """Header of a SEG or RT Structure Set, None for every other file."""
    from pydicom import dcmread

    if not is_dicom(path):
        return None
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=KEYWORDS)
        return header if str(header.get("SOPClassUID", "")) in (*SEG_CLASSES, RTSTRUCT_CLASS) else None
    except Exception:
        # a stranger's damaged file in the folder is no label object
        return None
