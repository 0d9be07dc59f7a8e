"""The panel on PySide6 in the manner of PythonQt, over real MRML: Run, cancel, close, reload, wrong input."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

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

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.parent_watch import process_exists
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override

PANEL = slicer_scene.MODULE.parent / "BoneStrengthFEAPanel"
UI = slicer_scene.MODULE.parent / "Resources" / "UI" / "BoneStrengthFEA.ui"
COARSE_MM = 4.0


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return stand_in.install(tmp_path_factory.mktemp("slicer"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    slicer.app.temporaryPath = str(tmp_path)
    return tmp_path


@pytest.fixture
def panel(module: Any, folder: Path) -> Any:
    from BoneStrengthFEAPanel.runner import ProcessRunner

    slicer_scene.new_scene()
    stand_in.SHOWN.clear()
    with stand_in.no_hidden_errors():
        panel = stand_in.new_panel(module, ProcessRunner(python=lambda: [sys.executable]))
        yield panel
        panel.cleanup()


def tick(panel: Any, *names: str) -> None:
    for name, (box, *_others) in panel._bones._rows.items():
        box.checked = name in names


def wait(panel: Any) -> None:
    stand_in.process_events(lambda: not panel.logic.isRunning)


def ready(panel: Any) -> Any:
    panel.ui.loadSampleButton.click()
    tick(panel, "vertebrae_L2")
    panel.ui.voxelSpinBox.value = COARSE_MM
    return panel


@pytest.fixture
def loaded(panel: Any) -> Any:
    return ready(panel)


def contents() -> list[str]:
    nodes = slicer.mrmlScene.GetNodes()
    found = [nodes.GetItemAsObject(n) for n in range(nodes.GetNumberOfItems())]
    return sorted(f"{node.GetClassName()} {node.GetName()}" for node in found)


def exact_values(table: Any) -> list[str]:
    column = table.GetColumnIndex("exact value")
    return [table.GetCellText(row, column) for row in range(table.GetNumberOfRows())]


def test_run_gives_the_numbers_of_the_command_line_to_the_last_digit(loaded: Any, folder: Path) -> None:
    assert loaded.ui.runButton.enabled
    loaded.ui.runButton.click()
    assert loaded.logic.isRunning
    assert loaded.ui.cancelButton.enabled
    wait(loaded)
    assert stand_in.SHOWN == []
    expected = pipeline.run(demo_study(("L2",)), override(Settings(), [f"model.voxel_mm={COARSE_MM}"])).results.sites[0]
    results = loaded.logic.resultsOf(loaded._parameterNode.shownCase)
    assert results.sites[0].strengths[0].force_n == expected.strengths[0].force_n
    assert [m.value for m in results.sites[0].bmd] == [m.value for m in expected.bmd]
    assert f"{expected.strengths[0].force_n:.0f} N" in loaded.ui.headlineLabel.text
    table = loaded.ui.measuresTable.mrmlTableNode()
    assert repr(expected.strengths[0].force_n) in exact_values(table)
    assert list(folder.glob("BoneStrengthFEA-*")) == [], "private folder of the run stays"


def test_results_are_nodes_of_one_study_with_provenance(loaded: Any) -> None:
    from BoneStrengthFEAPanel import to_nodes

    loaded.ui.runButton.click()
    wait(loaded)
    roles = to_nodes.nodesOfCase(loaded._parameterNode.shownCase)
    assert set(roles) == {"table", "files", "density", "regions:L2", "model:L2"}
    hierarchy = to_nodes.hierarchy()
    parents = {hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) for node in roles.values()}
    assert len(parents) == 1
    study = parents.pop()
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyLevelAttributeName()
    assert hierarchy.GetItemAttribute(study, level) == "Study"
    assert hierarchy.GetItemAttribute(hierarchy.GetItemParent(study), level) == "Patient"
    assert len(roles["density"].GetAttribute("BoneStrengthFEA.settings_sha256")) == 64
    density = slicer.util.arrayFromVolume(roles["density"])
    assert density.shape == slicer.util.arrayFromVolume(loaded._parameterNode.ctVolume).shape
    fields = [loaded.ui.fieldSelector.itemData(n) for n in range(loaded.ui.fieldSelector.count)]
    assert "effective_strain_percent" in fields
    assert "von_mises_stress_mpa" in fields
    legend = roles["model:L2"].GetNthDisplayNode(1)
    assert legend.GetTitleText() == "effective strain [%]"
    loaded.ui.fieldSelector.currentIndex = loaded.ui.fieldSelector.findData("von_mises_stress_mpa")
    assert legend.GetTitleText() == "von Mises stress [MPa]"
    assert loaded.ui.thresholdSlider.maximum > 5, "the slider takes the field's range"
    loaded.ui.fieldSelector.currentIndex = loaded.ui.fieldSelector.findData("effective_strain_percent")
    loaded.ui.thresholdSlider.value = 0.7
    assert roles["model:L2"].GetDisplayNode().GetThresholdRange()[0] == pytest.approx(0.7)
    assert roles["model:L2"].GetDisplayNode().GetThresholdEnabled()
    opened: list[Path] = []
    loaded.openFile = opened.append
    loaded.ui.reportButton.click()
    loaded.ui.pdfButton.click()
    assert [path.name for path in opened] == ["report.html", "report.pdf"]
    assert all(path.is_file() for path in opened)


def test_cancelling_ends_the_process_and_leaves_the_scene(loaded: Any, folder: Path) -> None:
    before = contents()
    loaded.ui.voxelSpinBox.value = 0.5
    loaded.ui.runButton.click()
    stand_in.process_events(lambda: loaded.ui.stageLabel.text not in ("", "starting"))
    pid = loaded.logic.runner.pid
    loaded.ui.cancelButton.click()
    assert not process_exists(pid)
    assert contents() == before
    assert loaded.ui.runButton.enabled
    assert not loaded.ui.cancelButton.enabled
    assert list(folder.glob("BoneStrengthFEA-*")) == []


def test_closing_the_scene_in_the_middle_is_safe(loaded: Any, folder: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    orphan, foreign = (folder / f"BoneStrengthFEA-job-{pid}-x" for pid in (ended.pid, os.getpid()))
    orphan.mkdir()
    foreign.mkdir()
    loaded.ui.runButton.click()
    assert not orphan.exists(), "left by an application that has crashed"
    assert foreign.exists()
    pid = loaded.logic.runner.pid
    slicer.mrmlScene.Clear()
    assert not process_exists(pid)
    assert not loaded.logic.isRunning
    assert loaded.ui.ctSelector.currentNode() is None
    assert not loaded.ui.runButton.enabled
    assert stand_in.SHOWN == []


def test_two_runs_at_once_are_refused_with_words(loaded: Any) -> None:
    loaded.ui.runButton.click()
    loaded.onRun()
    assert len(stand_in.SHOWN) == 1
    assert "is running" in stand_in.SHOWN[0]
    loaded.ui.cancelButton.click()


def test_wrong_input_gives_one_message_and_keeps_the_scene(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from BoneStrengthFEAPanel.runner import ProcessRunner

    p = loaded._parameterNode
    before = contents()

    def message(part: str) -> None:
        loaded.onRun()
        wait(loaded)
        assert len(stand_in.SHOWN) == 1, stand_in.SHOWN
        assert re.search(part, stand_in.SHOWN[0]), stand_in.SHOWN[0]
        stand_in.SHOWN.clear()
        assert contents() == before

    tick(loaded)
    assert not loaded.ui.runButton.enabled
    message("no segment is chosen")
    tick(loaded, "vertebrae_L2")
    p.analysis = "linear"
    p.law = "no-such-law"
    message("no-such-law")
    p.law = ""
    p.calibrationMethod = "given-linear"
    p.slope = 0.0
    message("must be positive")
    p.calibrationMethod = "phantom"
    message("choose the phantom")
    p.calibrationMethod = "internal-michalski2020"
    runner = loaded.logic.runner
    loaded.logic.runner = ProcessRunner(python=lambda: ["/no/such/PythonSlicer"])
    message("cannot be started")
    loaded.logic.runner = runner

    def full(*_unused: Any, **_options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", full)
        message("No space left")
    array = slicer.util.arrayFromVolume(p.ctVolume)
    kept = array.copy()
    array[:] = 7
    message("does not look like HU")
    array[:] = kept


def test_a_segmentation_under_a_transform_is_refused(loaded: Any) -> None:
    p = loaded._parameterNode
    moved = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    p.boneSegmentation.SetAndObserveTransformNodeID(moved.GetID())
    loaded.onRun()
    assert len(stand_in.SHOWN) == 1
    assert "under a transform" in stand_in.SHOWN[0]


def test_an_empty_segment_is_named(loaded: Any) -> None:
    loaded._parameterNode.boneSegmentation.GetSegmentation().AddEmptySegment("", "L4 new")
    stand_in.process_events(lambda: "L4 new" in loaded._bones.rows())
    tick(loaded, "L4 new")
    loaded.onRun()
    assert len(stand_in.SHOWN) == 1
    assert "L4 new has no voxel on the CT SpineCT" in stand_in.SHOWN[0]


def test_how_a_run_ended_is_said_in_words_of_the_panel(loaded: Any) -> None:
    from BoneStrengthFEAPanel.runner import ProcessRunner

    words = "error [KVP]: no\\nto take responsibility for a check: --set accept=KVP"
    for script, expected, offered in (
        ("import os; os.kill(os.getpid(), 9)", "memory", False),
        (f"print('{words}'); raise SystemExit(1)", "press Accept", True),
    ):
        # python -c script -m BoneStrengthFEALib.cli ...
        loaded.logic.runner = ProcessRunner(python=lambda script=script: [sys.executable, "-c", script])
        loaded.onRun()
        wait(loaded)
        assert expected in stand_in.SHOWN[-1]
        assert "--set" not in stand_in.SHOWN[-1]
        assert loaded.ui.acceptButton.enabled is offered
    loaded.ui.acceptButton.click()
    assert loaded._parameterNode.accept == "KVP"


def test_one_ct_and_one_segment_are_enough(panel: Any) -> None:
    from BoneStrengthFEAPanel.to_nodes import volumeFromLibrary

    study = demo_study(("L2",))
    volumeFromLibrary(study.ct, "CT")
    ct = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    slicer_scene.segmentation_node(study.labels.volume, ct, {30: "Segment_1"})
    panel.initializeParameterNode()
    panel.ui.voxelSpinBox.value = COARSE_MM
    assert panel.ui.runButton.enabled
    panel.ui.runButton.click()
    wait(panel)
    # without aorta and muscle labels this calibration must refuse, and say what is missing
    assert panel.logic.cases() or (len(stand_in.SHOWN) == 1 and len(stand_in.SHOWN[0]) > 40)


def test_calibration_and_frames_can_be_looked_at_first(loaded: Any) -> None:
    loaded.ui.calibrateButton.click()
    wait(loaded)
    assert "internal-air-fat-muscle: density = " in loaded.ui.calibrationLabel.text
    chart = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotChartNode")
    assert chart is not None
    for _twice in range(2):
        loaded.ui.measureButton.click()
        wait(loaded)
    table = loaded.ui.measuresTable.mrmlTableNode()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 2, "points of the calibration, measures"
    expected = pipeline.measure(demo_study(("L2",))).results.sites[0].bmd
    assert set(exact_values(table)) >= {repr(m.value) for m in expected}
    rows = [[table.GetCellText(row, column) for column in range(4)] for row in range(table.GetNumberOfRows())]
    density = next(m for m in expected if m.unit == "mg/cm3")
    assert ["L2", density.label, f"{density.value:.0f}", "mg/cm³"] in rows
    loaded.ui.previewButton.click()
    wait(loaded)
    box = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsROINode")
    assert box is not None
    study = loaded.logic.studyFromParameters(loaded._parameterNode)
    assert study.targets[0].local_to_ras is None
    matrix = slicer.vtkMRMLMarkupsROINode.GetObjectToWorldMatrix(box)
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 3.0)
    box.SetAndObserveObjectToNodeMatrix(matrix)
    study = loaded.logic.studyFromParameters(loaded._parameterNode)
    assert study.targets[0].local_to_ras is not None
    loaded.ui.clearPreviewButton.click()
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLMarkupsROINode") is None


def test_isolate_bone_takes_a_segment_of_its_own(loaded: Any) -> None:
    segmentation = loaded._parameterNode.boneSegmentation.GetSegmentation()
    before = list(segmentation.GetSegmentIDs())
    loaded.ui.isolateButton.click()
    assert loaded._segmentEditor.activeEffect() == "Isolate bone"
    chosen = loaded._segmentEditor.currentSegmentID()
    assert chosen not in before
    loaded.ui.isolateButton.click()
    assert loaded._segmentEditor.currentSegmentID() == chosen, "an empty segment is used first"
    assert list(segmentation.GetSegmentIDs()) == [*before, chosen]


def test_another_case_is_chosen_by_its_nodes(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slicer writes every widget again when one parameter changes: a choice must not be taken back by that."""
    from BoneStrengthFEAPanel import study_nodes

    from BoneStrengthFEALib.acquisition import Acquisition, Sex, Subject
    from BoneStrengthFEALib.quality import QualityReport

    p = loaded._parameterNode
    ct = slicer_scene.volume_node(demo_study(("L1",)).ct)
    bones = slicer_scene.segmentation_node(demo_study(("L1",)).labels.volume, ct, {31: "L1"})
    known = Acquisition("dicom", subject=Subject(sex=Sex.FEMALE, age_years=63.0))
    monkeypatch.setattr(study_nodes, "acquisitionOf", lambda _node: (known, QualityReport()))
    loaded.ui.sexSelector.currentIndex = 2
    loaded.ui.weightSpinBox.value = 80.0
    loaded.ui.acceptEdit.text = "KVP"
    loaded.ui.ctSelector.setCurrentNode(ct)
    loaded.ui.segmentationSelector.setCurrentNode(bones)
    assert (p.ctVolume.GetID(), p.boneSegmentation.GetID()) == (ct.GetID(), bones.GetID())
    assert loaded._bones.rows() == {"L1": [True, "vertebra", "L1", ""]}
    assert (loaded.ui.sexSelector.currentText, loaded.ui.ageSpinBox.value) == ("F", 63.0)
    assert (loaded.ui.weightSpinBox.value, loaded.ui.acceptEdit.text) == (0.0, ""), "of the subject before"
    assert p.tissueSegmentation is None, "tissues of the CT before"


