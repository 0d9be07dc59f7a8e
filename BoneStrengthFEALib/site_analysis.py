"""One bone from its label to its strength and classes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib import material, strength
from BoneStrengthFEALib.anatomy import AlignedSpecimen, Specimen
from BoneStrengthFEALib.bmd import HipScan
from BoneStrengthFEALib.calibration import Calibration
from BoneStrengthFEALib.calibration.conversions import conversion
from BoneStrengthFEALib.load_case import LoadedModel
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.plasticity import NonlinearOptions, NonlinearSolution, solve_nonlinear
from BoneStrengthFEALib.progress import ProgressCallback
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.results import ModelRecord, SiteResult
from BoneStrengthFEALib.settings import NonlinearSettings, Settings
from BoneStrengthFEALib.site_density import MeasuredBone, measure_site
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.site_risk import site_risk
from BoneStrengthFEALib.site_sweep import sweep_falls
from BoneStrengthFEALib.site_uncertainty import with_calibration_uncertainty
from BoneStrengthFEALib.solver import Solution, SolverOptions, solve_linear
from BoneStrengthFEALib.strength import ElementFields, Loading
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Volume

END_DEFORMATION = {"vertebra": 0.03, "femur": 0.045, "radius": 0.03, "tibia": 0.03}
"""End of nonlinear loading: beyond the deformation of each site's criterion; small strains are assumed up to 4 %."""


@dataclass(frozen=True, eq=False)
class SiteFields:
    """Images and fields behind the numbers of one bone, for pictures and export.

    Parameters
    ----------
    specimen
        Bone and its surroundings, on voxels of the scan.
    aligned
        Bone in its local frame.
    loaded
        The model.
    solution
        Its solution.
    fields
        Strain, stress and energy density per element.
    failure
        Nonlinear solution, or None for a linear analysis.
    hip
        Projection of a femur and its regions, or None.
    """

    specimen: Specimen
    aligned: AlignedSpecimen
    loaded: LoadedModel
    solution: Solution
    fields: ElementFields
    failure: NonlinearSolution | None = None
    hip: HipScan | None = None


def analyse(
    study: Study,
    target: Target,
    density: Volume,
    calibration: Calibration,
    settings: Settings,
    callback: ProgressCallback,
) -> tuple[SiteResult, SiteFields | None]:
    """Measure, model and load one bone.

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
    Results and fields; a refused bone has its quality lines, no numbers, and no fields.

    Raises
    ------
    BoneStrengthError
        When a step cannot be done.
    """
    result, bone = measure_site(study, target, density, calibration, settings, callback)
    if bone is None:
        return result, None
    fields, model, strengths, checks = _load(bone, calibration, settings, callback)
    falls, fall_lines = sweep_falls(bone.specimen, bone.density, settings, callback)
    failure = fields.failure
    return dataclasses.replace(
        result,
        curve=failure.curve if failure else (),
        model=model,
        strengths=strengths,
        risk=site_risk(bone.specimen, result.bmd, strengths, study.acquisition.subject, model.load_case),
        quality=result.quality.merged((*checks.lines, *fall_lines)),
        sweep=falls,
    ), dataclasses.replace(fields, hip=bone.hip)


def _load(
    bone: MeasuredBone, calibration: Calibration, settings: Settings, callback: ProgressCallback
) -> tuple[SiteFields, ModelRecord, tuple[Strength, ...], QualityReport]:
    specimen, density, chosen, site = bone.specimen, bone.density, settings.model, bone.specimen.site
    nonlinear = chosen.analysis == "nonlinear"
    callback(f"{specimen.name}: finite-element model", 0.0)
    built = build_model(specimen, density, chosen)
    loaded, materials = built.loaded, built.materials
    solver = settings.solver
    options = SolverOptions(solver.tolerance, solver.max_iterations, solver.threads, solver.backend)
    solution = solve_linear(
        loaded.model, options, lambda stage, fraction: callback(f"{specimen.name}: {stage}", fraction)
    )
    fields = strength.element_fields(loaded.model, solution)
    loading = Loading(loaded.loaded_set, loaded.height_mm, loaded.bone)
    failure = _fail(loaded, built.law, settings, specimen, callback) if nonlinear else None
    criteria = chosen.criteria or strength.DEFAULT_CRITERIA[site.value, chosen.analysis]
    if nonlinear and not chosen.criteria:
        # what a linear analysis of the same model says stands beside it
        criteria += strength.DEFAULT_CRITERIA[site.value, "linear"]
    strengths = tuple(
        strength.evaluate_curve(c, failure.curve, loaded.height_mm)
        if failure and strength.criterion(c).nonlinear
        else strength.evaluate(c, loaded.model, solution, loading, fields)
        for c in criteria
    )
    strengths = with_calibration_uncertainty(strengths, bone, settings, calibration, (loaded, fields))
    record = _model_record(loaded, solution, materials, built.case.source, chosen.analysis)
    if failure:
        record = dataclasses.replace(record, numbers={**record.numbers, **_nonlinear_numbers(failure)})
    report = QualityReport((*materials.quality, *_conversion_lines(built.conversions), *_loading_lines(failure)))
    return SiteFields(specimen, built.aligned, loaded, solution, fields, failure), record, strengths, report


