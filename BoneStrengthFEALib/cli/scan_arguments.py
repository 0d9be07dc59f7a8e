"""The CT that a command line names: a DICOM folder or file, or an image file."""

from __future__ import annotations

from pathlib import Path

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration.dispatch import KINDS
from BoneStrengthFEALib.dicom_in import DicomScan, read_folder, read_series
from BoneStrengthFEALib.dicom_in.header import is_dicom
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.quality import QualityReport
from BoneStrengthFEALib.volume import Quantity


def read_scan(ct: Path, series: str = "", avoid_contrast: bool = True, density: str = "") -> DicomScan:
    """Read a CT.

    Parameters
    ----------
    ct
        DICOM folder or file, NIfTI, NRRD or MetaImage.
    series
        UID of the series in a DICOM folder; empty takes the best one for bone.
    avoid_contrast
        Whether a series without contrast medium is preferred.
    density
        Kind of density that an image file holds instead of HU: "K2HPO4" or "CAHA".

    Returns
    -------
    The scan; of an image file with an acquisition that knows nothing.

    Raises
    ------
    BoneStrengthError
        When it cannot be used.
    """
    if density and (ct.is_dir() or is_dicom(ct)):
        raise InputError("--density belongs to an image file of calibrated density; a CT in DICOM holds HU")
    if ct.is_dir():
        return read_folder(ct, series, avoid_contrast=avoid_contrast)
    if is_dicom(ct):
        return read_series([ct])
    if series:
        raise InputError(f"--series was given, but {ct.name} is no DICOM folder")
    return DicomScan(
        read_volume(ct, KINDS[density] if density else Quantity.HU), Acquisition(source="file"), QualityReport()
    )
