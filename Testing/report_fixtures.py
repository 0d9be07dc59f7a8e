"""Results made up for the report's tests: every number is different, two bones, one refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from BoneStrengthFEALib.acquisition import Acquisition, Sex, Subject
from BoneStrengthFEALib.calibration.record import Calibration, CalibrationPoint
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.results import CurvePoint, ModelRecord, SiteResult, StudyResults
from BoneStrengthFEALib.risk import classify
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.volume import Quantity

REFUSAL = QualityLine("BODY_CUT_BY_FOV", Outcome.REFUSE, "31 voxels on the edge", "0", "choose a complete level")


def made_up_results(folder: Path, name: str = "Łukasiewicz-Παπαδόπουλος^Zoë") -> StudyResults:
    """Results with pictures in a folder."""
    picture = np.random.default_rng(20260).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(picture).save(folder / "L1_axial.png")
    subject = Subject(name, "ID-4711", "19530214", Sex.FEMALE, 73.0, 1.61, 58.5)
    exam = Acquisition("dicom", kvp=120.0, kernel="B30f", study_date="20260309", subject=subject, model="Scanner 7")
    points = (
        CalibrationPoint("fat", -102.0, 21.0, 3100, -80.0, -79.0),
        CalibrationPoint("bone", 912.0, 60.0, 510, 850, 851),
    )
    fit = Calibration(
        "phantom-linear", Quantity.K2HPO4, (-3.25, 0.815), np.diag([1.5, 2e-5]), points, {"r_squared": 0.9987}
    )
    quality = QualityReport((QualityLine("KVP", Outcome.PASS, "120 kV", "120 kV"),))
    good = SiteResult(
        "L1",
        "vertebra",
        "L1",
        "",
        31,
        bmd=(
            Measure("trabecular_ellipse_vbmd", "Trabecular vBMD", 86.34, "mg/cm3", 4.25, "low bone mass", "ACR"),
            Measure("volume", "Volume", 31.7, "cm3", None, "", "own", True),
        ),
        model=ModelRecord(
            "V1",
            "vertebra-compression/1",
            "linear",
            1.0,
            64438,
            70599,
            {"height_mm": 26.03},
            {"iterations": 22.0, "relative_residual": 3.8e-9, "seconds_setup": 0.3, "seconds_solve": 0.5},
            ("Crawford 2003",),
        ),
        strengths=(Strength("crawford2003", 2387.6, 13487.7, 26.03, {"strain": 0.0068}, "Crawford 2003", 91.4, 515.0),),
        curve=(CurvePoint(0.0, 0.0, 0.0, 0.0, 0), CurvePoint(0.2, 1900.0, 0.05, 1e-6, 9)),
        risk=(classify("spine strength", 2390.0, "F"),),
        quality=quality,
        pictures={"axial": "L1_axial.png"},
    )
    bad = SiteResult("L2", "vertebra", "L2", "", 32, quality=QualityReport((REFUSAL,)))
    provenance = {"software": "BoneStrengthFEA 0.1.0", "utc": "2026-03-09T10:00:00+00:00", "settings_sha256": "ab" * 32}
    return StudyResults(exam, fit, (good, bad), None, quality, {"law": "V1", "accept": []}, provenance)


def refused_results(folder: Path) -> StudyResults:
    """A refused examination: no calibration, no bone, only the reason."""
    whole = made_up_results(folder)
    return dataclasses.replace(whole, calibration=None, sites=(), quality=QualityReport((REFUSAL,)))
