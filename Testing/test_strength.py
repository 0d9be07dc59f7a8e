"""Strength criteria on bars and curves whose failure loads are known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.fe_model import FeModel, Orthotropy, Prescribed, YieldStress
from BoneStrengthFEALib.material.anisotropy import ANISOTROPIES, unit_stiffness
from BoneStrengthFEALib.results import CurvePoint
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.strength import (
    CRITERIA,
    DEFAULT_CRITERIA,
    Loading,
    criterion,
    element_fields,
    evaluate,
    evaluate_curve,
)
from BoneStrengthFEALib.strength.element_fields import principal
from BoneStrengthFEALib.strength.linear_criteria import load_factor
from BoneStrengthFEALib.volume import Grid

SHAPE, SPACING = (5, 4, 3), (0.9, 1.1, 1.3)
AREA, HEIGHT = 3 * 0.9 * 4 * 1.1, 5 * 1.3


def bar(young=730.0, poisson=0.3, strain=0.01, **more):
    """Laterally free bar of 3 x 4 x 5 bricks, compressed along z."""
    nodes = np.arange(6 * 5 * 4).reshape(6, 5, 4)
    conditions = (
        Prescribed("bottom", nodes[0].ravel(), 2),
        Prescribed("top", nodes[-1].ravel(), 2, -strain * HEIGHT),
        Prescribed("x", nodes[:, :, 0].ravel(), 0),
        Prescribed("y", nodes[:, 0].ravel(), 1),
    )
    grid = Grid(SHAPE, np.diag([*SPACING, 1.0]))
    return FeModel(grid, np.broadcast_to(np.float64(young), SHAPE).copy(), poisson, conditions, **more)


def solve(model):
    return solve_linear(model, SolverOptions(tolerance=1e-11, backend="numpy"))


@pytest.fixture(scope="module")
def loading():
    return Loading("top", HEIGHT)


def test_crawford_is_strain_times_stiffness_times_height(loading):
    model = bar()
    strength = evaluate("crawford2003", model, solve(model), loading)
    assert strength.stiffness_n_per_mm == pytest.approx(730 * AREA / HEIGHT, rel=1e-9)
    assert strength.force_n == pytest.approx(0.0068 * 730 * AREA, rel=1e-9)
    assert strength.numbers["strain"] == 0.0068


@pytest.mark.parametrize("strain", [0.01, 0.0023])
def test_pistoia_on_a_uniform_bar_does_not_depend_on_the_load(loading, strain):
    model = bar(strain=strain)
    strength = evaluate("pistoia2002", model, solve(model), loading)
    assert strength.force_n == pytest.approx(0.007 * 730 * AREA, rel=1e-8)
    assert strength.numbers["load_factor"] == pytest.approx(0.007 / strain, rel=1e-8)


def test_pistoia_at_one_percent_is_seven_tenths_of_the_reaction(loading):
    strength = evaluate("pistoia2002", model := bar(), solve(model), loading)
    assert strength.force_n / strength.numbers["reaction_n"] == pytest.approx(0.7, rel=1e-8)


def test_pistoia_takes_any_pair(loading):
    model = bar()
    assert evaluate("pistoia-5-1.3", model, solve(model), loading).force_n == pytest.approx(0.013 * 730 * AREA)
    assert evaluate("pistoia-7-1.1", model, solve(model), loading).force_n == pytest.approx(0.011 * 730 * AREA)


def test_load_factor_is_that_of_the_element_some_percent_from_the_top():
    measure = np.random.default_rng(3).permutation(np.arange(1.0, 201.0))
    # 2 % of 200 elements are 4: positions 196 to 199 of the sorted list, so the value 197
    assert load_factor(measure, 0.007, 2.0) == pytest.approx(0.007 / 197)
    assert load_factor(measure, 0.007, 0.0) == pytest.approx(0.007 / 200)


def test_elements_outside_the_bone_do_not_count():
    young = np.full(SHAPE, 1000.0)
    young[3:] = 250.0
    model = bar(young, 0.0)
    bone = np.zeros(SHAPE, dtype=bool)
    bone[:3] = True
    solution = solve(model)
    # in series the soft part strains four times as much; the stiff part alone decides when only it is bone
    stress = 0.01 * HEIGHT / (3 * 1.3 / 1000 + 2 * 1.3 / 250)
    assert evaluate("pistoia2002", model, solution, Loading("top", HEIGHT, bone)).numbers["load_factor"] == (
        pytest.approx(0.007 / (stress / 1000), rel=1e-8)
    )
    assert evaluate("pistoia2002", model, solution, Loading("top", HEIGHT)).numbers["load_factor"] == (
        pytest.approx(0.007 / (stress / 250), rel=1e-8)
    )


@pytest.mark.parametrize(("strain", "limit"), [(0.01, 0.0104), (-0.01, 0.0073)])
def test_first_yield_strain_has_a_limit_for_each_sign(loading, strain, limit):
    model = bar(strain=strain, poisson=0.2)
    strength = evaluate("first-yield-strain", model, solve(model), loading)
    assert strength.force_n == pytest.approx(limit * 730 * AREA, rel=1e-8)


@pytest.mark.parametrize(("strain", "limit"), [(0.01, 6.1), (-0.01, 3.7)])
def test_first_yield_stress_has_a_limit_for_each_sign(loading, strain, limit):
    model = bar(strain=strain, yield_stress=YieldStress(np.full(SHAPE, 6.1), np.full(SHAPE, 3.7)))
    assert evaluate("first-yield-stress", model, solve(model), loading).force_n == pytest.approx(limit * AREA)


def test_criteria_refuse_what_they_cannot_use(loading):
    model = bar()
    solution = solve(model)
    with pytest.raises(ModelError, match="yield stresses"):
        evaluate("first-yield-stress", model, solution, loading)
    with pytest.raises(ModelError, match="curve"):
        evaluate("maximum-force", model, solution, loading)
    with pytest.raises(ModelError, match="no loaded set"):
        evaluate("crawford2003", model, solution, Loading("lid", HEIGHT))
    with pytest.raises(ModelError, match="does not move"):
        evaluate("crawford2003", model, solution, Loading("bottom", HEIGHT))
    with pytest.raises(ModelError, match="height"):
        Loading("top", 0.0)
    for bad in ("nonsense", "pistoia-100-1", "pistoia-2-0"):
        with pytest.raises(ModelError, match="choose one of"):
            criterion(bad)


def test_fields_of_a_compressed_bar(loading):
    model = bar()
    fields = element_fields(model, solve(model))
    np.testing.assert_allclose(fields.strain, np.tile([0.003, 0.003, -0.01, 0, 0, 0], (60, 1)), atol=1e-10)
    np.testing.assert_allclose(fields.stress_mpa, np.tile([0, 0, -7.3, 0, 0, 0], (60, 1)), atol=1e-6)
    np.testing.assert_allclose(fields.energy_density_mpa, 0.5 * 7.3 * 0.01, rtol=1e-8)
    np.testing.assert_allclose(principal(fields.strain, True)[:, [0, 2]], np.tile([-0.01, 0.003], (60, 1)), atol=1e-10)


def test_transverse_isotropy_is_stiff_along_z_and_wide_across(loading):
    row = ANISOTROPIES[0]
    model = bar(orthotropy=Orthotropy(unit_stiffness(row), np.ones(SHAPE, dtype=bool)))
    solution = solve(model)
    assert evaluate("crawford2003", model, solution, loading).stiffness_n_per_mm == pytest.approx(730 * AREA / HEIGHT)
    fields = element_fields(model, solution)
    # nu_zx = nu_xz E_z / E_x
    np.testing.assert_allclose(fields.strain[:, 0], 0.01 * 0.104 / 0.333, rtol=1e-7)


def test_principal_values_of_a_pure_shear():
    np.testing.assert_allclose(principal(np.array([[0, 0, 0, 0, 0, 0.02]]), True), [[-0.01, 0, 0.01]], atol=1e-15)
    np.testing.assert_allclose(principal(np.array([[0, 0, 0, 3.0, 0, 0]]), False), [[-3, 0, 3]], atol=1e-15)


def point(displacement, force, plastic=0.0):
    return CurvePoint(displacement, force, plastic, 1e-9, 5)


# elastic 1000 N/mm to 0.2 mm, then 250 N/mm to 0.6 mm, then softening
CURVE = [point(0.1, 100), point(0.2, 200), point(0.4, 250, 0.02), point(0.6, 300, 0.3), point(0.8, 260, 0.5)]


def test_maximum_force():
    strength = evaluate_curve("maximum-force", CURVE, 20.0)
    assert (strength.force_n, strength.stiffness_n_per_mm) == (300, pytest.approx(1000))
    assert (strength.numbers["displacement_at_maximum_mm"], strength.numbers["still_rising"]) == (0.6, 0.0)
    assert evaluate_curve("maximum-force", CURVE[:4], 20.0).numbers["still_rising"] == 1.0


def test_force_at_deformation():
    assert evaluate_curve("force-at-2pct", CURVE, 25.0).force_n == pytest.approx(275)
    assert evaluate_curve("force-at-4pct", CURVE, 15.0).force_n == pytest.approx(300)
    with pytest.raises(ModelError, match="load further"):
        evaluate_curve("force-at-4pct", CURVE, 25.0)


def test_offset_force_is_where_the_shifted_line_meets_the_curve():
    # 1000 (u - 0.04) = 200 + 250 (u - 0.2) at u = 0.253333
    assert evaluate_curve("offset-0.2pct", CURVE, 20.0).force_n == pytest.approx(213.3333333)
    with pytest.raises(ModelError, match="offset"):
        evaluate_curve("offset-0.2pct", CURVE[:2], 20.0)


def test_first_yield_is_the_last_elastic_point():
    assert evaluate_curve("first-yield", CURVE, 20.0).force_n == 200
    with pytest.raises(ModelError, match="smaller steps"):
        evaluate_curve("first-yield", CURVE[2:], 20.0)
    with pytest.raises(ModelError, match="no element yields"):
        evaluate_curve("first-yield", CURVE[:2], 20.0)


def test_curves_must_increase_and_criteria_must_fit():
    with pytest.raises(ModelError, match="increasing"):
        evaluate_curve("maximum-force", [CURVE[1], CURVE[0]], 20.0)
    with pytest.raises(ModelError, match="not a curve"):
        evaluate_curve("crawford2003", CURVE, 20.0)


def test_every_criterion_has_source_site_and_range():
    assert len({row.id for row in CRITERIA}) == len(CRITERIA)
    assert all(row.source and row.valid and row.site for row in CRITERIA)
    for (_, analysis), rows in DEFAULT_CRITERIA.items():
        assert all(criterion(row).nonlinear == (analysis == "nonlinear") for row in rows)
