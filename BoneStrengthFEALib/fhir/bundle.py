"""FHIR R4 transaction: DiagnosticReport, Observations, ImagingStudy, Device and Patient."""

from __future__ import annotations

import base64
import datetime
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.dicom_out.codes import VERTEBRAE
from BoneStrengthFEALib.dicom_out.origin import NAMESPACE
from BoneStrengthFEALib.fhir.resources import Resource, device_resource, object_series, patient_resource, study_resource
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.measure_codes import SCHEME, short_code
from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.report.comparison import summary
from BoneStrengthFEALib.report.named import named
from BoneStrengthFEALib.report.options import PLAIN, ReportOptions
from BoneStrengthFEALib.report.sentences import conclusion
from BoneStrengthFEALib.results import DISCLAIMER, RiskLine, SiteResult, StudyResults

FILE_NAME = "fhir_bundle.json"
CODE_SYSTEM = f"https://bonestrengthfea.org/codes/{SCHEME}"
UCUM, SNOMED, LOINC = "http://unitsofmeasure.org", "http://snomed.info/sct", "http://loinc.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def write_bundle(
    results: StudyResults, folder: Path, pdf: bytes, final: bool = False, options: ReportOptions = PLAIN
) -> Path:
    """Write the bundle beside the report.

    Parameters
    ----------
    results
        Results.
    folder
        Result folder.
    pdf
        The report.
    final
        Whether a person has signed it.
    options
        Language and prior examination of the report.

    Returns
    -------
    Path of the file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    path = folder / FILE_NAME
    made = bundle(results, pdf, final, options, object_series(folder))
    write_text(path, json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def bundle(
    results: StudyResults,
    pdf: bytes,
    final: bool = False,
    options: ReportOptions = PLAIN,
    objects: Sequence[Resource] = (),
) -> Resource:
    """Make the bundle.

    Parameters
    ----------
    results
        Results.
    pdf
        The report.
    final
        Whether a person has signed it.
    options
        Language and prior examination of the report.
    objects
        Series of result objects in the same study, see object_series.

    Returns
    -------
    JSON of a transaction; ids and conditional creation make a repeated POST harmless.
    """
    status = "final" if final else "preliminary"
    key = _key(results)
    patient = patient_resource(results)
    device = device_resource(results)
    study = study_resource(results, objects)
    refs = {name: _urn(key, name) for name in ("patient", "device", "study", "report")}
    shared: Resource = {
        "status": status,
        "subject": {"reference": refs["patient"]},
        "device": {"reference": refs["device"]},
        "effectiveDateTime": _effective(results),
    }
    if study:
        shared["derivedFrom"] = [{"reference": refs["study"]}]
    observations = [_observation(results, site, item, shared) for site in _sites(results) for item in _items(site)]
    entries = [("patient", patient), ("device", device), *([("study", study)] if study else [])]
    numbers = [(f"observation-{n}", resource) for n, resource in enumerate(o for o in observations if o)]
    report = _report(results, pdf, status, refs, [_urn(key, name) for name, _ in numbers])
    say = words.words_of(options.language)
    told, asked = named(results, options, say)
    report["conclusion"] = conclusion(told, say, summary(told, asked.prior, say))
    report["presentedForm"][0]["language"] = options.language
    if study:
        report["imagingStudy"] = [{"reference": refs["study"]}]
    every = [*entries, *numbers, ("report", report)]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "timestamp": _instant(results),
        "entry": [_entry(key, name, _linked(resource, refs), status) for name, resource in every],
    }


def _items(site: SiteResult) -> list[Measure | RiskLine]:
    loads = [
        Measure(f"failure_load_{s.criterion}", f"Failure load, {s.criterion}", s.force_n, "N", s.uncertainty_n)
        for s in site.strengths
    ]
    stiff = [
        Measure("stiffness", "Stiffness", s.stiffness_n_per_mm, "N/mm", s.stiffness_uncertainty_n_per_mm)
        for s in site.strengths[:1]
    ]
    return [*loads, *stiff, *site.bmd, *site.risk]


def _sites(results: StudyResults) -> list[SiteResult]:
    """Bones, and the spine as a whole when something was measured over several of them."""
    whole = [SiteResult("spine", "spine", "", "", 0, bmd=results.measures)] if results.measures else []
    return [*results.sites, *whole]


def _key(results: StudyResults) -> str:
    hashes = [value for name, value in sorted(results.provenance.items()) if name.endswith("_sha256")]
    return "|".join((results.acquisition.study_uid, results.acquisition.series_uid, *hashes))


def _urn(key: str, name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{key}|{name}')}"


def _entry(key: str, name: str, resource: Resource, status: str) -> Resource:
    kind = resource["resourceType"]
    urn = _urn(key, name)
    identifier = {"system": "urn:ietf:rfc:3986", "value": urn if name != "report" else f"{urn}-{status}"}
    if kind == "Patient":
        known = resource.get("identifier")
        request = {"method": "POST", "url": kind}
        if known:
            request["ifNoneExist"] = f"identifier={known[0]['value']}"
        return {"fullUrl": urn, "resource": resource, "request": request}
    present = resource.get("identifier", [])
    resource = {**resource, "identifier": [*present, identifier]}
    condition = f"identifier=urn:ietf:rfc:3986|{identifier['value']}"
    return {
        "fullUrl": urn,
        "resource": resource,
        "request": {"method": "POST", "url": kind, "ifNoneExist": condition},
    }


def _linked(resource: Resource, refs: Mapping[str, str]) -> Resource:
    if resource["resourceType"] == "ImagingStudy":
        return {**resource, "subject": {"reference": refs["patient"]}}
    return resource


def _observation(
    results: StudyResults, site: SiteResult, item: Measure | RiskLine, shared: Resource
) -> Resource | None:
    if isinstance(item, Measure):
        code, text, value, unit, meaning = item.id, item.label, item.value, item.unit, item.classification
    else:
        code, text, value, unit, meaning = (
            "class_" + item.measure,
            item.measure,
            item.value,
            item.unit,
            (item.classification),
        )
    if not math.isfinite(value):
        return None
    code_value = short_code(code.replace(" ", "_"))
    resource: Resource = {
        "resourceType": "Observation",
        "category": [{"coding": [{"system": CATEGORY, "code": "imaging"}]}],
        "code": {"coding": [{"system": CODE_SYSTEM, "code": code_value}], "text": f"{site.name}: {text}"},
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": "{ratio}" if unit == "" else unit},
        "bodySite": _body_site(site),
        "method": {"text": _method(results, site)},
        **shared,
    }
    resource["valueQuantity"]["unit"] = unit or "ratio"
    notes = [meaning and {"text": f"Class: {meaning}. {getattr(item, 'caveat', '')}".strip()}, {"text": DISCLAIMER}]
    resource["note"] = [note for note in notes if note]
    if meaning:
        resource["interpretation"] = [{"text": meaning}]
    if isinstance(item, Measure) and item.uncertainty is not None:
        quantity = {"value": item.uncertainty, "unit": unit, "system": UCUM, "code": unit}
        words = "standard uncertainty" + (", calibration only" if unit in ("N", "N/mm") else "")
        name = {"coding": [{"system": CODE_SYSTEM, "code": short_code(f"u_{code}")}], "text": words}
        resource["component"] = [{"code": name, "valueQuantity": quantity}]
    return resource


def _body_site(site: SiteResult) -> Resource:
    codes = {
        "femur": "71341001",
        "radius": "62413002",
        "tibia": "12611008",
        "spine": "421060004",
        "vertebra": VERTEBRAE.get(site.level, "51282000"),
    }
    return {"coding": [{"system": SNOMED, "code": codes.get(site.site, "3138006")}], "text": site.name}


def _method(results: StudyResults, site: SiteResult) -> str:
    calibration = results.calibration.method if results.calibration else "no calibration"
    model = f"; {site.model.law}, {site.model.load_case}, {site.model.analysis}" if site.model else ""
    return f"quantitative CT, {calibration}{model}"


def _report(results: StudyResults, pdf: bytes, status: str, refs: Mapping[str, str], found: list[str]) -> Resource:
    category = {"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "CT"}
    resource: Resource = {
        "resourceType": "DiagnosticReport",
        "status": status,
        "category": [{"coding": [category]}],
        "code": {
            "coding": [{"system": LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}],
            "text": "CT-based bone strength and density",
        },
        "subject": {"reference": refs["patient"]},
        "effectiveDateTime": _effective(results),
        "issued": _instant(results),
        "presentedForm": [
            {
                "contentType": "application/pdf",
                "title": "Bone strength report",
                "data": base64.b64encode(pdf).decode("ascii"),
            }
        ],
    }
    if found:
        resource["result"] = [{"reference": urn} for urn in found]
    return resource


def _effective(results: StudyResults) -> str:
    day = words.date(results.acquisition.study_date)
    return day if len(day) == 10 else _instant(results)


def _instant(results: StudyResults) -> str:
    text = results.provenance.get("utc", "")
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return moment.isoformat(timespec="seconds")
