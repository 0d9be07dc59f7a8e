"""A cohort started, stopped and gone on with from the panel."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from external_tools import require_module

require_module("slicer")
require_module("PySide6.QtWidgets")
import slicer
import slicer_scene
import stand_in
from cohort_cases import write_cohort

from BoneStrengthFEALib.parent_watch import process_exists

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return stand_in.install(tmp_path_factory.mktemp("slicer"))


@pytest.fixture
def panel(module: Any, tmp_path: Path) -> Any:
    from BoneStrengthFEAPanel.runner import ProcessRunner

    slicer.app.temporaryPath = str(tmp_path)
    slicer_scene.new_scene()
    stand_in.SHOWN.clear()
    with stand_in.no_hidden_errors():
        panel = stand_in.new_panel(module, ProcessRunner(python=lambda: [sys.executable]))
        yield panel
        panel.cleanup()


def strengths(folder: Path) -> list[str]:
    with (folder / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        return [row["value"] for row in csv.DictReader(stream) if row["measure"] == "failure_load_crawford2003"]


def test_a_cohort_runs_stops_and_goes_on_from_the_panel(panel: Any, tmp_path: Path) -> None:
    manifest = write_cohort(tmp_path, 3)
    ui, out = panel.ui, tmp_path / "out"
    assert not ui.cohortRunButton.enabled
    ui.cohortManifestEdit.text, ui.cohortFolderEdit.text = str(manifest), str(out)
    assert panel._parameterNode.cohortFolder == str(out)
    ui.cohortRunButton.click()
    assert panel.logic.isRunning
    assert not ui.cohortRunButton.enabled
    assert not ui.runButton.enabled
    panel.onRunCohort()
    assert "is running" in stand_in.SHOWN.pop()
    stand_in.process_events(lambda: re.search("[12] of 3", ui.cohortLabel.text))
    pid = panel.logic.runner.pid
    slicer.mrmlScene.Clear()
    assert panel.logic.isRunning, "a cohort has nothing to do with the scene"
    ui.cohortCancelButton.click()
    assert not process_exists(pid)
    assert not ui.cohortReportButton.enabled
    panel.initializeParameterNode()
    ui.cohortManifestEdit.text, ui.cohortFolderEdit.text = str(manifest), str(out)
    ui.cohortRunButton.click()
    stand_in.process_events(lambda: not panel.logic.isRunning)
    assert stand_in.SHOWN == []
    assert "3 done" in ui.cohortLabel.text
    assert re.search("[123] of 3 cases are in their final state", ui.logText.plainText)
    opened: list[Path] = []
    panel.openFile = opened.append
    ui.cohortReportButton.click()
    assert opened == [out / "report.html"]
    # a process of its own: a cluster's settings of threads would stay in this one
    plain = [sys.executable, "-m", "BoneStrengthFEALib.cli", "cohort", str(manifest), str(tmp_path / "plain")]
    subprocess.run([*plain, "--slots", "2"], check=True)
    assert strengths(out) == strengths(tmp_path / "plain")


def test_a_wrong_manifest_is_one_message(panel: Any, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("case,colour\na,red\n", encoding="utf-8")
    panel.ui.cohortManifestEdit.text, panel.ui.cohortFolderEdit.text = str(tmp_path / "m.csv"), str(tmp_path / "out")
    panel.ui.cohortRunButton.click()
    stand_in.process_events(lambda: not panel.logic.isRunning)
    assert len(stand_in.SHOWN) == 1
    assert "colour" in stand_in.SHOWN.pop()
    assert "colour" in panel.ui.cohortLabel.text
    assert panel.ui.cohortRunButton.enabled
