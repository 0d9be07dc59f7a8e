"""Standard uncertainty of stiffness and failure load that comes from the calibration alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from BoneStrengthFEALib.calibration import Calibration
from BoneStrengthFEALib.calibration.uncertainty import changed, likely_changes
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.load_case import LoadedModel
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.site_density import MeasuredBone
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.strength import ElementFields, Loading, Rule, criterion, evaluate
from BoneStrengthFEALib.strength_record import Strength

STEP = 0.5
"""Share of a standard deviation by which the coefficients are moved: a derivative, and more than a solver's error."""
TOLERANCE = 1e-5
"""Of the solutions for the other coefficients, at least."""
LOCAL = (Rule.PISTOIA, Rule.YIELD_STRAIN, Rule.YIELD_STRESS)
"""Criteria of a share of the elements: which of them fail depends on the solution, so it is solved again."""


def with_calibration_uncertainty(
    strengths: Sequence[Strength],
    bone: MeasuredBone,
    settings: Settings,
    calibration: Calibration,
    solved: tuple[LoadedModel, ElementFields],
) -> tuple[Strength, ...]:
    """Add the uncertainties to strengths.

    Parameters
    ----------
    strengths
        Failure loads and stiffnesses.
    bone, settings
        What the model was made from.
    calibration
        Calibration of the density.
    solved
        The model and the fields of its linear solution.

    Returns
    -------
    The strengths; as they were when the covariance of the calibration is unknown.

    References
    ----------
    Stiffness: under prescribed displacements it is twice the energy over the square of the displacement (Clapeyron),
    and its derivative is the energy of the same field with the derivative of the moduli.
    """
    loaded, fields = solved
    others = [
        build_model(bone.specimen, changed(calibration, bone.density, STEP * change), settings.model).loaded
        for change in likely_changes(calibration)
    ]
    if not others or not all(np.array_equal(other.model.elements, loaded.model.elements) for other in others):
        # a threshold on density that moves the bone's border has no derivative
        return tuple(strengths)
    stiffness = _root([_modulus_change(loaded.model, other.model, fields) for other in others])
    stress = _root([_stress_change(loaded.model, other.model, fields) for other in others])
    local = _local_changes([s for s in strengths if criterion(s.criterion).rule in LOCAL], others, settings)
    return tuple(_with(s, stiffness, local.get(s.criterion, _by_rule(s, stiffness, stress))) for s in strengths)


def _by_rule(strength: Strength, stiffness: float, stress: float) -> float:
    # what a curve reaches is bounded by the yield stress as what a linear solution reaches is by the modulus
    return stiffness if criterion(strength.criterion).rule is Rule.STIFFNESS_TIMES_HEIGHT else stress


def _with(strength: Strength, stiffness: float, load: float) -> Strength:
    return dataclasses.replace(
        strength,
        uncertainty_n=load * strength.force_n,
        stiffness_uncertainty_n_per_mm=stiffness * strength.stiffness_n_per_mm,
    )


def _root(changes: Sequence[float]) -> float:
    return float(np.linalg.norm(changes)) / STEP


def _local_changes(
    strengths: Sequence[Strength], others: Sequence[LoadedModel], settings: Settings
) -> dict[str, float]:
    """Relative standard uncertainty of each failure load, by solving the other models."""
    if not strengths:
        return {}
    solver = settings.solver
    options = SolverOptions(max(solver.tolerance, TOLERANCE), solver.max_iterations, solver.threads, solver.backend)
    changes: dict[str, list[float]] = {s.criterion: [] for s in strengths}
    for other in others:
        solution = solve_linear(other.model, options)
        loading = Loading(other.loaded_set, other.height_mm, other.bone)
        for s in strengths:
            found = evaluate(s.criterion, other.model, solution, loading)
            changes[s.criterion].append(found.force_n / s.force_n - 1.0)
    return {name: _root(values) for name, values in changes.items()}


def _modulus_change(model: FeModel, other: FeModel, fields: ElementFields) -> float:
    """Relative change of the stiffness: that of each modulus, weighted by energy."""
    before, after = (np.asarray(m.young_mpa, dtype=np.float64)[fields.elements] for m in (model, other))
    return float(np.average(after / before - 1.0, weights=fields.energy_density_mpa))


def _stress_change(model: FeModel, other: FeModel, fields: ElementFields) -> float:
    """Relative change of the yield stress of what can yield, weighted by energy."""
    if model.yield_stress is None or other.yield_stress is None:
        return _modulus_change(model, other, fields)
    before, after = (
        np.asarray(stress.compression_mpa, dtype=np.float64)[fields.elements]
        for stress in (model.yield_stress, other.yield_stress)
    )
    yields = np.isfinite(before) & np.isfinite(after) & (before > 0)
    if not yields.any():
        return _modulus_change(model, other, fields)
    return float(np.average(after[yields] / before[yields] - 1.0, weights=fields.energy_density_mpa[yields]))
