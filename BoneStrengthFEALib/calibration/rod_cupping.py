"""Cupping of a phantom scan: HU of inner rods against outer rods beyond what their densities explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import FloatArray

CUPPING_WARN_HU, CUPPING_REFUSE_HU = 8.0, 25.0
"""A bow of 20 HU moves densities by 6 to 11 mg/cm3 (docs/validation.md); this project's choice, `unverified`."""
SIGNIFICANT = 3.0
"""Standard uncertainties that a cupping must exceed before it counts."""
SEPARABLE = 0.2
"""Share of the squared position that density must leave unexplained, else cupping cannot be told from slope."""


@dataclass(frozen=True)
class Cupping:
    """Outer minus inner HU.

    Parameters
    ----------
    hu
        HU at the ends of the row less HU in its middle, at equal density.
    uncertainty_hu
        Standard uncertainty from the noise of the rods and, with more than three, from the misfit [HU].
    rods
        Rods it rests on.
    """

    hu: float
    uncertainty_hu: float
    rods: int


def rod_cupping(phantom: Phantom, hu: FloatArray, variance_hu2: FloatArray) -> Cupping | None:
    """Fit HU = zero + slope * density + cupping * x^2 over the row, x from -1 to 1.

    Parameters
    ----------
    phantom
        Definition; liquid rods take their water-equivalents into account.
    hu
        (n,) mean HU of the rods in the definition's order; NaN for one that is missing.
    variance_hu2
        (n,) variance of each mean [HU2].

    Returns
    -------
    The cupping; None for inserts, fewer than three rods, or densities that follow the squared position.
    """
    count = len(phantom.rods)
    used = np.isfinite(hu)
    if phantom.rod_shape == "insert" or used.sum() < 3:
        return None
    density = np.array([rod.density_mg_cm3 for rod in phantom.rods])
    water = np.array([rod.water_mg_cm3 or 0.0 for rod in phantom.rods]) * (phantom.fit == "mindways")
    bow = np.linspace(-1.0, 1.0, count) ** 2
    design = np.stack((np.ones(count), density / np.ptp(density), bow), axis=1)[used]
    plain, curve = design[:, :2], design[:, 2]
    left = curve - plain @ np.linalg.lstsq(plain, curve, rcond=None)[0]
    if left @ left < SEPARABLE * float(((curve - curve.mean()) ** 2).sum()):
        return None
    hat = np.linalg.pinv(design)
    y = (np.asarray(hu, dtype=np.float64) - water)[used]
    parameters = hat @ y
    residuals = y - design @ parameters
    scatter = float(residuals @ residuals) / (used.sum() - 3) if used.sum() > 3 else 0.0
    variance = np.asarray(variance_hu2, dtype=np.float64)[used] + scatter
    return Cupping(float(parameters[2]), float(np.sqrt((hat[2] ** 2) @ variance)), int(used.sum()))


def cupping_line(cupping: Cupping) -> QualityLine:
    """Judge a cupping.

    Parameters
    ----------
    cupping
        What was found.

    Returns
    -------
    ROD_CUPPING. Three rods only warn: they cannot tell cupping from a rod that is off its certificate.
    """
    size = abs(cupping.hu)
    outcome = Outcome.PASS
    if size > CUPPING_WARN_HU and size > SIGNIFICANT * cupping.uncertainty_hu:
        outcome = Outcome.REFUSE if size > CUPPING_REFUSE_HU and cupping.rods > 3 else Outcome.WARN
    return QualityLine(
        "ROD_CUPPING",
        outcome,
        f"outer rods {cupping.hu:+.1f} +- {cupping.uncertainty_hu:.1f} HU against inner rods of equal density",
        f"at most {CUPPING_WARN_HU:g} HU",
        "beam hardening or scatter bends HU across the phantom, or a rod is off its certificate: centre the phantom, "
        "check the certificate and the scanner's calibration",
    )