def test_a_saved_scene_brings_panel_and_results_back(loaded: Any, tmp_path: Path) -> None:
    from BoneStrengthFEAPanel import to_nodes

    loaded.ui.ageSpinBox.value = 71.0
    loaded.ui.sexSelector.currentIndex = 1
    loaded.ui.runButton.click()
    wait(loaded)
    text = loaded.ui.headlineLabel.text
    for n in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode")):
        assert slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLVolumeNode").GetImageData() is not None
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    assert loaded.ui.headlineLabel.text == "No results yet."
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "case.mrb"), True)
    loaded.initializeParameterNode()
    assert loaded.ui.headlineLabel.text == text
    assert loaded.ui.ageSpinBox.value == 71.0
    assert loaded.ui.sexSelector.currentText == "F"
    assert [name for name, row in loaded._bones.rows().items() if row[0]] == ["vertebrae_L2"]
    assert loaded.logic.writeFiles(loaded._parameterNode.shownCase, tmp_path / "again")
    assert (tmp_path / "again" / "report.pdf").read_bytes()[:4] == b"%PDF"
    loaded.ui.runButton.click()
    wait(loaded)
    assert len(loaded.logic.cases()) == loaded.ui.caseSelector.count == 2
    # deleted as the Data module does it
    hierarchy = to_nodes.hierarchy()
    files = to_nodes.nodesOfCase(loaded._parameterNode.shownCase)["files"]
    hierarchy.RemoveItem(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(files)), True, True)
    stand_in.process_events(lambda: loaded.ui.caseSelector.count == 1)
    assert loaded.ui.headlineLabel.text == text


