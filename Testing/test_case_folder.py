"""Case folders: exact round trip, the same numbers as the chain, models that VTK reads, frames set by a person."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.acquisition import Acquisition, Sex, Subject
from BoneStrengthFEALib.case_folder import read_case, write_case
from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.export import write_vtu
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.outcome_files import write_outcome
from BoneStrengthFEALib.parent_watch import process_exists
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.scene_files import write_scene
from BoneStrengthFEALib.settings import LimbSettings, Settings
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.target_frame import isolate
from BoneStrengthFEALib.volume import Grid

COARSE = override(Settings(), ["model.voxel_mm=3"])


@pytest.fixture(scope="module")
def study() -> Study:
    demo = demo_study(("L2",))
    subject = Subject(sex=Sex.FEMALE, age_years=71.5, height_m=1.62, weight_kg=63.0)
    return dataclasses.replace(demo, acquisition=Acquisition("slicer", kvp=120.0, subject=subject))


def test_a_case_comes_back_to_the_last_bit(study: Study, tmp_path: Path) -> None:
    write_case(study, COARSE, tmp_path)
    again, settings = read_case(tmp_path)
    assert settings == COARSE
    assert again.acquisition == study.acquisition
    assert again.targets == study.targets
    assert np.array_equal(again.ct.array, study.ct.array)
    assert np.array_equal(again.ct.ijk_to_ras, study.ct.ijk_to_ras)
    assert again.tissues is not None
    assert dict(again.tissues.names) == dict(study.tissues.names)  # type: ignore[union-attr]


def test_the_command_gives_the_numbers_of_the_chain_and_a_model(study: Study, tmp_path: Path) -> None:
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    (tmp_path / "case").mkdir()
    write_case(study, COARSE, tmp_path / "case")
    assert main(["case", str(tmp_path / "case"), "--out", str(tmp_path / "out"), "--progress-lines"]) == 0
    outcome = pipeline.run(study, COARSE)
    expected = outcome.results.sites[0]
    written = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["sites"][0]
    assert written["strengths"][0]["force_n"] == expected.strengths[0].force_n
    assert [m["value"] for m in written["bmd"]] == [m.value for m in expected.bmd]
    scene = json.loads((tmp_path / "out" / "scene.json").read_text(encoding="utf-8"))
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(tmp_path / "out" / scene["sites"][0]["model_file"]))
    reader.Update()
    mesh = reader.GetOutput()
    assert expected.model is not None
    assert mesh.GetNumberOfCells() == expected.model.elements
    assert mesh.GetCellData().HasArray("effective_strain_percent")
    centre = np.asarray(outcome.fields["L2"].specimen.local_to_ras)[:3, 3]
    low, high = np.array(mesh.GetBounds()).reshape(3, 2).T
    assert (low < centre).all()
    assert (centre < high).all()


def test_hexahedra_lie_where_the_elements_are(tmp_path: Path) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersVerdict import vtkCellSizeFilter
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    # i runs along A, j along S, k along R; spacing 2, 3, 5 mm, so every element holds 30 mm3
    affine = np.array([[0.0, 0, 5, 10], [2, 0, 0, -7], [0, 3, 0, 4], [0, 0, 0, 1]])
    elements = np.zeros((3, 4, 5), bool)
    elements[1, 2, 3] = elements[2, 2, 3] = True
    model = FeModel(Grid((3, 4, 5), affine), np.where(elements, 1000.0, 0.0), 0.3)
    moved = np.zeros((4, 5, 6, 3))
    moved[..., 0] = 0.5
    write_vtu(tmp_path / "m.vtu", model, elements, {"young_mpa": np.array([11.0, 13.0])}, moved)
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(tmp_path / "m.vtu"))
    sizes = vtkCellSizeFilter()
    sizes.SetInputConnection(reader.GetOutputPort())
    sizes.Update()
    mesh = sizes.GetOutput()
    assert mesh.GetNumberOfPoints() == 12
    assert vtk_to_numpy(mesh.GetCellData().GetArray("Volume")) == pytest.approx([30.0, 30.0])
    first = np.array(mesh.GetCell(0).GetBounds()).reshape(3, 2)
    assert first == pytest.approx(np.array([[12.5, 17.5], [-2.0, 0.0], [8.5, 11.5]]))
    assert vtk_to_numpy(mesh.GetCellData().GetArray("young_mpa")) == pytest.approx([11.0, 13.0])
    assert vtk_to_numpy(mesh.GetPointData().GetArray("displacement_mm"))[0] == pytest.approx([0.0, 0.5, 0.0])


def test_the_steps_before_the_load_can_be_asked_for(study: Study, tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    write_case(study, COARSE, tmp_path / "case")
    steps = (("calibration", "calibration.json"), ("measures", "measures.csv"), ("frame", "frames.json"))
    for step, name in steps:
        call = ["case", str(tmp_path / "case"), "--until", step, "--out", str(tmp_path / step)]
        assert main(call) == 0
        assert (tmp_path / step / name).is_file()
    frame = json.loads((tmp_path / "frame" / "frames.json").read_text(encoding="utf-8"))["sites"][0]
    assert np.array_equal(frame["local_to_ras"], isolate(study, study.targets[0], LimbSettings()).local_to_ras)
    assert frame["cap_mm"] == 3.0, "Crawford 2003 embeds in layers of this thickness"
    measured = read_results(tmp_path / "measures").sites[0].bmd
    assert measured == pipeline.run(study, COARSE).results.sites[0].bmd


def test_a_frame_set_by_a_person_is_used_and_said(study: Study) -> None:
    frame = np.array(isolate(study, study.targets[0], LimbSettings()).local_to_ras)
    tilt = np.deg2rad(7.0)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    frame[:3, :3] = frame[:3, :3] @ turn
    tilted = dataclasses.replace(study, targets=(Target("vertebrae_L2", local_to_ras=frame),))
    by_hand = pipeline.run(tilted, COARSE).results.sites[0]
    found = pipeline.run(study, COARSE).results.sites[0]
    assert by_hand.strengths[0].force_n != found.strengths[0].force_n
    assert "FRAME_BY_HAND" in [line.check for line in by_hand.quality.warnings]


def test_damaged_folders_are_refused_with_words(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_case(tmp_path)
    write_case(study, COARSE, tmp_path)
    (tmp_path / "labels.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="damaged"):
        read_case(tmp_path)
    (tmp_path / "case.json").write_text('{"schema": "other"}', encoding="utf-8")
    with pytest.raises(InputError, match="schema"):
        read_case(tmp_path)


def test_a_process_ends_with_the_one_that_started_it() -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from BoneStrengthFEALib.parent_watch import watch; "
         "watch(int(sys.argv[1])); time.sleep(60)", str(sleeper.pid)],
        cwd=Path(__file__).parents[1])  # fmt: skip
    time.sleep(1.5)
    assert child.poll() is None
    assert process_exists(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert child.wait(timeout=60) == 130


def test_bones_of_unknown_level_keep_their_own_numbers_pictures_and_models(tmp_path: Path) -> None:
    """Two vertebrae whose labels tell no level: neither takes the other's name, and so its files."""
    demo = demo_study(("L2", "L3"))
    values = [demo.labels.value_of(target.label) for target in demo.targets]
    labels = LabelMap(demo.labels.volume, {values[0]: "vertebra_1", values[1]: "vertebra_2"})
    study = dataclasses.replace(demo, labels=labels, targets=(Target("vertebra_1"), Target("vertebra_2")))
    outcome = pipeline.run(study, COARSE)
    written = write_outcome(study, outcome, tmp_path, images=True)
    write_scene(outcome, tmp_path)
    assert [site.name for site in written.sites] == ["vertebra_1", "vertebra_2"]
    bones = [line.rsplit(",", 1)[-1] for line in (tmp_path / "measures.csv").read_text(encoding="utf-8").splitlines()]
    assert {"vertebra_1", "vertebra_2"} <= set(bones)
    first, second = (set(site.pictures.values()) for site in written.sites)
    assert not first & second
    assert all((tmp_path / name).is_file() for name in first | second)
    scene = json.loads((tmp_path / "scene.json").read_text(encoding="utf-8"))["sites"]
    assert [entry["model_file"] for entry in scene] == ["vertebra_1_model.vtu", "vertebra_2_model.vtu"]
    known = pipeline.measure(dataclasses.replace(demo, labels=demo.labels), COARSE).results
    for one, other in zip(written.sites, known.sites, strict=True):
        assert one.bmd[0].value == other.bmd[0].value


def test_names_that_several_bones_share_get_the_label() -> None:
    demo = demo_study(("L2", "L3"))
    first, second = (demo.labels.value_of(target.label) for target in demo.targets)
    labels = LabelMap(demo.labels.volume, {first: "left one", second: "vertebra"})
    named = dataclasses.replace(demo, labels=labels, targets=(Target(first), Target(second)))
    assert named.distinct_names(["L2", "L3"]) == ["L2", "L3"]
    assert named.distinct_names(["vertebra", "vertebra"]) == ["left one", f"vertebra, label {second}"]
    with pytest.raises(InputError, match=r"named more than once: .*vertebra"):
        dataclasses.replace(named, targets=(Target(second), Target("vertebra")))
