"""Check of the trabecular region for what is no trabecular bone: islands, haemangioma, cement, a hit vein."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import Array, Volume

SKEW_MG_CM3 = 5.0
"""Mean and median of trabecular bone with noise agree within this; more changes the class of a borderline case."""


def even_roi_line(density: Volume, roi: Array) -> QualityLine:
    """Compare mean and median of the region.

    Parameters
    ----------
    density
        (K, J, I) density [mg/cm3].
    roi
        (K, J, I) booleans of the region.

    Returns
    -------
    Passed, or a warning.
    """
    values = np.asarray(density.array[roi], dtype=np.float64)
    mean, median = float(values.mean()), float(np.median(values))
    uneven = abs(mean - median) > SKEW_MG_CM3
    return QualityLine(
        "TRABECULAR_ROI",
        Outcome.WARN if uneven else Outcome.PASS,
        f"mean {mean:.0f}, median {median:.0f} mg/cm3 in the trabecular region",
        f"a difference of at most {SKEW_MG_CM3:g} mg/cm3",
        "a dense spot (bone island, cement, calcified vein) or a gap pulls the mean: look at the axial picture; leave "
        "this level out of the mean when it is so" * uneven,
    )