def test_a_damaged_or_hostile_report_in_a_scene_writes_nothing_outside(loaded: Any, tmp_path: Path) -> None:
    import base64
    import io
    import zipfile

    from BoneStrengthFEAPanel.packed_files import unpackFiles

    from BoneStrengthFEALib.errors import InputError

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("../outside.txt", "x")
        archive.writestr("inside.txt", "x")
    (tmp_path / "in").mkdir()
    unpackFiles(base64.b64encode(stream.getvalue()).decode(), tmp_path / "in")
    assert not (tmp_path / "outside.txt").exists()
    assert (tmp_path / "in" / "inside.txt").is_file()
    with pytest.raises(InputError, match="damaged"):
        unpackFiles("bm8gemlw", tmp_path / "in")


@pytest.mark.slow
def test_fifty_random_orders_of_actions_leave_nothing_behind(module: Any, folder: Path) -> None:
    from BoneStrengthFEAPanel.runner import ProcessRunner

    slicer_scene.new_scene()
    stand_in.SHOWN.clear()
    chance = random.Random(9173)
    pids: list[int] = []
    with stand_in.no_hidden_errors():
        panel = stand_in.new_panel(module, ProcessRunner(python=lambda: [sys.executable]))
        file = folder / "scene.mrb"

        def run() -> None:
            if panel.ui.runButton.enabled:
                panel.ui.runButton.click()
                pids.append(panel.logic.runner.pid or 0)

        def finish() -> None:
            if sum(1 for _ in pids) % 4 == 0:
                wait(panel)

        def switch() -> None:
            count = panel.ui.caseSelector.count
            if count:
                panel.ui.caseSelector.currentIndex = chance.randrange(count)

        def reload() -> None:
            if file.is_file():
                slicer.mrmlScene.Clear()
                slicer.mrmlScene.ReadFromMRB(str(file), True)
                panel.initializeParameterNode()

        actions = (
            lambda: ready(panel), run, finish, panel.ui.cancelButton.click, slicer.mrmlScene.Clear, switch, reload,
            lambda: slicer.mrmlScene.WriteToMRB(str(file)), panel.exit, panel.enter,
            lambda: panel.ui.editSegmentationButton.click(),
        )  # fmt: skip
        for _order in range(50):
            for action in chance.sample(actions, 5):
                if panel._parameterNode is None:
                    panel.enter()
                action()
                stand_in.process_events(lambda: True)
        panel.onCancel()
        slicer.mrmlScene.Clear()
        panel.cleanup()
    assert [text for text in stand_in.SHOWN if "running" not in text] == []
    leaked = [name for name in contents() if "BoneStrength" in name and "vtkMRMLScriptedModuleNode" not in name]
    assert leaked == []
    assert list(folder.glob("BoneStrengthFEA-*[!y]")) == []
    time.sleep(0.2)
    assert [pid for pid in pids if pid and process_exists(pid)] == []


