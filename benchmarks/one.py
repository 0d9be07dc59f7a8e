"""One code on one model in a process of its own: python -m benchmarks.one CODE FILE.npy TOLERANCE REPEATS."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.system import System, build_system
from BoneStrengthFEALib.synthetic.fields import compressed, cube

THREADS = 2
Run = Callable[[FeModel, float], dict[str, float]]


def ours(model: FeModel, tolerance: float) -> dict[str, float]:
    """Solve with the bundled solver."""
    began = time.perf_counter()
    solution = solve_linear(model, SolverOptions(tolerance=tolerance, threads=THREADS))
    seconds = time.perf_counter() - began
    reaction = float(solution.reactions_n["top_z"][2])
    return {"seconds": seconds, "iterations": solution.numbers["iterations"], "reaction_n": reaction}


def parosol(model: FeModel, tolerance: float) -> dict[str, float]:
    """Solve with parosol-py; seconds are those of its native program, by its own clock."""
    from parosol_py.api import solve

    edge = model.spacing_mm[0]
    with tempfile.TemporaryDirectory() as folder:
        result = solve(
            material=model.young_mpa,
            spacing=(edge, edge, edge),
            poisson_ratio=0.3,
            strain=-0.01,
            tolerance=tolerance,
            mpi_processes=THREADS,
            work_dir=folder,
        )
    forces, moved = result.fields["forces"], result.fields["displacements"]
    # the loaded face is where the prescribed value stands (float32 there); porous bone moves further elsewhere
    given = -0.01 * model.young_mpa.shape[0] * edge
    reaction = float(forces[np.abs(moved[:, 2] - given) <= 2e-7 * abs(given), 2].sum())
    run = result.summary.run
    return {"seconds": run.overall_time_seconds, "iterations": run.iterations, "reaction_n": reaction}


def scipy_cg(model: FeModel, tolerance: float) -> dict[str, float]:
    """Solve with scipy's conjugate gradients and the diagonal on the assembled matrix."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import cg

    return _assembled(model, lambda a, b, x, count: cg(a, b, rtol=tolerance, M=diags(1 / a.diagonal()), callback=count))


def pyamg_sa(model: FeModel, tolerance: float) -> dict[str, float]:
    """Solve with pyamg's smoothed aggregation, rigid motions as near null space."""
    import pyamg

    def run(a: Any, b: Any, x: Any, count: Any) -> Any:
        grid = pyamg.smoothed_aggregation_solver(a, B=x, symmetry="symmetric")
        return grid.solve(b, tol=tolerance, accel="cg", callback=count), 0

    return _assembled(model, run)


def calculix(model: FeModel, tolerance: float) -> dict[str, float]:
    """Solve with CalculiX's direct solver: whole program, without writing its input; the tolerance has no meaning."""
    import os
    import re
    import subprocess

    from BoneStrengthFEALib.export import write_inp

    with tempfile.TemporaryDirectory() as folder:
        write_inp(model, Path(folder) / "model.inp")
        environment = dict(os.environ, OMP_NUM_THREADS=str(THREADS))
        began = time.perf_counter()
        subprocess.run(["ccx", "model"], cwd=folder, env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - began
        text = (Path(folder) / "model.dat").read_text(encoding="ascii")
    found = re.search(r"set top_z and time\s+\S+\s+\S+\s+\S+\s+(\S+)", text, re.IGNORECASE)
    assert found is not None, "no reaction in CalculiX's output"
    return {"seconds": seconds, "iterations": 0, "reaction_n": float(found[1])}


def _assembled(model: FeModel, run: Callable[..., Any]) -> dict[str, float]:
    began, count = time.perf_counter(), [0]
    system = build_system(model, Team(1), "numpy")
    matrix, given = system.operator.matrix, system.constraints.given_mm()  # type: ignore[union-attr]
    free = np.flatnonzero(~system.constraints.fixed.ravel())
    right = -(matrix @ given)[free]
    u = given.copy()
    inside = matrix[free][:, free].tocsr()
    u[free], _ = run(inside, right, _rigid_motions(system)[free], lambda _: count.__setitem__(0, count[0] + 1))
    seconds = time.perf_counter() - began
    top = system.constraints.sets["top_z"]
    return {"seconds": seconds, "iterations": count[0], "reaction_n": float((matrix @ u)[top].sum())}


def _rigid_motions(system: System) -> np.ndarray:
    z, y, x = (system.mesh.node_positions - system.mesh.node_positions.mean(axis=0)).T
    modes = np.zeros((len(x), 3, 6))
    modes[:, [0, 1, 2], [0, 1, 2]] = 1.0
    modes[:, 1, 3], modes[:, 2, 3] = -z, y
    modes[:, 0, 4], modes[:, 2, 4] = z, -x
    modes[:, 0, 5], modes[:, 1, 5] = -y, x
    return modes.reshape(-1, 6)


CODES: dict[str, Run] = {
    "ours": ours,
    "parosol-py": parosol,
    "scipy": scipy_cg,
    "pyamg": pyamg_sa,
    "calculix": calculix,
}


def memory_bytes(field: str) -> int:
    """Memory of this process as Linux counts it (VmRSS now, VmHWM peak); 0 on other systems."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def reset_peak() -> None:
    """Let the peak start at the present size, else loading and compiling would hide what a solution takes."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return


def main(code: str, file: str, tolerance: float, repeats: int) -> None:
    """Measure and print one line of JSON."""
    model = compressed(np.load(Path(file)))
    CODES[code](compressed(cube(6)), tolerance)  # compiles, loads libraries
    reset_peak()
    before = memory_bytes("VmRSS")
    runs = [CODES[code](model, tolerance) for _ in range(repeats)]
    result = dict(runs[-1], seconds=statistics.median(r["seconds"] for r in runs))
    # these solve in processes of their own, whose memory is not measured here
    peak = 0 if code in {"parosol-py", "calculix"} else memory_bytes("VmHWM") - before
    print(json.dumps(dict(result, peak_bytes=peak)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
