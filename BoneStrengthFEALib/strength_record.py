"""What a strength criterion returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Strength:
    """A failure load.

    Parameters
    ----------
    criterion
        Id of the criterion, for example ``crawford2003``.
    force_n
        Failure load, positive [N].
    stiffness_n_per_mm
        Stiffness, positive [N/mm].
    height_mm
        Height the strains refer to [mm].
    numbers
        Constants and intermediate values by name, with unit in the name.
    source
        Citation.
    uncertainty_n, stiffness_uncertainty_n_per_mm
        Standard uncertainties that come from the calibration alone, or None when its covariance is unknown.
    """

    criterion: str
    force_n: float
    stiffness_n_per_mm: float
    height_mm: float
    numbers: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    uncertainty_n: float | None = None
    stiffness_uncertainty_n_per_mm: float | None = None
