"""Variants of vertebral compression: a block by hand, a body between caps in each."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from BoneStrengthFEALib import load_case, material
from BoneStrengthFEALib.anatomy import Site, identify, prepare, resample
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.load_case.vertebra_compression import Support, bonded, platen, roller, wedge
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Grid, Quantity

SHAPE = (6, 8, 5)
SPACING = (1.5, 1.1, 0.9)
YOUNG, MOVED = 730.0, 0.04


def block(support: Support, soft_back: float = 1.0) -> tuple[FeModel, dict[str, np.ndarray]]:
    """5 x 8 x 6 elements of 1.5 x 1.1 x 0.9 mm; the posterior half may be softer."""
    young = np.full(SHAPE, YOUNG)
    young[:, :4] *= soft_back
    model = FeModel(Grid(SHAPE, np.diag([*SPACING, 1.0])), young, 0.3)
    layer = int(np.prod(model.node_shape[1:]))
    bottom = np.arange(layer)
    held = support(model, bottom, bottom + SHAPE[0] * layer, MOVED)
    return held, dict(solve_linear(held, SolverOptions(tolerance=1e-10)).reactions_n)


def force(reactions: dict[str, np.ndarray]) -> float:
    assert reactions["top"][2] == pytest.approx(-reactions["bottom"][2], rel=1e-6)
    return abs(float(reactions["top"][2]))


AREA, HEIGHT = 5 * 1.5 * 8 * 1.1, 6 * 0.9


def test_roller_is_a_free_bar() -> None:
    assert force(block(roller)[1]) == pytest.approx(YOUNG * AREA * MOVED / HEIGHT, rel=1e-6)


def test_bonded_lies_between_the_free_and_the_confined_bar() -> None:
    free = YOUNG * AREA * MOVED / HEIGHT
    assert 1.02 * free < force(block(bonded)[1]) < 0.7 / (1.3 * 0.4) * free


def test_a_plate_over_a_uniform_block_does_not_tilt_and_gives_way_on_the_soft_side() -> None:
    assert force(block(platen)[1]) == pytest.approx(force(block(roller)[1]), rel=1e-6)
    fixed, tilting = force(block(roller, 0.3)[1]), force(block(platen, 0.3)[1])
    assert tilting < 0.95 * fixed
    solution = solve_linear(block(platen, 0.3)[0])
    # the back (small y) is softer: it goes down more, so that the plate rises towards the front
    assert solution.platen_motion["top"][2] > 0


def test_wedge_is_bending_about_the_posterior_rim() -> None:
    model, reactions = block(wedge)
    # bending adds no net force: the mean displacement counts
    assert force(reactions) == pytest.approx(YOUNG * AREA * MOVED / HEIGHT, rel=0.01)
    top = next(p for p in model.prescribed if p.name == "top")
    row = (top.nodes // model.node_shape[2]) % model.node_shape[1]
    np.testing.assert_allclose(np.asarray(top.value_mm), -2 * MOVED * row / 8, atol=1e-12)


@pytest.mark.parametrize(
    "name", ["vertebra-compression", "vertebra-compression-bonded", "vertebra-compression-platen", "vertebra-wedge"]
)
def test_each_case_on_a_body(name: str) -> None:
    """Equilibrium, and the order of the variants: bonded faces stiffer, a tilting plate not stiffer than rollers."""
    ct, labels = SyntheticVertebra().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0))
    specimen = prepare(labels, 1, identify(labels, 1))
    density = ct.with_array(np.maximum(0.8 * ct.array + 5.0, 0).astype(np.float32), Quantity.K2HPO4)
    forces = {}
    for chosen in (name, "vertebra-compression"):
        case = load_case.load_case(chosen, Site.VERTEBRA)
        aligned = resample(density, specimen, 2.0, case.regions)
        loaded = load_case.build(
            case, aligned, material.map_density(aligned.density, aligned.regions, "V1"), ModelSettings()
        )
        assert loaded.model.load_case == f"{chosen}/1"
        solution = solve_linear(loaded.model)
        total = np.sum([solution.reactions_n[s] for s in ("bottom", "top")], axis=0)
        assert abs(total[2]) < 1e-5 * abs(solution.reactions_n["top"][2])
        forces[chosen] = abs(float(solution.reactions_n["top"][2]))
    share = forces[name] / forces["vertebra-compression"]
    low, high = {"vertebra-compression": (1.0, 1.0), "vertebra-compression-bonded": (1.0005, 1.2)}.get(
        name, (0.6, 1.0005)
    )
    assert low - 1e-9 <= share <= high + 1e-9


def test_a_case_is_found_with_and_without_its_version() -> None:
    assert load_case.load_case("vertebra-wedge", Site.VERTEBRA) is load_case.load_case(
        "vertebra-wedge/1", Site.VERTEBRA
    )
    assert dataclasses.is_dataclass(load_case.LOAD_CASES["vertebra-wedge/1"])
