"""Areal density of the hip from a projection, with T- and Z-scores."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Specimen
from BoneStrengthFEALib.bmd.hip_projection import G_CM2, PIXEL_MM, HipProjection, project
from BoneStrengthFEALib.bmd.hip_reference import WHO_SOURCE, Z_SETS, ReferenceRow, reference_set, who_class
from BoneStrengthFEALib.bmd.hip_regions import NAMES, SOURCE, HipRegions, find_regions
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.uncertainty import calibration_uncertainty_of_mean
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.volume import Array, Volume

WHO_REGIONS = ("femoral_neck", "total_hip")


@dataclass(frozen=True)
class HipComparison:
    """What areal densities are compared with.

    Parameters
    ----------
    reference
        Reference set of T-scores: id or path.
    z_reference
        Reference set of Z-scores; empty takes the shipped one of the subject's sex.
    slope, offset_g_cm2
        aBMD_DXA = slope * aBMD_CT + offset; 1 and 0 leave CT-equivalent values.
    sex
        "F", "M" or empty.
    age_years
        Age, or None.
    """

    reference: str = "nhanes3-nhw-female"
    z_reference: str = ""
    slope: float = 1.0
    offset_g_cm2: float = 0.0
    sex: str = ""
    age_years: float | None = None

    def __post_init__(self) -> None:
        """Check the cross-calibration."""
        if not (np.isfinite(self.slope) and self.slope > 0 and np.isfinite(self.offset_g_cm2)):
            raise InputError(
                f"cross-calibration to DXA needs a positive slope and a finite offset, got {self.slope} and "
                f"{self.offset_g_cm2}; 1 and 0 leave CT-equivalent values"
            )

    @property
    def scale(self) -> str:
        """Words for the scale of the values."""
        if self.slope == 1.0 and self.offset_g_cm2 == 0.0:
            return "CT-equivalent"
        return f"DXA by cross-calibration: {self.slope:g} aBMD {self.offset_g_cm2:+g} g/cm2"


@dataclass(frozen=True, eq=False)
class HipScan:
    """Projection and regions of one hip, for measures and pictures.

    Parameters
    ----------
    projection, regions
        Both.
    """

    projection: HipProjection
    regions: HipRegions


def scan_hip(density: Volume, specimen: Specimen) -> HipScan:
    """Project a femur and divide the projection.

    Parameters
    ----------
    density
        (K, J, I) density [mg/cm3].
    specimen
        Femur.

    Returns
    -------
    Projection and regions.

    Raises
    ------
    AnatomyError
        When the regions are not found.
    """
    projection = project(density, specimen)
    return HipScan(projection, find_regions(projection, specimen))


def measure_hip(
    density: Volume, specimen: Specimen, calibration: Calibration, compared: HipComparison, scan: HipScan
) -> tuple[Measure, ...]:
    """Measure the regions of a hip.

    Parameters
    ----------
    density
        (K, J, I) density [mg/cm3].
    specimen
        Femur.
    calibration
        Calibration behind the density, for the uncertainties.
    compared
        Reference sets and cross-calibration.
    scan
        What scan_hip found.

    Returns
    -------
    Areal density, mineral content and area of each region; T-scores, and Z-scores where the set has the age. Areal
    densities are on the scale of the cross-calibration, mineral contents on that of the CT.
    """
    found: list[Measure] = []
    contents: list[Measure] = []
    voxels = density.array[specimen.regions.array == 1]
    for region, mask in scan.regions.masks.items():
        abmd = _areal(region, mask, scan.projection, compared, density.quantity.value)
        of_ct = _uncertainty(mask, scan.projection, calibration, voxels)
        spread = None if of_ct is None else abs(compared.slope) * of_ct
        areal = Measure(*abmd, spread, source=SOURCE)
        scores = _scores(region, areal, compared)
        # the class of the T-score stands beside the density too, where a summary shows it
        named = next((score.classification for score in scores if score.classification), "")
        found += [dataclasses.replace(areal, classification=named), *scores]
        content, area = _content_and_area(mask, scan.projection)
        of_content = None if of_ct is None else of_ct * area
        words = f"{NAMES[region]} BMC, projected"
        contents.append(Measure(f"{region}_bmc", words, content, "g", of_content, source=SOURCE))
        contents.append(Measure(f"{region}_area", f"{NAMES[region]} projected area", area, "cm2", source=SOURCE))
    # what a clinician looks for comes first
    found.sort(key=lambda m: not m.id.startswith(WHO_REGIONS))
    return (*found, *contents)


def _areal(
    region: str, mask: Array, projection: HipProjection, compared: HipComparison, kind: str
) -> tuple[str, str, float, str]:
    content, area = _content_and_area(mask, projection)
    value = compared.slope * content / area + compared.offset_g_cm2
    return f"{region}_abmd", f"{NAMES[region]} aBMD ({compared.scale}, {kind})", value, "g/cm2"


def _content_and_area(mask: Array, projection: HipProjection) -> tuple[float, float]:
    pixel_cm2 = PIXEL_MM**2 / 100.0
    return float(projection.mineral_g_cm2[mask].sum()) * pixel_cm2, float(mask.sum()) * pixel_cm2


def _uncertainty(mask: Array, projection: HipProjection, calibration: Calibration, voxels: Array) -> float | None:
    """Standard uncertainty from the calibration [g/cm2]: that of the bone's mean density times the mean ray."""
    of_mean = calibration_uncertainty_of_mean(calibration, voxels)
    return None if of_mean is None else of_mean * float(projection.thickness_mm[mask].mean()) * G_CM2


def _scores(region: str, abmd: Measure, compared: HipComparison) -> list[Measure]:
    scores = []
    young = reference_set(compared.reference)
    row = young.young(region)
    if row is not None:
        t = row.score(abmd.value)
        named = who_class(t, compared.age_years) if region in WHO_REGIONS else ""
        scores.append(_score("t", region, t, row, (abmd, young.name, compared.scale), named))
    own = compared.z_reference or Z_SETS.get(compared.sex, "")
    if own and compared.age_years is not None:
        matched = reference_set(own)
        same = matched.at_age(region, compared.age_years) if matched.sex in ("", compared.sex) else None
        if same is not None:
            scores.append(_score("z", region, same.score(abmd.value), same, (abmd, matched.name, compared.scale), ""))
    return scores


def _score(
    kind: str, region: str, value: float, row: ReferenceRow, words: tuple[Measure, str, str], named: str
) -> Measure:
    abmd, population, scale = words
    ages = f"{row.ages[0]:g}-{row.ages[1]:g} years"
    label = f"{NAMES[region]} {kind.upper()}-score ({scale}; {population}, {ages})"
    spread = None if abmd.uncertainty is None else abmd.uncertainty / row.sd_g_cm2
    source = f"{row.source}; {WHO_SOURCE}" if named else row.source
    return Measure(
        f"{region}_{kind}_score", label, float(np.float64(value)), "1", spread, named, source, row.unverified
    )
