"""Resources a bundle refers to: the person, the software, the examination."""

from __future__ import annotations

from typing import Any

from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.results import DISCLAIMER, StudyResults

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


def study_resource(results: StudyResults) -> Resource | None:
    """The examination; None when it was not DICOM.

    Parameters
    ----------
    results
        Results.

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
    modality = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}
    resource: Resource = {"resourceType": "ImagingStudy", "identifier": identifiers, "status": "available"}
    if len(words.date(exam.study_date)) == 10:
        resource["started"] = words.date(exam.study_date)
    if exam.study_description:
        resource["description"] = exam.study_description
    resource["series"] = [{"uid": exam.series_uid, "modality": modality}]
    return resource
