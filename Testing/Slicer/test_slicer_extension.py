"""The extension as it is installed, the batch script, the Segment Editor effect's algorithm, the DICOM plugin's readers."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))
from external_tools import require_executable, require_module

require_module("slicer")
require_module("PySide6.QtWidgets")
import slicer
import slicer_scene
import stand_in
import stand_in_widgets

from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.parent_watch import process_exists

ROOT = Path(__file__).resolve().parents[2]
MODULE_FOLDER = ROOT / "BoneStrengthFEA"
SCRIPTS = ROOT / "Resources" / "Scripts"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return stand_in.install(tmp_path_factory.mktemp("slicer"))


def test_the_installed_tree_is_whole_and_runs(tmp_path: Path) -> None:
    cmake = require_executable("cmake", "cmake")
    build, prefix = tmp_path / "build", tmp_path / "installed"
    configure = [cmake, "-S", ROOT, "-B", build, f"-DSlicer_DIR={ROOT / 'Testing' / 'Slicer' / 'cmake'}",
                 f"-DCMAKE_INSTALL_PREFIX={prefix}", "-DBUILD_TESTING=ON"]  # fmt: skip
    subprocess.run(configure, check=True, capture_output=True, timeout=120)
    subprocess.run([cmake, "--install", build], check=True, capture_output=True, timeout=120)
    tree = prefix / "lib" / "Slicer" / "qt-scripted-modules"

    def files(folder: Path) -> set[str]:
        found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(folder).as_posix() for path in found if path.name != "CMakeLists.txt"}

    assert files(tree / "BoneStrengthFEALib") == files(ROOT / "BoneStrengthFEALib")
    own = {name for name in files(tree) if not name.startswith("BoneStrengthFEALib/")}
    assert own == files(MODULE_FOLDER)
    code = """
import sys
sys.path[:0] = [sys.argv[2], sys.argv[3]]
sys.modules.pop("BoneStrengthFEALib", None)
import slicer_scene
from pathlib import Path
slicer_scene.MODULE = Path(sys.argv[2]) / "BoneStrengthFEA.py"
import stand_in
module = stand_in.install(Path(sys.argv[4]))
import BoneStrengthFEALib, BoneStrengthFEAPanel
for package in (BoneStrengthFEALib, BoneStrengthFEAPanel):
    assert Path(package.__file__).is_relative_to(Path(sys.argv[2])), package.__file__
