"""Landmarks set by a person: files, and what they replace."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Side, Site, identify, prepare
from BoneStrengthFEALib.case_folder import read_case, write_case
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.study_arguments import study_of
from BoneStrengthFEALib.errors import AnatomyError, InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.landmark_files import landmarks_of, read_landmarks
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose

GIVEN = ("calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8", "calibration.intercept_mg_cm3=5",
         "calibration.density_kind=K2HPO4", "model.voxel_mm=2.5")  # fmt: skip


def markups(path: Path, points: dict[str, tuple[float, float, float]], system: object = "LPS") -> Path:
    entries = [{"label": name, "position": list(p), "positionStatus": "defined"} for name, p in points.items()]
    entries.append({"label": "unset", "position": None, "positionStatus": "undefined"})
    markup = {"type": "Fiducial", "coordinateSystem": system, "coordinateUnits": "mm", "controlPoints": entries}
    path.write_text(json.dumps({"markups": [markup]}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("system", "expected"), [("LPS", (-1, -2, 3)), ("RAS", (1, 2, 3)), (1, (-1, -2, 3)), (0, (1, 2, 3))]
)
def test_markups_of_slicer(system: object, expected: tuple[int, ...], tmp_path: Path) -> None:
    found = read_landmarks(markups(tmp_path / "a.mrk.json", {"Head center": (1.0, 2.0, 3.0)}, system))
    assert list(found) == [""]
    np.testing.assert_array_equal(found[""]["head_centre"], expected)


def test_table_of_several_bones(tmp_path: Path) -> None:
    path = tmp_path / "l.toml"
    path.write_text('coordinate_system = "LPS"\n[landmarks.L1]\nposterior_wall = [4, 5, 6]\n', encoding="utf-8")
    found = read_landmarks(path)
    np.testing.assert_array_equal(found["L1"]["posterior_wall"], (-4, -5, 6))
    assert landmarks_of(found, "L2", alone=False) is None
    two = read_landmarks(
        markups(tmp_path / "a.mrk.json", {"L1:posterior_wall": (1, 2, 3), "posterior_wall": (4, 5, 6)})
    )
    with pytest.raises(InputError, match="need the bone's label"):
        landmarks_of(two, "L1", alone=False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "holds no markups"),
        ("[", "cannot read landmarks"),
        ('{"markups": []}', "holds no landmark"),
        ('{"markups": [{"coordinateSystem": "IJK"}]}', "expected RAS or LPS"),
        ('{"markups": [{"coordinateUnits": "m"}]}', "expected mm"),
        ('{"markups": [{"controlPoints": [{"label": "a", "position": [1, 2]}]}]}', "expected three numbers"),
    ],
)
def test_files_that_are_no_landmarks(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mrk.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_landmarks(path)


def test_landmarks_of_a_vertebra_decide_its_frame() -> None:
    truth = pose((10, -12, -25), (3.0, -4.0, 5.0))
    _, labels = SyntheticVertebra().scan(truth, (1.5, 1.5, 1.5))
    identity = identify(labels, 1)
    up, back = truth[:3, 2], -truth[:3, 1]
    tilted = up + 0.1 * truth[:3, 0]
    given = {
        "superior_endplate_centre": truth[:3, 3] + 13 * tilted,
        "inferior_endplate_centre": truth[:3, 3] - 13 * tilted,
        "posterior_wall": truth[:3, 3] + 16 * back,
    }
    found = prepare(labels, 1, identity, landmarks=given)
    np.testing.assert_allclose(found.local_to_ras[:3, 2], tilted / np.linalg.norm(tilted), atol=1e-9)
    assert found.local_to_ras[:3, 1] @ truth[:3, 1] > np.cos(np.radians(3.0))
    np.testing.assert_array_equal(found.landmarks["posterior_wall"], given["posterior_wall"])
    automatic = prepare(labels, 1, identity)
    assert automatic.local_to_ras[:3, 2] @ up > np.cos(np.radians(0.7))
    # a wall set 4 mm farther forward cuts the body there
    nearer = prepare(labels, 1, identity, landmarks={"posterior_wall": truth[:3, 3] + 12 * back})
    assert (nearer.regions.array == 1).sum() < 0.95 * (automatic.regions.array == 1).sum()
    with pytest.raises(AnatomyError, match="needs both landmarks"):
        prepare(labels, 1, identity, landmarks={"superior_endplate_centre": up})
    with pytest.raises(AnatomyError, match="no landmark nose"):
        prepare(labels, 1, identity, landmarks={"nose": up})


def test_found_landmarks_lie_on_the_known_body() -> None:
    bone, truth = SyntheticVertebra(), pose((0, 0, 0))
    _, labels = bone.scan(truth, (1.0, 1.0, 1.0))
    marks = prepare(labels, 1, identify(labels, 1)).landmarks
    half = bone.height_mm / 2
    np.testing.assert_allclose(marks["superior_endplate_centre"], (0, 0, half), atol=1.0)
    np.testing.assert_allclose(marks["inferior_endplate_centre"], (0, 0, -half), atol=1.0)
    assert marks["posterior_wall"][1] == pytest.approx(-bone.half_depth_mm, abs=2.5)


def test_landmarks_reach_the_results_and_are_named_there(tmp_path: Path) -> None:
    ct, labels = SyntheticFemur().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0), False)
    automatic = prepare(labels, 1, (Site.FEMUR, "", Side.RIGHT))
    moved = automatic.landmarks["head_centre"] + np.array((0.0, 2.0, 0.0))
    target = Target(1, Site.FEMUR, "", Side.RIGHT, landmarks={"head_centre": moved})
    study = Study(ct, labels, (target,), Acquisition("synthetic"))
    outcome = pipeline.run(study, override(Settings(), GIVEN))
    site = outcome.results.sites[0]
    line = next(line for line in site.quality.lines if line.check == "LANDMARKS_BY_HAND")
    assert line.found.startswith("head_centre")
    np.testing.assert_array_equal(outcome.fields[site.name].specimen.landmarks["head_centre"], moved)
    write_case(study, Settings(), tmp_path)
    back = read_case(tmp_path)[0].targets[0].landmarks
    assert back is not None
    np.testing.assert_array_equal(back["head_centre"], moved)


def test_landmarks_on_the_command_line(tmp_path: Path) -> None:
    ct, labels = SyntheticVertebra().scan(pose((0, 0, 0)), (3.0, 3.0, 3.0))
    write_volume(ct, tmp_path / "ct.nii.gz")
    write_volume(labels.volume, tmp_path / "l.nii.gz")
    file = markups(tmp_path / "m.mrk.json", {"posterior_wall": (1.0, 20.0, 3.0)})
    base = [
        str(tmp_path / "ct.nii.gz"),
        f"--labels={tmp_path / 'l.nii.gz'}",
        "--level=L2",
        f"--landmarks={file}",
        "--out=x",
    ]
    study = study_of(run_parser().parse_args([*base, "--label=1"]))
    assert study.targets[0].landmarks is not None
    np.testing.assert_array_equal(study.targets[0].landmarks["posterior_wall"], (-1.0, -20.0, 3.0))
    named = markups(tmp_path / "n.mrk.json", {"L5:posterior_wall": (1.0, 20.0, 3.0)})
    with pytest.raises(InputError, match="which no --label names"):
        study_of(run_parser().parse_args([*base[:-2], f"--landmarks={named}", "--out=x", "--label=1"]))


def test_one_bad_bone_does_not_stop_the_others() -> None:
    ct, labels = SyntheticVertebra().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0))
    array = np.array(labels.volume.array)
    array[2:4, 2:4, 2:4] = 2
    both = dataclasses.replace(labels, volume=labels.volume.with_array(array), names={1: "L2", 2: "L3"})
    study = Study(ct, both, (Target(1), Target(2)), Acquisition("synthetic"))
    settings = override(Settings(), (*GIVEN, "model.voxel_mm=3"))
    results = pipeline.run(study, settings).results
    assert [bool(site.strengths) for site in results.sites] == [True, False]
    bad = results.sites[1]
    assert (bad.name, bad.site, bad.level) == ("L3", "vertebra", "L3")
    assert [line.check for line in bad.quality.refused] == ["ANATOMY"]
    with pytest.raises(AnatomyError):
        pipeline.run(dataclasses.replace(study, targets=(Target(2),)), settings)
