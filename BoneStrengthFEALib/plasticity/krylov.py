"""Preconditioned conjugate gradients on a tangent, to the accuracy a Newton step needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from BoneStrengthFEALib.solver import vector_kernels as vk
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.teamwork import copy_rows, run_over, sum_over
from BoneStrengthFEALib.volume import FloatArray


class Operator(Protocol):
    """Something that multiplies."""

    def apply(self, u: FloatArray) -> FloatArray:
        """Multiply (n, 3) by a symmetric matrix."""
        ...


def correction(
    operator: Operator,
    precondition: Callable[[FloatArray], FloatArray],
    project: Callable[[FloatArray], FloatArray],
    residual: FloatArray,
    options: tuple[float, int, Team],
    check: Callable[[], None],
) -> tuple[FloatArray, int]:
    """Solve tangent * d = residual approximately (flexible CG; Notay 2000, doi:10.1137/S1064827599362314).

    Parameters
    ----------
    operator
        Tangent, positive semi-definite.
    precondition
        Approximate inverse of the elastic stiffness.
    project
        Projection onto the free displacements, in place on flat vectors.
    residual
        (n, 3) projected residual forces [N].
    options
        Relative tolerance, most iterations, threads.
    check
        Called once per iteration; may raise to cancel.

    Returns
    -------
    (n, 3) correction [mm] and the number of iterations. Ends early where the tangent has no stiffness left.
    """
    tolerance, most, team = options
    r, d = residual.copy(), np.zeros_like(residual)
    p, before, z = np.zeros_like(r), r.copy(), np.empty_like(r)
    wanted = tolerance * float(np.sqrt(sum_over(team, vk.dot, r, r)))
    rz_before = 0.0
    for count in range(1, most + 1):
        check()
        copy_rows(team, z, precondition(r))
        project(z.reshape(-1))
        rz = sum_over(team, vk.dot, r, z)
        beta = 0.0 if count == 1 else (rz - sum_over(team, vk.dot, before, z)) / rz_before
        run_over(team, vk.update_direction, p, z, beta)
        q = operator.apply(p)
        project(q.reshape(-1))
        curvature = sum_over(team, vk.dot, p, q)
        if not (np.isfinite(curvature) and curvature > 0.0):
            return (d if count > 1 else z), count
        before[...], rz_before = r, rz
        squares = sum_over(team, vk.update_solution, d, r, p, q, sum_over(team, vk.dot, p, r) / curvature)
        if np.sqrt(squares) <= wanted:
            return d, count
    return d, most
