"""Measure a specimen by its site."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Site, Specimen
from BoneStrengthFEALib.bmd.compartments import density_measures, split
from BoneStrengthFEALib.bmd.limb import measure_limb
from BoneStrengthFEALib.bmd.vertebra import SOURCE, body_mask, elliptical_roi, measure_vertebra
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.volume import Array, Volume, require_same_grid

ANALYSED = 1
"""Region value of what is analysed."""


def measure(density: Volume, specimen: Specimen, calibration: Calibration) -> tuple[Measure, ...]:
    """Measure bone mineral density.

    Parameters
    ----------
    density
        (K, J, I) volume [mg/cm3] on the specimen's grid.
    specimen
        The bone.
    calibration
        Calibration the density comes from, for the uncertainties.

    Returns
    -------
    The site's measures: compartments, BMC and volume of the analysed region, at the spine the standard region first.

    Raises
    ------
    CalibrationError
        When the density is not of the calibration's kind.
    GeometryError
        When density and specimen lie on different grids.
    """
    if density.quantity is not calibration.quantity:
        raise CalibrationError(
            f"the density holds {density.quantity.value} but the calibration gives {calibration.quantity.value}"
        )
    require_same_grid(density, specimen.regions, "the density and the specimen")
    if specimen.site is Site.VERTEBRA:
        return measure_vertebra(density, specimen, calibration)
    if specimen.site in (Site.RADIUS, Site.TIBIA):
        return measure_limb(density, specimen, calibration)
    return tuple(density_measures(density, split(measured_mask(specimen), density), calibration, SOURCE))


def measured_mask(specimen: Specimen) -> Array:
    """Voxels whose mineral is measured.

    Parameters
    ----------
    specimen
        The bone.

    Returns
    -------
    (K, J, I) booleans: the body of a vertebra, the analysed region elsewhere.
    """
    if specimen.site is Site.VERTEBRA:
        return body_mask(specimen)
    return np.asarray(specimen.regions.array == ANALYSED)


def density_roi(specimen: Specimen) -> Array | None:
    """Standard region of a site, for pictures.

    Parameters
    ----------
    specimen
        The bone.

    Returns
    -------
    (K, J, I) booleans of the trabecular ellipse of a vertebra; None at other sites.

    Raises
    ------
    AnatomyError
        When there is no room for it.
    """
    if specimen.site is not Site.VERTEBRA:
        return None
    return elliptical_roi(body_mask(specimen), specimen.regions, specimen.local_to_ras)
