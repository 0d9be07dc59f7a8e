"""Levels are counted from the sacrum or the last rib; what cannot tell stays unknown."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from BoneStrengthFEALib.anatomy.names import recognise
from BoneStrengthFEALib.anatomy.specimen import Site
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.segmentation.discs import find_discs
from BoneStrengthFEALib.segmentation.isolate import label_map_of
from BoneStrengthFEALib.segmentation.spinal_canal import STEP_MM, canal_path
from BoneStrengthFEALib.segmentation.spine_levels import LevelCount, count_levels
from BoneStrengthFEALib.segmentation.straight_spine import CanalFrame, straighten
from BoneStrengthFEALib.segmentation.tissue_levels import tissue_levels
from BoneStrengthFEALib.segmentation.vertebra import find_vertebrae
from BoneStrengthFEALib.segmentation.work_grid import image_box, sampled, upright_grid
from BoneStrengthFEALib.volume import Volume

BONE_HU = 135.0
LEVEL_OF = {27: "L5", 28: "L4", 29: "L3", 30: "L2", 31: "L1", 32: "T12"}


@cache
def sample() -> tuple[Volume, np.ndarray]:
    """CT of the demo, from the pelvis to T11, and its vertebra labels."""
    study = demo_study(("L3",))
    return study.ct, np.asarray(study.labels.volume.array)


@cache
def spine(low: int, high: int) -> tuple[Volume, CanalFrame, np.ndarray]:
    """Slices of the CT, their canal and their discs [mm along it]."""
    ct = sample()[0].cropped((low, 0, 0), (high, *sample()[0].array.shape[1:]))
    grid = upright_grid(*image_box(ct), STEP_MM)
    values = sampled(ct, grid)
    levels = tissue_levels(values)
    straight = straighten(ct, CanalFrame(canal_path(values, grid, levels)))
    discs = np.array([straight.along[0] + disc.middle for disc in find_discs(straight, levels)])
    return ct, straight.frame, discs


def count(low: int, high: int, without: int | None = None) -> LevelCount:
    ct, frame, discs = spine(low, high)
    return count_levels(ct, frame, discs if without is None else np.delete(discs, without), BONE_HU)


def truth(low: int, high: int) -> dict[int, str]:
    """Level of each vertebra between two discs, by the labels."""
    _, frame, discs = spine(low, high)
    ct, labels = sample()
    found = {}
    for value, level in LEVEL_OF.items():
        # bodies lie in front of the canal
        local = frame.local(ct.grid.to_ras(np.argwhere(labels == value)[:, ::-1].astype(float)))
        body = local[(local[:, 1] > 12) & (np.abs(local[:, 2]) < 20)]
        found[1 + int(np.searchsorted(discs, np.median(body[:, 0])))] = level
    return found


def test_sacrum_and_ribs_agree() -> None:
    found = count(0, 112)
    assert set(found.levels.values()) == {"L5", "L4", "L3", "L2", "L1"}
    assert all(truth(0, 112)[n] == level for n, level in found.levels.items())
    assert found.words == "counted from the sacrum; the lowest ribs are on the vertebra above 5 without"


def test_the_last_rib_tells_without_a_sacrum() -> None:
    found = count(60, 112)
    assert "L1" in found.levels.values()
    assert all(truth(60, 112)[n] == level for n, level in found.levels.items())
    assert found.words == "counted from the lowest ribs in view, taken for those of T12"


def test_the_sacrum_tells_without_ribs() -> None:
    found = count(20, 90)
    assert {"L5", "L4", "L3"} <= set(found.levels.values())
    assert all(truth(20, 90)[n] == level for n, level in found.levels.items())
    assert found.words == "counted from the sacrum; 5 lumbar vertebrae assumed"


def test_nothing_in_view_is_unknown() -> None:
    found = count(50, 90)
    assert found.levels == {}
    assert found.words == "no sacrum is in view; no pair of ribs is in view"


def test_a_disc_that_was_missed_never_shifts_levels() -> None:
    disagree = count(0, 112, without=2)
    assert disagree.levels == {}
    assert disagree.words.startswith("4 vertebrae without ribs were found above the sacrum, 5 expected")
    discs = spine(20, 90)[2]
    stopped = count(20, 90, without=len(discs) - 2)
    right = truth(20, 90)
    assert all(right[n] == level for n, level in stopped.levels.items())
    assert len(stopped.levels) == len(count(20, 90).levels) - 2


def test_without_discs_there_is_no_count() -> None:
    ct, frame, discs = spine(0, 112)
    assert count_levels(ct, frame, discs[:1], BONE_HU) == LevelCount({}, "fewer than two discs were found")


def test_levels_reach_names_that_the_pipeline_reads() -> None:
    ct, labels = sample()
    found = find_vertebrae(ct)
    assert [bone.level for bone in found] == ["L5", "L4", "L3", "L2", "L1"]
    made = label_map_of(found, ct)
    for value, bone in zip(made.values(), found, strict=True):
        assert recognise(made.names[value])[:2] == (Site.VERTEBRA, bone.level)
        own = np.asarray(made.volume.array) == value
        same = labels == {level: v for v, level in LEVEL_OF.items()}[bone.level]
        assert 2 * (own & same).sum() / (own.sum() + same.sum()) > 0.84
        assert bone.notes[0].startswith(f"level {bone.level} counted from the sacrum")


@pytest.mark.parametrize("level", ["vertebra_1", "vertebra_12"])
def test_numbers_of_vertebrae_of_unknown_level_are_no_levels(level: str) -> None:
    assert recognise(level) == (Site.VERTEBRA, "", recognise("vertebra")[2])
