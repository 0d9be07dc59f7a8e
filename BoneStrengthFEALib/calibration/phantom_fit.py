"""From rod HU to a calibration: liquid K2HPO4 rods with water-equivalents, or a line through solid rods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.straight_line import fit_line
from BoneStrengthFEALib.volume import FloatArray

# Mindways QCT Pro user guide 5.0, as in github.com/Bonelab/Ogo ogo/calib/mindways_calibration.py: they turn the fit of
# the liquid rods into one for bone
MINDWAYS_SLOPE_SHIFT = -0.2174
MINDWAYS_INTERCEPT_SHIFT = 999.6
Errors = tuple[FloatArray, FloatArray, float]
"""Variance of each mean, error they share, factor by which that is larger than usual."""


@dataclass(frozen=True, eq=False)
class RodFit:
    """Density = intercept + slope * HU.

    Parameters
    ----------
    coefficients
        (intercept [mg/cm3], slope [mg/cm3 per HU]).
    covariance
        (2, 2) covariance of the coefficients.
    r_squared
        Of the regression over the rods.
    fitted_mg_cm3
        (n,) density of each rod by the fit.
    sigma, beta
        HU per mg/cm3 and HU at zero density.
    """

    coefficients: tuple[float, float]
    covariance: FloatArray
    r_squared: float
    fitted_mg_cm3: FloatArray
    sigma: float
    beta: float


def fit_rods(
    phantom: Phantom,
    hu: FloatArray,
    variance_hu2: FloatArray | None = None,
    shared_hu: FloatArray | None = None,
    grown: float = 1.0,
) -> RodFit:
    """Fit the calibration line.

    Parameters
    ----------
    phantom
        Definition.
    hu
        (n,) mean HU of the rods in the definition's order; NaN leaves a rod out.
    variance_hu2
        (n,) variance of each mean [HU2].
    shared_hu
        (n,) one usual standard deviation of an error that all means have in common: a bow across the phantom [HU].
    grown
        Factor by which that error is larger than usual this time.

    Returns
    -------
    The fit.
    """
    hu = np.asarray(hu, dtype=np.float64)
    used = np.isfinite(hu)
    variance = np.zeros_like(hu) if variance_hu2 is None else np.asarray(variance_hu2, dtype=np.float64)
    shared = np.zeros_like(hu) if shared_hu is None else np.asarray(shared_hu, dtype=np.float64)
    fit = _fit_liquid if phantom.fit == "mindways" else _fit_solid
    return fit(phantom, hu, (variance, shared, grown), used)


def _fit_solid(phantom: Phantom, hu: FloatArray, errors: Errors, used: FloatArray) -> RodFit:
    density = np.array([rod.density_mg_cm3 for rod in phantom.rods])
    guess = np.ptp(density[used]) / max(np.ptp(hu[used]), 1e-9)
    variance, shared, grown = errors
    line = fit_line(hu[used], density[used], variance[used] * guess**2, shared[used] * guess, grown)
    fitted = line.intercept + line.slope * hu
    beta = -line.intercept / line.slope if line.slope else np.inf
    sigma = 1.0 / line.slope if line.slope else np.inf
    return RodFit((line.intercept, line.slope), line.covariance, line.r_squared, fitted, sigma, beta)


def _fit_liquid(phantom: Phantom, hu: FloatArray, errors: Errors, used: FloatArray) -> RodFit:
    density = np.array([rod.density_mg_cm3 for rod in phantom.rods])
    water = np.array([rod.water_mg_cm3 for rod in phantom.rods], dtype=np.float64)
    variance, shared, grown = errors
    line = fit_line(density[used], (hu - water)[used], variance[used], shared[used], grown)
    sigma, beta = line.slope + MINDWAYS_SLOPE_SHIFT, line.intercept + MINDWAYS_INTERCEPT_SHIFT
    # derivatives of (-beta/sigma, 1/sigma) with respect to (beta, sigma)
    jacobian = np.array([[-1.0 / sigma, beta / sigma**2], [0.0, -1.0 / sigma**2]])
    covariance = jacobian @ line.covariance @ jacobian.T
    # a rod holds water too: its density by the fit comes from the regression over the rods, not from bone's line
    fitted = (hu - water - line.intercept) / line.slope
    return RodFit((-beta / sigma, 1.0 / sigma), covariance, line.r_squared, fitted, sigma, beta)


def expected_rod_hu(phantom: Phantom, sigma: float, beta: float) -> FloatArray:
    """HU of the rods in a scan whose bone calibration is HU = sigma * density + beta.

    Parameters
    ----------
    phantom
        Definition.
    sigma, beta
        HU per mg/cm3 and HU at zero density.

    Returns
    -------
    (n,) HU; inverse of fit_rods.
    """
    density = np.array([rod.density_mg_cm3 for rod in phantom.rods])
    if phantom.fit == "linear":
        return sigma * density + beta
    water = np.array([rod.water_mg_cm3 for rod in phantom.rods], dtype=np.float64)
    return (sigma - MINDWAYS_SLOPE_SHIFT) * density + (beta - MINDWAYS_INTERCEPT_SHIFT) + water
