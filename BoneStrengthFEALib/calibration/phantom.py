"""Calibration by a phantom in the scan: rods found or labelled, fitted, and judged."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.calibration.axial_stack import axial_order
from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.phantom_fit import RodFit, fit_rods
from BoneStrengthFEALib.calibration.phantom_reach import doubt_lines, offset_line, reach_line
from BoneStrengthFEALib.calibration.record import Calibration, CalibrationPoint
from BoneStrengthFEALib.calibration.rod_cupping import Cupping, cupping_line, rod_cupping
from BoneStrengthFEALib.calibration.rod_noise import uncertainty_line, variance_of_means
from BoneStrengthFEALib.calibration.rod_search import find_rods
from BoneStrengthFEALib.calibration.tissue_samples import TissueSample
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

FIT_WARN, FIT_REFUSE = 0.02, 0.10
"""|1 - R2| of the regression: limits of Ogo's ImageCalibration."""
RESIDUAL_MG, RESIDUAL_SHARE = 5.0, 0.05
SD_HU = 40.0
DRIFT_WARN_HU, DRIFT_REFUSE_HU = 5.0, 15.0
"""Change of a rod along the phantom, end to end; 5 HU are about 4 mg/cm3."""
CLEAR_DRIFT, SEEN = 3.0, 2.0
"""Standard errors beyond which a drift is judged, and a drift or a bow counts in the uncertainty."""
SLOPE_REFUSE, SLOPE_WARN = (1.0, 1.75), (1.15, 1.45)
"""HU per mg/cm3 of K2HPO4 at 60 to 90 and around 120 kV (computed from attenuation, docs/methods.md)."""
FEWEST_SLICES = 10


@dataclass(frozen=True, eq=False)
class RodSamples:
    """Measured rods, in the definition's order.

    Parameters
    ----------
    hu
        (n,) means; NaN for a rod that is not in the image [HU].
    sd_hu
        (n,) standard deviations within slices [HU].
    voxels
        (n,) voxel counts.
    by_slice
        (n, s) means per slice [HU].
    values
        n arrays of voxel values.
    origin
        Where they come from, in words.
    numbers
        Further numbers: tilt_deg, reversed.
    """

    hu: FloatArray
    sd_hu: FloatArray
    voxels: Array
    by_slice: FloatArray
    values: tuple[Array, ...]
    origin: str
    numbers: dict[str, float]


def calibrate_phantom(ct: Volume, labels: LabelMap | None, phantom: Phantom) -> Calibration:
    """Calibrate by the rods of a phantom.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    labels
        Label map whose names are those of rods ("A", "rod_A", "phantom_A"); rods are searched for when it has none.
    phantom
        Definition.

    Returns
    -------
    The calibration; refusing checks are lines of its quality.

    Raises
    ------
    CalibrationError
        When rods cannot be found or fewer than two are measured.
    """
    samples = labelled_rods(ct, labels, phantom) or found_rods(ct, phantom)
    present = np.isfinite(samples.hu)
    if present.sum() < 2:
        raise CalibrationError("a phantom calibration needs at least two rods", code="FEW_RODS")
    # slices are the independent samples: noise within one is correlated over many voxels
    slices = max(samples.by_slice.shape[1], 1)
    variance = variance_of_means(samples.by_slice)
    fit = fit_rods(phantom, samples.hu, variance)
    cupping = rod_cupping(phantom, samples.hu, variance)
    lines = _lines(phantom, samples, fit) + ([] if cupping is None else [cupping_line(cupping)])
    lines += doubt_lines(lines, present)
    # drift and cupping have gates of their own
    lines.append(uncertainty_line(fit.coefficients, fit.covariance))
    return Calibration(
        f"phantom-{phantom.fit}",
        phantom.kind,
        fit.coefficients,
        _with_field(fit, samples.by_slice, cupping),
        tuple(_point(phantom, samples, fit, n) for n in np.flatnonzero(present).tolist()),
        {
            "r_squared": fit.r_squared,
            "hu_per_mg_cm3": fit.sigma,
            "hu_at_zero": fit.beta,
            "slices": float(slices),
            "drift_hu": drift(samples.by_slice),
            **({} if cupping is None else {"cupping_hu": cupping.hu}),
            **samples.numbers,
        },
        QualityReport(tuple(lines)),
        f"{phantom.name} ({phantom.id}), {samples.origin}; {phantom.source}"
        + (f"; unverified: {', '.join(phantom.unverified)}" if phantom.unverified else ""),
    )


