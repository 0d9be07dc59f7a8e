"""Any bone by threshold, closing, filling and splitting at necks, and the command that does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.segmentation import read_labels
from BoneStrengthFEALib.segmentation.by_threshold import Cut, bone_by_threshold
from BoneStrengthFEALib.volume import Quantity, Volume


def test_a_click_isolates_the_bone_a_person_segmented() -> None:
    study = demo_study(("L1", "L2", "L3"))
    assert study.parts is not None
    bodies = study.parts.mask("vertebrae_body").array > 0
    for name in ("vertebrae_L1", "vertebrae_L2", "vertebrae_L3"):
        wanted = study.labels.mask(name).array > 0
        click = study.ct.grid.to_ras(np.argwhere(wanted & bodies).mean(axis=0)[::-1])
        found = bone_by_threshold(study.ct, click, Cut()).volume.array > 0
        # 3 mm slices: facet joints are not resolved, so the arch of a neighbour may come along
        assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.7, name
        body = wanted & bodies
        assert (found & body).sum() / body.sum() > 0.85, name
    with pytest.raises(RefusedError, match="no bone above"):
        bone_by_threshold(study.ct, study.ct.grid.to_ras(np.array([1.0, 1.0, 1.0])), Cut())
    with pytest.raises(InputError, match="outside"):
        bone_by_threshold(study.ct, study.ct.grid.to_ras(np.array([-5.0, 1.0, 1.0])), Cut())


def test_two_balls_that_touch_are_split_and_a_shell_is_filled() -> None:
    spacing = np.array([1.0, 0.8, 1.25])  # i, j, k
    k, j, i = np.indices((60, 90, 100))
    mm = np.stack([i * spacing[0], j * spacing[1], k * spacing[2]])

    def ball(centre: tuple[float, float, float], radius: float) -> Any:
        return np.linalg.norm(mm - np.reshape(centre, (3, 1, 1, 1)), axis=0) <= radius

    left, right = ball((35.0, 36.0, 37.0), 15.0), ball((63.0, 36.0, 37.0), 14.0)
    hu = np.full(left.shape, -50.0)
    hu[left | right] = 400.0
    hu[ball((35.0, 36.0, 37.0), 11.0)] = 20.0  # marrow below the threshold
    ct = Volume(hu, np.diag([*spacing, 1.0]), Quantity.HU)
    found = bone_by_threshold(ct, np.array([35.0, 36.0, 37.0]), Cut()).volume.array > 0
    assert (found & left).sum() / left.sum() > 0.97
    assert (found & right & ~left).sum() / right.sum() < 0.06


def test_the_command_takes_a_threshold_and_says_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    k, j, i = np.indices((20, 24, 22))
    hu = np.where((k - 10) ** 2 + (j - 12) ** 2 + (i - 9) ** 2 <= 36, 300.0, -20.0)
    affine = np.diag([0.9, 0.7, 1.2, 1.0])
    write_volume(Volume(hu, affine, Quantity.HU), tmp_path / "ct.nrrd", compress=False)
    call = ["segment", str(tmp_path / "ct.nrrd"), "--out", str(tmp_path / "bone.seg.nrrd"), "--point=8.1,8.4,12"]
    assert main([*call, "--threshold", "150", "--close", "0"]) == 0
    made = read_labels(tmp_path / "bone.seg.nrrd")
    assert made.names == {1: "bone"}
    assert np.array_equal(made.volume.array > 0, hu > 0)
    for extra, words in (
        (["--split", "1"], "belong to --threshold"),
        (["--threshold", "150", "--confidence", str(tmp_path / "c.nrrd")], "--confidence belongs"),
    ):
        assert main([*call, "--overwrite", *extra]) == 2
        assert words in capsys.readouterr().err
