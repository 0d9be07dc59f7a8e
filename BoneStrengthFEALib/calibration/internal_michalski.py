"""Internal calibration from the HU of three or more tissues and their mass attenuation (Michalski 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.calibration.attenuation import node_table
from BoneStrengthFEALib.calibration.straight_line import fit_line
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.volume import FloatArray

SOURCE = (
    "Michalski AS, Besler BA, Michalak GJ, Boyd SK (2020), Med Eng Phys 78:55-63, "
    "doi:10.1016/j.medengphy.2020.01.009; tissue compositions ICRU 44; attenuation: xraydb (Elam)"
)
MINIMUM_TISSUES = 3


@dataclass(frozen=True)
class MichalskiFit:
    """Result of the fit.

    Parameters
    ----------
    energy_kev
        Energy at which mass attenuation is most linear in HU [keV]; a fit parameter, not the energy of the beam.
    r_squared
        Coefficient of determination at that energy.
    attenuation_slope, attenuation_intercept
        mu/rho = slope * HU + intercept [cm2/g].
    mass_slope, mass_intercept
        Mass density = slope * HU + intercept [g/cm3].
    coefficients
        (3,) polynomial in HU, constant first; K2HPO4-equivalent density [mg/cm3].
    """

    energy_kev: float
    r_squared: float
    attenuation_slope: float
    attenuation_intercept: float
    mass_slope: float
    mass_intercept: float
    coefficients: tuple[float, float, float]


def fit_michalski(tissue_hu: Mapping[str, float]) -> MichalskiFit:
    """Fit the calibration.

    Parameters
    ----------
    tissue_hu
        Tissue (adipose, air, blood, muscle, cortical_bone) to its mean HU; at least three.

    Returns
    -------
    The fit.

    Raises
    ------
    CalibrationError
        With fewer than three tissues.

    References
    ----------
    Michalski et al. 2020, doi:10.1016/j.medengphy.2020.01.009.
    """
    if len(tissue_hu) < MINIMUM_TISSUES:
        raise CalibrationError(
            f"an internal calibration needs at least {MINIMUM_TISSUES} tissues, got "
            f"{', '.join(tissue_hu) or 'none'}; label air, fat, muscle or blood, or use a phantom",
            code="TISSUES",
        )
    table = node_table()
    hu = np.array(list(tissue_hu.values()))
    tissues = np.stack([table.of(name) for name in tissue_hu])
    energy = _best_energy(table.energies_kev, _linearity(hu, tissues))
    water, salt, fat = (table.at(name, energy) for name in ("water", "k2hpo4", "triglyceride"))
    here = np.array([table.at(name, energy) for name in tissue_hu])
    line = fit_line(hu, here)
    # HU define the linear attenuation (water weighs 1 g/cm3); divided by mu/rho this is the tissue's mass density
    mass = fit_line(hu, (hu / 1000.0 * water + water) / here)
    coefficients = _polynomial((line.slope, line.intercept), (mass.slope, mass.intercept), salt, fat)
    return MichalskiFit(energy, line.r_squared, line.slope, line.intercept, mass.slope, mass.intercept, coefficients)


def _best_energy(energies_kev: FloatArray, linearity: FloatArray) -> float:
    """Energy of the largest linearity, between grid points by a parabola so that it moves smoothly with the HU."""
    at = int(np.argmax(linearity))
    if at in (0, len(linearity) - 1):
        return float(energies_kev[at])
    left, middle, right = linearity[at - 1 : at + 2]
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    return float(energies_kev[at] + shift * (energies_kev[1] - energies_kev[0]))


def _linearity(hu: FloatArray, tissues: FloatArray) -> FloatArray:
    """Squared correlation of (t, n) attenuation with (t,) HU at each of n energies."""
    x = hu - hu.mean()
    y = tissues - tissues.mean(axis=0)
    return np.asarray((x @ y) ** 2 / (x @ x) / (y**2).sum(axis=0))


def _polynomial(
    attenuation: tuple[float, float], mass: tuple[float, float], salt: float, fat: float
) -> tuple[float, float, float]:
    """Two-component voxel of K2HPO4 and triglyceride: 1000 (c HU + d) ((a HU + b) - fat) / (salt - fat)."""
    (a, b), (c, d) = attenuation, mass
    scale = 1000.0 / (salt - fat)
    return scale * d * (b - fat), scale * (c * (b - fat) + d * a), scale * c * a


def michalski_covariance(tissue_hu: Mapping[str, float], hu_uncertainty: Mapping[str, float]) -> FloatArray:
    """Covariance of the polynomial from the uncertainty of each tissue's HU.

    Parameters
    ----------
    tissue_hu
        Tissue to mean HU.
    hu_uncertainty
        Tissue to standard uncertainty of that mean [HU].

    Returns
    -------
    (3, 3) covariance, by central differences as wide as the uncertainty, so that the fitted energy moves with them.
    """
    columns = []
    for tissue, step in hu_uncertainty.items():
        up, down = (fit_michalski({**tissue_hu, tissue: tissue_hu[tissue] + s}).coefficients for s in (step, -step))
        columns.append((np.array(up) - np.array(down)) / 2.0)
    jacobian = np.stack(columns, axis=1)
    return np.asarray(jacobian @ jacobian.T)


def misfit_hu(tissue_hu: Mapping[str, float]) -> float:
    """Scatter of the tissues about the fitted line.

    Parameters
    ----------
    tissue_hu
        Tissue to mean HU.

    Returns
    -------
    Standard deviation on n - 2 degrees of freedom, as HU.
    """
    fit = fit_michalski(tissue_hu)
    table = node_table()
    hu = np.array(list(tissue_hu.values()))
    values = np.array([table.at(name, fit.energy_kev) for name in tissue_hu])
    residuals = (values - fit.attenuation_intercept - fit.attenuation_slope * hu) / fit.attenuation_slope
    return float(np.sqrt((residuals**2).sum() / (len(hu) - 2)))