def found_rods(ct: Volume, phantom: Phantom) -> RodSamples:
    """Rods found in the image.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    phantom
        Definition.

    Returns
    -------
    Their samples.
    """
    rods = find_rods(ct, phantom)
    return RodSamples(
        rods.hu_by_slice.mean(axis=1),
        rods.sd_hu,
        rods.voxels,
        rods.hu_by_slice,
        rods.samples,
        "rods found in the image",
        {"tilt_deg": rods.tilt_deg, "reversed": float(rods.reverse)},
    )


def labelled_rods(ct: Volume, labels: LabelMap | None, phantom: Phantom) -> RodSamples | None:
    """Rods from a label map.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    labels
        Label map on the same grid, or None.
    phantom
        Definition.

    Returns
    -------
    Their samples, two voxels inside the labels in plane where they are wide enough; None when no label names a rod.
    """
    if labels is None:
        return None
    values = [_label_of(labels, rod.name) for rod in phantom.rods]
    if all(value is None for value in values):
        return None
    order = axial_order(ct)
    image, marks = np.transpose(ct.array, order), np.transpose(labels.volume.array, order)
    cores = [_core(marks == value) if value is not None else np.zeros(marks.shape, dtype=bool) for value in values]
    used = np.flatnonzero(np.any([core.any(axis=(1, 2)) for core in cores], axis=0))
    by_slice = np.full((len(cores), used.size), np.nan)
    for n, core in enumerate(cores):
        for s, k in enumerate(used):
            if core[k].any():
                by_slice[n, s] = image[k][core[k]].mean()
    samples = tuple(image[core].astype(np.float64) for core in cores)
    mean = np.array([v.mean() if v.size else np.nan for v in samples])
    sd = np.array([v.std() if v.size else np.nan for v in samples])
    return RodSamples(mean, sd, np.array([v.size for v in samples]), by_slice, samples, "rods labelled by the user", {})


def drift(by_slice: FloatArray, standard_errors: float = 0.0) -> float:
    """Largest change of a rod from end to end of the phantom, by a straight line through its slices.

    Parameters
    ----------
    by_slice
        (n, s) means per slice [HU].
    standard_errors
        Only changes count that are larger than so many of their own standard errors: noise makes lines slope too.

    Returns
    -------
    Change [HU]; the sign of the rod with the largest.
    """
    changes = [0.0]
    for row in by_slice:
        good = np.flatnonzero(np.isfinite(row))
        if good.size >= 3:
            line = np.polynomial.polynomial.polyfit(good, row[good], 1)
            left = row[good] - np.polynomial.polynomial.polyval(good, line)
            error = np.sqrt((left @ left) / (good.size - 2) / ((good - good.mean()) ** 2).sum())
            if abs(line[1]) > standard_errors * error:
                changes.append(float(line[1] * np.ptp(good)))
    return max(changes, key=abs)


def _with_field(fit: RodFit, by_slice: FloatArray, cupping: Cupping | None) -> FloatArray:
    """Covariance with how HU change along and across the phantom: bone lies anywhere (rectangular, JCGM 100, 4.3.7)."""
    rows = by_slice[np.isfinite(by_slice).all(axis=1)]
    # noise and rods off their certificate look like a little of both
    shared = drift(rows.mean(axis=0, keepdims=True), SEEN) if len(rows) else 0.0
    bow = 0.0 if cupping is None or abs(cupping.hu) <= SEEN * cupping.uncertainty_hu else cupping.hu
    covariance = np.array(fit.covariance)
    covariance[0, 0] += fit.coefficients[1] ** 2 * (shared**2 + bow**2) / 12.0
    return covariance


def _label_of(labels: LabelMap, rod: str) -> int | None:
    pattern = re.compile(rf"(rod|phantom|insert)?[ _-]*{re.escape(rod)}", re.IGNORECASE)
    found = [value for value, name in labels.names.items() if pattern.fullmatch(name.strip())]
    # a numbering may name the rods of several phantoms alike
    return next((value for value in found if (labels.volume.array == value).any()), None)


