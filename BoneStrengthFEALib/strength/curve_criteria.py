"""Failure loads from a force-displacement curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.results import CurvePoint
from BoneStrengthFEALib.strength.criterion_table import Rule, criterion
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.volume import FloatArray

SAME_FORCE = 1e-9
"""Relative difference below which two forces count as equal."""


def maximum_force(curve: Sequence[CurvePoint]) -> float:
    """Largest force of a curve.

    Parameters
    ----------
    curve
        Points by increasing displacement.

    Returns
    -------
    Force [N].
    """
    return float(_arrays(curve)[1].max())


def force_at_deformation(curve: Sequence[CurvePoint], height_mm: float, deformation: float) -> float:
    """Force at a deformation, interpolated between points.

    Parameters
    ----------
    curve
        Points by increasing displacement.
    height_mm
        Height the deformation refers to [mm].
    deformation
        Displacement over height.

    Returns
    -------
    Force [N].

    Raises
    ------
    ModelError
        When the curve ends before.
    """
    displacement, force = _arrays(curve)
    wanted = deformation * height_mm
    if wanted > displacement[-1] * (1 + SAME_FORCE):
        raise ModelError(
            f"the curve ends at {displacement[-1]:.4g} mm, before {100 * deformation:g} % of {height_mm:.4g} mm; "
            "load further"
        )
    return float(np.interp(wanted, displacement, force))


def offset_force(curve: Sequence[CurvePoint], height_mm: float, offset: float) -> float:
    """Force where the curve meets the line of initial stiffness shifted by an offset strain.

    Parameters
    ----------
    curve
        Points by increasing displacement.
    height_mm
        Height the offset refers to [mm].
    offset
        Offset strain, for example 0.002.

    Returns
    -------
    Force [N].

    Raises
    ------
    ModelError
        When the curve ends before it meets the line.
    """
    displacement, force = _arrays(curve)
    gap = force - initial_stiffness(curve) * (displacement - offset * height_mm)
    below = np.flatnonzero(gap <= 0)
    if below.size == 0:
        raise ModelError(f"the curve does not reach the {100 * offset:g} % offset line; load further")
    last = int(below[0])
    share = gap[last - 1] / (gap[last - 1] - gap[last])
    return float(force[last - 1] + share * (force[last] - force[last - 1]))


def first_yield_force(curve: Sequence[CurvePoint]) -> float:
    """Force at the last point before any element has yielded.

    Parameters
    ----------
    curve
        Points by increasing displacement.

    Returns
    -------
    Force [N], a lower bound whose sharpness is the step size.

    Raises
    ------
    ModelError
        When nothing yields, or the first point has yielded already.
    """
    points = [point for point in curve if point.displacement_mm > 0]
    yielded = [index for index, point in enumerate(points) if point.plastic_fraction > 0]
    if not yielded:
        raise ModelError("no element yields on this curve; load further")
    if yielded[0] == 0:
        raise ModelError("the first step has yielded already; take smaller steps")
    return points[yielded[0] - 1].force_n


def initial_stiffness(curve: Sequence[CurvePoint]) -> float:
    """Stiffness of the first step.

    Parameters
    ----------
    curve
        Points by increasing displacement.

    Returns
    -------
    Stiffness [N/mm].
    """
    displacement, force = _arrays(curve)
    return float(force[1] / displacement[1])


def evaluate_curve(criterion_id: str, curve: Sequence[CurvePoint], height_mm: float) -> Strength:
    """Failure load of a curve by one criterion.

    Parameters
    ----------
    criterion_id
        Id of a nonlinear criterion.
    curve
        Points by increasing displacement; a point at zero is added when missing.
    height_mm
        Height the strains refer to [mm].

    Returns
    -------
    The strength with its constants; ``still_rising`` is 1 when the largest force is at the last point.

    Raises
    ------
    ModelError
        When the criterion is not for curves, or the curve ends too early.
    """
    row = criterion(criterion_id)
    if not row.nonlinear:
        raise ModelError(f"criterion {row.id} takes a linear solution, not a curve")
    numbers = dict(row.constants)
    displacement, force = _arrays(curve)
    if row.rule is Rule.MAXIMUM:
        failure = maximum_force(curve)
        numbers["displacement_at_maximum_mm"] = float(displacement[int(force.argmax())])
        numbers["still_rising"] = float(force[-1] > force[:-1].max() * (1 + SAME_FORCE))
    elif row.rule is Rule.AT_DEFORMATION:
        failure = force_at_deformation(curve, height_mm, row.constants["deformation"])
    elif row.rule is Rule.OFFSET:
        failure = offset_force(curve, height_mm, row.constants["offset"])
    else:
        failure = first_yield_force(curve)
    return Strength(row.id, failure, initial_stiffness(curve), height_mm, numbers, row.source)


def _arrays(curve: Sequence[CurvePoint]) -> tuple[FloatArray, FloatArray]:
    points = [(0.0, 0.0), *((p.displacement_mm, p.force_n) for p in curve if p.displacement_mm > 0)]
    displacement, force = np.array(points).T
    if len(points) < 2 or (np.diff(displacement) <= 0).any():
        raise ModelError("a curve needs points of increasing positive displacement")
    return displacement, force
