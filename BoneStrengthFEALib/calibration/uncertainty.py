"""Standard uncertainty of a mean density over a region: from the calibration and from noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

NOISE_MM = 3.0
"""Distance at which the noise of clinical CT is no longer correlated."""
FEWEST_PAIRS = 30
NORMAL_MEDIAN = 1.4826
"""Standard deviation of normal values over the median of their absolute values."""


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


@dataclass(frozen=True)
class ImageNoise:
    """Noise of an image as far as means over many voxels go.

    Parameters
    ----------
    variance
        Of one voxel.
    together
        Voxels that count as one: noise of neighbours is correlated.
    """

    variance: float
    together: float

    def of_mean(self, voxels: int) -> float:
        """Standard uncertainty of a mean.

        Parameters
        ----------
        voxels
            Number of voxels.

        Returns
        -------
        In the unit of the image.
        """
        return float(np.sqrt(self.variance * min(self.together, voxels) / max(voxels, 1)))


def image_noise(density: Volume, region: Array) -> ImageNoise:
    """Measure the noise in a region by how neighbours differ, so that what changes slowly is no noise.

    Parameters
    ----------
    density
        (K, J, I) volume.
    region
        (K, J, I) booleans of a part without edges, for example trabecular bone.

    Returns
    -------
    The noise. With g(l) the semivariance of voxels l apart along an axis, from the median of the deviations of their
    differences (edges and slopes do not move it), the variance is the mean of g at NOISE_MM, where the correlation is
    taken as zero, and 1 + 2 sum of (1 - g(l) / variance) voxels count as one along that axis. Texture finer than
    NOISE_MM is included.
    """
    if region.sum() < 2:
        return ImageNoise(0.0, 1.0)
    box = bounding_box(region)
    values, inside = np.asarray(density.array[box], dtype=np.float64), region[box]
    curves = [_semivariances(values, inside, axis, h) for axis, h in enumerate(density.spacing_mm[::-1])]
    known = [curve for curve in curves if curve.size]
    if not known:
        return ImageNoise(float(values[inside].var()), 1.0)
    variance = float(np.mean([curve[-1] for curve in known]))
    if variance == 0.0:
        return ImageNoise(0.0, 1.0)
    shared = [np.clip(1.0 - curve[:-1] / variance, 0.0, 1.0).sum() for curve in known]
    return ImageNoise(variance, float(np.prod(1.0 + 2.0 * np.array(shared))))


def _semivariances(values: FloatArray, inside: Array, axis: int, spacing_mm: float) -> FloatArray:
    """At 1, 2, ... voxels up to the one nearest to NOISE_MM, as far as there are pairs."""
    values, inside = np.moveaxis(values, axis, 0), np.moveaxis(inside, axis, 0)
    found = []
    for lag in range(1, max(1, round(NOISE_MM / spacing_mm)) + 1):
        pairs = inside[lag:] & inside[:-lag]
        if pairs.sum() < FEWEST_PAIRS:
            break
        change = (values[lag:] - values[:-lag])[pairs]
        # the median change is that of a slope
        middle = float(np.median(np.abs(change - np.median(change))))
        found.append(0.5 * (NORMAL_MEDIAN * middle) ** 2)
    return np.array(found)


def mean_uncertainty(calibration: Calibration, values: FloatArray, noise: ImageNoise) -> float | None:
    """Combined standard uncertainty of a region's mean density.

    Parameters
    ----------
    calibration
        Calibration the values come from.
    values
        (n,) densities of the region [mg/cm3].
    noise
        Noise of the density.

    Returns
    -------
    [mg/cm3], or None when the calibration's covariance is unknown.
    """
    systematic = calibration_uncertainty_of_mean(calibration, values)
    return None if systematic is None else float(np.hypot(systematic, noise.of_mean(len(values))))
