"""The chain from a CT to a strength: the only place that knows the order of its steps."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from BoneStrengthFEALib import bmd, calibration, provenance
from BoneStrengthFEALib.class_guard import allows_classes, withhold_classes
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.quality import QualityLine, QualityReport
from BoneStrengthFEALib.results import SiteResult, StudyResults
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.site_analysis import SiteFields, analyse
from BoneStrengthFEALib.site_density import MeasuredBone, measure_site
from BoneStrengthFEALib.site_refusal import each_bone
from BoneStrengthFEALib.study import Study
from BoneStrengthFEALib.study_risk import overall_risk
from BoneStrengthFEALib.volume import Volume


@dataclass(frozen=True, eq=False)
class Outcome:
    """Results and what lies behind them.

    Parameters
    ----------
    results
        Numbers, checks and provenance.
    density
        Density of the scan [mg/cm3].
    fields
        Site name to images and fields.
    """

    results: StudyResults
    density: Volume
    fields: dict[str, SiteFields]


@dataclass(frozen=True, eq=False)
class DensityOutcome:
    """Density measures alone and what lies behind them.

    Parameters
    ----------
    results
        Numbers, checks and provenance; no model and no strength.
    density
        Density of the scan [mg/cm3].
    bones
        Site name to images.
    """

    results: StudyResults
    density: Volume
    bones: dict[str, MeasuredBone]


def run(study: Study, settings: Settings | None = None, callback: ProgressCallback = no_progress) -> Outcome:
    """Run the whole chain.

    Parameters
    ----------
    study
        CT, labels, bones, subject.
    settings
        All choices.
    callback
        Called with stage and fraction; may raise to cancel.

    Returns
    -------
    The outcome.

    Raises
    ------
    RefusedError
        When the examination, the calibration or every bone is refused.
    AnatomyError
        When no bone can be found; of several bones, those that cannot are refused and the others go on.
    BoneStrengthError
        When a step cannot be done; nothing has been written then.
    """
    settings = settings or Settings()
    fitted, density, checks = calibrated(study, settings, callback)
    sites, fields = each_bone(study, lambda target: analyse(study, target, density, fitted, settings, callback))
    return Outcome(_results(study, settings, fitted, checks, sites), density, fields)


def measure(study: Study, settings: Settings | None = None, callback: ProgressCallback = no_progress) -> DensityOutcome:
    """Run the chain as far as the density measures, without a finite-element model.

    Parameters
    ----------
    study
        CT, labels, bones, subject.
    settings
        All choices.
    callback
        Called with stage and fraction; may raise to cancel.

    Returns
    -------
    The outcome; numbers are those of run.

    Raises
    ------
    RefusedError
        When the examination, the calibration or every bone is refused.
    AnatomyError
        When no bone can be found; of several bones, those that cannot are refused and the others go on.
    BoneStrengthError
        When a step cannot be done; nothing has been written then.
    """
    settings = settings or Settings()
    fitted, density, checks = calibrated(study, settings, callback)
    sites, bones = each_bone(study, lambda target: measure_site(study, target, density, fitted, settings, callback))
    return DensityOutcome(_results(study, settings, fitted, checks, sites), density, bones)


def _results(
    study: Study,
    settings: Settings,
    fitted: calibration.Calibration,
    checks: QualityReport,
    sites: list[SiteResult],
) -> StudyResults:
    if not any(site.bmd for site in sites):
        refused = QualityReport(tuple(_of_bone(site.name, line) for site in sites for line in site.quality.lines))
        refused.raise_if_refused()
        raise RefusedError("no bone could be analysed")
    mean = bmd.spine_mean({site.level: site.bmd for site in sites if site.level}, fitted.quantity)
    results = StudyResults(
        acquisition=study.acquisition,
        calibration=fitted,
        sites=tuple(sites),
        risk=overall_risk(sites, fitted.quantity),
        quality=study.quality.accepting(settings.accept).merged(checks.lines),
        settings=settings.to_dict(),
        provenance=_provenance(study, settings),
        measures=() if mean is None else (mean,),
    )
    return results if allows_classes(fitted) else withhold_classes(results)


def _of_bone(name: str, line: QualityLine) -> QualityLine:
    return dataclasses.replace(line, found=f"{name}: {line.found}")


def calibrated(
    study: Study, settings: Settings, callback: ProgressCallback = no_progress
) -> tuple[calibration.Calibration, Volume, QualityReport]:
    """Check the examination and turn its HU into density.

    Parameters
    ----------
    study
        The examination.
    settings
        All choices.
    callback
        Progress.

    Returns
    -------
    Calibration, density of the scan [mg/cm3], checks of the calibration.

    Raises
    ------
    RefusedError
        When the examination or the calibration is refused.
    """
    study.quality.accepting(settings.accept).raise_if_refused()
    callback("calibration", 0.0)
    fitted = calibration.calibrate(study.ct, study.tissues or study.labels, study.acquisition, settings.calibration)
    checks = fitted.quality.accepting(settings.accept)
    checks.raise_if_refused()
    density = calibration.apply(fitted, study.ct)
    callback("calibration", 1.0)
    return fitted, density, checks


def _provenance(study: Study, settings: Settings) -> dict[str, str]:
    inputs = {"ct": study.ct, "labels": study.labels.volume}
    if study.tissues is not None:
        inputs["tissues"] = study.tissues.volume
    if study.parts is not None:
        inputs["parts"] = study.parts.volume
    return provenance.record(inputs, study.files, settings.sha256())
