"""One bone from its label to its strength and classes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib import bmd, load_case, material, strength
from BoneStrengthFEALib.anatomy import AlignedSpecimen, Specimen, identify, prepare, resample
from BoneStrengthFEALib.anatomy.checks import metal_line
from BoneStrengthFEALib.bounding_box import bounding_box, crop, voxels_in
from BoneStrengthFEALib.calibration import Calibration
from BoneStrengthFEALib.calibration.conversions import conversion, convert
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.load_case import LoadedModel
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.plasticity import NonlinearOptions, NonlinearSolution, solve_nonlinear
from BoneStrengthFEALib.progress import ProgressCallback
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.quality_profile import check_acquisition
from BoneStrengthFEALib.results import ModelRecord, SiteResult
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.site_risk import site_risk
from BoneStrengthFEALib.solver import Solution, SolverOptions, solve_linear
from BoneStrengthFEALib.strength import ElementFields, Loading
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.target_frame import placed
from BoneStrengthFEALib.volume import Volume

END_DEFORMATION = {"vertebra": 0.03, "femur": 0.045, "radius": 0.03, "tibia": 0.03}
"""End of nonlinear loading: beyond the deformation of each site's criterion; small strains are assumed up to 4 %."""
SURROUNDINGS_MM = 45.0
"""What is kept around a bone: enough for the pictures and for whatever lies next to it."""


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
    """

    specimen: Specimen
    aligned: AlignedSpecimen
    loaded: LoadedModel
    solution: Solution
    fields: ElementFields
    failure: NonlinearSolution | None = None


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
    identity = identify(study.labels, target.label, target.site, target.level, target.side)
    labels, parts, density = _around(study, target, density)
    specimen = placed(prepare(labels, target.label, identity, parts), target)
    taken = check_acquisition(study.acquisition, max(density.spacing_mm), identity[0].value, settings.quality_profile)
    quality = taken.merged((*specimen.quality.lines, _metal(study.ct, specimen))).accepting(settings.accept)
    site, level, side = identity
    result = SiteResult(
        specimen.name, site.value, level, side.value, study.labels.value_of(target.label), quality=quality
    )
    try:
        quality.raise_if_refused()
    except RefusedError:
        return result, None
    callback(f"{specimen.name}: density measures", 0.0)
    measures = bmd.measure(density, specimen, calibration)
    fields, model, strengths, checks = _load(specimen, density, settings, callback)
    failure = fields.failure
    return dataclasses.replace(
        result,
        curve=failure.curve if failure else (),
        bmd=measures,
        model=model,
        strengths=strengths,
        risk=site_risk(specimen, measures, strengths, study.acquisition.subject, model.load_case),
        quality=quality.merged(checks.lines),
    ), fields


def _metal(ct: Volume, specimen: Specimen) -> QualityLine:
    # the specimen lies on a box of the CT's grid
    regions = specimen.regions
    low = np.rint(ct.grid.to_ijk(regions.grid.to_ras(np.zeros(3)))).astype(int)[::-1]
    high = low + regions.array.shape
    box = ct.cropped((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2])))
    return metal_line(box, np.asarray(regions.array > 0))


def _around(study: Study, target: Target, density: Volume) -> tuple[LabelMap, LabelMap | None, Volume]:
    """Labels, parts and density near a bone: what happens to one bone costs what the bone is, not what the scan is."""
    mask = study.labels.mask(target.label).array
    box = bounding_box(mask, voxels_in(SURROUNDINGS_MM, density.grid))
    labels = LabelMap(crop(study.labels.volume, box), study.labels.names)
    parts = None if study.parts is None else LabelMap(crop(study.parts.volume, box), study.parts.names)
    return labels, parts, crop(density, box)


def _load(
    specimen: Specimen, density: Volume, settings: Settings, callback: ProgressCallback
) -> tuple[SiteFields, ModelRecord, tuple[Strength, ...], QualityReport]:
    chosen, site = settings.model, specimen.site
    case = load_case.load_case(chosen.load_case, site)
    nonlinear = chosen.analysis == "nonlinear"
    law = material.law(chosen.law) if chosen.law else material.usual_law(site.value, nonlinear)
    voxel = chosen.voxel_mm or load_case.DEFAULT_VOXEL_MM[site]
    callback(f"{specimen.name}: finite-element model", 0.0)
    conversions = chosen.conversions or (() if chosen.law else material.usual_conversions(density.quantity, law))
    loaded_frame = specimen.local_to_ras if case.frame is None else case.frame(specimen, chosen)
    aligned = resample(_converted(density, conversions), specimen, voxel, case.regions, loaded_frame)
    materials = material.map_density(aligned.density, aligned.regions, law.id)
    loaded = load_case.build(case, aligned, materials, chosen)
    solver = settings.solver
    options = SolverOptions(solver.tolerance, solver.max_iterations, solver.threads, solver.backend)
    solution = solve_linear(
        loaded.model, options, lambda stage, fraction: callback(f"{specimen.name}: {stage}", fraction)
    )
    fields = strength.element_fields(loaded.model, solution)
    loading = Loading(loaded.loaded_set, loaded.height_mm, loaded.bone)
    failure = _fail(loaded, law, settings, specimen, callback) if nonlinear else None
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
    record = _model_record(loaded, solution, materials, case.source, chosen.analysis)
    if failure:
        record = dataclasses.replace(record, numbers={**record.numbers, **_nonlinear_numbers(failure)})
    report = QualityReport((*materials.quality, *_conversion_lines(conversions), *_loading_lines(failure)))
    return SiteFields(specimen, aligned, loaded, solution, fields, failure), record, strengths, report


def _fail(
    loaded: LoadedModel, law: material.MaterialLaw, settings: Settings, specimen: Specimen, callback: ProgressCallback
) -> NonlinearSolution:
    chosen = settings.nonlinear
    end = chosen.end_deformation or END_DEFORMATION[specimen.site.value]
    moved: dict[str, float] = {p.name: float(np.mean(p.value_mm)) for p in loaded.model.prescribed}
    moved |= {p.name: p.displacement_mm or 0.0 for p in loaded.model.platens}
    options = NonlinearOptions(
        end_factor=end * loaded.height_mm / abs(moved[loaded.loaded_set]),
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


def _converted(density: Volume, conversions: tuple[str, ...]) -> Volume:
    for identifier in conversions:
        row = conversion(identifier)
        if density.quantity is row.target_kind:
            density = density.with_array(row.backward(density.array).astype(density.array.dtype), row.source_kind)
        else:
            density = convert(density, identifier)
    return density


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
