"""CT series for research without identity: only what is on a list is kept, everything else is left out.

Private elements, free text, overlays, dates, names and institutions go because they are not on the list; other objects
than CT images (reports, PDFs, pictures, which may show a name) are not exported at all.

References
----------
DICOM PS3.15, annex E (attribute confidentiality profiles); 45 CFR 164.514 (ages over 89).
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset

from BoneStrengthFEALib.dicom_in import admit, list_series
from BoneStrengthFEALib.dicom_in.gate import guarded
from BoneStrengthFEALib.dicom_in.header import Header, read_header
from BoneStrengthFEALib.dicom_in.refusal import refuse
from BoneStrengthFEALib.dicom_in.slices import ENHANCED_CT, is_virtual_mono
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.privacy import case_key
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.quality_profile import contrast_text
from BoneStrengthFEALib.sources.spool import spooling

KEPT = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "Manufacturer", "ManufacturerModelName"),
    *("PatientSex", "PatientSize", "PatientWeight", "BodyPartExamined", "ScanOptions", "SliceThickness", "KVP"),
    *("SpacingBetweenSlices", "DataCollectionDiameter", "ReconstructionDiameter", "DistanceSourceToDetector"),
    *("DistanceSourceToPatient", "GantryDetectorTilt", "TableHeight", "RotationDirection", "ExposureTime"),
    *("XRayTubeCurrent", "Exposure", "FilterType", "FocalSpots", "ConvolutionKernel", "PatientPosition"),
    *("RevolutionTime", "SingleCollimationWidth", "TotalCollimationWidth", "SpiralPitchFactor", "CTDIvol"),
    *("SeriesNumber", "AcquisitionNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient"),
    *("SliceLocation", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "PixelSpacing"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "WindowCenter"),
    *("WindowWidth", "RescaleIntercept", "RescaleSlope", "RescaleType", "LossyImageCompression", "PixelData"),
)
"""Elements kept as they are: how the image was taken and what it holds."""
EMPTY = ("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "StudyID")
UIDS = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
OLDEST = 89
"""Ages above this one identify; they are written as 90."""
METHOD = "BoneStrengthFEA: allow-list of CT elements"


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Parameters
    ----------
    series, images
        Numbers of series and images.
    refused
        Codes of series that the gate refused and that were left out.
    """

    series: int
    images: int
    refused: tuple[str, ...]


def pseudonymise_folder(folder: Path, target: Path, salt: bytes, callback: ProgressCallback = no_progress) -> Exported:
    """Export the CT series of a folder without identity.

    Parameters
    ----------
    folder
        Folder of any depth.
    target
        New folder: one folder per person, in it one per series, named by keys.
    salt
        The same salt gives the same keys and UIDs, so that a later export of the same person fits; without it nobody
        can lead them back.
    callback
        Progress.

    Returns
    -------
    What was exported.

    Raises
    ------
    RefusedError
        When no series can be exported.
    """
    found = list_series(folder)
    refused: list[str] = []
    series = images = 0
    with spooling(target) as spool:
        for number, summary in enumerate(found):
            try:
                admit(summary.files)
                images += _export(summary.files, spool.folder, salt)
                series += 1
            except RefusedError as error:
                refused.append(error.code)
            callback("pseudonymising", (number + 1) / len(found))
        if not series:
            raise refuse(refused[0] if refused else "NO_DICOM")
    return Exported(series, images, tuple(refused))