def _core(mask: Array) -> Array:
    structure = np.zeros((3, 3, 3), dtype=bool)
    structure[1] = ndimage.generate_binary_structure(2, 1)
    inner = np.asarray(ndimage.binary_erosion(mask, structure, iterations=2))
    return inner if inner.sum() >= 0.1 * mask.sum() else mask


def _point(phantom: Phantom, samples: RodSamples, fit: RodFit, n: int) -> CalibrationPoint:
    sample = TissueSample(phantom.rods[n].name, samples.origin, samples.values[n])
    return CalibrationPoint(
        phantom.rods[n].name,
        float(samples.hu[n]),
        float(samples.sd_hu[n]),
        int(samples.voxels[n]),
        phantom.rods[n].density_mg_cm3,
        float(fit.fitted_mg_cm3[n]),
        *sample.histogram(),
        slice_hu=tuple(samples.by_slice[n].tolist()),
    )


def _lines(phantom: Phantom, samples: RodSamples, fit: RodFit) -> list[QualityLine]:
    density = np.array([rod.density_mg_cm3 for rod in phantom.rods])
    present = np.isfinite(samples.hu)
    off = np.abs(fit.fitted_mg_cm3 - density)[present]
    allowed = np.maximum(RESIDUAL_MG, RESIDUAL_SHARE * np.abs(density[present]))
    misfit, slices = abs(1 - fit.r_squared), samples.by_slice.shape[1]
    change, noise = abs(drift(samples.by_slice, CLEAR_DRIFT)), float(np.nanmax(samples.sd_hu))
    return [
        _graded("PHANTOM_FIT", misfit, (FIT_WARN, FIT_REFUSE), f"R2 {fit.r_squared:.5f}", "|1 - R2| at most 2 %",
                "check which phantom it is, the order of its rods and their segmentation"),
        _graded("ROD_RESIDUAL", float((off / allowed).max()), (1.0, 3.0), f"{off.max():.1f} mg/cm3",
                f"at most {RESIDUAL_MG:g} mg/cm3 or {100 * RESIDUAL_SHARE:g} %", "compare with the certificate"),
        _graded("ROD_NOISE", noise, (SD_HU, np.inf), f"{noise:.1f} HU", f"at most {SD_HU:g} HU", "noisy or wrong rods"),
        _graded("PHANTOM_DRIFT", change, (DRIFT_WARN_HU, DRIFT_REFUSE_HU), f"{change:.1f} HU along the phantom",
                f"at most {DRIFT_WARN_HU:g} HU", "HU change along the table: calibrate near the bone"),
        QualityLine("PHANTOM_SLICES", Outcome.PASS if slices >= FEWEST_SLICES else Outcome.WARN, f"{slices} slices",
                    f"at least {FEWEST_SLICES}", "use more slices of the phantom"),
        QualityLine("RODS_PRESENT", Outcome.PASS if present.all() else Outcome.WARN,
                    f"{int(present.sum())} of {present.size} rods", "all", "rods lie outside the field of view"),
        reach_line(phantom, present),
        _slope_line(fit.sigma),
        offset_line(fit.beta),
    ]  # fmt: skip


def _graded(
    code: str, value: float, limits: tuple[float, float], found: str, expected: str, action: str
) -> QualityLine:
    verdict = Outcome.PASS if value <= limits[0] else Outcome.WARN if value <= limits[1] else Outcome.REFUSE
    return QualityLine(code, verdict, found, expected, action)


def _slope_line(sigma: float) -> QualityLine:
    inside = [low <= sigma <= high for low, high in (SLOPE_WARN, SLOPE_REFUSE)]
    verdict = Outcome.PASS if inside[0] else Outcome.WARN if inside[1] else Outcome.REFUSE
    return QualityLine(
        "PHANTOM_SLOPE",
        verdict,
        f"{sigma:.3f} HU per mg/cm3",
        f"{SLOPE_WARN[0]:g} to {SLOPE_WARN[1]:g} at 120 kV, never outside {SLOPE_REFUSE[0]:g} to {SLOPE_REFUSE[1]:g}",
        "the phantom's definition or the order of its rods is wrong, or the voltage is unusual",
    )
