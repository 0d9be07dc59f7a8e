"""Density measures against exact values, partial volume included; the whole curve is in docs/validation.md."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.density import HIP, hip_measures, vertebra_measures
from BoneStrengthFEALib.bmd import restore
from BoneStrengthFEALib.synthetic.hip_phantom import exact_hip
from BoneStrengthFEALib.synthetic.spine_phantom import CORE, CORTEX, OUTSIDE, VERTEBRAE
from BoneStrengthFEALib.volume import Quantity, Volume

REGIONS = ("femoral_neck", "trochanter", "intertrochanter", "total_hip")


@pytest.fixture(scope="module")
def exact() -> dict[str, float]:
    return exact_hip(HIP)


def test_exact_values_of_the_spine_phantom_by_hand() -> None:
    """L2: area pi 16^2 + 4 * 6 * 16 = 1188.2 mm2, core pi 15^2 + 4 * 6 * 15 = 1066.9 mm2, heights 25 and 23 mm."""
    found = VERTEBRAE[1].exact()
    assert found["volume"] == pytest.approx(29.706, abs=0.001)
    core = 1066.858 * 23 / 1000
    assert found["bmc"] == pytest.approx(core * 100 + (29.706 - core) * 800, rel=1e-4)
    assert found["integral_vbmd"] == pytest.approx(found["bmc"] / found["volume"], rel=1e-9)
    points = np.array([(0.0, 0.0, 0.0), (21.5, 0.0, 0.0), (0.0, 15.5, 3.0), (0.0, 0.0, 12.1), (0.0, 0.0, 12.6)])
    np.testing.assert_array_equal(VERTEBRAE[1].tissue(points), [CORE, CORTEX, CORTEX, CORTEX, OUTSIDE])


@pytest.mark.parametrize(("number", "voxel"), [(0, 1.5), (1, 3.0), (2, 1.0)])
def test_spine_phantom(number: int, voxel: float) -> None:
    vertebra = VERTEBRAE[number]
    truth, found = vertebra.exact(), vertebra_measures(vertebra, (4.0, -3.0, 7.0), voxel, 0.5)
    for name in ("trabecular_ellipse_vbmd", "trabecular_vbmd", "found_trabecular_ellipse_vbmd"):
        assert found[name] == pytest.approx(truth[name.removeprefix("found_")], rel=0.005), name
    assert found["volume"] == pytest.approx(truth["volume"], rel=0.015)
    # partial volume takes about an eighth of a voxel's layer of cortex away, never more than a third
    surface_mm2 = 2 * 1188.2 + (2 * np.pi * 16 + 24) * 25
    lost = truth["bmc"] - found["bmc"]
    assert 0.0 < lost < surface_mm2 * voxel * 0.8 / 3
    assert found["bmc"] == pytest.approx(found["integral_vbmd"] * found["volume"], rel=1e-6)
    # the rim gives it back, but for the part that touches the arch
    assert found["restored_bmc"] == pytest.approx(truth["bmc"], rel=0.03)
    assert found["restored_trabecular_ellipse_vbmd"] == found["trabecular_ellipse_vbmd"]


@pytest.mark.parametrize(("voxel", "limit"), [(1.5, 0.07), (3.0, 0.15)])
def test_hip_of_known_density(exact: dict[str, float], voxel: float, limit: float) -> None:
    found = hip_measures(HIP, (-6.0, 5.0, 21.0), voxel, 0.5)
    assert found["trabecular_vbmd"] == pytest.approx(exact["trabecular_vbmd"], rel=0.01)
    assert found["volume"] == pytest.approx(exact["volume"], rel=0.015)
    for name in REGIONS:
        assert found[f"{name}_area"] == pytest.approx(exact[f"{name}_area"], rel=0.07), name
        # mineral is lost, never made
        assert (1 - limit) * exact[f"{name}_abmd"] < found[f"{name}_abmd"] < exact[f"{name}_abmd"], name
        assert found[f"restored_{name}_abmd"] == pytest.approx(exact[f"{name}_abmd"], rel=0.035), name


def test_the_rim_gives_back_what_lies_above_soft_tissue() -> None:
    """A cube of 1000 mg/cm3 in 40, shifted by 0.3 voxel: a face of 0.3 bone outside, one of 0.7 inside."""
    values = np.full((20, 20, 20), 40.0, dtype=np.float32)
    values[6:14, 6:14, 6:14] = 1000.0
    values[6] = 40.0 + (values[6] - 40.0) * 0.7
    values[14, 6:14, 6:14] = 40.0 + 0.3 * 960.0
    mask = values > 500.0
    density = Volume(values, np.diag((1.5, 1.5, 1.5, 1.0)), Quantity.K2HPO4)
    found = restore(density, mask, np.zeros_like(mask))
    assert found.rim_share == 1.0
    assert found.spilled_mg == pytest.approx(64 * 0.3 * 960.0 * 1.5**3 / 1000, rel=1e-4)
    # all of the cube's mineral, and not the soft tissue that the face inside held
    assert found.density.array[mask].sum() == pytest.approx(512 * 1000.0, rel=1e-4 + 64 * 0.3 * 40 / 512e3)
    np.testing.assert_array_equal(found.density.array[~mask], values[~mask])


def test_the_mineral_of_a_neighbour_is_not_taken() -> None:
    """Bone across a gap of one voxel, labelled or not, and lung: there nothing is given back."""
    values = np.full((30, 24, 24), 40.0, dtype=np.float32)
    mask = np.zeros(values.shape, dtype=bool)
    mask[8:16, 8:16, 8:16] = True
    values[mask] = 800.0
    values[17:22, 4:20, 4:20] = 900.0
    values[16, 8:16, 8:16] = 300.0
    values[:, :, :7] = -800.0
    density = Volume(values, np.diag((2.0, 2.0, 2.0, 1.0)), Quantity.K2HPO4)
    neighbour = np.zeros_like(mask)
    for others in (neighbour, values == 900.0):
        found = restore(density, mask, others)
        assert 0.3 < found.rim_share < 0.9
        assert abs(found.spilled_mg) < 0.002 * 512 * 800 * 8 / 1000


def test_exact_hip_by_hand(exact: dict[str, float]) -> None:
    """A round neck: mean thickness pi / 4 of its width; the box is 15 mm wide; core and 2 mm cortex."""
    width = exact["femoral_neck_area"] / 1.5
    ring = np.pi / 4 * (width**2 - (width - 0.4) ** 2)
    mass = 1.5 * (ring * 0.8 + np.pi / 4 * (width - 0.4) ** 2 * 0.11)
    assert exact["femoral_neck_bmc"] == pytest.approx(mass, rel=0.05)
    assert exact["total_hip_bmc"] == pytest.approx(sum(exact[f"{n}_bmc"] for n in REGIONS[:3]))
