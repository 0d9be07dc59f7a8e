"""Internal (phantomless) calibrations of one scan, from samples to Calibration."""

from __future__ import annotations

import functools
import json
import logging
from importlib import resources
from typing import Any

import numpy as np

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration import internal_michalski as michalski
from BoneStrengthFEALib.calibration.attenuation import node_table
from BoneStrengthFEALib.calibration.record import Calibration, CalibrationPoint
from BoneStrengthFEALib.calibration.straight_line import fit_line
from BoneStrengthFEALib.calibration.tissue_samples import TissueSample
from BoneStrengthFEALib.calibration.tissue_windows import check_windows
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.volume import Quantity

logger = logging.getLogger(__name__)

LINEAR_TISSUES = ("air", "adipose", "muscle")
KVP_TOLERANCE = 5.0
RISING_HU = (-200.0, 1600.0)
NOISE_CORRELATION_VOXELS = 27.0
"""Neighbouring voxels share noise; a sample of n voxels counts as n / 27 independent ones."""
NO_BONE_SHIFT = (37.0, -0.44, 0.0)
"""What the method reads without cortical bone less what air, fat and muscle give: constant [mg/cm3] and per HU, mean
over the reference cases (docs/validation.md). It counts as standard uncertainty: nobody knows these cases' truth."""


def calibrate_michalski(samples: dict[str, TissueSample], tissues: tuple[str, ...]) -> Calibration:
    """Calibrate by mass attenuation of the tissues.

    Parameters
    ----------
    samples
        Tissue to sample.
    tissues
        Tissues to use; empty takes all.

    Returns
    -------
    Quadratic calibration to K2HPO4-equivalent density.

    Raises
    ------
    CalibrationError
        When fewer than three usable tissues remain.
    """
    used, lines = check_windows(_chosen(samples, tissues))
    means = {s.tissue: s.mean for s in used}
    fit = michalski.fit_michalski(means)
    misfit = michalski.misfit_hu(means)
    uncertainty = {s.tissue: float(np.hypot(misfit, _standard_error(s))) for s in used}
    table = node_table()
    points = tuple(
        _point(s, table.at(s.tissue, fit.energy_kev), fit.attenuation_slope * s.mean + fit.attenuation_intercept)
        for s in used
    )
    covariance = michalski.michalski_covariance(means, uncertainty)
    if "cortical_bone" not in means:
        lines.append(_no_bone_line())
        covariance = covariance + np.outer(NO_BONE_SHIFT, NO_BONE_SHIFT)
    lines.append(_rising_line(fit.coefficients))
    numbers = {"fit_energy_kev": fit.energy_kev, "r_squared": fit.r_squared, "misfit_hu": misfit}
    numbers |= {"attenuation_slope": fit.attenuation_slope, "attenuation_intercept": fit.attenuation_intercept}
    numbers |= {"mass_density_slope": fit.mass_slope, "mass_density_intercept": fit.mass_intercept}
    return Calibration(
        "internal-michalski2020",
        Quantity.K2HPO4,
        fit.coefficients,
        covariance,
        points,
        numbers,
        QualityReport(tuple(lines)),
        michalski.SOURCE,
    )


def calibrate_air_fat_muscle(
    samples: dict[str, TissueSample], tissues: tuple[str, ...], acquisition: Acquisition
) -> Calibration:
    """Calibrate by a line through air, fat and muscle (blood when asked for) at their densities for the tube voltage.

    Parameters
    ----------
    samples
        Tissue to sample.
    tissues
        Tissues to use; empty takes air, adipose and muscle.
    acquisition
        For the tube voltage.

    Returns
    -------
    Linear calibration to K2HPO4-equivalent density.

    Raises
    ------
    CalibrationError
        With fewer than two usable tissues, or a tube voltage without references.
    """
    references, lines = _references(acquisition.kvp)
    wanted = tissues or LINEAR_TISSUES
    used, window_lines = check_windows(_chosen(samples, tuple(t for t in wanted if t in samples)))
    used = [s for s in used if s.tissue in references["k2hpo4_mg_cm3"]]
    lines += window_lines
    if len(used) < 2:
        raise CalibrationError(
            f"an air-fat-muscle calibration needs two of {', '.join(wanted)}, found "
            f"{', '.join(s.tissue for s in used) or 'none'}; label them, or use a phantom",
            code="TISSUES",
        )
    missing = [t for t in LINEAR_TISSUES if t not in {s.tissue for s in used}]
    if missing:
        action = "Widen the view; no class is given."
        lines.append(QualityLine("TISSUES", Outcome.WARN, f"no {', '.join(missing)}", "air, fat and muscle", action))
    return _linear(used, references, lines)


