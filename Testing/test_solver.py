"""The linear solver against a dense assembly, closed forms and physics."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.errors import CancelledError, ConvergenceError, MemoryLimitError, ModelError
from BoneStrengthFEALib.fe_model import FeModel, NodalForce, Orthotropy, Prescribed, RigidPlaten
from BoneStrengthFEALib.solver import SolverOptions, compiling, solve_linear, vector_kernels
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.element import brick_stiffness, lame_basis, mirror_blocks
from BoneStrengthFEALib.solver.operator import AssembledOperator
from BoneStrengthFEALib.solver.system import build_system
from BoneStrengthFEALib.solver.warming import STAGE_COMPILE, warm_up
from BoneStrengthFEALib.synthetic.fields import compressed, vertebral_body
from BoneStrengthFEALib.volume import Grid

SHAPE = (3, 4, 5)
SPACING = (0.7, 1.1, 1.6)
BACKENDS = ("numba", "numpy")


def a_grid(shape: tuple[int, int, int] = SHAPE, spacing: tuple[float, float, float] = SPACING) -> Grid:
    return Grid(shape, np.diag([*spacing, 1.0]))


def node_ids(shape: tuple[int, int, int]) -> np.ndarray:
    size = tuple(n + 1 for n in shape)
    return np.arange(int(np.prod(size))).reshape(size)


def dense_oracle(model: FeModel) -> tuple[np.ndarray, np.ndarray]:
    """K and coordinates on the full node grid, assembled with one Gauss loop per element and nothing shared."""
    size = tuple(n + 1 for n in model.grid.shape)
    stiffness = np.zeros((3 * int(np.prod(size)),) * 2)
    spacing = np.array(model.spacing_mm)
    points = np.array([-1, 1]) / np.sqrt(3)
    signs = np.array([[x, y, z] for z in (-1, 1) for y in (-1, 1) for x in (-1, 1)], float)
    nu = np.broadcast_to(model.poisson, model.grid.shape)
    for k, j, i in np.argwhere(model.elements):
        e, v = model.young_mpa[k, j, i], nu[k, j, i]
        if model.orthotropy is not None and model.orthotropy.elements[k, j, i]:
            d = e * model.orthotropy.unit_stiffness
        else:
            compliance = np.diag([1.0, 1, 1, 2 * (1 + v), 2 * (1 + v), 2 * (1 + v)]) / e
            compliance[:3, :3] += -v / e * (np.ones((3, 3)) - np.eye(3))
            d = np.linalg.inv(compliance)
        ke = np.zeros((24, 24))
        for r in points:
            for s in points:
                for t in points:
                    n = np.array([r, s, t])
                    b = np.zeros((6, 24))
                    for a, sign in enumerate(signs):
                        g = [
                            sign[c] * np.prod([1 + sign[o] * n[o] for o in range(3) if o != c]) / 8 * 2 / spacing[c]
                            for c in range(3)
                        ]
                        x, y, z = 3 * a, 3 * a + 1, 3 * a + 2
                        b[0, x], b[1, y], b[2, z] = g
                        b[3, y], b[3, z] = g[2], g[1]
                        b[4, x], b[4, z] = g[2], g[0]
                        b[5, x], b[5, y] = g[1], g[0]
                    ke += b.T @ d @ b * spacing.prod() / 8
        nodes = [np.ravel_multi_index((k + z, j + y, i + x), size) for z in (0, 1) for y in (0, 1) for x in (0, 1)]
        dofs = np.array([[3 * n, 3 * n + 1, 3 * n + 2] for n in nodes]).ravel()
        stiffness[np.ix_(dofs, dofs)] += ke
    kk, jj, ii = np.unravel_index(np.arange(int(np.prod(size))), size)
    return stiffness, np.column_stack([ii, jj, kk]) * spacing


def uneven_model() -> FeModel:
    """Every kind of condition at once, moduli over two decades, a hole, varying Poisson, some orthotropic elements."""
    rng = np.random.default_rng(4099)
    young = rng.uniform(20.0, 2000.0, SHAPE)
    young[1, 2, 3] = 0.0
    oriented = rng.random(SHAPE) < 0.3
    stiff = np.diag([0.5, 0.6, 1.3, 0.25, 0.3, 0.2])
    stiff[0, 1] = stiff[1, 0] = 0.2
    stiff[0, 2] = stiff[2, 0] = 0.25
    stiff[1, 2] = stiff[2, 1] = 0.3
    ids = node_ids(SHAPE)
    return FeModel(
        a_grid(),
        young,
        rng.uniform(0.1, 0.4, SHAPE),
        prescribed=(
            Prescribed("floor_z", ids[0].ravel(), 2),
            Prescribed("corner_x", ids[0, :, 0].ravel(), 0, 0.002),
            Prescribed("edge_y", ids[0, 0, :].ravel(), 1, np.linspace(0.0, 0.003, 6)),
        ),
        forces=(NodalForce("pull", ids[2, 4, 1:4].ravel(), 1, np.array([1.5, -0.5, 2.0])),),
        platens=(
            RigidPlaten("top", ids[3].ravel(), 2, displacement_mm=-0.05),
            RigidPlaten("side", ids[1:3, 1:4, 5].ravel(), 0, force_n=-7.0),
        ),
        orthotropy=Orthotropy(stiff, oriented),
    )


def dense_solution(model: FeModel) -> tuple[np.ndarray, np.ndarray]:
    """Displacement by elimination with an explicit basis u = T q + given of what is free."""
    stiffness, points = dense_oracle(model)
    size = len(stiffness)
    given, force, held = np.zeros(size), np.zeros(size), np.zeros(size, bool)
    for c in model.prescribed:
        given[3 * c.nodes + c.component], held[3 * c.nodes + c.component] = c.value_mm, True
    for load in model.forces:
        force[3 * load.nodes + load.component] += load.force_n
    columns = []
    for platen in model.platens:
        dofs = 3 * platen.nodes + platen.component
        held[dofs] = True
        others = [a for a in range(3) if a != platen.component]
        arms = points[platen.nodes][:, others] - points[platen.nodes][:, others].mean(axis=0)
        if platen.displacement_mm is not None:
            given[dofs] = platen.displacement_mm
        shapes = [arms[:, 0], arms[:, 1]] + ([] if platen.displacement_mm is not None else [np.ones(len(dofs))])
        for shape in shapes:
            column = np.zeros(size)
            column[dofs] = shape
            columns.append(column)
        if platen.displacement_mm is None:
            force[dofs] += platen.force_n / len(dofs)
    used = np.diag(stiffness) > 0
    basis = np.column_stack([np.eye(size)[:, used & ~held], *columns])
    q = np.linalg.solve(basis.T @ stiffness @ basis, basis.T @ (force - stiffness @ given))
    u = basis @ q + given
    return u.reshape(-1, 3), (stiffness @ u - force).reshape(-1, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_kind_of_condition_agrees_with_a_dense_assembly(backend: str) -> None:
    model = uneven_model()
    u, support = dense_solution(model)
    solution = solve_linear(model, SolverOptions(tolerance=1e-13, backend=backend))
    scale = np.abs(u).max()
    np.testing.assert_allclose(solution.displacement_mm, u[solution.nodes], atol=1e-10 * scale)
    floor = support[model.prescribed[0].nodes, 2].sum()
    assert solution.reactions_n["floor_z"][2] == pytest.approx(floor, rel=1e-9)
    assert solution.platen_motion["top"][0] == pytest.approx(-0.05, rel=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_forces_and_reactions_balance(backend: str) -> None:
    model = uneven_model()
    solution = solve_linear(model, SolverOptions(tolerance=1e-12, backend=backend))
    r = solution.reactions_n
    assert r["floor_z"][2] + r["top"][2] == pytest.approx(0.0, abs=1e-7)
    assert r["corner_x"][0] - 7.0 == pytest.approx(0.0, abs=1e-7)
    assert r["edge_y"][1] + 3.0 == pytest.approx(0.0, abs=1e-7)
    assert r["side"][0] == pytest.approx(-7.0, abs=1e-7)


def test_rigid_motions_give_no_force_and_the_blocks_are_few() -> None:
    volumetric, deviatoric = lame_basis()
    elasticity = 3.0 * volumetric + 2.0 * deviatoric
    stiffness = brick_stiffness(elasticity, SPACING)
    corners = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)]) * SPACING
    translations = [np.tile(np.eye(3)[c], 8) for c in range(3)]
    rotations = [np.cross(axis, corners).ravel() for axis in np.eye(3)]
    for motion in (*translations, *rotations):
        assert np.abs(stiffness @ motion).max() < 1e-12 * np.abs(stiffness).max()
    blocks = mirror_blocks(elasticity, SPACING)
    full = 2 * np.count_nonzero(np.abs(blocks[:, 3:]) > 1e-12) + np.count_nonzero(np.abs(blocks[:, :3]) > 1e-12)
    assert full == 45, "solver.element: 45 of 576 entries survive the transform"


def a_bar(young: np.ndarray, poisson: float | np.ndarray = 0.3, lateral: bool = True) -> FeModel:
    """Compression by 1 % between frictionless plates; lateral False holds the sides."""
    shape = young.shape
    ids = node_ids(shape)
    dz = SPACING[2]
    sets = [Prescribed("floor", ids[0].ravel(), 2), Prescribed("top", ids[-1].ravel(), 2, -0.01 * shape[0] * dz)]
    if lateral:
        sets += [Prescribed("x0", ids[:, :, 0].ravel(), 0), Prescribed("y0", ids[:, 0].ravel(), 1)]
    else:
        sets += [
            Prescribed("x", np.concatenate([ids[:, :, 0].ravel(), ids[:, :, -1].ravel()]), 0),
            Prescribed("y", np.concatenate([ids[:, 0].ravel(), ids[:, -1].ravel()]), 1),
        ]
    return FeModel(a_grid(shape), young, poisson, prescribed=tuple(sets))


def area(shape: tuple[int, ...]) -> float:
    return shape[1] * SPACING[1] * shape[2] * SPACING[0]


def test_free_bar() -> None:
    """F = E A strain."""
    solution = solve_linear(a_bar(np.full((6, 4, 5), 730.0)))
    assert -solution.reactions_n["top"][2] == pytest.approx(730.0 * area((6, 4, 5)) * 0.01, rel=1e-7)


def test_confined_bar() -> None:
    """F = E (1 - nu) / ((1 + nu)(1 - 2 nu)) A strain; 1.34615 E at nu = 0.3."""
    solution = solve_linear(a_bar(np.full((6, 4, 5), 730.0), lateral=False))
    assert -solution.reactions_n["top"][2] == pytest.approx(1.346153846 * 730.0 * area((6, 4, 5)) * 0.01, rel=1e-7)


def test_energy_is_half_the_work() -> None:
    young = np.random.default_rng(523).uniform(50, 900, (6, 4, 5))
    solution = solve_linear(a_bar(young), SolverOptions(tolerance=1e-12))
    work = 0.5 * solution.reactions_n["top"][2] * -0.01 * 6 * SPACING[2]
    assert solution.energy_n_mm == pytest.approx(work, rel=1e-10)


def test_both_backends_and_any_number_of_threads_agree() -> None:
    young = np.random.default_rng(331).uniform(50, 3000, (30, 33, 35))
    options = [SolverOptions(1e-10, threads=n, backend=b) for n, b in ((1, "numba"), (2, "numba"), (1, "numpy"))]
    tops = [solve_linear(a_bar(young), o).reactions_n["top"][2] for o in options]
    assert tops == pytest.approx([tops[0]] * 3, rel=1e-9)


def test_the_same_input_gives_the_same_bits() -> None:
    young = np.random.default_rng(331).uniform(50, 3000, (30, 33, 35))
    first, second = (solve_linear(a_bar(young), SolverOptions(threads=2)) for _ in range(2))
    np.testing.assert_array_equal(first.displacement_mm, second.displacement_mm)


def test_pieces_nothing_holds_are_left_out_and_counted() -> None:
    young = np.full((8, 4, 5), 500.0)
    young[3:5] = 0.0
    young[3, 0, 0] = 500.0
    model = a_bar(young)
    held_below = FeModel(model.grid, young, 0.3, prescribed=(model.prescribed[0], *model.prescribed[2:]))
    solution = solve_linear(held_below)
    assert solution.removed_elements == 0, "x0 and y0 touch both pieces"
    only_floor = FeModel(model.grid, young, 0.3, prescribed=model.prescribed[:1])
    assert solve_linear(only_floor).removed_elements == 3 * 4 * 5


@pytest.mark.parametrize("contrast", [1e-4, 2e4])
def test_contrast_of_moduli(contrast: float) -> None:
    """Two bars side by side in parallel: F = sum E_i A_i strain at nu = 0 (Voigt)."""
    young = np.full((7, 6, 8), 1000.0)
    young[:, :, 4:] *= contrast
    solution = solve_linear(a_bar(young, poisson=0.0))
    expected = 1000.0 * (1 + contrast) * area((7, 6, 8)) / 2 * 0.01
    assert -solution.reactions_n["top"][2] == pytest.approx(expected, rel=1e-6)


def test_a_column_one_voxel_thick() -> None:
    shape = (300, 1, 1)
    solution = solve_linear(a_bar(np.full(shape, 900.0)))
    assert -solution.reactions_n["top"][2] == pytest.approx(900.0 * area(shape) * 0.01, rel=1e-6)


def test_too_few_iterations_are_an_error_with_history() -> None:
    young = np.random.default_rng(5).uniform(50, 3000, (12, 9, 10))
    with pytest.raises(ConvergenceError, match="after 3 iterations") as caught:
        solve_linear(a_bar(young), SolverOptions(max_iterations=3, backend="numpy"))
    assert len(caught.value.history) == 4


def test_a_model_that_will_not_fit_is_refused_with_numbers() -> None:
    with pytest.raises(MemoryLimitError, match=r"120 elements .* GiB"):
        solve_linear(a_bar(np.full((6, 4, 5), 1.0)), SolverOptions(memory_limit_bytes=1000))


def test_contradictions_and_floating_models_are_refused() -> None:
    model = a_bar(np.full((6, 4, 5), 1.0))
    twice = Prescribed("again", model.prescribed[0].nodes[:2], 2, 0.5)
    with pytest.raises(ModelError, match="again prescribes 2 components"):
        solve_linear(FeModel(model.grid, model.young_mpa, 0.3, prescribed=(*model.prescribed, twice)))
    with pytest.raises(ModelError, match="float away"):
        solve_linear(FeModel(model.grid, model.young_mpa, 0.3))


def test_cancel() -> None:
    def stop(stage: str, fraction: float) -> None:
        if stage == "solving":
            raise CancelledError

    with pytest.raises(CancelledError):
        solve_linear(a_bar(np.random.default_rng(1).uniform(1, 9, (9, 9, 9))), callback=stop)


def test_compiling_is_progress_and_can_be_cancelled() -> None:
    """A first run after installation compiles for seconds: shown as a stage, left within a second."""
    stages: list[tuple[str, float]] = []
    warm_up("slow", lambda: time.sleep(1.7), lambda stage, fraction: stages.append((stage, fraction)))
    assert {stage for stage, _ in stages} == {STAGE_COMPILE}
    assert [f for _, f in stages] == sorted(f for _, f in stages)
    warm_up("slow", lambda: pytest.fail("compiled twice"), lambda stage, fraction: None)

    def stop(stage: str, fraction: float) -> None:
        raise CancelledError

    began = time.perf_counter()
    with pytest.raises(CancelledError):
        warm_up("slower", lambda: time.sleep(3.0), stop)
    assert time.perf_counter() - began < 2.0
    with pytest.raises(ZeroDivisionError):
        warm_up("broken", lambda: 1 // 0, stop)


def test_one_stiffness_times_a_factor_needs_one_basis() -> None:
    young = np.random.default_rng(29).uniform(1.0, 9.0, (3, 4, 5))
    mixed = np.where(np.arange(5) < 2, 0.3, 0.2) * np.ones((3, 4, 5))
    systems = [build_system(a_bar(young, nu), Team(1), "numba") for nu in (0.3, mixed)]
    assert [len(s.fewest_elasticities) for s in systems] == [1, 3]
    u = np.random.default_rng(31).standard_normal((4 * 5 * 6, 3))
    for system in systems:
        full = sum(f[:, None, None] * e for f, e in zip(system.bricks.coefficients, system.elasticities, strict=True))
        forces = np.zeros_like(u)
        for corners, elasticity in zip(system.mesh.corners, full, strict=True):
            forces[corners] += (brick_stiffness(elasticity, SPACING) @ u[corners].ravel()).reshape(8, 3)
        np.testing.assert_allclose(system.operator.apply(u), forces, atol=1e-12 * np.abs(forces).max())
        used = np.ones_like(u)
        assert system.operator.apply(u, used) is used
        np.testing.assert_allclose(used, forces, atol=1e-12 * np.abs(forces).max())
        padded, result = np.zeros((len(u), 4), np.float32), np.zeros((len(u), 4), np.float32)
        padded[:, :3] = u
        system.operator.add_rows(padded, result)
        np.testing.assert_allclose(result[:, :3], forces, atol=2e-6 * np.abs(forces).max())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mixed", [False, True])
def test_columns_of_porous_bone_multiply_as_the_assembled_matrix(threads: int, mixed: bool) -> None:
    """Short and long rows of elements, rows longer than a batch, gaps at its end, slabs of several threads."""
    dice = np.random.default_rng(47)
    shape = (24, 25, 53)
    young = dice.uniform(1.0, 9.0, shape) * (dice.random(shape) < np.linspace(0.3, 1.0, 25)[:, None])
    nu = np.where(np.arange(53) % 3 < 2, 0.3, 0.2) * np.ones(shape) if mixed else 0.3
    system = build_system(a_bar(young, nu), Team(threads), "numba")
    bricks = system.bricks
    assembled = AssembledOperator(bricks, system.elasticities, system.spacing_mm)
    u = dice.standard_normal((bricks.node_count, 3))
    forces = assembled.apply(u)
    np.testing.assert_allclose(system.operator.apply(u), forces, atol=1e-13 * np.abs(forces).max())
    np.testing.assert_allclose(system.operator.diagonal(), assembled.diagonal(), rtol=1e-12)
    rows, result = np.zeros((2, len(u), 4), np.float32)
    rows[:, :3] = u
    system.operator.add_rows(rows, result)
    np.testing.assert_allclose(result[:, :3], forces, atol=2e-6 * np.abs(forces).max())
    assert len(system.operator.columns.phases) == threads


def test_plane_supports_of_uneven_bone_take_few_iterations() -> None:
    """Moduli over four decades, free to slide and turn in the plane: coarse levels must know what is held."""
    _, j, i = np.indices((21, 26, 29))
    body = ((j - 13) / 13.0) ** 2 + ((i - 14) / 14.5) ** 2 < 1.0
    field = ndimage.gaussian_filter(np.random.default_rng(83).standard_normal(body.shape), 1.2)
    rank = field.ravel().argsort().argsort().reshape(body.shape) / body.size
    young = np.where(body, 10.0 ** (4.0 * rank - 0.5), 0.0)
    young[:4], young[-4:] = 2500.0 * body[:4], 2500.0 * body[-4:]
    ids = node_ids(body.shape)
    sets = (Prescribed("floor", ids[0].ravel(), 2), Prescribed("top", ids[-1].ravel(), 2, -0.2))
    solution = solve_linear(FeModel(a_grid(body.shape), young, 0.3, prescribed=sets))
    assert solution.numbers["iterations"] < 25
    assert solution.reactions_n["top"][2] == pytest.approx(-solution.reactions_n["floor"][2], rel=1e-5)


def _twice(a: float) -> float:
    return 2.0 * a


def test_a_read_only_install_caches_kernels_in_a_folder_of_the_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import numba

    monkeypatch.setenv("NUMBA_CACHE_DIR", "restored afterwards")
    os.environ.pop("NUMBA_CACHE_DIR")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling.os, "access", lambda *_: False)
    assert compiling.compiled(_twice)(2.5) == 5.0
    assert list((tmp_path / "BoneStrengthFEA" / "numba").rglob("*_twice*.nbi"))


def test_vector_loops_without_numba_do_the_same() -> None:
    rng = np.random.default_rng(61)
    u, r, p, q, z = rng.standard_normal((5, 37))
    assert vector_kernels.dot_of_arrays(p, q) == pytest.approx(vector_kernels.dot(p, q), rel=1e-13)
    assert vector_kernels.two_dots_of_arrays(z, p, q) == pytest.approx(vector_kernels.two_dots(z, p, q), rel=1e-13)
    pair = [(u.copy(), r.copy(), p.copy()) for _ in range(2)]
    squares = [
        function(mine[0], mine[1], p, q, 0.37)
        for function, mine in zip(
            (vector_kernels.update_solution, vector_kernels.update_solution_arrays), pair, strict=True
        )
    ]
    assert squares[0] == pytest.approx(squares[1], rel=1e-13)
    vector_kernels.update_direction(pair[0][2], z, -1.7)
    vector_kernels.update_direction_array(pair[1][2], z, -1.7)
    for compiled_result, array_result in zip(*pair, strict=True):
        np.testing.assert_allclose(compiled_result, array_result, rtol=1e-13, atol=1e-15)


def test_a_model_of_some_size_is_solved_without_numba() -> None:
    """In a process that cannot import it: whole-array fallbacks everywhere, no loop over nodes in the interpreter."""
    code = (
        "import sys, importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'numba' else find(name, *rest)\n"
        "from BoneStrengthFEALib.solver import solve_linear\n"
        "from BoneStrengthFEALib.synthetic.fields import compressed, vertebral_body\n"
        "s = solve_linear(compressed(vertebral_body((9, 12, 15))))\n"
        "assert 'numba' not in sys.modules\n"
        "print(s.backend, repr(float(s.reactions_n['top_z'][2])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr
    backend, reaction = done.stdout.split()
    compiled_reaction = solve_linear(compressed(vertebral_body((9, 12, 15)))).reactions_n["top_z"][2]
    assert backend == "numpy"
    assert float(reaction) == pytest.approx(compiled_reaction, rel=1e-7)


def test_a_team_answers_in_order_and_raises_after_all_have_ended() -> None:
    team = Team(3)
    ended: list[float] = []

    def late(seconds: float) -> float:
        time.sleep(abs(seconds))
        ended.append(seconds)
        if seconds < 0:
            raise ValueError(f"{seconds}")
        return seconds

    try:
        assert team.run(late, [(0.02,), (0.04,), (0.01,)]) == [0.02, 0.04, 0.01]
        with pytest.raises(ValueError, match=r"-0\.02"):
            team.run(late, [(0.0,), (-0.02,), (-0.01,), (0.05,)])
        assert ended.count(0.05) == 1
        assert team.run(late, [(0.001,), (0.002,)]) == [0.001, 0.002]
    finally:
        team.close()
    assert team.run(late, [(0.001,), (0.002,)]) == [0.001, 0.002]
