"""Classes of trabecular spine density by the American College of Radiology."""

from __future__ import annotations

from BoneStrengthFEALib.calibration.conversions import caha_to_k2hpo4
from BoneStrengthFEALib.volume import Quantity

ACR_SOURCE = "ACR practice parameter for QCT (PMC7495321, Table 2): below 80, 80 to 120, above 120 mg/cm3, K2HPO4 scale"
OSTEOPOROSIS_BELOW, LOW_UP_TO = 80.0, 120.0


def acr_class(value_mg_cm3: float, kind: Quantity) -> str:
    """Class of a trabecular vBMD.

    Parameters
    ----------
    value_mg_cm3
        Density [mg/cm3].
    kind
        Its kind; CaHA-equivalent densities are brought to the K2HPO4 scale of the limits (Faulkner 1993).

    Returns
    -------
    "osteoporosis", "low bone mass", "normal", or empty for another kind of density.

    Examples
    --------
    >>> acr_class(80.0, Quantity.K2HPO4), acr_class(79.9, Quantity.K2HPO4), acr_class(120.1, Quantity.K2HPO4)
    ('low bone mass', 'osteoporosis', 'normal')
    """
    scaled = on_k2hpo4_scale(value_mg_cm3, kind)
    if scaled is None:
        return ""
    if scaled < OSTEOPOROSIS_BELOW:
        return "osteoporosis"
    return "low bone mass" if scaled <= LOW_UP_TO else "normal"


def on_k2hpo4_scale(value_mg_cm3: float, kind: Quantity) -> float | None:
    """Bring a density to the scale of the classes.

    Parameters
    ----------
    value_mg_cm3
        Density [mg/cm3].
    kind
        Its kind.

    Returns
    -------
    K2HPO4-equivalent density [mg/cm3], or None for a kind that has no published conversion.
    """
    if kind is Quantity.CAHA:
        return float(caha_to_k2hpo4(value_mg_cm3))
    return value_mg_cm3 if kind is Quantity.K2HPO4 else None
