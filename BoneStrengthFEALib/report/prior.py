"""A prior examination to compare with, from its results or from its structured report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.measure_codes import SCHEME, short_code
from BoneStrengthFEALib.results import SiteResult, StudyResults, to_plain
from BoneStrengthFEALib.results_reading import read_results

IGNORED_SETTINGS = ("accept", "solver")
"""Settings that may differ without making numbers incomparable."""
SCAN_FACTS = ("scanner", "kvp", "kernel", "slice_thickness_mm")
COMMON_FACTS = ("software", "settings_sha256", "calibration", "density", *SCAN_FACTS)
MODEL_FACTS = ("law", "load_case", "analysis", "voxel_mm")
GROUP, NUMBER, TRACKING, PARAMETER = "125007", "NUM", "112039", "111002"
UNCERTAINTY = "Uncertainty of "
LONGEST_MEANING = 64


@dataclass(frozen=True)
class PriorValue:
    """A number of an examination.

    Parameters
    ----------
    bone
        Name of the bone.
    code
        Short code of the measure, as in the structured report.
    value, unit
        The number.
    uncertainty
        Standard uncertainty, or None.
    """

    bone: str
    code: str
    value: float
    unit: str
    uncertainty: float | None = None


@dataclass(frozen=True)
class PriorExam:
    """What a comparison needs to know of an examination.

    Parameters
    ----------
    date
        YYYYMMDD, may be empty.
    origin
        "results" or "structured report".
    values
        Its numbers.
    facts
        What decides whether numbers can be compared: software, calibration, scanner, model of each bone, settings.
    """

    date: str
    origin: str
    values: tuple[PriorValue, ...]
    facts: Mapping[str, str] = field(default_factory=dict)


def exam_of(results: StudyResults) -> PriorExam:
    """What a comparison needs of results.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Numbers and facts.
    """
    values = tuple(value for site in results.sites for value in _values(site))
    flat = {f"setting {name}": text for name, text in _flat(results.settings) if name not in IGNORED_SETTINGS}
    return PriorExam(results.acquisition.study_date, "results", values, {**common_facts(results), **flat})


def common_facts(results: StudyResults) -> dict[str, str]:
    """Facts that a structured report carries too.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Name to text; the model's facts have the bone in front.
    """
    fit = results.calibration
    facts = {
        "software": results.provenance.get("software", ""),
        "settings_sha256": results.provenance.get("settings_sha256", ""),
        "calibration": fit.method if fit else "",
        "density": fit.quantity.value if fit else "",
        **exam_facts(results),
    }
    for site in results.sites:
        facts |= {f"{site.name} {name}": text for name, text in model_facts(site).items()}
    return facts


def exam_facts(results: StudyResults) -> dict[str, str]:
    """Facts of the scan.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Name to text; empty where unknown.
    """
    exam = results.acquisition
    numbers = {"kvp": exam.kvp, "slice_thickness_mm": exam.slice_thickness_mm}
    return {
        "scanner": " ".join(part for part in (exam.manufacturer, exam.model) if part),
        "kernel": exam.kernel,
        **{name: "" if value is None else f"{value:g}" for name, value in numbers.items()},
    }


def model_facts(site: SiteResult) -> dict[str, str]:
    """Facts of a bone's model.

    Parameters
    ----------
    site
        Bone.

    Returns
    -------
    MODEL_FACTS to texts; none without a model.
    """
    if site.model is None:
        return {}
    model = site.model
    return {
        "law": model.law,
        "load_case": model.load_case,
        "analysis": model.analysis,
        "voxel_mm": f"{model.voxel_mm:g}",
    }


def read_prior(path: Path, now: StudyResults) -> PriorExam:
    """Read a prior examination of the same person.

    Parameters
    ----------
    path
        results.json, a structured report of this software, or a folder that holds one of them.
    now
        Present results.

    Returns
    -------
    The examination.

    Raises
    ------
    InputError
        When there is none, it is of another or an unknown person, or it is not earlier.
    """
    patient = now.acquisition.subject.patient_id
    if not patient:
        raise InputError("the results carry no patient ID, so nobody can tell whether the prior ones are of one person")
    person, exam = _read(path)
    if person != patient:
        raise InputError("the prior results carry another patient ID; give an examination of the same person")
    if exam.date and now.acquisition.study_date and exam.date > now.acquisition.study_date:
        raise InputError(
            f"the prior examination ({exam.date}) is later than this one ({now.acquisition.study_date}); swap them"
        )
    return exam


def _read(path: Path) -> tuple[str, PriorExam]:
    reports = _structured_reports(path)
    if path.suffix.lower() == ".json" or (path.is_dir() and ((path / "results.json").is_file() or not reports)):
        results = read_results(path)
        return results.acquisition.subject.patient_id, exam_of(results)
    return _from_reports(reports)


def _structured_reports(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted({*path.glob("sr_*.dcm"), *(path / "dicom").glob("sr_*.dcm")})
    return [path]


def _from_reports(paths: list[Path]) -> tuple[str, PriorExam]:
    import pydicom

    values: list[PriorValue] = []
    facts: dict[str, str] = {}
    heads = set()
    for path in paths:
        try:
            data = pydicom.dcmread(path)
            data.decode()
            found = list(_groups(data))
        except Exception as error:  # a foreign file may break any rule
            raise InputError(f"cannot read a structured report at {path}; give an SR of this software") from error
        if not found:
            raise InputError(f"{path} holds no measurements of this software; give its structured report or results")
        heads.add((str(data.get("PatientID", "")), str(data.get("StudyDate", ""))))
        for group_values, group_facts in found:
            values += group_values
            facts |= group_facts
    if len(heads) != 1:
        raise InputError("the structured reports are of different examinations; give those of one")
    person, day = heads.pop()
    return person, PriorExam(day, "structured report", tuple(values), facts)


def _groups(data: Any) -> Iterator[tuple[list[PriorValue], dict[str, str]]]:
    for item in _walk(data):
        if item.get("ValueType") == "CONTAINER" and _code(item) == GROUP:
            children = item.get("ContentSequence", [])
            bone = next((str(c.TextValue) for c in children if _code(c) == TRACKING), "")
            numbers = [c for c in children if c.get("ValueType") == NUMBER and _scheme(c) == SCHEME]
            if numbers:
                yield _numbers(bone, numbers), _facts(bone, numbers[0])


def _walk(item: Any) -> Iterator[Any]:
    for child in item.get("ContentSequence", []):
        yield child
        if child.get("ValueType") == "CONTAINER":
            yield from _walk(child)


def _code(item: Any) -> str:
    names = item.get("ConceptNameCodeSequence")
    return str(names[0].get("CodeValue", "")) if names else ""


def _scheme(item: Any) -> str:
    return str(item.ConceptNameCodeSequence[0].CodingSchemeDesignator)


def _numbers(bone: str, items: list[Any]) -> list[PriorValue]:
    # the uncertainty of a measure is a number of its own, named after the measure as far as 64 characters go
    spread = {_meaning(i)[len(UNCERTAINTY) :]: _number(i)[0] for i in items if _meaning(i).startswith(UNCERTAINTY)}
    return [
        PriorValue(bone, _code(item), *_number(item), next((spread[s] for s in spread if _is_cut(s, item)), None))
        for item in items
        if not _meaning(item).startswith(UNCERTAINTY)
    ]


def _is_cut(start: str, item: Any) -> bool:
    whole = _meaning(item)
    return start == whole or (len(UNCERTAINTY) + len(start) == LONGEST_MEANING and whole.startswith(start))


def _meaning(item: Any) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def _number(item: Any) -> tuple[float, str]:
    measured = item.MeasuredValueSequence[0]
    return float(measured.NumericValue), str(measured.MeasurementUnitsCodeSequence[0].CodeValue)


def _facts(bone: str, item: Any) -> dict[str, str]:
    parameters = [str(c.TextValue) for c in item.get("ContentSequence", []) if _code(c) == PARAMETER]
    pairs = dict(text.split("=", 1) for text in parameters if "=" in text)
    return {f"{bone} {name}" if name in MODEL_FACTS else name: text for name, text in pairs.items()}


def _values(site: SiteResult) -> list[PriorValue]:
    found = [PriorValue(site.name, short_code(m.id), m.value, m.unit, m.uncertainty) for m in site.bmd]
    found += [PriorValue(site.name, short_code(f"failure_load_{s.criterion}"), s.force_n, "N") for s in site.strengths]
    if site.strengths:
        found.append(PriorValue(site.name, short_code("stiffness"), site.strengths[0].stiffness_n_per_mm, "N/mm"))
    return [value for value in found if math.isfinite(value.value)]


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            if name not in IGNORED_SETTINGS:
                yield from _flat(value, f"{before}{name}.")
        else:  # read back from JSON, a tuple is a list
            yield f"{before}{name}", value if isinstance(value, str) else json.dumps(to_plain(value))
