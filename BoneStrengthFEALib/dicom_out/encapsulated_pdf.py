"""The report as an Encapsulated PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from BoneStrengthFEALib.dicom_out.origin import NAME, Origin, finish
from BoneStrengthFEALib.results import StudyResults


def encapsulated_pdf(
    origin: Origin, results: StudyResults, pdf: Path, number: int, sources: Sequence[pydicom.Dataset] = ()
) -> pydicom.Dataset:
    """Wrap the PDF.

    Parameters
    ----------
    origin
        Source.
    results
        Results, for the side of the bones.
    pdf
        The report.
    number
        Series number.
    sources
        Objects that hold what the report says; the images when there are none.

    Returns
    -------
    Dataset ready to be written.
    """
    from highdicom.base import SOPClass

    source = origin.images[0]
    made = SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=origin.uid("pdf-series"),
        series_number=number,
        sop_instance_uid=origin.uid("pdf"),
        sop_class_uid=EncapsulatedPDFStorage,
        instance_number=1,
        modality="DOC",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description=f"{NAME}: report (research)",
        **origin.equipment(),
    )
    made.copy_patient_and_study_information(source)
    made.ConversionType, made.BurnedInAnnotation = "SYN", "YES"
    made.AcquisitionDateTime = ""
    made.DocumentTitle = "CT-based bone strength and density (research)"
    title = pydicom.Dataset()
    title.CodeValue, title.CodingSchemeDesignator = "18748-4", "LN"
    title.CodeMeaning = "Diagnostic Imaging Report"
    made.ConceptNameCodeSequence = [title]
    made.SourceInstanceSequence = [_reference(one) for one in sources or origin.images]
    content = pdf.read_bytes()
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(content)
    made.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    sides = {site.side for site in results.sites if site.side}
    if len(sides) == 1:
        made.ImageLaterality = next(iter(sides))[0].upper()
    return finish(made, origin)


def _reference(one: pydicom.Dataset) -> pydicom.Dataset:
    made = pydicom.Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = one.SOPClassUID, one.SOPInstanceUID
    return made
