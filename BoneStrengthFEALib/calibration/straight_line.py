"""Ordinary least squares through a few points, with the covariance of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.volume import FloatArray


@dataclass(frozen=True, eq=False)
class Line:
    """A fitted line y = intercept + slope * x.

    Parameters
    ----------
    intercept, slope
        Parameters in the units of y and y/x.
    covariance
        (2, 2) covariance of (intercept, slope).
    r_squared
        Coefficient of determination.
    residuals
        (n,) measured minus fitted y.
    """

    intercept: float
    slope: float
    covariance: FloatArray
    r_squared: float
    residuals: FloatArray


def fit_line(
    x: FloatArray,
    y: FloatArray,
    y_variance: FloatArray | None = None,
    shared: FloatArray | None = None,
    grown: float = 1.0,
) -> Line:
    """Fit a line without weights.

    Parameters
    ----------
    x, y
        (n,) points, n >= 2.
    y_variance
        (n,) variance of each y that is known, from sampling.
    shared
        (n,) one usual standard deviation of an error t that all y have in common.
    grown
        Factor g by which that error is larger than usual this time.

    Returns
    -------
    The line. Its covariance is H (s2 I + diag(y_variance) + g^2 t t^T) H^T with H = (X^T X)^-1 X^T and s2 the variance
    on n - 2 degrees of freedom that the residuals show beyond what y_variance and the usual t lead to expect (zero for
    n = 2): a large misfit may come from either, and counts as both.

    Raises
    ------
    CalibrationError
        When there are fewer than two different x.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(x) < 2 or np.ptp(x) == 0.0:
        raise CalibrationError(f"a line needs two different points, got x = {x.tolist()}; check the samples")
    design = np.stack((np.ones_like(x), x), axis=1)
    hat = np.linalg.pinv(design)
    intercept, slope = hat @ y
    residuals = y - design @ (intercept, slope)
    known = np.zeros_like(x) if y_variance is None else np.asarray(y_variance, dtype=np.float64)
    common = np.zeros_like(x) if shared is None else np.asarray(shared, dtype=np.float64)
    unfitted = common - design @ (hat @ common)
    expected = float((1.0 - np.einsum("ij,ji->i", design, hat)) @ known + unfitted @ unfitted)
    scatter = max(float(residuals @ residuals) - expected, 0.0) / (len(x) - 2) if len(x) > 2 else 0.0
    variance = scatter + known
    total = float(((y - y.mean()) ** 2).sum())
    r_squared = 1.0 - float(residuals @ residuals) / total if total > 0 else 0.0
    covariance = (hat * variance) @ hat.T + grown**2 * np.outer(hat @ common, hat @ common)
    return Line(float(intercept), float(slope), covariance, r_squared, residuals)
