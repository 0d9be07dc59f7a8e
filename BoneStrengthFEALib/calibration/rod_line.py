"""The phantom's line through the rods of a row, at many places at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.phantom_fit import MINDWAYS_INTERCEPT_SHIFT
from BoneStrengthFEALib.volume import Array, FloatArray

HU_PER_MG = (0.9, 2.2)
"""Slopes a bone calibration can have between 80 and 140 kV."""
HU_AT_ZERO = (-60.0, 60.0)
USUAL_ZERO_HU, ZERO_COST = 30.0, 0.25
"""HU at zero density beyond the first cost so much a HU: evenly spaced rods of which some are out of view fit one rod
further too, 50 to 100 HU away."""


@dataclass(frozen=True, eq=False)
class RodScale:
    """What a line through the rods in view needs.

    Parameters
    ----------
    x
        (m,) densities less their mean [mg/cm3].
    mean
        That mean [mg/cm3].
    water
        (m,) water-equivalents that are taken off HU; zero for solid rods.
    shift
        Added to the line's HU at zero density to get those of bone.
    """

    x: FloatArray
    mean: float
    water: FloatArray
    shift: float

    @classmethod
    def of(cls, phantom: Phantom, used: Array) -> RodScale:
        """Take the rods in view.

        Parameters
        ----------
        phantom
            Definition.
        used
            (m,) numbers of the rods in view.

        Returns
        -------
        Their scale.
        """
        rods = [phantom.rods[n] for n in used]
        density, liquid = np.array([rod.density_mg_cm3 for rod in rods]), phantom.fit == "mindways"
        water = np.array([(rod.water_mg_cm3 or 0.0) * liquid for rod in rods])
        return cls(density - density.mean(), float(density.mean()), water, MINDWAYS_INTERCEPT_SHIFT * liquid)


def line_through_rods(hu: FloatArray, phantom: Phantom, present: Array) -> tuple[FloatArray, Array]:
    """Fit the phantom's line through rods at many places.

    Parameters
    ----------
    hu
        (..., m) mean HU of the rods that are present, in the definition's order.
    phantom
        Definition.
    present
        (n,) bool, which rods these are.

    Returns
    -------
    (...) residual [HU], raised where HU at zero density are unusual, and (...) whether slope and they are possible.
    """
    scale = RodScale.of(phantom, np.flatnonzero(present))
    y = hu - scale.water
    slope, middle = y @ scale.x / (scale.x @ scale.x), y.mean(axis=-1)
    zero = middle - slope * scale.mean + scale.shift
    residual = np.sqrt(((y - middle[..., None] - slope[..., None] * scale.x) ** 2).mean(axis=-1))
    residual = residual + ZERO_COST * np.maximum(np.abs(zero) - USUAL_ZERO_HU, 0.0)
    fits = (slope > HU_PER_MG[0]) & (slope < HU_PER_MG[1]) & (zero > HU_AT_ZERO[0]) & (zero < HU_AT_ZERO[1])
    return np.asarray(residual), np.asarray(fits)
