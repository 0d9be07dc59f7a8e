"""One bone from its label to its density measures; the first half of its analysis."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib import bmd
from BoneStrengthFEALib.anatomy import Site, Specimen
from BoneStrengthFEALib.bmd import HipComparison, HipScan, Restored
from BoneStrengthFEALib.calibration import Calibration
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.progress import ProgressCallback
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.results import SiteResult
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.site_bone import find_bone
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Volume

RESTORED_SITES = (Site.VERTEBRA, Site.FEMUR)
"""Sites whose mask gets the mineral of its rim back; a limb's section is measured on finer voxels of its own."""


@dataclass(frozen=True, eq=False)
class MeasuredBone:
    """Images behind the density measures of one bone.

    Parameters
    ----------
    specimen
        Bone and its surroundings, on voxels of the scan.
    density
        (K, J, I) density on the specimen's grid [mg/cm3].
    hip
        Projection and regions of a femur; None elsewhere or when they were not found.
    """

    specimen: Specimen
    density: Volume
    hip: HipScan | None = None


def measure_site(
    study: Study,
    target: Target,
    density: Volume,
    calibration: Calibration,
    settings: Settings,
    callback: ProgressCallback,
) -> tuple[SiteResult, MeasuredBone | None]:
    """Isolate, check and measure one bone.

    Parameters
    ----------
    study
        The examination.
    target
        The bone.
    density
        Density of the scan [mg/cm3].
    calibration
        Calibration behind it.
    settings
        Settings.
    callback
        Progress; may raise to cancel.

    Returns
    -------
    Results without model and strength, and the images behind them; a refused bone has its quality lines, no numbers
    and no images.

    Raises
    ------
    BoneStrengthError
        When a step cannot be done.
    """
    found = find_bone(study, target, density, settings)
    specimen, near, quality = found.specimen, found.density, found.quality
    result = SiteResult(
        specimen.name, specimen.site.value, specimen.level, specimen.side.value, found.label, quality=quality
    )
    if quality.refused:
        return result, None
    callback(f"{specimen.name}: density measures", 0.0)
    restored = _restored(near, specimen, settings)
    measures = bmd.measure(restored.density if settings.measures.rim == "all" else near, specimen, calibration)
    if settings.measures.rim == "areal":
        measures = (*measures, *bmd.restored_content(measures, restored))
    if restored.rim_share > 0:
        quality = quality.merged((bmd.rim_line(restored),))
    hip: HipScan | None = None
    roi = bmd.density_roi(specimen)
    if roi is not None:
        quality = quality.merged((bmd.even_roi_line(near, roi),))
    if specimen.site is Site.FEMUR:
        areal, hip, lines = _hip(restored.density, specimen, calibration, hip_comparison(study, settings))
        measures, quality = (*areal, *measures), quality.merged(lines)
    return dataclasses.replace(result, bmd=measures, quality=quality), MeasuredBone(specimen, near, hip)


def _restored(density: Volume, specimen: Specimen, settings: Settings) -> Restored:
    """The bone with the mineral of its rim, where the settings and the site ask for it."""
    if settings.measures.rim == "none" or specimen.site not in RESTORED_SITES:
        return Restored(density, 0.0, 0.0)
    own = bmd.measured_mask(specimen)
    return bmd.restore(density, own, np.asarray((specimen.regions.array != 0) & ~own))


def hip_comparison(study: Study, settings: Settings) -> HipComparison:
    """Reference sets and cross-calibration of the hip.

    Parameters
    ----------
    study
        Examination, for sex and age.
    settings
        Settings.

    Returns
    -------
    What the hip's areal densities are compared with.
    """
    chosen, person = settings.risk, study.acquisition.subject
    return HipComparison(
        chosen.reference,
        chosen.z_reference,
        chosen.dxa_slope,
        chosen.dxa_offset_g_cm2,
        person.sex.value,
        person.age_years,
    )


def _hip(
    density: Volume, specimen: Specimen, calibration: Calibration, compared: HipComparison
) -> tuple[tuple[Measure, ...], HipScan | None, tuple[QualityLine, ...]]:
    wanted = "femoral neck, trochanter, intertrochanter and total hip on the plane of neck and shaft"
    advice = "volumetric measures and strength do not depend on it; look at the label and its landmarks"
    try:
        scan = bmd.scan_hip(density, specimen)
    except AnatomyError as error:
        return (), None, (QualityLine("HIP_PROJECTION", Outcome.WARN, str(error), wanted, advice),)
    measures = bmd.measure_hip(density, specimen, calibration, compared, scan)
    if "total_hip" not in scan.regions.masks:
        found = "the scan ends above the lower end of the total hip"
        return measures, scan, (QualityLine("HIP_PROJECTION", Outcome.WARN, found, wanted, advice),)
    return measures, scan, (QualityLine("HIP_PROJECTION", Outcome.PASS, "all regions found", wanted),)
