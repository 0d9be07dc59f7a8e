"""The module's Logic on real MRML nodes: same numbers as the command line, clear errors."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from external_tools import require_module

require_module("slicer")
require_module("PySide6.QtWidgets")
import slicer
import slicer_scene
import stand_in

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.errors import BoneStrengthError, CancelledError
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override

TISSUES = {52: "aorta", 86: "autochthon_left", 87: "autochthon_right"}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> object:
    return stand_in.install(tmp_path_factory.mktemp("slicer"))


@pytest.fixture
def nodes() -> tuple[object, object, object]:
    slicer_scene.new_scene()
    study = demo_study()
    ct = slicer_scene.volume_node(study.ct)
    bones = slicer_scene.segmentation_node(study.labels.volume, ct, {30: "vertebrae_L2", 31: "vertebrae_L1"})
    assert study.tissues is not None
    tissues = slicer_scene.segmentation_node(study.tissues.volume, ct, TISSUES)
    return ct, bones, tissues


def test_logic_gives_the_numbers_of_the_command_line(module, nodes, tmp_path: Path) -> None:
    from importlib import resources

    from BoneStrengthFEALib.image_files import write_volume
    from BoneStrengthFEALib.label_names import label_names

    ct, bones, tissues = nodes
    logic = module.BoneStrengthFEALogic()
    study = logic.studyFromNodes(ct, (bones, ["vertebrae_L2"]), tissues)
    in_slicer = logic.compute(study).results.sites[0]
    # the command line reads the same scan from files, with only the labels the scene holds
    data = resources.files("BoneStrengthFEALib").joinpath("data", "spine_totalseg")
    names = label_names("totalsegmentator")
    demo = demo_study()
    assert demo.tissues is not None
    for role, volume, keep in (
        ("labels", demo.labels.volume, (30, 31)),
        ("tissues", demo.tissues.volume, tuple(TISSUES)),
    ):
        kept = np.where(np.isin(volume.array, keep), volume.array, 0)
        write_volume(volume.with_array(kept), tmp_path / f"{role}.nii.gz")
    assert names[30] == "vertebrae_L2"
    call = ["run", str(data / "example_ct.nii.gz"), "--labels", str(tmp_path / "labels.nii.gz"), "--numbering",
            "totalsegmentator", "--tissues", str(tmp_path / "tissues.nii.gz"), "--label", "30",
            "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(call) == 0
    site = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))["sites"][0]
    assert in_slicer.strengths[0].force_n == pytest.approx(site["strengths"][0]["force_n"], rel=1e-9)
    for measure, written in zip(in_slicer.bmd, site["bmd"], strict=True):
        assert measure.value == pytest.approx(written["value"], rel=1e-9), measure.id


def test_process_adds_a_table_and_writes_a_report(module, nodes) -> None:
    ct, bones, tissues = nodes
    stages: list[str] = []
    folder = module.BoneStrengthFEALogic().process(
        ct, (bones, ["vertebrae_L1"]), tissues, {"sex": "F"}, lambda stage, _fraction: stages.append(stage)
    )
    assert (folder / "report.html").is_file()
    assert any("solving" in stage for stage in stages)
    table = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLTableNode")
    texts = [table.GetCellText(row, 8) for row in range(table.GetNumberOfRows())]
    assert "failure_load_crawford2003" in texts
    assert table.GetAttribute("BoneStrengthFEA.settings_sha256")


def test_cancelling_leaves_the_scene_as_it_was(module, nodes) -> None:
    def stop(_stage: str, _fraction: float) -> None:
        raise CancelledError

    before = slicer.mrmlScene.GetNumberOfNodes()
    ct, bones, tissues = nodes
    assert module.BoneStrengthFEALogic().process(ct, (bones, ["vertebrae_L1"]), tissues, None, stop) is None
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_bad_input_gives_one_clear_message(module, nodes) -> None:
    logic = module.BoneStrengthFEALogic()
    ct, bones, _ = nodes
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    with pytest.raises(BoneStrengthError, match="no segment"):
        logic.studyFromNodes(ct, (empty, ["x"]))
    with pytest.raises(BoneStrengthError, match="not a name of a label"):
        logic.studyFromNodes(ct, (bones, ["vertebrae_L9"]))
    with pytest.raises(BoneStrengthError, match="no CT volume"):
        logic.studyFromNodes(None, (bones, ["vertebrae_L1"]))


def test_segments_that_can_be_analysed_are_recognised(module) -> None:
    logic = module.BoneStrengthFEALogic()
    names = ("vertebrae_L1", "T12", "sacrum", "aorta", "C3")
    assert [logic.isAnalysable(n) for n in names] == [True, True, False, False, False]
    from BoneStrengthFEALib.anatomy import Site
    from BoneStrengthFEALib.load_case.registry import DEFAULT_LOAD_CASE

    # a site the library learns to load is ticked in the panel without a change there
    assert logic.isAnalysable("femur_left") == (Site.FEMUR in DEFAULT_LOAD_CASE)


def test_settings_reach_the_chain(module, nodes) -> None:
    ct, bones, tissues = nodes
    logic = module.BoneStrengthFEALogic()
    study = logic.studyFromNodes(ct, (bones, ["vertebrae_L2"]), tissues)
    coarse = logic.compute(study, override(Settings(), ["model.voxel_mm=3"])).results.sites[0]
    assert coarse.model.voxel_mm == pytest.approx(3.0)
