"""Linear solution: conjugate gradients on the element operator, preconditioned by multigrid.

References
----------
[1] Saad (2003), Iterative Methods for Sparse Linear Systems, 2nd ed., algorithm 9.1 (preconditioned CG).
[2] Notay (2000), Flexible conjugate gradients, SIAM J. Sci. Comput. 22:1444, doi:10.1137/S1064827599362314.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.errors import ConvergenceError
from BoneStrengthFEALib.fe_model import FeModel, NodalForce, Prescribed
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.solver import memory
from BoneStrengthFEALib.solver import vector_kernels as vk
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.forecast import hopeless, iterations_expected, rate_per_iteration
from BoneStrengthFEALib.solver.multigrid import Multigrid
from BoneStrengthFEALib.solver.operator import ElementOperator
from BoneStrengthFEALib.solver.solution import Solution, SolverOptions
from BoneStrengthFEALib.solver.system import System, build_system, choose_backend
from BoneStrengthFEALib.solver.teamwork import copy_rows, run_over, sum_over
from BoneStrengthFEALib.solver.warming import warm_up
from BoneStrengthFEALib.volume import FloatArray, Grid

Preconditioner = Callable[[FloatArray], FloatArray]

STAGE_SETUP, STAGE_SOLVE = "solver setup", "solving"
SYSTEM_SHARE = 0.4
"""Share of the set-up that numbering nodes takes, for progress."""
CHECK_EVERY = 1000
"""Recompute the true residual after so many iterations; each check restarts the directions, so it must be rare."""
AIM_BELOW = 0.7
"""The recurrence aims below the tolerance by this factor, so that the true residual passes as well."""
STUCK_RATIO = 0.9
"""A round that leaves more than this share of the residual makes no progress."""


def solve_linear(
    model: FeModel, options: SolverOptions | None = None, callback: ProgressCallback = no_progress
) -> Solution:
    """Solve a linear-elastic voxel model.

    Parameters
    ----------
    model
        Model.
    options
        Tolerance, threads, backend, memory limit.
    callback
        Progress; may raise to cancel.

    Returns
    -------
    Displacements, reactions, residual history. Stops when |P(f - K u)| <= tolerance |P(f - K u_0)|, where P
    projects onto the free displacements and u_0 holds the prescribed values only.

    Raises
    ------
    ModelError
        When the model is contradictory or floats away.
    MemoryLimitError
        When it will not fit, before anything is allocated.
    ConvergenceError
        When the tolerance is not reached, or the rate says that it will not be; carries the history.
    """
    options = options or SolverOptions()
    backend = choose_backend(options.backend)
    estimate = memory.require(model, options.memory_limit_bytes, backend)
    if backend == "numba":
        warm_up("linear", _solve_something_tiny, callback)
    team = Team(options.threads)
    try:
        callback(STAGE_SETUP, 0.0)
        began = time.perf_counter()
        system = build_system(model, team, backend)
        callback(STAGE_SETUP, SYSTEM_SHARE)
        precondition = make_preconditioner(system, team, callback)
        callback(STAGE_SETUP, 1.0)
        ready = time.perf_counter()
        displacement, history = _solve(system, precondition, options, team, callback)
        seconds = (ready - began, time.perf_counter() - ready)
    finally:
        team.close()
    return _solution(system, displacement, history, _numbers(system, history, seconds, team.threads, estimate))


def _solve_something_tiny() -> None:
    shape = (7, 6, 6)
    ids = np.arange(8 * 7 * 7).reshape(8, 7, 7)
    sets = tuple(Prescribed(f"u{c}", ids[0].ravel(), c, 0.01 * c) for c in range(3))
    model = FeModel(Grid(shape, np.eye(4)), np.ones(shape), 0.3, sets, (NodalForce("f", ids[-1, 0, :1], 0, 1.0),))
    team = Team(1)
    system = build_system(model, team, "numba")
    options = SolverOptions(threads=1)
    _solve(system, make_preconditioner(system, team), options, team, no_progress)


def make_preconditioner(system: System, team: Team, callback: ProgressCallback = no_progress) -> Preconditioner:
    """Multigrid where kernels are compiled, Jacobi otherwise.

    Parameters
    ----------
    system
        System.
    team
        Threads.
    callback
        Called after each level; may raise to cancel.

    Returns
    -------
    Function from (n, 3) residual to (n, 3) correction.
    """
    if system.backend == "numba":
        held = system.constraints.fixed.copy()
        for plane in system.constraints.planes:
            held[plane.dofs] = plane.prescribed_mm is not None
        fixed = (system.constraints.fixed.reshape(-1, 3), held.reshape(-1, 3))
        operator, elasticities = system.operator, system.fewest_elasticities
        assert isinstance(operator, ElementOperator)

        def after_level(number: int) -> None:
            callback(STAGE_SETUP, 1.0 - (1.0 - SYSTEM_SHARE) / 2.0**number)

        return Multigrid(system.mesh.elements, operator, fixed, elasticities, system.spacing_mm, team, after_level)
    inverse = 1.0 / np.maximum(system.operator.diagonal(), np.finfo(np.float64).tiny)
    return lambda residual: inverse * residual


@dataclass(eq=False)
class _Iteration:
    """State of one solution: what is solved, how, and the residuals so far."""

    system: System
    precondition: Preconditioner
    options: SolverOptions
    team: Team
    callback: ProgressCallback
    initial: float
    history: list[float]

    def done(self) -> bool:
        """Whether the tolerance is reached or the iterations are used up."""
        return (
            self.history[-1] <= self.options.tolerance
            or len(self.history) > self.options.max_iterations
            or self.hopeless()
        )

    def hopeless(self) -> bool:
        """Whether the rate says that the iterations allowed are far too few; the diagonal alone says nothing early."""
        tolerance, limit = self.options.tolerance, self.options.max_iterations
        return isinstance(self.precondition, Multigrid) and hopeless(self.history, tolerance, limit)

    def round(self, u: FloatArray, r: FloatArray) -> None:
        """Conjugate gradients [1, algorithm 9.1] from u with residual r, both updated, until a check is due."""
        project, team = self.system.constraints.project, self.team
        p, q, z, step, rz_before = np.zeros_like(r), np.zeros_like(r), np.empty_like(r), 0.0, 1.0
        for _ in range(CHECK_EVERY):
            copy_rows(team, z, self.precondition(r))
            project(z.reshape(-1))
            rz, qz = np.sum(run_over(team, vk.two_dots, z, r, q), axis=0)
            if not rz > 0.0:
                return
            # flexible beta [2], the preconditioner being neither linear nor exact: (r - r_before).z = -step q.z
            beta = -step * qz / rz_before
            run_over(team, vk.update_direction, p, z, beta)
            rz_before = rz
            self.system.operator.apply(p, q)
            project(q.reshape(-1))
            curvature, pr = np.sum(run_over(team, vk.two_dots, p, q, r), axis=0)
            if not (np.isfinite(curvature) and curvature > 0.0):
                return
            step = pr / curvature
            squares = sum_over(team, vk.update_solution, u, r, p, q, step)
            self.history.append(float(np.sqrt(squares)) / self.initial)
            self.callback(STAGE_SOLVE, _log_fraction(self.history[-1], self.options.tolerance))
            if (
                self.history[-1] <= AIM_BELOW * self.options.tolerance
                or len(self.history) > self.options.max_iterations
                or self.hopeless()
            ):
                return


def _solve(
    system: System, precondition: Preconditioner, options: SolverOptions, team: Team, callback: ProgressCallback
) -> tuple[FloatArray, tuple[float, ...]]:
    u = system.constraints.given_mm().reshape(-1, 3)
    residual = _true_residual(system, u)
    initial = _norm(team, residual)
    if initial == 0.0:
        return u, (0.0,)
    state = _Iteration(system, precondition, options, team, callback, initial, [1.0])
    while not state.done():
        before, steps = state.history[-1], len(state.history)
        state.round(u, residual)
        residual = _true_residual(system, u)
        state.history[-1] = _norm(team, residual) / initial
        stuck = len(state.history) == steps or state.history[-1] > STUCK_RATIO * before
        if stuck and not (isinstance(precondition, Multigrid) and precondition.retreat()):
            break
    if state.history[-1] > options.tolerance:
        raise ConvergenceError(_what_was_tried(state), tuple(state.history))
    callback(STAGE_SOLVE, 1.0)
    return u, tuple(state.history)


def _norm(team: Team, vector: FloatArray) -> float:
    # not BLAS, whose own threads are many times slower on a loaded machine
    return float(np.sqrt(sum_over(team, vk.dot, vector, vector)))


def _what_was_tried(state: _Iteration) -> str:
    history, options = state.history, state.options
    expected = iterations_expected(history, options.tolerance)
    outlook = f"about {expected:.0f} iterations" if np.isfinite(expected) else "never"
    method = "multigrid" if isinstance(state.precondition, Multigrid) else "the diagonal"
    return (
        f"the solver reached a relative residual of {history[-1]:.2e} after {len(history) - 1} iterations of conjugate "
        f"gradients preconditioned by {method}, {options.tolerance:.0e} within {options.max_iterations} was asked for; "
        f"at the last rate, a factor of {rate_per_iteration(history):.4f} per iteration, it would take: {outlook}. "
        "Check that the boundary conditions hold the model and that no wide shell is one voxel thick (use smaller "
        "voxels), or raise solver.max_iterations"
    )


def _log_fraction(residual: float, tolerance: float) -> float:
    return float(np.clip(np.log(max(residual, 1e-300)) / np.log(tolerance), 0.0, 0.99))


def _true_residual(system: System, u: FloatArray) -> FloatArray:
    residual = system.operator.apply(u)
    np.negative(residual, out=residual)
    system.constraints.add_forces(residual.reshape(-1))
    system.constraints.project(residual.reshape(-1))
    return residual


def _solution(system: System, u: FloatArray, history: tuple[float, ...], numbers: Mapping[str, float]) -> Solution:
    internal = system.operator.apply(u)
    support = system.constraints.add_forces(internal.flatten(), -1.0)
    reactions: dict[str, FloatArray] = {}
    for name, dofs in system.constraints.sets.items():
        reactions[name] = np.bincount(dofs % 3, support[dofs], 3).astype(np.float64)
    motion: dict[str, FloatArray] = {}
    for plane in system.constraints.planes:
        total = support[plane.dofs] if plane.prescribed_mm is not None else internal.ravel()[plane.dofs]
        reactions[plane.name] = np.bincount(plane.dofs % 3, total, 3).astype(np.float64)
        motion[plane.name] = np.linalg.lstsq(plane.shape_functions, u.ravel()[plane.dofs], rcond=None)[0]
    return Solution(
        nodes=system.mesh.nodes,
        displacement_mm=u,
        reactions_n=reactions,
        platen_motion=motion,
        relative_residuals=history,
        energy_n_mm=0.5 * float(np.einsum("nc,nc->", u, internal)),
        removed_elements=system.removed_elements,
        numbers=numbers,
        backend=system.backend,
    )


def _numbers(
    system: System, history: tuple[float, ...], seconds: tuple[float, float], threads: int, estimate: int
) -> dict[str, float]:
    return {
        "elements": float(len(system.mesh.elements)),
        "nodes": float(system.mesh.nodes.size),
        "free_dofs": float((~system.constraints.fixed).sum()),
        "iterations": float(len(history) - 1),
        "relative_residual": history[-1],
        "seconds_setup": seconds[0],
        "seconds_solve": seconds[1],
        "threads": float(threads),
        "memory_estimate_bytes": float(estimate),
    }
