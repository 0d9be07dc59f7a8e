"""A volume as a CT series on disk, as a scanner would have sent it."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from BoneStrengthFEALib.volume import Volume

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PERSON = {"PatientName": "Łuka^Zoë", "PatientID": "ID-4711", "PatientSex": "F", "PatientAge": "071Y"}


def stable_uid(*parts: str) -> str:
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '|'.join(parts)).int}"


def write_ct(ct: Volume, folder: Path, key: str = "a", **more: str) -> Path:
    """Write the volume in HU, a file per slice; key distinguishes studies."""
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ct.ijk_to_ras
    spacing = ct.spacing_mm
    axes = [*(lps[:3, 0] / spacing[0]), *(lps[:3, 1] / spacing[1])]
    person = {**PERSON, **more}
    for k, plane in enumerate(ct.array):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CT_CLASS, ExplicitVRLittleEndian
        meta.MediaStorageSOPInstanceUID = stable_uid(key, str(k))
        data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        data.SpecificCharacterSet = "ISO_IR 192"
        data.SOPClassUID, data.SOPInstanceUID = CT_CLASS, meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID = stable_uid(key, "study"), stable_uid(key, "series")
        data.FrameOfReferenceUID, data.PositionReferenceIndicator = stable_uid(key, "frame"), ""
        for keyword, value in person.items():
            setattr(data, keyword, value)
        data.PatientBirthDate, data.StudyDate, data.StudyTime, data.StudyID = "19530214", "20260309", "101500", "S1"
        data.AccessionNumber, data.ReferringPhysicianName, data.StudyDescription = "A77", "Ref^Doc", "CT abdomen"
        data.Modality, data.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.Manufacturer, data.ManufacturerModelName, data.ConvolutionKernel = "SIEMENS", "Test 7", "Br40"
        data.KVP, data.SliceThickness, data.SeriesNumber, data.InstanceNumber = 120, float(spacing[2]), 2, k + 1
        data.AcquisitionNumber, data.BodyPartExamined, data.PatientPosition = 1, "LSPINE", "HFS"
        data.SeriesDescription = "Axial soft"
        place = lps @ np.array([0.0, 0.0, k, 1.0])
        data.ImagePositionPatient = [f"{v:.6f}" for v in place[:3]]
        data.ImageOrientationPatient = [f"{v:.9f}"[:16] for v in axes]
        data.PixelSpacing = [f"{spacing[1]:.9f}", f"{spacing[0]:.9f}"]
        data.Rows, data.Columns, data.SamplesPerPixel = *plane.shape, 1
        data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.RescaleIntercept, data.RescaleSlope, data.RescaleType = -1024, 1, "HU"
        data.PixelData = np.clip(np.round(plane) + 1024, 0, 65535).astype("<u2").tobytes()
        data.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)
    return folder
