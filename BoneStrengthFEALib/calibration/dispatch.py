"""The one door to all calibrations."""

from __future__ import annotations

import logging
from collections.abc import Callable

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration.asynchronous import calibrate_asynchronous
from BoneStrengthFEALib.calibration.internal import calibrate_air_fat_muscle, calibrate_michalski
from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import load_phantom, shipped_phantoms
from BoneStrengthFEALib.calibration.record import GIVEN_DENSITY, Calibration
from BoneStrengthFEALib.calibration.tissue_samples import collect_samples
from BoneStrengthFEALib.errors import CalibrationError, InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.settings import CalibrationSettings
from BoneStrengthFEALib.volume import Quantity, Volume, require_same_grid

logger = logging.getLogger(__name__)

KINDS = {"K2HPO4": Quantity.K2HPO4, "CAHA": Quantity.CAHA}
Method = Callable[[Volume, "LabelMap | None", Acquisition, CalibrationSettings], Calibration]


def calibrate(
    ct: Volume, labels: LabelMap | None, acquisition: Acquisition, settings: CalibrationSettings
) -> Calibration:
    """Calibrate a scan with the method the settings name; none is ever guessed.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU], or of calibrated density [mg/cm3].
    labels
        Tissues, bones or phantom rods on the CT's grid, by name; or None.
    acquisition
        Tube voltage and scanner.
    settings
        Method and its choices.

    Returns
    -------
    The calibration; refusing checks are lines of its quality, for the caller to raise.

    Raises
    ------
    InputError
        When the method is unknown or its settings are missing.
    CalibrationError
        When it cannot be made.
    """
    if ct.quantity is not Quantity.HU and settings.method != GIVEN_DENSITY:
        raise CalibrationError(
            f"a calibration starts from HU, this volume holds {ct.quantity.value}; the method for it is {GIVEN_DENSITY}"
        )
    if labels is not None:
        require_same_grid(ct, labels.volume, "the CT and the tissue label map")
    if settings.method not in METHODS:
        raise InputError(f"no calibration method {settings.method!r}; choose one of {', '.join(METHODS)}")
    calibration = METHODS[settings.method](ct, labels, acquisition, settings)
    logger.info("calibration %s: coefficients %s", calibration.method, calibration.coefficients)
    return calibration


def _michalski(
    ct: Volume, labels: LabelMap | None, _acquisition: Acquisition, settings: CalibrationSettings
) -> Calibration:
    return calibrate_michalski(collect_samples(ct, labels), settings.tissues)


def _air_fat_muscle(
    ct: Volume, labels: LabelMap | None, acquisition: Acquisition, settings: CalibrationSettings
) -> Calibration:
    return calibrate_air_fat_muscle(collect_samples(ct, labels), settings.tissues, acquisition)


def _phantom(
    ct: Volume, labels: LabelMap | None, _acquisition: Acquisition, settings: CalibrationSettings
) -> Calibration:
    if not settings.phantom:
        raise InputError(
            "calibration phantom needs the phantom: --set calibration.phantom=ID with one of "
            f"{', '.join(shipped_phantoms())}, or the path of a definition"
        )
    return calibrate_phantom(ct, labels, load_phantom(settings.phantom))


def _asynchronous(
    _ct: Volume, _labels: LabelMap | None, acquisition: Acquisition, settings: CalibrationSettings
) -> Calibration:
    return calibrate_asynchronous(acquisition, settings)


def _given(
    _ct: Volume, _labels: LabelMap | None, _acquisition: Acquisition, settings: CalibrationSettings
) -> Calibration:
    slope, intercept = settings.slope_mg_cm3_per_hu, settings.intercept_mg_cm3
    if slope is None or intercept is None or settings.density_kind.upper() not in KINDS:
        raise InputError(
            "calibration given-linear needs slope_mg_cm3_per_hu, intercept_mg_cm3 and density_kind (K2HPO4 or CAHA), "
            f"got {slope}, {intercept} and {settings.density_kind!r}"
        )
    if slope <= 0:
        raise InputError(f"slope_mg_cm3_per_hu must be positive, got {slope}; density rises with HU")
    source = "slope and intercept given by the user"
    return Calibration("given-linear", KINDS[settings.density_kind.upper()], (intercept, slope), source=source)


def _given_density(
    ct: Volume, _labels: LabelMap | None, _acquisition: Acquisition, settings: CalibrationSettings
) -> Calibration:
    if ct.quantity not in KINDS.values() or ct.quantity is not KINDS.get(settings.density_kind.upper()):
        raise InputError(
            f"calibration {GIVEN_DENSITY} takes an image of calibrated density and its density_kind "
            f"({' or '.join(KINDS)}), "
            f"got an image of {ct.quantity.value} and {settings.density_kind!r}; on the command line: --density KIND"
        )
    return Calibration(GIVEN_DENSITY, ct.quantity, (0.0, 1.0), source="the image holds density, as the user says")


METHODS: dict[str, Method] = {
    "internal-michalski2020": _michalski,
    "internal-air-fat-muscle": _air_fat_muscle,
    "phantom": _phantom,
    "asynchronous": _asynchronous,
    "given-linear": _given,
    GIVEN_DENSITY: _given_density,
}
