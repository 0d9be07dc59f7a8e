"""HU of soft tissue and noise near a bone, and the threshold that follows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.volume import FloatArray

SOFT_RANGE_HU = (-20.0, 140.0)
"""Muscle, blood and organs, with and without contrast agent."""
DEFAULT_SOFT_HU = 45.0
"""Muscle without contrast agent, where too little is in view to measure it."""
ABOVE_SOFT_HU = 105.0
"""Bone begins so far above soft tissue: halfway to the weakest cortex that partial volume leaves (about 250 HU)."""
LEAST_VOXELS = 2000
FLAT_PERCENT = 30.0
"""Soft tissue is measured where HU changes least: mixtures with fat and bone lie on slopes."""
NOISE_AT_ONE_STEP_HU = 45.0
BLUR_STEPS = (0.5, 1.6)
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class TissueLevels:
    """Levels near a bone.

    Parameters
    ----------
    soft_hu
        Median HU of soft tissue.
    noise_hu
        Standard deviation of the noise of one sample.
    bone_hu
        Threshold between soft tissue and bone.
    blur_steps
        Standard deviation of the blur that the noise asks for, in samples.
    """

    soft_hu: float
    noise_hu: float
    bone_hu: float
    blur_steps: float


def tissue_levels(values: FloatArray, threshold_hu: float | None = None) -> TissueLevels:
    """Measure the levels.

    Parameters
    ----------
    values
        (K, J, I) HU on an isotropic grid.
    threshold_hu
        Threshold of the user; None follows from soft tissue.

    Returns
    -------
    The levels.
    """
    smooth = ndimage.gaussian_filter(values, 1.5)
    soft = (smooth > SOFT_RANGE_HU[0]) & (smooth < SOFT_RANGE_HU[1])
    level, noise = DEFAULT_SOFT_HU, 0.0
    if int(soft.sum()) > LEAST_VOXELS:
        slope = ndimage.gaussian_gradient_magnitude(values, 1.0)[soft]
        level = float(np.median(smooth[soft][slope <= np.percentile(slope, FLAT_PERCENT)]))
        rest = (values - smooth)[soft & (np.abs(smooth - level) < 25.0)]
        noise = MAD_TO_SIGMA * float(np.median(np.abs(rest))) if rest.size else 0.0
    blur = float(np.clip(noise / NOISE_AT_ONE_STEP_HU, *BLUR_STEPS))
    return TissueLevels(level, noise, level + ABOVE_SOFT_HU if threshold_hu is None else threshold_hu, blur)
