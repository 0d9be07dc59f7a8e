"""Whose examination a folder holds, when its images could not be read as a scan."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.dicom_in.folder import files_in
from BoneStrengthFEALib.dicom_in.gate import acquisition_of, guarded
from BoneStrengthFEALib.dicom_in.header import Header, is_dicom, read_header
from BoneStrengthFEALib.dicom_in.slices import check_identity
from BoneStrengthFEALib.errors import BoneStrengthError, RefusedError

ONE_OF = ("PatientID", "PatientName", "StudyInstanceUID")


def identity_of(folder: Path) -> Acquisition | None:
    """Facts of the examination from the headers alone, for a report that says why it was refused.

    Parameters
    ----------
    folder
        Folder of images; a file has no identity.

    Returns
    -------
    Patient, study and readable files of the first CT series; None when no header can be read, or when they name more
    than one patient or study.
    """
    try:
        headers = [header for path in files_in(folder) if (header := _readable(path)) is not None]
    except BoneStrengthError:
        return None
    if not headers or any(len({header.text(keyword) for header in headers}) > 1 for keyword in ONE_OF):
        return None
    series = headers[0].text("SeriesInstanceUID")
    files = tuple(str(header.path) for header in headers if header.text("SeriesInstanceUID") == series)
    return dataclasses.replace(acquisition_of(headers[0], ()), files=files)


def _readable(path: Path) -> Header | None:
    try:
        if not guarded(is_dicom, path):
            return None
        header: Header = guarded(read_header, path)
        check_identity(header)
    except RefusedError:
        return None
    return header