def _fail(
    loaded: LoadedModel, law: material.MaterialLaw, settings: Settings, specimen: Specimen, callback: ProgressCallback
) -> NonlinearSolution:
    chosen = settings.nonlinear
    options = NonlinearOptions(
        end_factor=end_factor(loaded, chosen, specimen.site.value),
        force_error=chosen.force_error,
        tolerance=chosen.tolerance,
        bbar=chosen.bbar,
        threads=settings.solver.threads,
    )
    size = law.post_yield.element_mm if law.post_yield else None
    return solve_nonlinear(
        loaded.model,
        loaded.loaded_set,
        options,
        lambda stage, fraction: callback(f"{specimen.name}: {stage}", fraction),
        size,
    )


def end_factor(loaded: LoadedModel, chosen: NonlinearSettings, site: str) -> float:
    """Multiple of the model's own displacement at which nonlinear loading ends.

    Parameters
    ----------
    loaded
        The model.
    chosen
        Settings.
    site
        Site, for its default deformation.

    Returns
    -------
    The factor.
    """
    end = chosen.end_deformation or END_DEFORMATION[site]
    moved: dict[str, float] = {p.name: float(np.mean(p.value_mm)) for p in loaded.model.prescribed}
    moved |= {p.name: p.displacement_mm or 0.0 for p in loaded.model.platens}
    return end * loaded.height_mm / abs(moved[loaded.loaded_set])


def _nonlinear_numbers(failure: NonlinearSolution) -> dict[str, float]:
    return {f"nonlinear_{name}": value for name, value in failure.numbers.items()}


def _conversion_lines(conversions: tuple[str, ...]) -> tuple[QualityLine, ...]:
    if not conversions:
        return ()
    rows = [conversion(name) for name in conversions]
    return (
        QualityLine(
            "DENSITY_CONVERSION",
            Outcome.PASS,
            "; ".join(f"{row.id} ({row.source})" for row in rows),
            "a published conversion from the calibration's density to the law's",
        ),
    )


def _loading_lines(failure: NonlinearSolution | None) -> tuple[QualityLine, ...]:
    if failure is None:
        return ()
    stopped = failure.reason.startswith("no equilibrium")
    return (
        QualityLine(
            "LOADING_END",
            Outcome.WARN if stopped else Outcome.PASS,
            failure.reason,
            "loaded to the end or past the peak",
            "the curve is valid as far as it goes; look at its end before using the largest force",
        ),
    )


def _model_record(
    loaded: LoadedModel, solution: Solution, materials: MaterialMap, source: str, analysis: str
) -> ModelRecord:
    solved = solution.numbers
    return ModelRecord(
        law=materials.law_id,
        load_case=loaded.model.load_case,
        analysis=analysis,
        voxel_mm=loaded.model.spacing_mm[0],
        elements=int(solved["elements"]),
        nodes=int(solved["nodes"]),
        numbers={
            "height_mm": loaded.height_mm,
            "cap_mm": loaded.cap_mm,
            "bone_elements": float(loaded.bone.sum()),
            "removed_elements": float(loaded.model.removed_elements + solution.removed_elements),
            "floored_fraction": materials.floored_fraction,
            "out_of_range_fraction": materials.out_of_range_fraction,
            "strain_energy_n_mm": solution.energy_n_mm,
            **{f"reaction_{name}_n": float(abs(force).max()) for name, force in solution.reactions_n.items()},
        },
        solver=dict(solved),
        sources=(materials.source, source),
    )