from BoneStrengthFEAPanel import sample_data
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override
ct, bones, tissues, bodies = sample_data.load()
logic = module.BoneStrengthFEALogic()
settings = override(Settings(), ["model.voxel_mm=4"])
folder = logic.process(ct, (bones, ["vertebrae_L2"]), tissues, bodyNode=bodies, settings=settings)
assert (folder / "report.html").is_file() and len(logic.cases()) == 1
print("ran from", tree := sys.argv[2])
"""
    call = [sys.executable, "-c", code, "x", str(tree), str(Path(__file__).parent), str(tmp_path)]
    run = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "ran from" in run.stdout


def test_the_module_folder_holds_only_modules() -> None:
    names = {path.stem for path in MODULE_FOLDER.glob("*.py")}
    assert names == {"BoneStrengthFEA", "SegmentEditorIsolateBone", "DICOMBoneStrengthFEAPlugin"}
    for name in names:
        assert f"class {name}" in (MODULE_FOLDER / f"{name}.py").read_text(encoding="utf-8")


def test_catalogue_entry_and_icon() -> None:
    from PIL import Image

    entry = json.loads((ROOT / "BoneStrengthFEA.json").read_text(encoding="utf-8"))
    assert entry["scm_url"].endswith("/SlicerBoneStrengthFEA.git")
    assert entry["category"] == "Quantification"
    with Image.open(MODULE_FOLDER / "Resources" / "Icons" / "BoneStrengthFEA.png") as icon:
        assert icon.size == (128, 128)
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "US9848818" in text
    assert "US11850061" in text


def test_batch_runs_a_folder_resumes_and_says_what_failed(module: Any, tmp_path: Path) -> None:
    data = ROOT / "BoneStrengthFEALib" / "data" / "spine_totalseg"
    good, bad = tmp_path / "in" / "case 1", tmp_path / "in" / "case 2"
    good.mkdir(parents=True)
    bad.mkdir()
    for source, target in (("example_ct", "ct"), ("example_ct_seg_fast", "tissues")):
        shutil.copy(data / f"{source}.nii.gz", good / f"{target}.nii.gz")
    from BoneStrengthFEALib.image_files import write_volume

    study = demo_study(("L2",))
    one = (np.asarray(study.labels.volume.array) == 30).astype(np.int16) * 30
    write_volume(study.labels.volume.with_array(one), good / "labels.nii.gz")
    (good / "subject.json").write_text('{"sex": "F", "age_years": 70}', encoding="utf-8")
    shutil.copy(data / "example_ct.nii.gz", bad / "ct.nii.gz")
    (tmp_path / "settings.json").write_text('{"model": {"voxel_mm": 4}}', encoding="utf-8")
    slicer_scene.new_scene()
    sys.modules["BoneStrengthFEA"] = module
    call = [str(tmp_path / "in"), str(tmp_path / "out"), "--settings", str(tmp_path / "settings.json")]

    def run() -> int:
        script = SCRIPTS / "batch_folder.py"
        scope: dict[str, Any] = {"__name__": "batch_folder"}
        exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), scope)
        return int(scope["main"](call))

    assert run() == 1
    with (tmp_path / "out" / "summary.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["status"]) for row in rows] == [("case 1", "done"), ("case 2", "failed")]
    assert float(rows[0]["failure_load_n"]) > 0
    assert "labels" in rows[1]["message"]
    report = tmp_path / "out" / "case 1" / "report.html"
    written = report.stat().st_mtime_ns
    shutil.rmtree(bad)
    assert run() == 0
    assert report.stat().st_mtime_ns == written, "a case that was done is not run again"


def test_our_segmentation_and_report_come_back_from_dicom(module: Any, tmp_path: Path) -> None:
    require_module("highdicom")
    plugin = _plugin()
    source, mask = _seg(tmp_path)
    slicer_scene.new_scene()
    node = plugin.segmentationFromSeg(str(source), "ours")
    assert node.GetSegmentation().GetNthSegment(0).GetName() == "L2"
    points = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(node.GetSegmentation().GetNthSegmentID(0), points)
    import vtk
    from vtkmodules.util.numpy_support import vtk_to_numpy

    matrix = vtk.vtkMatrix4x4()
    points.GetImageToWorldMatrix(matrix)
    columns, rows, slices = points.GetDimensions()
    found = vtk_to_numpy(points.GetPointData().GetScalars()).reshape(slices, rows, columns)
    first = points.GetExtent()[::2]
    ijk = np.argwhere(found > 0)[:, ::-1] + np.array(first)
    ras = ijk @ slicer.util.arrayFromVTKMatrix(matrix)[:3, :3].T + slicer.util.arrayFromVTKMatrix(matrix)[:3, 3]
    # LPS positions are i*0.7+11, j*0.9-23, k*2.5+41 mm; RAS turns the first two round
    k, j, i = np.argwhere(mask).T
    expected = np.stack([-(i * 0.7 + 11), -(j * 0.9 - 23), k * 2.5 + 41], axis=1)
    assert np.allclose(np.sort(ras, axis=0), np.sort(expected, axis=0), atol=1e-6)
    assert np.allclose(ras[np.lexsort(ras.T)], expected[np.lexsort(expected.T)], atol=1e-6)


def _plugin() -> Any:
    library = types.ModuleType("DICOMLib")

    class Base:
        def __init__(self) -> None:
            self.tags: dict[str, str] = {}

    library.DICOMLoadable = type("DICOMLoadable", (), {})  # type: ignore[attr-defined]
    library.DICOMPlugin = Base  # type: ignore[attr-defined]
    sys.modules["DICOMLib"] = library
    import DICOMBoneStrengthFEAPlugin

    return DICOMBoneStrengthFEAPlugin


def _seg(folder: Path) -> tuple[Path, Any]:
    import highdicom
    import pydicom
    from pydicom.sr.codedict import codes

    study, series, frame = (pydicom.uid.generate_uid() for _ in range(3))
    images = []
    for k in range(4):
        image = pydicom.Dataset()
        image.file_meta = pydicom.dataset.FileMetaDataset()
        image.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID = pydicom.uid.CTImageStorage, pydicom.uid.generate_uid()
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame
        image.PatientID = image.PatientName = "T"
        image.PatientBirthDate = image.PatientSex = image.StudyDate = image.StudyTime = image.StudyID = ""
        image.AccessionNumber = image.ReferringPhysicianName = ""
        image.Modality, image.SeriesNumber, image.InstanceNumber = "CT", 1, k + 1
        image.Rows, image.Columns, image.PixelSpacing, image.SliceThickness = 5, 6, [0.9, 0.7], 2.5
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [11.0, -23.0, 41.0 + 2.5 * k]
        image.PositionReferenceIndicator = ""
        images.append(image)
    mask = np.zeros((4, 5, 6), np.uint8)
    mask[1:3, 2:4, 1:5] = 1
    mask[2, 1, 2] = 1
    segment = highdicom.seg.SegmentDescription(
        1, "L2", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Bone,
        highdicom.seg.SegmentAlgorithmTypeValues.MANUAL)  # fmt: skip
    seg = highdicom.seg.Segmentation(
        images, mask, highdicom.seg.SegmentationTypeValues.BINARY, [segment], pydicom.uid.generate_uid(), 2,
        pydicom.uid.generate_uid(), 1, "BoneStrengthFEA", "x", "1", "1")  # fmt: skip
    seg.save_as(folder / "seg.dcm")
    return folder / "seg.dcm", mask


def test_the_effect_isolates_the_kind_of_bone_that_was_chosen(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The effect with a stand-in of the Segment Editor: preview, Cancel, Apply, air, the bone by threshold."""
    effect, parameters = an_effect(monkeypatch)
    study = demo_study(("L3",))
    wanted = study.labels.mask("vertebrae_L3").array > 0
    index = np.argwhere(wanted)
    middle = index[np.linalg.norm(index - index.mean(axis=0), axis=1).argmin()]
    ras = study.ct.grid.to_ras(middle[::-1].astype(float))
    nodes = slicer.mrmlScene.GetNumberOfNodes()

    def found_at(place: Any) -> str:
        effect.previewAt(place)
        assert effect.isolation.isRunning
        assert not effect.applyButton.enabled
        stand_in.process_events(lambda: not effect.isolation.isRunning)
        return str(effect.messageLabel.text)

    def in_segment() -> Any:
        segmentation, segment = parameters.GetSegmentationNode(), parameters.GetSelectedSegmentID()
        source = parameters.GetSourceVolumeNode()
        return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segment, source) > 0

    assert not effect.thresholdSlider.enabled
    effect.previewAt(ras)
    pid = effect.isolation._runner.pid
    effect.onCancel()
    assert not process_exists(pid)
    assert "level is unknown" in found_at(ras)
    assert effect.busyBar.maximum == 100
    assert effect.busyBar.value == 90, "the last step's share"
    effect.onApply()
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes, "the preview stays"
    found = in_segment()
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.9
    assert parameters.GetSegmentationNode().GetSegmentation().GetNthSegment(0).GetName() == "vertebra_1"
    nodes = slicer.mrmlScene.GetNumberOfNodes()  # arrayFromSegmentBinaryLabelmap has left some
    message = found_at(study.ct.grid.to_ras(np.zeros(3)))
    assert "SEED" not in message
    assert "air" in message
    assert not effect.applyButton.enabled
    effect.kindCombo.currentIndex = effect.kindCombo.findData("any")
    assert effect.thresholdSlider.enabled
    assert "bone, " in found_at(ras)
    effect.deactivate()
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert list(Path(slicer.app.temporaryPath).glob("BoneStrengthFEA-*")) == []


