"""How sure a phantom calibration is: noise of the rods' means, and what it leaves of the density."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import FloatArray

LAGS = 5
"""Farthest neighbouring slices whose noise may be correlated."""
FEWEST = 4
JUDGED_MG_CM3 = (50.0, 100.0, 200.0)
"""Densities of trabecular bone."""
EXPECTED_MG_CM3, EXPECTED_SHARE = 2.0, 0.02
REFUSED_MG_CM3, REFUSED_SHARE = 10.0, 0.10
"""An eighth of the 80 mg/cm3 below which bone is called osteoporotic; this project's choice, `unverified`."""
COVERAGE = 2.0
"""Expanded over standard uncertainty, about 95 % (JCGM 100:2008, 6.3.3)."""


def variance_of_means(by_slice: FloatArray) -> FloatArray:
    """Variance of the mean of each rod from the scatter of its slices about a straight line.

    Parameters
    ----------
    by_slice
        (n, s) means per slice [HU]; NaN where a rod has none.

    Returns
    -------
    (n,) variance [HU2]: that of slices over their number, times 1 + 2 sum of r(l), r(l) being the correlation of slices
    l apart over all rods, up to the first l where it vanishes. Zero where fewer than FEWEST slices show no scatter.
    """
    noise = np.full(by_slice.shape, np.nan)
    for row, out in zip(by_slice, noise, strict=True):
        good = np.flatnonzero(np.isfinite(row))
        if good.size >= FEWEST:
            line = np.polynomial.polynomial.polyfit(good, row[good], 1)
            out[good] = row[good] - np.polynomial.polynomial.polyval(good, line)
    count = np.isfinite(noise).sum(axis=1)
    variance = np.nansum(noise**2, axis=1) / np.maximum(count - 2, 1)
    return np.asarray(variance * _together(noise) / np.maximum(count, 1))


def _together(noise: FloatArray) -> float:
    """Slices that count as one."""
    total, power = 1.0, float(np.nanmean(noise**2)) if np.isfinite(noise).any() else 0.0
    for lag in range(1, min(LAGS + 1, noise.shape[1])):
        products = noise[:, lag:] * noise[:, :-lag]
        r = float(np.nanmean(products)) / power if power > 0 and np.isfinite(products).any() else 0.0
        if r <= 0.0:
            break
        total += 2.0 * r
    return total


def uncertainty_line(coefficients: tuple[float, float], covariance: FloatArray) -> QualityLine:
    """Judge the expanded uncertainty of trabecular densities.

    Parameters
    ----------
    coefficients
        Intercept [mg/cm3] and slope [mg/cm3 per HU].
    covariance
        (2, 2) covariance of both.

    Returns
    -------
    PHANTOM_UNCERTAINTY.
    """
    density = np.array(JUDGED_MG_CM3)
    gradient = np.stack((np.ones_like(density), (density - coefficients[0]) / coefficients[1]), axis=1)
    expanded = COVERAGE * np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", gradient, covariance, gradient), 0.0))
    wanted = expanded / np.maximum(EXPECTED_MG_CM3, EXPECTED_SHARE * density)
    allowed = expanded / np.maximum(REFUSED_MG_CM3, REFUSED_SHARE * density)
    worst = int(np.argmax(wanted))
    outcome = Outcome.PASS if wanted.max() <= 1 else Outcome.WARN if allowed.max() <= 1 else Outcome.REFUSE
    return QualityLine(
        "PHANTOM_UNCERTAINTY",
        outcome,
        f"expanded uncertainty {expanded[worst]:.1f} mg/cm3 at {density[worst]:g} mg/cm3",
        f"{EXPECTED_MG_CM3:g} mg/cm3 or {100 * EXPECTED_SHARE:g} %, never above {REFUSED_MG_CM3:g} mg/cm3 or "
        f"{100 * REFUSED_SHARE:g} %",
        "rods out of view, two rods alone, few or noisy slices, a bow or drift of HU, or rods off their line: scan "
        "the whole phantom, check its certificate",
    )
