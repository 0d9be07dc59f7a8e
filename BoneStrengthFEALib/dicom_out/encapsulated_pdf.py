"""The report as an Encapsulated PDF."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from BoneStrengthFEALib.dicom_out.origin import NAME, SERIAL, Origin, finish
from BoneStrengthFEALib.results import StudyResults
from BoneStrengthFEALib.version import __version__

PATIENT_AND_STUDY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime"),
    *("StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "SpecificCharacterSet"),
)


def encapsulated_pdf(origin: Origin, results: StudyResults, pdf: Path, number: int) -> pydicom.Dataset:
    """Wrap the PDF.

    Parameters
    ----------
    origin
        Source.
    results
        Results, for the time of the report.
    pdf
        The report.
    number
        Series number.

    Returns
    -------
    Dataset ready to be written.
    """
    uid = origin.uid("pdf")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = EncapsulatedPDFStorage, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    source = origin.images[0]
    for keyword in PATIENT_AND_STUDY:
        value = source.get(keyword)
        setattr(made, keyword, "" if value is None else value)
    if not made.SpecificCharacterSet:
        made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = EncapsulatedPDFStorage, uid, "DOC"
    made.SeriesInstanceUID, made.SeriesNumber, made.InstanceNumber = origin.uid("pdf-series"), number, 1
    made.ConversionType, made.BurnedInAnnotation = "SYN", "YES"
    made.Manufacturer = made.ManufacturerModelName = NAME
    made.SoftwareVersions, made.DeviceSerialNumber = __version__, SERIAL
    stamp = results.provenance.get("utc", "")
    digits = "".join(c for c in stamp if c.isdecimal())
    made.ContentDate, made.ContentTime = digits[:8], digits[8:14]
    made.AcquisitionDateTime = ""
    made.DocumentTitle = "CT-based bone strength and density (research)"
    made.SeriesDescription = f"{NAME}: report (research)"
    title = pydicom.Dataset()
    title.CodeValue, title.CodingSchemeDesignator = "18748-4", "LN"
    title.CodeMeaning = "Diagnostic Imaging Report"
    made.ConceptNameCodeSequence = [title]
    content = pdf.read_bytes()
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(content)
    made.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    return finish(made, origin)
