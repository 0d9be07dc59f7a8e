"""Mean trabecular density of the spine over levels."""

from __future__ import annotations

from collections.abc import Mapping

from BoneStrengthFEALib.bmd.acr import ACR_SOURCE, acr_class
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.volume import Quantity

LEVELS = ("L1", "L2", "L3")
"""The mean is of the first two of these that were measured (ISCD: L1-L2 with 3-D QCT)."""
COUNT = 2
ELLIPSE = "trabecular_ellipse_vbmd"
SOURCE = "mean of the first two measured of L1 to L3 (ISCD: L1-L2 with 3-D QCT)"


def spine_mean(by_level: Mapping[str, tuple[Measure, ...]], kind: Quantity) -> Measure | None:
    """Mean trabecular vBMD and its class.

    Parameters
    ----------
    by_level
        Level to the measures of that vertebra.
    kind
        Kind of density.

    Returns
    -------
    The measure [mg/cm3], or None when no level of the list was measured. The calibration is common to all levels, so
    that its part of the uncertainty does not fall with their number: the mean of the uncertainties is given.
    """
    found = [(level, m) for level in LEVELS for m in by_level.get(level, ()) if m.id == ELLIPSE][:COUNT]
    if not found:
        return None
    value = sum(m.value for _, m in found) / len(found)
    known = [m.uncertainty for _, m in found if m.uncertainty is not None]
    spread = sum(known) / len(known) if len(known) == len(found) else None
    names = " and ".join(level for level, _ in found)
    return Measure(
        "spine_trabecular_vbmd",
        f"Spine trabecular vBMD, {'mean of ' if len(found) > 1 else ''}{names}",
        value,
        "mg/cm3",
        spread,
        acr_class(value, kind, found[0][0]),
        f"{SOURCE}; classes: {ACR_SOURCE}",
    )