def test_the_panel_names_only_widgets_that_exist() -> None:
    names = {w.attrib["name"] for w in ET.parse(UI).getroot().iter("widget")}
    used: set[str] = set()
    for path in PANEL.glob("*.py"):
        used |= set(re.findall(r"(?:self\.ui|\bui)\.(\w+)", path.read_text(encoding="utf-8")))
    assert used <= names
    interactive = {n for n in names if n.endswith(("Button", "Selector", "SpinBox", "Slider", "Edit", "Table"))}
    text = UI.read_text(encoding="utf-8")
    tree = ET.fromstring(text)
    silent = [
        w.attrib["name"]
        for w in tree.iter("widget")
        if w.attrib["name"] in interactive and not any(p.attrib["name"] == "toolTip" for p in w.findall("property"))
    ]
    assert silent == []


def test_no_attribute_is_put_on_a_widget_that_qt_does_not_have(loaded: Any) -> None:
    allowed = set(dir(type(loaded.ui.runButton)))
    for path in PANEL.glob("*.py"):
        for name in re.findall(r"ui\.\w+Button\.(\w+) = ", path.read_text(encoding="utf-8")):
            assert name in allowed, name


def test_bones_keep_what_a_person_has_set(loaded: Any) -> None:
    _box, site, level, _side = loaded._bones._rows["vertebrae_L2"]
    level.currentIndex = level.findText("L3")
    assert json.loads(loaded._parameterNode.bones)["vertebrae_L2"] == [True, "vertebra", "L3", ""]
    loaded.exit()
    loaded.enter()
    assert loaded._bones.rows()["vertebrae_L2"][2] == "L3"
    assert site.currentText == "vertebra" or loaded._bones.rows()["vertebrae_L2"][1] == "vertebra"


def test_what_is_unknown_says_so_and_ranges_are_those_of_the_form(panel: Any) -> None:
    """Slicer's binding opens a spin box to infinity unless the parameter has a range; "unknown" is its least value."""
    boxes = {
        w.attrib["name"]: w for w in ET.parse(UI).getroot().iter("widget") if w.attrib["class"] == "QDoubleSpinBox"
    }
    for name, widget in boxes.items():
        limits = {p.attrib["name"]: float(p[0].text or "") for p in widget.findall("property") if p[0].tag == "double"}
        box = getattr(panel.ui, name)
        assert (box.minimum, box.maximum) == (limits["minimum"], limits["maximum"]), name
    assert panel.ui.ageSpinBox.text == "unknown"
    assert panel.ui.voxelSpinBox.text == "default"


def test_no_two_widgets_share_a_cell_of_a_form() -> None:
    """Designer refuses it; a form written by hand would show one widget over the other."""
    for layout in ET.parse(UI).getroot().iter("layout"):
        cells = [(item.get("row"), item.get("column")) for item in layout.findall("item") if item.get("row")]
        assert len(cells) == len(set(cells)), f"{layout.get('name')}: {cells}"
