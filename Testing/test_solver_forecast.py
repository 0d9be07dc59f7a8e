"""Solver forecast: an iteration that cannot reach its tolerance is given up early, one that can is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.errors import ConvergenceError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.solver.forecast import hopeless, iterations_expected, rate_per_iteration
from BoneStrengthFEALib.synthetic.fields import compressed
from BoneStrengthFEALib.volume import Grid


def test_a_steady_rate_is_carried_on() -> None:
    """0.99^n = 1e-8 at n = ln 1e8 / -ln 0.99 = 1832.8, by hand."""
    residuals = 0.99 ** np.arange(201)
    assert rate_per_iteration(list(residuals)) == pytest.approx(0.99, rel=1e-9)
    assert iterations_expected(list(residuals), 1e-8) == pytest.approx(1832.8, abs=0.1)
    assert iterations_expected(list(residuals), 0.5) == 200.0


def test_only_the_last_half_and_the_lowest_residual_count() -> None:
    """A fast start and a wiggle say nothing about the end: 1e-4 at once, then 0.98 per iteration."""
    residuals = np.concatenate([[1.0], 1e-4 * 0.98 ** np.arange(200)])
    residuals[150] *= 3.0
    expected = 200 + np.log(residuals[-1] / 1e-8) / -np.log(0.98)
    assert iterations_expected(list(residuals), 1e-8) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("rate", "limit", "refused"), [(0.99, 1000, True), (0.99, 1300, False), (0.97, 600, False)])
def test_refusal_needs_a_forecast_half_again_above_the_limit(rate: float, limit: int, refused: bool) -> None:
    """1,833 iterations at 0.99 are more than 1.5 x 1,000 and less than 1.5 x 1,300; 605 at 0.97 less than 1.5 x 600."""
    assert hopeless(list(rate ** np.arange(151)), 1e-8, limit) is refused


def test_a_plateau_alone_refuses_nothing() -> None:
    """From iteration 75 on the residual stands still: at 150 the judgement before was good, at 200 none is."""
    residuals = 0.95 ** np.minimum(np.arange(201), 75)
    assert iterations_expected(list(residuals[:151]), 1e-8) > 20_000
    assert not hopeless(list(residuals[:151]), 1e-8, 1000)
    assert not hopeless(list(residuals[:176]), 1e-8, 1000)
    assert hopeless(list(residuals), 1e-8, 1000)


def test_a_slender_bar_in_bending_is_refused_with_words() -> None:
    """1,500 elements in a row, bent: 300 iterations when allowed; with 155 it is given up at the first look."""
    shape = (1500, 1, 1)
    ids = np.arange(4 * 1501).reshape(1501, 2, 2)
    sets = tuple(Prescribed(f"foot{c}", ids[0].ravel(), c) for c in range(3))
    tip = Prescribed("tip", ids[-1].ravel(), 1, 1.0)
    model = FeModel(Grid(shape, np.eye(4)), np.full(shape, 1000.0), 0.3, (*sets, tip))
    with pytest.raises(ConvergenceError, match=r"it would take: about \d+ iterations") as caught:
        solve_linear(model, SolverOptions(max_iterations=155, threads=1, backend="numba"))
    assert len(caught.value.history) == 151
    assert 240 < iterations_expected(caught.value.history, 1e-8) < 400


def test_a_shell_one_voxel_thick_converges() -> None:
    """A pipe of radius 40 is pressed together: F = E A strain but for the held ends, which add a few per cent."""
    j, i = np.mgrid[-41:42, -41:42]
    disc = np.hypot(j, i) <= 40.5
    ring = disc & ~ndimage.binary_erosion(disc)
    solution = solve_linear(compressed(np.repeat(1000.0 * ring[None], 61, axis=0)), SolverOptions(threads=1))
    assert solution.numbers["iterations"] < 140, (
        "solver.multigrid: thin bodies need their own cycle (108 with, 187 without)"
    )
    assert -solution.reactions_n["top_z"][2] == pytest.approx(1000.0 * ring.sum() * 0.01, rel=0.03)
    assert solution.reactions_n["bottom_z"][2] == pytest.approx(-solution.reactions_n["top_z"][2], rel=1e-6)
