"""Classes of trabecular spine density by the American College of Radiology."""

from __future__ import annotations

from BoneStrengthFEALib.calibration.named_conversions import caha_to_k2hpo4
from BoneStrengthFEALib.volume import Quantity

ACR_SOURCE = (
    "ACR practice parameter for QCT (PMC7495321, Table 2: mean of two lumbar bodies): below 80, 80 to 120, above "
    "120 mg/cm3, K2HPO4 scale"
)
OSTEOPOROSIS_BELOW, LOW_UP_TO = 80.0, 120.0
CLASSED_LEVELS = ("L1", "L2", "L3", "L4", "L5", "L6")
"""The limits are of lumbar bodies: thoracic ones are denser, and one whose level is unknown may be thoracic."""


def acr_class(value_mg_cm3: float, kind: Quantity, level: str) -> str:
    """Class of a trabecular vBMD of the lumbar spine.

    Parameters
    ----------
    value_mg_cm3
        Density [mg/cm3].
    kind
        Its kind; CaHA-equivalent densities are brought to the K2HPO4 scale of the limits (Faulkner 1993).
    level
        Level of the vertebra.

    Returns
    -------
    "osteoporosis", "low bone mass", "normal", or empty for another kind of density and for levels not in
    CLASSED_LEVELS.

    Examples
    --------
    >>> [acr_class(value, Quantity.K2HPO4, "L1") for value in (80.0, 79.9, 120.1)]
    ['low bone mass', 'osteoporosis', 'normal']
    """
    scaled = on_k2hpo4_scale(value_mg_cm3, kind)
    if scaled is None or level not in CLASSED_LEVELS:
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