def an_effect(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """The effect, and what the Segment Editor would tell it."""
    from BoneStrengthFEAPanel.isolation import Isolation
    from BoneStrengthFEAPanel.runner import ProcessRunner

    slicer_scene.put("SegmentEditorEffects", AbstractScriptedSegmentEditorEffect=_AbstractEffect)
    monkeypatch.setattr(slicer, "qMRMLSliderWidget", stand_in_widgets.ctkSliderWidget, raising=False)
    monkeypatch.setitem(sys.modules, "BoneStrengthFEA", slicer_scene.import_module())
    # as Slicer does: the file is a module that has the name of its folder
    path = MODULE_FOLDER / "SegmentEditorIsolateBoneLib" / "SegmentEditorEffect.py"
    spec = importlib.util.spec_from_file_location(path.parent.name, path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, path.parent.name, loaded)
    spec.loader.exec_module(loaded)
    study = demo_study(("L3",))
    volume = slicer_scene.volume_node(study.ct)
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "bone")
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = segmentation.GetSegmentation().AddEmptySegment()
    parameters = types.SimpleNamespace(
        GetSourceVolumeNode=lambda: volume,
        GetSegmentationNode=lambda: segmentation,
        GetSelectedSegmentID=lambda: segment,
    )
    abstract = types.SimpleNamespace(ModificationModeSet=0)
    monkeypatch.setattr(slicer, "qSlicerSegmentEditorAbstractEffect", abstract, raising=False)

    def modify(image: Any, mode: int) -> None:
        assert mode == abstract.ModificationModeSet
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        logic.SetBinaryLabelmapToSegment(image, segmentation, segment, logic.MODE_REPLACE, image.GetExtent())

    scripted = types.SimpleNamespace(
        modifySelectedSegmentByLabelmap=modify,
        parameterSetNode=lambda: parameters,
        saveStateForUndo=lambda: None,
        addLabeledOptionsWidget=lambda _text, _widget: None,
        addOptionsWidget=lambda _widget: None,
    )
    effect = loaded.SegmentEditorEffect(scripted)
    effect.isolation = Isolation(ProcessRunner(python=lambda: [sys.executable]))
    effect.setupOptionsFrame()
    return effect, parameters


class _AbstractEffect:
    def __init__(self, scripted_effect: Any) -> None:
        self.scriptedEffect = scripted_effect