def _linear(used: list[TissueSample], references: dict[str, Any], lines: list[QualityLine]) -> Calibration:
    hu = np.array([s.mean for s in used])
    density = np.array([references["k2hpo4_mg_cm3"][s.tissue] for s in used])
    slope_guess = 1.0 / references["hu_per_mg_cm3"]
    variance = np.array([(slope_guess * _standard_error(s)) ** 2 for s in used])
    line = fit_line(hu, density, variance)
    points = tuple(
        _point(s, float(d), line.intercept + line.slope * s.mean) for s, d in zip(used, density, strict=True)
    )
    numbers = {"r_squared": line.r_squared, "reference_kvp": float(references["kvp"])}
    numbers["hu_per_mg_cm3"] = 1.0 / line.slope
    source = (
        f"reference set {references['id']} ({references['source']}; unverified); scheme of Eggermont F et al. (2019), "
        "PLoS ONE 14:e0220564"
    )
    return Calibration(
        "internal-air-fat-muscle",
        Quantity.K2HPO4,
        (line.intercept, line.slope),
        line.covariance,
        points,
        numbers,
        QualityReport(tuple(lines)),
        source,
    )


@functools.lru_cache(maxsize=1)
def _reference_file() -> dict[str, Any]:
    text = resources.files(__package__).joinpath("data/tissue_references.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _references(kvp: float | None) -> tuple[dict[str, Any], list[QualityLine]]:
    """Reference set for a tube voltage, and a line that says what was chosen."""
    data = _reference_file()
    sets = sorted(data["sets"], key=lambda row: abs(row["kvp"] - (120.0 if kvp is None else kvp)))
    chosen = {**sets[0], "source": data["source"]}
    known = ", ".join(str(row["kvp"]) for row in data["sets"])
    if kvp is None:
        action = "References for 120 kV are used; another voltage changes densities by about 10 % per 20 kV."
        return chosen, [QualityLine("KVP", Outcome.WARN, "tube voltage unknown", f"{known} kV", action)]
    if abs(chosen["kvp"] - kvp) > KVP_TOLERANCE:
        raise CalibrationError(
            f"no tissue references for {kvp:g} kV, only for {known} kV; use a phantom or another method", code="KVP"
        )
    return chosen, [QualityLine("KVP", Outcome.PASS, f"{kvp:g} kV", f"{known} kV")]


def _chosen(samples: dict[str, TissueSample], tissues: tuple[str, ...]) -> list[TissueSample]:
    missing = [t for t in tissues if t not in samples]
    if missing:
        raise CalibrationError(
            f"no sample of {', '.join(missing)}; found {', '.join(samples) or 'none'}: label it or leave it out",
            code="TISSUES",
        )
    return [samples[t] for t in tissues] if tissues else list(samples.values())


def _standard_error(sample: TissueSample) -> float:
    independent = max(sample.hu.size / NOISE_CORRELATION_VOXELS, 1.0)
    return sample.sd / float(np.sqrt(independent))


def _point(sample: TissueSample, reference: float, fitted: float) -> CalibrationPoint:
    edges, counts = sample.histogram()
    return CalibrationPoint(
        sample.tissue, sample.mean, sample.sd, int(sample.hu.size), reference, float(fitted), edges, counts
    )


def _no_bone_line() -> QualityLine:
    return QualityLine(
        "NO_BONE_REFERENCE",
        Outcome.WARN,
        "no usable cortical bone among the tissues",
        "cortical bone between 950 and 1450 HU",
        "Without it this method reads bone about 30 to 40 % below a phantom calibration, so that no class is given; "
        "use internal-air-fat-muscle or a phantom.",
    )


def _rising_line(coefficients: tuple[float, ...]) -> QualityLine:
    slope = np.polynomial.polynomial.polyval(np.array(RISING_HU), np.polynomial.polynomial.polyder(coefficients))
    low, high = RISING_HU
    expected = f"density rises with HU from {low:g} to {high:g}"
    if slope.min() > 0:
        return QualityLine("MONOTONE", Outcome.PASS, "rises", expected)
    return QualityLine("MONOTONE", Outcome.REFUSE, "falls", expected, "Add air or another tissue, or use a phantom.")
