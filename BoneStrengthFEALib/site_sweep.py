"""Falls in several directions on one femur: which is the weakest."""

from __future__ import annotations

import dataclasses

from BoneStrengthFEALib import strength
from BoneStrengthFEALib.anatomy import Site, Specimen
from BoneStrengthFEALib.errors import AnatomyError, InputError
from BoneStrengthFEALib.progress import ProgressCallback
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.results import SweepPoint
from BoneStrengthFEALib.settings import ModelSettings, Settings, SolverSettings
from BoneStrengthFEALib.site_model import SiteModel, build_model
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.strength import Loading
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.volume import Volume


def sweep_falls(
    specimen: Specimen, density: Volume, settings: Settings, callback: ProgressCallback
) -> tuple[tuple[SweepPoint, ...], tuple[QualityLine, ...]]:
    """Load a femur in falls of several directions; bone and density stay, frame and pads change.

    Parameters
    ----------
    specimen
        The bone.
    density
        Density on its grid [mg/cm3].
    settings
        Settings; ``model.fall_sweep_deg`` lists the internal rotations.
    callback
        Progress; may raise to cancel.

    Returns
    -------
    Linear strength by direction, and a line that names the weakest; nothing for other bones or without a sweep.

    Raises
    ------
    InputError
        When the load case is no fall.
    """
    chosen = settings.model
    if not chosen.fall_sweep_deg or specimen.site is not Site.FEMUR:
        return (), ()
    if chosen.load_case and not chosen.load_case.startswith("femur-fall"):
        raise InputError(f"a sweep of fall directions needs a fall, got load case {chosen.load_case}")
    points, failed = [], []
    for number, angle in enumerate(chosen.fall_sweep_deg):
        callback(f"{specimen.name}: fall direction {angle:g} degrees", number / len(chosen.fall_sweep_deg))
        one = dataclasses.replace(chosen, fall_rotation_deg=angle, analysis="linear")
        try:
            built = build_model(specimen, density, one)
        except AnatomyError:
            failed.append(angle)
            continue
        found = linear_strength(built, specimen, one, settings.solver)
        points.append(SweepPoint(angle, one.fall_adduction_deg, found.force_n, found.stiffness_n_per_mm))
    return tuple(points), _lines(points, failed)


def linear_strength(
    built: SiteModel, specimen: Specimen, chosen: ModelSettings, solver: SolverSettings | None = None
) -> Strength:
    """Solve a model and take its first linear criterion.

    Parameters
    ----------
    built
        The model.
    specimen
        Its bone.
    chosen
        Settings of the model; its criteria, else the site's.
    solver
        Settings of the solver.

    Returns
    -------
    The strength.
    """
    solver = solver or SolverSettings()
    options = SolverOptions(solver.tolerance, solver.max_iterations, solver.threads, solver.backend)
    loaded = built.loaded
    solution = solve_linear(loaded.model, options)
    usual = strength.DEFAULT_CRITERIA[specimen.site.value, "linear"]
    criterion = next((c for c in chosen.criteria if not strength.criterion(c).nonlinear), usual[0])
    loading = Loading(loaded.loaded_set, loaded.height_mm, loaded.bone)
    fields = strength.element_fields(loaded.model, solution)
    return strength.evaluate(criterion, loaded.model, solution, loading, fields)


def _lines(points: list[SweepPoint], failed: list[float]) -> tuple[QualityLine, ...]:
    if not points:
        words = ", ".join(f"{angle:g}" for angle in failed)
        return (
            QualityLine(
                "FALL_SWEEP", Outcome.WARN, f"no fall possible at {words} degrees", "falls on the trochanter",
                "choose other angles",
            ),
        )  # fmt: skip
    weakest = min(points, key=lambda point: point.force_n)
    found = f"weakest at {weakest.rotation_deg:g} degrees of internal rotation: {weakest.force_n:.0f} N"
    if failed:
        found += f"; no fall on the trochanter at {', '.join(f'{angle:g}' for angle in failed)} degrees"
    if len(points) > 1 and weakest in (points[0], points[-1]):
        found += ", at the end of the sweep"
    return (
        QualityLine(
            "FALL_SWEEP",
            Outcome.WARN if failed else Outcome.PASS,
            found,
            "falls on the trochanter in all directions",
            "leave out the directions that are no fall on the trochanter",
        ),
    )
