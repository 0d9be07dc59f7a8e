"""What a nonlinear analysis returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.results import CurvePoint
from BoneStrengthFEALib.volume import FloatArray


@dataclass(frozen=True, eq=False)
class NonlinearSolution:
    """Force-displacement curve and the state at its peak.

    Parameters
    ----------
    curve
        Points by increasing displacement, without the origin.
    plastic_strain
        (K, J, I) largest accumulated plastic strain of the element's points at the largest force; NaN without element.
    failed_compression, failed_tension
        (K, J, I) bool, elements that yield at the largest force, by the sign of their mean stress.
    displacement_mm
        (n, 3) displacement at the largest force [mm], on the nodes that belong to an element.
    nodes
        (n,) ids of these nodes.
    reason
        Why loading ended, in words.
    numbers
        Record: newton_iterations, linear_iterations, failed_steps, seconds, plastic_fraction_at_peak ...
    """

    curve: tuple[CurvePoint, ...]
    plastic_strain: FloatArray
    failed_compression: npt.NDArray[np.bool_]
    failed_tension: npt.NDArray[np.bool_]
    displacement_mm: FloatArray
    nodes: npt.NDArray[np.int64]
    reason: str
    numbers: Mapping[str, float] = field(default_factory=dict)
