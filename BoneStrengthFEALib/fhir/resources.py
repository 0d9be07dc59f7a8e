"""Resources a bundle refers to: the person, the software, the examination."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.results import DISCLAIMER, StudyResults

DCM = "http://dicom.nema.org/resources/ontology/DCM"
DICOM_UID = "urn:dicom:uid"
SEX = {"F": "female", "M": "male", "O": "other", "": "unknown"}

Resource = dict[str, Any]


def patient_resource(results: StudyResults) -> Resource:
    """The person.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Resource without id.
    """
    person = results.acquisition.subject
    resource: Resource = {"resourceType": "Patient", "gender": SEX.get(person.sex.value, "unknown")}
    if person.patient_id:
        resource["identifier"] = [{"value": person.patient_id}]
    if person.name:
        family, _, given = person.name.split("=")[0].partition("^")
        parts = [part for part in given.split("^") if part]
        resource["name"] = [{"text": words.person_name(person.name), **({"family": family} if family else {})}]
        if parts:
            resource["name"][0]["given"] = parts
    born = words.date(person.birth_date)
    if len(born) == 10:
        resource["birthDate"] = born
    return resource


def device_resource(results: StudyResults) -> Resource:
    """The software.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Resource without id.
    """
    return {
        "resourceType": "Device",
        "deviceName": [{"name": "BoneStrengthFEA", "type": "model-name"}],
        "type": {"text": "Finite-element bone strength software. " + DISCLAIMER},
        "version": [{"value": results.provenance.get("software", "BoneStrengthFEA")}],
    }


def object_series(folder: Path) -> list[Resource]:
    """Series of the result objects that lie in a result folder.

    Parameters
    ----------
    folder
        Result folder.

    Returns
    -------
    Series of an ImagingStudy, with their instances; none without DICOM objects.
    """
    paths = sorted((folder / "dicom").glob("*.dcm"))
    if not paths:
        return []
    import pydicom

    found: dict[str, Resource] = {}
    for path in paths:
        tags = ["SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "Modality", "SeriesDescription", "SeriesNumber"]
        head = pydicom.dcmread(path, specific_tags=tags, stop_before_pixels=True)
        series = found.setdefault(
            str(head.SeriesInstanceUID),
            {
                "uid": str(head.SeriesInstanceUID),
                "number": int(head.SeriesNumber),
                "modality": {"system": DCM, "code": str(head.Modality)},
                "description": str(head.SeriesDescription),
                "instance": [],
            },
        )
        kind = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{head.SOPClassUID}"}
        series["instance"].append({"uid": str(head.SOPInstanceUID), "sopClass": kind})
    return list(found.values())


def study_resource(results: StudyResults, objects: Sequence[Resource] = ()) -> Resource | None:
    """The examination; None when it was not DICOM.

    Parameters
    ----------
    results
        Results.
    objects
        Series of result objects in the same study.

    Returns
    -------
    Resource without id.
    """
    exam = results.acquisition
    if not exam.study_uid:
        return None
    identifiers: list[Resource] = [{"system": DICOM_UID, "value": f"urn:oid:{exam.study_uid}"}]
    if exam.accession_number:
        coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
        identifiers.append({"type": {"coding": [coding]}, "value": exam.accession_number})
    modality = {"system": DCM, "code": "CT"}
    resource: Resource = {"resourceType": "ImagingStudy", "identifier": identifiers, "status": "available"}
    if len(words.date(exam.study_date)) == 10:
        resource["started"] = words.date(exam.study_date)
    if exam.study_description:
        resource["description"] = exam.study_description
    resource["series"] = [{"uid": exam.series_uid, "modality": modality}, *objects]
    return resource