def pseudonymised(data: Dataset, salt: bytes) -> Dataset:
    """Copy of a CT image without identity.

    Parameters
    ----------
    data
        CT image.
    salt
        See pseudonymise_folder.

    Returns
    -------
    A new data set.
    """
    new = Dataset()
    for keyword in KEPT:
        if keyword in data:
            new[keyword] = data[keyword]
    for keyword in EMPTY:
        setattr(new, keyword, "")
    for keyword in UIDS:
        if data.get(keyword):
            setattr(new, keyword, new_uid(str(data.get(keyword)), salt))
    new.PositionReferenceIndicator = ""
    key = case_key(f"{data.get('IssuerOfPatientID', '')}|{data.get('PatientID', '')}", salt)
    new.PatientID, new.PatientName = key, f"{key}^"
    _keep_meaning(data, new, salt)
    new.PatientIdentityRemoved, new.DeidentificationMethod = "YES", METHOD
    new.LongitudinalTemporalInformationModified = "REMOVED"
    new.BurnedInAnnotation = "NO"
    return new


def new_uid(uid: str, salt: bytes) -> str:
    """UID that stands for another one.

    Parameters
    ----------
    uid
        UID.
    salt
        See pseudonymise_folder.

    Returns
    -------
    UID under 2.25, the same for the same UID and salt.

    References
    ----------
    DICOM PS3.5, annex B.2 (UUID derived UID).
    """
    digest = hmac.new(salt, b"uid|" + uid.encode("ascii", "replace"), hashlib.sha256).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"


def _keep_meaning(data: Dataset, new: Dataset, salt: bytes) -> None:
    """What measuring needs of texts that may name somebody, in words of our own."""

    def text(keyword: str) -> str:
        return str(data.get(keyword) or "")

    if contrast_text(text("ContrastBolusAgent"), text("ContrastBolusRoute"), text("SeriesDescription")):
        new.ContrastBolusAgent = "contrast medium"
    if is_virtual_mono(_as_header(data)):
        new.SeriesDescription = "virtual monoenergetic"
    if text("DeviceSerialNumber"):
        # asynchronous calibration must tell scanners apart
        new.DeviceSerialNumber = case_key(text("DeviceSerialNumber"), salt)
    age = text("PatientAge")
    if len(age) == 4 and age[:3].isdecimal() and age[3] in "DWMY":
        new.PatientAge = "090Y" if age[3] == "Y" and int(age[:3]) > OLDEST else age
    elif (years := _age_of(text("PatientBirthDate"), text("StudyDate"))) is not None:
        new.PatientAge = f"{years if years <= OLDEST else 90:03d}Y"


def _age_of(born: str, seen: str) -> int | None:
    if len(born) != 8 or len(seen) != 8 or not (born + seen).isdecimal():
        return None
    years = int(seen[:4]) - int(born[:4]) - (seen[4:] < born[4:])
    return years if 0 <= years <= 125 else None


def _as_header(data: Dataset) -> Header:
    return Header(Path(), data, "", 0)


def _export(files: tuple[Path, ...], target: Path, salt: bytes) -> int:
    count = 0
    for path in files:
        header = read_header(path)
        if header.text("SOPClassUID") in ENHANCED_CT:
            # its nested groups hold more than a list of elements can judge
            raise refuse("MULTIFRAME", "Enhanced CT, which cannot be pseudonymised")
        data: FileDataset = guarded(_read, path)
        if str(data.get("BurnedInAnnotation", "NO")).upper() == "YES":
            raise refuse("PHOTOMETRIC", "text burned into the image")
        count += 1
        guarded(_write, pseudonymised(data, salt), data.file_meta.TransferSyntaxUID, _namer(target, salt, count))
    return count


def _read(path: Path) -> FileDataset:
    return pydicom.dcmread(path)


def _namer(target: Path, salt: bytes, count: int) -> Callable[[Dataset], Path]:
    def name(data: Dataset) -> Path:
        folder = target / str(data.PatientID) / case_key(str(data.SeriesInstanceUID), salt)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"IM{count:05d}.dcm"

    return name


def _write(data: Dataset, syntax: Any, name: Callable[[Dataset], Path]) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    path = name(data)
    # a preamble of zeros: the original one may hold anything
    file = FileDataset(str(path), data, file_meta=meta, preamble=b"\0" * 128)
    file.save_as(path, enforce_file_format=True)
