"""Side surface of a body beside the head of a rib, marrow of processes, and ribs parted at their joints."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.segmentation.body_surface import STEP_COST, cheapest_surface, side_surface
from BoneStrengthFEALib.segmentation.marrow import fill_marrow
from BoneStrengthFEALib.segmentation.random_walk import walk
from BoneStrengthFEALib.segmentation.ribs import without_ribs
from BoneStrengthFEALib.segmentation.straight_spine import CanalFrame, StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels

LEVELS = TissueLevels(40.0, 10.0, 145.0, 0.5)


def spine_of(values: np.ndarray) -> StraightSpine:
    """Samples of 1 mm around a straight canal; index 20 of the second axis lies in the canal, the third is centred."""
    count, rows, columns = values.shape
    frame = CanalFrame(np.stack([np.zeros(count), np.zeros(count), np.arange(float(count))], axis=-1))
    half = (columns - 1) / 2.0
    return StraightSpine(
        frame, np.arange(float(count)), np.arange(rows) - 20.0, np.arange(columns) - half, values.astype(np.float32)
    )


def waisted_body() -> tuple[StraightSpine, np.ndarray, np.ndarray, np.ndarray]:
    """A body with radii of 19 (endplates) to 15 mm, a vein in its back, and a rib's head whose joint is not seen."""
    z, y, x = np.meshgrid(np.arange(24), np.arange(70) - 20.0, np.arange(91) - 45.0, indexing="ij")
    radius = 15.0 + 4.0 * (np.abs(z - 11.5) / 11.5) ** 2
    away = np.hypot(y - 24.0, x)
    body = away <= radius
    values = np.where(body, 150.0, 40.0)
    values[np.abs(away - radius + 1.0) <= 1.0] = 500.0
    head = (np.hypot(y - 18.0, x - 19.5) < 3.5) & (z > 15) & (z < 22) & ~body
    values[head] = 500.0
    vein = body & (np.abs(x) < 8) & (y < 18) & (z > 3) & (z < 20)
    values[vein] = 40.0
    return spine_of(values), body, head, vein


def test_the_surface_follows_the_waist_and_leaves_the_head_of_a_rib() -> None:
    spine, body, head, vein = waisted_body()
    front, right = spine.planes
    start = np.hypot(front - 24.0, right) < 19.0
    found = side_surface((spine.values - 40.0) / 105.0, np.arange(24), start, np.full(24, 2.0), spine)
    ahead = np.broadcast_to(front > 8.0, found.shape)
    assert (found & ~body & ahead).sum() < 0.03 * body.sum()
    assert (body & ~found).sum() < 0.03 * body.sum()
    assert (found & head).sum() < 0.25 * head.sum()
    assert found[vein].all()
    # the cylinder it starts from holds a fifth more
    assert start.sum() * 24 > 1.2 * body.sum()


def test_a_step_to_neighbours_is_taken_when_it_saves_more_than_it_costs() -> None:
    """Five directions of three sections gain by a radius four steps off; one section pays 2 x 4 steps in itself and
    5 x 4 to each neighbour, all three together 4 (2 x 3 + 2 x 5)."""
    one, all_three = 48 * STEP_COST / 5, 64 * STEP_COST / 15
    for gain, taken in ((1.2 * one, True), (0.7 * all_three, False)):
        cost = np.full((9, 72, 12), 1.0)
        cost[:, :, 3] = 0.0
        cost[3:6, 30:35, 7] = -gain
        chosen = cheapest_surface(cost)
        assert (chosen[3:6, 30:35] == 7).all() == taken
        assert (chosen[0] == 3).all()


def test_the_marrow_of_a_process_with_a_broken_cortex_is_filled_but_no_notch() -> None:
    """Tube of bone, 6 mm wide inside, open at one end and slit along one side; beside it a notch between two plates."""
    number = np.zeros((30, 40, 40), dtype=np.uint8)
    number[10:20, 5:15, 5:30] = 1
    number[12:18, 7:13, 7:40] = 0
    number[15, 13:15, 10:16] = 0
    number[10:20, 25, 5:30] = 1
    filled = fill_marrow(number, 1, np.zeros((40, 40), dtype=bool))
    assert filled[14, 10, 15] == 1
    assert filled[12:18, 7:13, 9:20].mean() > 0.9
    assert filled[:, 18:25, :].sum() == 0
    assert filled[:, :, 34:].sum() == 0


def test_walkers_that_pass_along_the_first_axis_part_columns_that_overlap() -> None:
    """Two columns side by side over 10 mm, one held from above, one from below: parted between them, not halfway up."""
    mask = np.zeros((30, 4, 8), dtype=bool)
    mask[10:, :, :4], mask[:20, :, 4:] = True, True
    fixed = np.full(mask.shape, np.nan)
    fixed[-1, :, :4], fixed[0, :, 4:] = 1.0, 2.0
    passes = np.ones(mask.shape, dtype=np.float32)

    def right(along: float) -> float:
        number = np.rint(walk(passes, mask, fixed, along))
        return float(((number[10:20, :, :4] == 1).mean() + (number[10:20, :, 4:] == 2).mean()) / 2)

    assert right(30.0) > 0.95
    assert right(1.0) < 0.8


@pytest.mark.parametrize(("joint_hu", "parted"), [(60.0, True), (700.0, False)])
def test_a_rib_is_taken_off_at_its_joint_and_a_long_process_is_not(joint_hu: float, parted: bool) -> None:
    values = np.full((12, 60, 105), 40.0, dtype=np.float32)
    values[:, 25:55, 35:70] = 700.0
    values[3:9, 26:34, 70:103] = 700.0
    values[3:9, 26:34, 72] = joint_hu
    bone = values > 50.0
    body = np.zeros_like(bone)
    body[:, 25:55, 35:70] = True
    kept = without_ribs(spine_of(values), LEVELS, bone, body)
    assert kept[:, 25:55, 35:70].all()
    assert kept[3:9, 26:34, 100:103].all() != parted
    assert not (parted and kept[:, :, 74:].any())
    assert (kept & ~bone).sum() == 0
