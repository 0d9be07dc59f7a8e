"""Standard uncertainty of a mean density over a region: from the calibration and from noise."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

CORRELATION_LAGS = 5
"""Farthest neighbours whose correlated noise is counted [voxels]."""


def hu_of_density(calibration: Calibration, density: FloatArray) -> FloatArray:
    """Invert a calibration.

    Parameters
    ----------
    calibration
        Linear or quadratic calibration that rises with HU.
    density
        (...) [mg/cm3].

    Returns
    -------
    (...) [HU], on the rising branch.
    """
    constant, slope, *rest = calibration.coefficients
    density = np.asarray(density, dtype=np.float64)
    if not rest or rest[0] == 0.0:
        return (density - constant) / slope
    curvature = rest[0]
    root = np.sqrt(np.maximum(slope**2 - 4 * curvature * (constant - density), 0.0))
    return (root - slope) / (2 * curvature)


def calibration_uncertainty_of_mean(calibration: Calibration, density: FloatArray) -> float | None:
    """Uncertainty of a mean that comes from the calibration; it does not fall with the number of voxels.

    Parameters
    ----------
    calibration
        Calibration.
    density
        (n,) densities of the region [mg/cm3].

    Returns
    -------
    Standard uncertainty [mg/cm3], or None when the covariance is unknown.
    """
    if calibration.covariance is None:
        return None
    hu = hu_of_density(calibration, density)
    gradient = np.array([np.mean(hu**power) for power in range(len(calibration.coefficients))])
    return float(np.sqrt(max(gradient @ calibration.covariance @ gradient, 0.0)))


def likely_changes(calibration: Calibration) -> list[FloatArray]:
    """Independent changes of the coefficients by one standard deviation each.

    Parameters
    ----------
    calibration
        Calibration.

    Returns
    -------
    (n,) changes whose outer products add up to the covariance; none when it is unknown or zero.
    """
    if calibration.covariance is None:
        return []
    # coefficients differ by many powers of ten: their correlations are decomposed, not their covariances
    sd = np.sqrt(np.maximum(np.diag(calibration.covariance), 0.0))
    scale = np.where(sd > 0, sd, 1.0)
    values, vectors = np.linalg.eigh(calibration.covariance / np.outer(scale, scale))
    return [scale * vector * np.sqrt(value) for value, vector in zip(values, vectors.T, strict=True) if value > 1e-12]


def changed(calibration: Calibration, density: Volume, change: FloatArray) -> Volume:
    """Density of the same scan when the coefficients of its calibration change.

    Parameters
    ----------
    calibration
        Calibration.
    density
        Density it gave [mg/cm3].
    change
        (n,) change of its coefficients.

    Returns
    -------
    The other density.
    """
    hu = hu_of_density(calibration, density.array)
    other = density.array + np.polynomial.polynomial.polyval(hu, change)
    return density.with_array(other.astype(density.array.dtype))


def noise_of_mean(values: Array, mask: Array) -> float:
    """Uncertainty of a mean that comes from voxel-to-voxel scatter.

    Parameters
    ----------
    values
        (K, J, I) densities.
    mask
        (K, J, I) booleans of the region.

    Returns
    -------
    Standard uncertainty in the unit of values. Voxels are correlated: along each axis the variance of the mean grows
    by 1 + 2 sum of r(l), with r(l) the correlation l voxels apart, up to the first l where it vanishes (at most
    CORRELATION_LAGS). The scatter includes bone texture, so this is an upper bound for noise alone.
    """
    region = np.asarray(values[mask], dtype=np.float64)
    if region.size < 2:
        return 0.0
    box = bounding_box(mask)
    mask = mask[box]
    deviation = np.where(mask, values[box] - region.mean(), 0.0)
    variance = float(region.var())
    if variance == 0.0:
        return 0.0
    inflation = float(np.prod([_inflation(deviation, mask, axis) for axis in range(3)]))
    return float(np.sqrt(variance * min(inflation, region.size) / region.size))


def _inflation(deviation: FloatArray, mask: Array, axis: int) -> float:
    values, inside = np.moveaxis(deviation, axis, 0), np.moveaxis(mask, axis, 0)
    variance = float((deviation[mask] ** 2).mean())
    total = 1.0
    for lag in range(1, min(CORRELATION_LAGS + 1, values.shape[0])):
        pairs = inside[lag:] & inside[:-lag]
        r = float((values[lag:] * values[:-lag])[pairs].mean()) / variance if pairs.any() else 0.0
        if r <= 0.0:
            break
        total += 2.0 * r
    return total


def mean_uncertainty(calibration: Calibration, values: Array, mask: Array) -> float | None:
    """Combined standard uncertainty of a region's mean density.

    Parameters
    ----------
    calibration
        Calibration the values come from.
    values
        (K, J, I) densities [mg/cm3].
    mask
        (K, J, I) booleans.

    Returns
    -------
    [mg/cm3], or None when the calibration's covariance is unknown.
    """
    systematic = calibration_uncertainty_of_mean(calibration, values[mask])
    return None if systematic is None else float(np.hypot(systematic, noise_of_mean(values, mask)))
