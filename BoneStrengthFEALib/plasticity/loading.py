"""Loading a model through its prescribed displacements until it has failed."""

from __future__ import annotations

import time

import numpy as np

from BoneStrengthFEALib.errors import ConvergenceError, DependencyError, MemoryLimitError, ModelError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed, YieldStress
from BoneStrengthFEALib.plasticity.newton import Equilibrium
from BoneStrengthFEALib.plasticity.options import NonlinearOptions
from BoneStrengthFEALib.plasticity.points import BYTES_PER_ELEMENT, Points
from BoneStrengthFEALib.plasticity.record import NonlinearSolution
from BoneStrengthFEALib.plasticity.stepping import Loading, State
from BoneStrengthFEALib.plasticity.tissue import failed_tissue
from BoneStrengthFEALib.plasticity.yield_surface import element_material
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.solver import memory
from BoneStrengthFEALib.solver.compiling import HAS_NUMBA, Team
from BoneStrengthFEALib.solver.linear import make_preconditioner
from BoneStrengthFEALib.solver.system import build_system
from BoneStrengthFEALib.solver.warming import warm_up
from BoneStrengthFEALib.volume import Grid

STAGE = "loading"


def solve_nonlinear(
    model: FeModel,
    loaded_set: str,
    options: NonlinearOptions | None = None,
    callback: ProgressCallback = no_progress,
    reference_size_mm: float | None = None,
) -> NonlinearSolution:
    """Load a model through its prescribed displacements until it has failed.

    Parameters
    ----------
    model
        Isotropic model with yield stresses.
    loaded_set
        Name of the prescribed set or platen whose force makes the curve.
    options
        Steps, tolerance, threads.
    callback
        Progress; may raise to cancel.
    reference_size_mm
        Element size the softening of the law was measured with [mm], see ``element_material``.

    Returns
    -------
    Curve and the state at the largest force.

    Raises
    ------
    ModelError
        When the model has no yield stresses or the set does not move.
    MemoryLimitError
        When it will not fit, before anything is allocated.
    ConvergenceError
        When not even the first step finds equilibrium.
    DependencyError
        Without numba.
    """
    options = options or NonlinearOptions()
    if not HAS_NUMBA:
        raise DependencyError("nonlinear analysis needs the package numba; install it, or choose a linear analysis")
    needed = _require_memory(model, options)
    loaded = _loaded(model, loaded_set)
    warm_up("nonlinear", _load_something_tiny, callback)
    team = Team(options.threads)
    began = time.perf_counter()
    try:
        run = _prepare(model, loaded, options, (team, reference_size_mm), callback)
        reason = run.advance()
    finally:
        team.close()
    callback(STAGE, 1.0)
    return _solution(model, run, reason, time.perf_counter() - began, needed)


def _prepare(
    model: FeModel,
    loaded: tuple[str, int, float],
    options: NonlinearOptions,
    how: tuple[Team, float | None],
    callback: ProgressCallback,
) -> Loading:
    team, reference_size_mm = how
    callback("solver setup", 0.0)
    system = build_system(model, team, "numba")
    points = Points(system, element_material(model, system.mesh, reference_size_mm), options.bbar, team)
    state = State(0.0, np.zeros((system.mesh.nodes.size, 3)), 0.0, points.state())
    precondition = make_preconditioner(system, team, callback)
    callback("solver setup", 1.0)

    def check() -> None:
        callback(STAGE, min(0.99, run.states[-1].factor / options.end_factor))

    equilibrium = Equilibrium(system, points, precondition, options.tolerance, options.max_newton, check)
    run = Loading(equilibrium, options, loaded, points.can_flow, [state])
    return run


def _load_something_tiny() -> None:
    shape = (7, 6, 6)
    ids = np.arange(8 * 7 * 7).reshape(8, 7, 7)
    sets = [Prescribed(f"u{c}", ids[0].ravel(), c) for c in range(3)]
    sets.append(Prescribed("top", ids[-1].ravel(), 2, -0.07))
    strength = np.full(shape, 5e-3)
    model = FeModel(
        Grid(shape, np.eye(4)), np.ones(shape), 0.3, tuple(sets), yield_stress=YieldStress(strength, strength)
    )
    options = NonlinearOptions(end_factor=1.0, first_factor=0.5, threads=1)
    _prepare(model, ("top", 2, -0.07), options, (Team(1), None), no_progress).advance()


def _loaded(model: FeModel, name: str) -> tuple[str, int, float]:
    for condition in model.prescribed:
        if condition.name == name:
            value = float(np.mean(condition.value_mm))
            break
    else:
        platen = next((p for p in model.platens if p.name == name), None)
        if platen is None or platen.displacement_mm is None:
            raise ModelError(f"the model has no prescribed set or moved platen {name!r}")
        condition, value = platen, platen.displacement_mm  # type: ignore[assignment]
    if value == 0.0:
        raise ModelError(f"set {name!r} does not move: nonlinear loading follows its displacement")
    return name, condition.component, value


def _require_memory(model: FeModel, options: NonlinearOptions) -> int:
    needed = memory.estimate(model, "numba") + int(model.elements.sum()) * (BYTES_PER_ELEMENT + 4 * 8 * 7 * 8)
    limit = options.memory_limit_bytes or memory.available()
    if limit and needed > limit:
        raise MemoryLimitError(
            f"the nonlinear model of {int(model.elements.sum())} elements needs about {needed / 2**30:.1f} GiB, "
            f"{limit / 2**30:.1f} GiB are available; use larger voxels or a machine with more memory"
        )
    return needed


def _solution(model: FeModel, run: Loading, reason: str, seconds: float, memory_bytes: int) -> NonlinearSolution:
    peak = run.peak
    if peak is None:
        raise ConvergenceError(
            f"nonlinear loading found no equilibrium at its first step ({reason}); check boundary conditions and yield "
            "stresses, or take a smaller first step"
        )
    points, system = run.equilibrium.points, run.equilibrium.system
    strain, compression, tension = failed_tissue(model, system, points, peak.plastic, peak.u)
    at_peak = max(run.curve, key=lambda point: point.force_n)
    return NonlinearSolution(
        tuple(run.curve),
        strain,
        compression,
        tension,
        peak.u,
        system.mesh.nodes,
        reason,
        {
            "elements": float(len(system.mesh.elements)),
            "nodes": float(system.mesh.nodes.size),
            "steps": float(len(run.curve)),
            "failed_steps": float(run.failed_steps),
            "newton_iterations": float(run.equilibrium.newton_iterations),
            "linear_iterations": float(run.equilibrium.linear_iterations),
            "relative_residual": max(point.relative_residual for point in run.curve),
            "plastic_fraction_at_peak": at_peak.plastic_fraction,
            "clipped_softening_elements": float(points.material.clipped),
            "seconds_solve": seconds,
            "threads": float(points.team.threads),
            "memory_estimate_bytes": float(memory_bytes),
        },
    )
