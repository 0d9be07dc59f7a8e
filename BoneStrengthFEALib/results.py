"""The results of a study: what the report shows, results.json holds and the DICOM objects carry."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.quality import QualityReport
from BoneStrengthFEALib.service_facts import ServiceRecord
from BoneStrengthFEALib.strength_record import Strength

SCHEMA = "bonestrengthfea-results/1"
DISCLAIMER = "Research use only. Not a medical device; not cleared or approved by any authority."


@dataclass(frozen=True)
class ModelRecord:
    """The finite-element model behind a strength.

    Parameters
    ----------
    law, load_case, analysis
        Ids.
    voxel_mm
        Element size [mm].
    elements, nodes
        Counts.
    numbers
        Further numbers by name, unit in the name: floored_fraction, height_mm, cap_mm, reaction_n ...
    solver
        Solver record: iterations, relative_residual, seconds_setup, seconds_solve, threads.
    sources
        Citations of law and load case.
    """

    law: str
    load_case: str
    analysis: str
    voxel_mm: float
    elements: int
    nodes: int
    numbers: Mapping[str, float] = field(default_factory=dict)
    solver: Mapping[str, float] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """One point of a force-displacement curve.

    Parameters
    ----------
    displacement_mm, force_n
        Displacement of the loaded face and force on it, both positive.
    plastic_fraction
        Fraction of bone elements that have yielded.
    relative_residual
        Residual reached.
    iterations
        Linear iterations spent.
    """

    displacement_mm: float
    force_n: float
    plastic_fraction: float
    relative_residual: float
    iterations: int


@dataclass(frozen=True)
class SweepPoint:
    """A fall in one direction.

    Parameters
    ----------
    rotation_deg, adduction_deg
        Internal rotation of the femur and adduction of its shaft [degrees].
    force_n, stiffness_n_per_mm
        Linear failure load and stiffness.
    """

    rotation_deg: float
    adduction_deg: float
    force_n: float
    stiffness_n_per_mm: float


@dataclass(frozen=True)
class RiskLine:
    """One line of the risk assessment.

    Parameters
    ----------
    measure
        What is assessed: "spine strength", "load-to-strength" ...
    value, unit
        The number as reported (rounded as the source rounds).
    classification
        Class, for example "fragile".
    limits
        Class limits in words.
    source
        Citation.
    caveat
        What the reader must know.
    """

    measure: str
    value: float
    unit: str
    classification: str
    limits: str
    source: str
    caveat: str = ""


@dataclass(frozen=True)
class SiteResult:
    """Results of one bone.

    Parameters
    ----------
    name, site, level, side
        What it is; name is unique in a study.
    label
        Label value in the label map.
    bmd
        Density measures.
    model
        The model, or None when only density was measured.
    strengths
        Failure loads; the first is the headline.
    curve
        Force-displacement curve of a nonlinear analysis.
    risk
        Lines of this bone.
    quality
        Checks of this bone.
    pictures
        Kind ("axial", "coronal", "sagittal", "strain") to file name beside results.json.
    sweep
        Falls in several directions; the weakest has the least force.
    """

    name: str
    site: str
    level: str
    side: str
    label: int
    bmd: tuple[Measure, ...] = ()
    model: ModelRecord | None = None
    strengths: tuple[Strength, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    risk: tuple[RiskLine, ...] = ()
    quality: QualityReport = QualityReport()
    pictures: Mapping[str, str] = field(default_factory=dict)
    sweep: tuple[SweepPoint, ...] = ()


@dataclass(frozen=True)
class StudyResults:
    """Results of one examination.

    Parameters
    ----------
    acquisition
        Exam and subject.
    calibration
        Calibration of the scan; None in a refused study.
    sites
        One entry per bone.
    risk
        Overall risk class over all sites.
    quality
        Checks of the examination.
    settings
        All settings, as Settings.to_dict.
    provenance
        Software version, hashes of inputs, times; text values.
    measures
        Measures over several bones: mean density of the spine.
    service
        Which parts of the service were done; brought up to date when results are sent or signed.
    """

    acquisition: Acquisition
    calibration: Calibration | None
    sites: tuple[SiteResult, ...]
    risk: RiskLine | None
    quality: QualityReport
    settings: Mapping[str, Any]
    provenance: Mapping[str, str]
    measures: tuple[Measure, ...] = ()
    service: ServiceRecord = ServiceRecord()


def results_to_dict(results: StudyResults) -> dict[str, Any]:
    """Plain data of the results.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Nested dictionary of JSON types with schema and disclaimer.
    """
    return {"schema": SCHEMA, "disclaimer": DISCLAIMER, **_plain(results)}


def write_results(results: StudyResults, path: Path) -> None:
    """Write results.json.

    Parameters
    ----------
    results
        Results.
    path
        File to write, atomically.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    write_text(path, json.dumps(results_to_dict(results), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def to_plain(value: Any) -> Any:
    """Plain data of any record of this library.

    Parameters
    ----------
    value
        Frozen dataclass, enumeration, mapping, array, sequence or plain value.

    Returns
    -------
    JSON types; results_reading.from_plain reads them back.
    """
    return _plain(value)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.name if value.name in ("HU", "LABEL", "K2HPO4", "CAHA", "ASH", "APPARENT") else value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _finite(value)


def _finite(value: Any) -> Any:
    # JSON has no NaN or infinity: a number that does not exist is null
    return None if isinstance(value, float) and not np.isfinite(value) else value
