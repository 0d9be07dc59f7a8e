"""No class from densities whose scale is known to be off."""

from __future__ import annotations

import dataclasses

from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.results import SiteResult, StudyResults

CLASSLESS_CHECKS = frozenset({"NO_BONE_REFERENCE", "TISSUES"})
"""Warnings of a calibration that forbid classes: the scale for bone then rests on too little (docs/methods.md)."""


def allows_classes(calibration: Calibration) -> bool:
    """Whether published class limits may be applied to densities of a calibration.

    Parameters
    ----------
    calibration
        Calibration of the scan.

    Returns
    -------
    False when a check warned that its scale is off for bone.
    """
    return not any(line.check in CLASSLESS_CHECKS for line in calibration.quality.warnings)


def withhold_classes(results: StudyResults) -> StudyResults:
    """Leave out classes and load-to-strength ratios, keeping every density and strength with its uncertainty.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    The same results without any class.
    """
    sites = tuple(_classless_site(site) for site in results.sites)
    return dataclasses.replace(results, sites=sites, risk=None, measures=_classless(results.measures))


def _classless_site(site: SiteResult) -> SiteResult:
    return dataclasses.replace(site, bmd=_classless(site.bmd), risk=())


def _classless(measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
    return tuple(dataclasses.replace(measure, classification="") for measure in measures)
