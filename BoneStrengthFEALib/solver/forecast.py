"""Whether an iteration will reach its tolerance in time, judged from the residuals so far.

The error of conjugate gradients falls by a factor per iteration that the spread of the eigenvalues bounds, and sooner
or later falls faster than that, never slower for long [1]: the rate of the last half of the iterations, carried on,
is the number of iterations at the most, wiggles of the residual apart.

References
----------
[1] van der Sluis, van der Vorst (1986), The rate of convergence of conjugate gradients, Numer. Math. 48:543,
    doi:10.1007/BF01389450 (superlinear convergence).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FIRST_LOOK = 150
"""Iterations before the first judgement: models that converge well are done by then."""
LOOK_EVERY = 50
"""Iterations from one judgement to the next; two in a row must agree, so that a plateau alone refuses nothing."""
MARGIN = 1.5
"""Refuse only when the forecast is above the limit by this factor: rates rise rather than fall."""


def iterations_expected(residuals: Sequence[float], tolerance: float) -> float:
    """Carry on the rate of the last half of the iterations to the tolerance.

    Parameters
    ----------
    residuals
        (n + 1,) relative residuals, that of the start first.
    tolerance
        Relative residual asked for.

    Returns
    -------
    Total number of iterations; infinite when the residual does not fall.
    """
    done = len(residuals) - 1
    lowest = np.log(np.maximum(np.minimum.accumulate(np.asarray(residuals, np.float64)), np.finfo(np.float64).tiny))
    missing = float(lowest[-1] - np.log(tolerance))
    if missing <= 0.0:
        return float(done)
    rate = rate_per_iteration(residuals)
    return done + missing / -np.log(rate) if rate < 1.0 else np.inf


def rate_per_iteration(residuals: Sequence[float]) -> float:
    """Mean factor of the lowest residual per iteration over the last half of the iterations.

    Parameters
    ----------
    residuals
        (n + 1,) relative residuals, that of the start first.

    Returns
    -------
    Factor, at most 1.
    """
    lowest = np.minimum.accumulate(np.asarray(residuals, np.float64))
    half = len(lowest) // 2
    if half == 0 or not lowest[half - 1] > 0.0:
        return 1.0
    return float((lowest[-1] / lowest[half - 1]) ** (1.0 / (len(lowest) - half)))


def hopeless(residuals: Sequence[float], tolerance: float, limit: int) -> bool:
    """Whether two judgements in a row say that the tolerance lies far beyond the limit.

    Parameters
    ----------
    residuals
        (n + 1,) relative residuals, that of the start first.
    tolerance
        Relative residual asked for.
    limit
        Largest number of iterations.

    Returns
    -------
    True when it is of no use to go on; judged every LOOK_EVERY iterations from FIRST_LOOK on.
    """
    done = len(residuals) - 1
    if done < FIRST_LOOK or (done - FIRST_LOOK) % LOOK_EVERY:
        return False
    now, before = residuals, residuals[: len(residuals) - LOOK_EVERY]
    return all(iterations_expected(seen, tolerance) > MARGIN * limit for seen in (now, before))
