"""Failure loads from one linear solution: scale the load until a criterion is met."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed, RigidPlaten
from BoneStrengthFEALib.solver import Solution
from BoneStrengthFEALib.strength.criterion_table import Criterion, Rule, criterion
from BoneStrengthFEALib.strength.element_fields import ElementFields, element_fields, principal
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.volume import FloatArray


@dataclass(frozen=True, eq=False)
class Loading:
    """Where the load goes in, and what of the model is bone.

    Parameters
    ----------
    loaded_set
        Name of the prescribed set or platen that is moved.
    height_mm
        Height the strains refer to [mm].
    bone
        (K, J, I) bool, elements a criterion looks at (cement left out); None takes all.
    """

    loaded_set: str
    height_mm: float
    bone: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Refuse a height that gives no strain."""
        if not (np.isfinite(self.height_mm) and self.height_mm > 0):
            raise ModelError(f"height must be positive, got {self.height_mm} mm; check the bone's end faces")


def force_and_displacement(model: FeModel, solution: Solution, loaded_set: str) -> tuple[float, float]:
    """Force on the loaded set and its displacement, both positive.

    Parameters
    ----------
    model, solution
        The model and its solution.
    loaded_set
        Name of the moved set or platen.

    Returns
    -------
    Force [N] along the set's component and displacement [mm].

    Raises
    ------
    ModelError
        When there is no such set, or it does not move.
    """
    conditions: dict[str, Prescribed | RigidPlaten] = {c.name: c for c in model.prescribed}
    conditions.update({c.name: c for c in model.platens})
    if loaded_set not in conditions:
        raise ModelError(f"the model has no loaded set {loaded_set!r}; it has {', '.join(conditions)}")
    condition = conditions[loaded_set]
    if isinstance(condition, Prescribed):
        displacement = float(np.mean(condition.value_mm))
    else:
        displacement = float(solution.platen_motion[loaded_set][0])
    force = float(solution.reactions_n[loaded_set][condition.component])
    if displacement == 0:
        raise ModelError(f"set {loaded_set!r} does not move: a stiffness needs a displacement")
    return abs(force), abs(displacement)


def evaluate(
    criterion_id: str, model: FeModel, solution: Solution, loading: Loading, fields: ElementFields | None = None
) -> Strength:
    """Failure load by one criterion.

    Parameters
    ----------
    criterion_id
        Id of a linear criterion.
    model, solution
        The model and its linear solution.
    loading
        Loaded set, height and bone elements.
    fields
        Element fields when already computed.

    Returns
    -------
    The strength with its constants and intermediate values.

    Raises
    ------
    ModelError
        When the criterion is for curves, or needs what the model does not have.
    """
    row = criterion(criterion_id)
    if row.nonlinear:
        raise ModelError(f"criterion {row.id} needs a force-displacement curve; solve the model nonlinearly")
    force, displacement = force_and_displacement(model, solution, loading.loaded_set)
    stiffness = force / displacement
    numbers = {**row.constants, "reaction_n": force, "displacement_mm": displacement}
    if row.rule is Rule.STIFFNESS_TIMES_HEIGHT:
        failure = row.constants["strain"] * stiffness * loading.height_mm
    else:
        factor = _load_factor(row, model, fields or element_fields(model, solution), loading)
        numbers["load_factor"] = factor
        failure = force * factor
    return Strength(row.id, failure, stiffness, loading.height_mm, numbers, row.source)


def load_factor(measure: FloatArray, limit: float, volume_percent: float) -> float:
    """Factor on the load at which a share of the elements exceeds a limit.

    Parameters
    ----------
    measure
        (n,) what is compared, per element of equal volume.
    limit
        Limit.
    volume_percent
        Share of the volume beyond the limit at failure; 0 means the first element.

    Returns
    -------
    limit over the measure of the element that many per cent from the top (n88tools' index).
    """
    ordered = np.sort(measure)
    index = min(int(len(ordered) * (100.0 - volume_percent) / 100.0), len(ordered) - 1)
    if ordered[index] <= 0:
        raise ModelError("the bone is not strained: no load factor exists; check the boundary conditions")
    return float(limit / ordered[index])


def _load_factor(row: Criterion, model: FeModel, fields: ElementFields, loading: Loading) -> float:
    chosen = fields.elements if loading.bone is None else fields.elements & loading.bone
    if not chosen.any():
        raise ModelError("no bone element took part in the solution")
    inside = chosen[fields.elements]
    share = row.constants["volume_percent"]
    if row.rule is Rule.PISTOIA:
        young = np.asarray(model.young_mpa[chosen], dtype=np.float64)
        effective = np.sqrt(2 * fields.energy_density_mpa[inside] / young)
        return load_factor(effective, row.constants["critical_strain"], share)
    if row.rule is Rule.YIELD_STRAIN:
        strains = principal(fields.strain[inside], engineering_shear=True)
        tension, compression = row.constants["tension_strain"], row.constants["compression_strain"]
        return load_factor(np.maximum(strains[:, 2] / tension, -strains[:, 0] / compression), 1.0, share)
    return load_factor(_stress_ratio(model, fields.stress_mpa[inside], chosen), 1.0, share)


def _stress_ratio(model: FeModel, stress: FloatArray, chosen: npt.NDArray[np.bool_]) -> FloatArray:
    if model.yield_stress is None:
        raise ModelError("a stress criterion needs yield stresses; take a material law that has a strength")
    stresses = principal(stress, engineering_shear=False)
    tension = np.nan_to_num(model.yield_stress.tension_mpa[chosen], nan=np.inf, posinf=np.inf)
    compression = np.nan_to_num(model.yield_stress.compression_mpa[chosen], nan=np.inf, posinf=np.inf)
    return np.asarray(np.maximum(stresses[:, 2] / tension, -stresses[:, 0] / compression))
