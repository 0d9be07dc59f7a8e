"""Calibration by a phantom in the scan: rods found or labelled, fitted, and judged."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.calibration.insert_search import find_inserts
from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.phantom_fit import RodFit, fit_rods
from BoneStrengthFEALib.calibration.phantom_reach import doubt_lines, offset_line, reach_line, require_rods_in_view
from BoneStrengthFEALib.calibration.record import Calibration, CalibrationPoint
from BoneStrengthFEALib.calibration.rod_cupping import cupping_line, rod_cupping
from BoneStrengthFEALib.calibration.rod_field import UNIFORM_HU, bow_of_rods, drift, likely_bow, with_bone_anywhere
from BoneStrengthFEALib.calibration.rod_noise import uncertainty_line, variance_of_means
from BoneStrengthFEALib.calibration.rod_samples import RodSamples, labelled_rods
from BoneStrengthFEALib.calibration.rod_search import find_rods
from BoneStrengthFEALib.calibration.tissue_samples import TissueSample
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.volume import Volume

FIT_WARN, FIT_REFUSE = 0.02, 0.10
"""|1 - R2| of the regression: limits of Ogo's ImageCalibration."""
RESIDUAL_MG, RESIDUAL_SHARE = 5.0, 0.05
SD_HU = 40.0
DRIFT_WARN_HU, DRIFT_REFUSE_HU = 5.0, 15.0
"""Change of a rod along the phantom, end to end; 5 HU are about 4 mg/cm3."""
CLEAR_DRIFT = 3.0
"""Standard errors beyond which a drift is judged."""
SLOPE_REFUSE, SLOPE_WARN = (1.0, 1.75), (1.15, 1.45)
"""HU per mg/cm3 of K2HPO4 at 60 to 90 and around 120 kV (computed from attenuation, docs/methods.md)."""
FEWEST_SLICES = 10


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
    find = find_inserts if phantom.rod_shape == "insert" else found_rods
    samples = labelled_rods(ct, labels, phantom) or find(ct, phantom)
    present = np.isfinite(samples.hu)
    if present.sum() < 2:
        raise CalibrationError("a phantom calibration needs at least two rods", code="FEW_RODS")
    # slices are the independent samples: noise within one is correlated over many voxels
    slices = max(samples.by_slice.shape[1], 1)
    variance = variance_of_means(samples.by_slice)
    cupping = rod_cupping(phantom, samples.hu, variance)
    usual, bow = likely_bow(None), likely_bow(cupping)
    fit = fit_rods(phantom, samples.hu, variance, bow_of_rods(phantom, usual), bow / usual)
    covariance = with_bone_anywhere(fit.coefficients[1], fit.covariance, samples.by_slice, bow)
    lines = _lines(phantom, samples, fit) + ([] if cupping is None else [cupping_line(cupping)])
    lines += doubt_lines(lines, present)
    lines.append(uncertainty_line(fit.coefficients, covariance))
    return Calibration(
        f"phantom-{phantom.fit}",
        phantom.kind,
        fit.coefficients,
        covariance,
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
        f"{phantom.name} ({phantom.id}), {samples.origin}; {phantom.source}; unverified: "
        f"{', '.join((*phantom.unverified, f'bow of {UNIFORM_HU:g} HU in the uncertainty'))}",
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
    mean = rods.hu_by_slice.mean(axis=1)
    require_rods_in_view(phantom, np.isfinite(mean))
    return RodSamples(
        mean,
        rods.sd_hu,
        rods.voxels,
        rods.hu_by_slice,
        rods.samples,
        "rods found in the image",
        {"tilt_deg": rods.tilt_deg, "reversed": float(rods.reverse)},
    )


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
