"""Signing: a verified version of the structured reports and a report that names who interpreted it."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import write_bytes, write_text
from BoneStrengthFEALib.dicom_out.origin import NAMESPACE
from BoneStrengthFEALib.dicom_out.source_headers import UNICODE
from BoneStrengthFEALib.dicom_out.write import FOLDER, save
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.results_reading import read_results

FILE = "signature.json"


@dataclass(frozen=True)
class Signature:
    """Who takes responsibility for an interpretation.

    Parameters
    ----------
    name
        DICOM person name, "Family^Given".
    organization
        Where the person works.
    statement
        The interpretation in the person's words; may be empty.
    utc
        When, ISO 8601; now when left out.
    """

    name: str
    organization: str
    statement: str = ""
    utc: str = ""

    def __post_init__(self) -> None:
        """Check that there is a person, and note the time."""
        if not self.name.replace("^", "").strip() or not self.organization.strip():
            raise InputError("a signature needs the name (Family^Given) and the organization of a person")
        if "^" not in self.name:
            object.__setattr__(self, "name", f"{self.name.strip()}^")
        if not self.utc:
            now = datetime.datetime.now(datetime.timezone.utc)
            object.__setattr__(self, "utc", now.isoformat(timespec="seconds"))


def sign_folder(folder: Path, signature: Signature) -> list[Path]:
    """Make the verified version of a result's objects beside the preliminary ones.

    Parameters
    ----------
    folder
        Result folder with objects.
    signature
        Who signs.

    Returns
    -------
    New files, to be sent.

    Raises
    ------
    InputError
        When there is nothing to sign, or it was signed before.
    """
    if (folder / FILE).exists():
        raise InputError(f"{folder.name} is signed already; correct it by a new run, then sign that")
    paths = sorted((folder / FOLDER).glob("sr_*.dcm"))
    report = folder / FOLDER / "report.dcm"
    if not report.is_file():
        raise InputError(f"{folder} holds no DICOM objects to sign; run the examination from its DICOM series")
    made = [_verified(path, signature) for path in paths]
    made.append(_signed_pdf(folder, report, signature))
    write_text(folder / FILE, json.dumps(dataclasses.asdict(signature), indent=2, ensure_ascii=False) + "\n")
    return made


def read_signature(folder: Path) -> Signature | None:
    """Signature of a result.

    Parameters
    ----------
    folder
        Result folder.

    Returns
    -------
    Signature, or None when it is not signed.
    """
    path = folder / FILE
    return Signature(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def _verified(path: Path, signature: Signature) -> Path:
    import pydicom
    from pydicom.dataset import Dataset

    before = pydicom.dcmread(path)
    data = copy.deepcopy(before)
    if not (signature.name + signature.organization).isascii():
        # the source's letters may not be enough for the person's name
        data.decode()
        data.SpecificCharacterSet = UNICODE
    uid = _uid(str(before.SOPInstanceUID), signature)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid
    data.InstanceNumber = int(before.InstanceNumber) + 1
    data.CompletionFlag, data.PreliminaryFlag, data.VerificationFlag = "COMPLETE", "FINAL", "VERIFIED"
    observer = Dataset()
    observer.VerifyingObserverName = signature.name
    observer.VerifyingOrganization = signature.organization
    observer.VerifyingObserverIdentificationCodeSequence = []
    observer.VerificationDateTime = "".join(c for c in signature.utc[:19] if c.isdigit()) + "+0000"
    data.VerifyingObserverSequence = [observer]
    data.PredecessorDocumentsSequence = [_reference(before)]
    day, clock = (observer.VerificationDateTime[:8], observer.VerificationDateTime[8:14])
    data.ContentDate, data.ContentTime = day, clock
    data.InstanceCreationDate, data.InstanceCreationTime = day, clock
    target = path.with_name(f"signed_{path.name}")
    save(data, target)
    return target


def _uid(before: str, signature: Signature) -> str:
    text = "|".join((before, signature.name, signature.organization, signature.utc))
    return f"2.25.{uuid.uuid5(NAMESPACE, text).int}"


def _reference(data: Any) -> Any:
    from pydicom.dataset import Dataset

    instance, series, study = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = data.SeriesInstanceUID, [instance]
    study.StudyInstanceUID, study.ReferencedSeriesSequence = data.StudyInstanceUID, [series]
    return study


def _signed_pdf(folder: Path, report: Path, signature: Signature) -> Path:
    import pydicom

    from BoneStrengthFEALib.report import build, read_options
    from BoneStrengthFEALib.report.pdf import render_pdf
    from BoneStrengthFEALib.report.signed import SignedBy

    results = read_results(folder)
    by = SignedBy(signature.name, signature.organization, signature.utc, signature.statement)
    pdf = render_pdf(build(results, dataclasses.replace(read_options(folder), signed=by)), folder)
    path = folder / "report_signed.pdf"
    write_bytes(path, pdf)
    # from the preliminary object: the images may be gone by now
    before = pydicom.dcmread(report)
    data = copy.deepcopy(before)
    data.EncapsulatedDocument, data.EncapsulatedDocumentLength = pdf + b"\0" * (len(pdf) % 2), len(pdf)
    digits = "".join(c for c in signature.utc[:19] if c.isdigit())
    data.ContentDate, data.ContentTime = digits[:8], digits[8:14]
    uid = _uid(str(before.SOPInstanceUID), signature)
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = uid
    data.InstanceNumber = 2
    data.DocumentTitle = "CT-based bone strength and density, signed (research)"
    data.VerificationFlag = "VERIFIED"
    target = report.with_name("signed_report.dcm")
    save(data, target)
    return target
