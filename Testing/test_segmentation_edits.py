"""Edited labels survive a second segmentation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.segmentation import read_labels, write_labels
from BoneStrengthFEALib.segmentation.edits import Made, made_line, write_keeping_edits
from BoneStrengthFEALib.segmentation.label_record import record_of
from BoneStrengthFEALib.volume import Quantity, Volume

AFFINE = np.array([[0.0, -1.1, 0, 5], [0.8, 0, 0, -7], [0, 0, 2.5, 30], [0, 0, 0, 1]])
NAMES = {1: "vertebra_1", 2: "femur_left"}


def made(shift: int = 0) -> LabelMap:
    values = np.zeros((6, 9, 11), dtype=np.uint8)
    values[1:3, 1:5, 2 + shift : 5 + shift] = 1
    values[4:6, 3:8, 3 + shift : 8 + shift] = 2
    return LabelMap(Volume(values, AFFINE, Quantity.LABEL), dict(NAMES))


@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nii.gz"])
def test_only_what_was_not_edited_is_made_again(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bones{suffix}"
    _, kept = write_keeping_edits(made(), path)
    assert kept == ()
    edited = np.array(read_labels(path).volume.array)
    edited[1, 1, 2] = 0
    edited[0, 0, 0:2] = 7
    names = {**NAMES, 7: "tibia_left"} if suffix == ".seg.nrrd" else {}
    write_labels(LabelMap(Volume(edited, AFFINE, Quantity.LABEL), names), path)
    merged, kept = write_keeping_edits(made(shift=2), path)
    assert set(kept) == ({"vertebra_1", "tibia_left"} if names else {"1", "7"})
    found = {merged.names.get(value, str(value)): merged.volume.array == value for value in merged.values()}
    assert (found["vertebra_1"] == (edited == 1)).all()
    assert (found["tibia_left" if names else "7"] == (edited == 7)).all()
    other = np.asarray(made(shift=2).volume.array == 2)
    assert (found["femur_left"] == other).all()
    # a third time: still edited
    assert set(write_keeping_edits(made(), path)[1]) == set(kept)


@pytest.mark.parametrize("suffix", [".seg.nrrd", ".nii.gz"])
def test_what_a_label_rests_on_reaches_who_measures_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bones{suffix}"
    notes = {"vertebra_1": ("level unknown",)}
    write_keeping_edits(made(), path, Made(notes=notes))
    back = read_labels(path)
    assert back.names == NAMES
    line = made_line(back, "vertebra_1", path)
    assert line is not None
    assert (line.outcome, line.found) == (Outcome.WARN, "vertebra_1: level unknown; not edited since")
    assert made_line(back, "femur_left", path) is None
    edited = np.array(back.volume.array)
    edited[1, 1, 2] = 0
    again = made_line(LabelMap(back.volume.with_array(edited), back.names), 1, path)
    assert again is not None
    assert (again.outcome, again.found.split("; ")[-1]) == (Outcome.PASS, "edited by a person since")


def test_a_file_cropped_by_slicer_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "bones.seg.nrrd"
    write_keeping_edits(made(), path)
    whole = read_labels(path)
    write_labels(LabelMap(whole.volume.cropped((1, 1, 2), (6, 8, 8)), whole.names), path)
    assert write_keeping_edits(made(), path)[1] == ()


def test_a_file_without_a_record_is_kept_and_a_damaged_record_refused(tmp_path: Path) -> None:
    path = tmp_path / "bones.seg.nrrd"
    write_labels(made(), path)
    merged, kept = write_keeping_edits(made(shift=1), path)
    assert set(kept) == set(NAMES.values())
    assert (merged.volume.array == made().volume.array).all()
    assert json.loads(record_of(path).read_text(encoding="utf-8"))["sha256"] == {}
    record_of(path).write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        write_keeping_edits(made(), path)
