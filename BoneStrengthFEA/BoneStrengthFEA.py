"""3D Slicer module: bone density and finite-element bone strength from a CT and a segmentation."""

import importlib.util
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin
from vtk.util.numpy_support import vtk_to_numpy

if importlib.util.find_spec("BoneStrengthFEALib") is None:
    # a source checkout given as additional module path: the library lies beside this folder
    sys.path.append(str(Path(__file__).resolve().parents[1]))

REQUIRED_PACKAGES = ("xraydb", "numba", "tqdm")
SEXES = ("", "F", "M")


class BoneStrengthFEA(ScriptedLoadableModule):
    """Declaration of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Bone Strength FEA")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = []
        parent.contributors = ["BoneStrengthFEA contributors"]
        parent.helpText = _(
            "Calibrated bone density, finite-element bone strength and published risk classes from a clinical CT. "
            "Research use only; not a medical device. Related patents: US9848818, US11850061, EP3597109, US8517608."
        )
        parent.acknowledgementText = _("Sources of every method and number are in the report of each run.")


@parameterNodeWrapper
class BoneStrengthFEAParameterNode:
    """Inputs of the panel, saved with the scene."""

    ctVolume: vtkMRMLScalarVolumeNode
    boneSegmentation: vtkMRMLSegmentationNode
    tissueSegmentation: vtkMRMLSegmentationNode
    sex: str = ""
    ageYears: float = 0.0
    heightM: float = 0.0
    weightKg: float = 0.0


class BoneStrengthFEAWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._cancelled = False
        self._reportPath = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/BoneStrengthFEA.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = BoneStrengthFEALogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.segmentationSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onSegmentationChanged)
        self.ui.segmentList.connect("itemSelectionChanged()", self.updateRunButton)
        self.ui.ctSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.updateRunButton)
        self.ui.runButton.connect("clicked(bool)", self.onRun)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self.ui.reportButton.connect("clicked(bool)", self.onOpenReport)
        self.initializeParameterNode()

    def cleanup(self):
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        self._disconnectParameterNode()

    def onSceneStartClose(self, caller, event):
        self._cancelled = True
        self._disconnectParameterNode()

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def _disconnectParameterNode(self):
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNode = None

    def initializeParameterNode(self):
        self._disconnectParameterNode()
        self._parameterNode = self.logic.getParameterNode()
        if not self._parameterNode.ctVolume:
            self._parameterNode.ctVolume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        if not self._parameterNode.boneSegmentation:
            self._parameterNode.boneSegmentation = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
        self.onSegmentationChanged(self._parameterNode.boneSegmentation)

    def onSegmentationChanged(self, node):
        """List the segments; those whose name tells a bone that can be analysed are selected."""
        self.ui.segmentList.clear()
        for name in self.logic.segmentNames(node).values():
            self.ui.segmentList.addItem(name)
            item = self.ui.segmentList.item(self.ui.segmentList.count - 1)
            item.setSelected(self.logic.isAnalysable(name))
        self.updateRunButton()

    def selectedSegmentNames(self):
        return [item.text() for item in self.ui.segmentList.selectedItems()]

    def updateRunButton(self, *_unused):
        ready = self.ui.ctSelector.currentNode() is not None and bool(self.selectedSegmentNames())
        self.ui.runButton.enabled = ready
        self.ui.runButton.toolTip = (
            _("Calibrate, measure, solve and report") if ready else _("Choose a CT and at least one segment")
        )

    def onCancel(self, *_unused):
        self._cancelled = True

    def onOpenReport(self, *_unused):
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self._reportPath)))

    def onRun(self, *_unused):
        with slicer.util.tryWithErrorDisplay(_("Bone strength could not be computed."), waitCursor=True):
            self.logic.ensurePackages()
            self._cancelled = False
            self._setRunning(True)
            try:
                self._showResults(self._process())
            finally:
                self._setRunning(False)

    def _process(self):
        p = self._parameterNode
        subject = {
            "sex": p.sex or None,
            "age_years": p.ageYears or None,
            "height_m": p.heightM or None,
            "weight_kg": p.weightKg or None,
        }
        segments = (p.boneSegmentation, self.selectedSegmentNames())
        return self.logic.process(p.ctVolume, segments, p.tissueSegmentation, subject, self._onProgress)

    def _onProgress(self, stage, fraction):
        from BoneStrengthFEALib.errors import CancelledError

        self.ui.progressBar.value = round(100 * fraction)
        self.ui.stageLabel.text = stage
        slicer.app.processEvents()
        if self._cancelled:
            raise CancelledError

    def _setRunning(self, running):
        self.ui.cancelButton.enabled = running
        self.ui.runButton.enabled = not running
        self.ui.progressBar.visible = running

    def _showResults(self, folder):
        if folder is None:
            self.ui.stageLabel.text = _("Cancelled; nothing was changed.")
            return
        self._reportPath = folder / "report.html"
        self.ui.reportButton.enabled = True
        self.ui.stageLabel.text = _("Done. Results are in the table node and in the report.")


class BoneStrengthFEALogic(ScriptedLoadableModuleLogic):
    """From MRML nodes to the library and back; usable from scripts without the panel."""

    def getParameterNode(self):
        return BoneStrengthFEAParameterNode(super().getParameterNode())

    def ensurePackages(self):
        """Install what the library needs and Slicer does not bring; asked for on Run, never at import."""
        missing = [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
        if missing:
            slicer.util.pip_install(missing)

    def isAnalysable(self, name):
        from BoneStrengthFEALib.anatomy.names import recognise

        site, level, _side = recognise(name)
        return site is not None and site.value == "vertebra" and level[:1] in ("T", "L")

    def segmentNames(self, segmentationNode):
        """Segment IDs and names of a segmentation node, in order."""
        if segmentationNode is None:
            return {}
        segmentation = segmentationNode.GetSegmentation()
        ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
        return {segment: segmentation.GetSegment(segment).GetName() for segment in ids}

    def volumeFromNode(self, volumeNode):
        """CT of a volume node, in RAS with hardened transforms only."""
        from BoneStrengthFEALib.errors import InputError
        from BoneStrengthFEALib.volume import Quantity, Volume

        if volumeNode is None or volumeNode.GetImageData() is None:
            raise InputError("no CT volume is chosen, or it holds no image; load a CT and choose it as input")
        if volumeNode.GetParentTransformNode() is not None:
            raise InputError("the CT lies under a transform; harden or remove the transform first")
        matrix = vtk.vtkMatrix4x4()
        volumeNode.GetIJKToRASMatrix(matrix)
        affine = slicer.util.arrayFromVTKMatrix(matrix)
        return Volume(slicer.util.arrayFromVolume(volumeNode).copy(), affine, Quantity.HU)

    def labelsFromNode(self, segmentationNode, volumeNode):
        """Label map of all segments on the CT's grid; earlier segments win where segments overlap."""
        from BoneStrengthFEALib.errors import InputError
        from BoneStrengthFEALib.label_map import LabelMap
        from BoneStrengthFEALib.volume import Quantity

        names = self.segmentNames(segmentationNode)
        if not names:
            raise InputError("the segmentation has no segment; segment a bone or choose another segmentation")
        ct = self.volumeFromNode(volumeNode)
        labels = np.zeros(ct.array.shape, np.int16)
        for value, segmentId in enumerate(names, start=1):
            mask = self._segmentOnGrid(segmentationNode, segmentId, volumeNode)
            labels[(labels == 0) & (mask > 0)] = value
        return LabelMap(ct.with_array(labels, Quantity.LABEL), dict(enumerate(names.values(), start=1)))

    def _segmentOnGrid(self, segmentationNode, segmentId, volumeNode):
        # slicer.util.arrayFromSegmentBinaryLabelmap leaves color nodes in the scene
        segment, onGrid = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
        segmentationNode.GetBinaryLabelmapRepresentation(segmentId, segment)
        reference = slicer.vtkSlicerSegmentationsModuleLogic.CreateOrientedImageDataFromVolumeNode(volumeNode)
        reference.UnRegister(None)
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            segment, reference, onGrid, False
        )
        columns, rows, slices = onGrid.GetDimensions()
        return vtk_to_numpy(onGrid.GetPointData().GetScalars()).reshape(slices, rows, columns)

    def studyFromNodes(self, volumeNode, segments, tissueSegmentationNode=None, subject=None):
        """Study of the library from nodes; segments is (segmentation node, names of segments to analyse)."""
        from BoneStrengthFEALib.acquisition import Acquisition, Sex
        from BoneStrengthFEALib.study import Study, Target

        segmentationNode, names = segments
        tissues = self.labelsFromNode(tissueSegmentationNode, volumeNode) if tissueSegmentationNode else None
        study = Study(
            self.volumeFromNode(volumeNode),
            self.labelsFromNode(segmentationNode, volumeNode),
            tuple(Target(name) for name in names),
            Acquisition(source="slicer", series_description=volumeNode.GetName()),
            tissues,
        )
        facts = dict(subject or {})
        if facts.get("sex"):
            facts["sex"] = Sex(facts["sex"])
        return study.with_subject(**facts)

    def compute(self, study, settings=None, callback=None):
        """Run the chain; the same code path as the command line."""
        from BoneStrengthFEALib import pipeline
        from BoneStrengthFEALib.progress import no_progress

        return pipeline.run(study, settings, callback or no_progress)

    def process(self, volumeNode, segments, tissueSegmentationNode=None, subject=None, callback=None):
        """Measure the named segments, add a table node, write the report.

        Returns the folder of the report, or None when the callback cancelled.
        """
        from BoneStrengthFEALib.errors import CancelledError
        from BoneStrengthFEALib.outcome_files import write_outcome

        study = self.studyFromNodes(volumeNode, segments, tissueSegmentationNode, subject)
        try:
            outcome = self.compute(study, None, callback)
        except CancelledError:
            logging.info("bone strength run cancelled")
            return None
        folder = Path(tempfile.mkdtemp(prefix="BoneStrengthFEA-"))
        results = write_outcome(study, outcome, folder)
        self.addResultsTable(results)
        return folder

    def addResultsTable(self, results):
        """Table node with one row per measure; settings and input hashes as attributes."""
        from BoneStrengthFEALib.outcome_files import COLUMNS, measures_rows

        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Bone strength")
        for name in COLUMNS:
            column = vtk.vtkStringArray()
            column.SetName(name)
            node.AddColumn(column)
        for row in measures_rows(results):
            index = node.AddEmptyRow()
            for column, text in enumerate(row):
                node.SetCellText(index, column, text)
        for key, value in results.provenance.items():
            node.SetAttribute(f"BoneStrengthFEA.{key}", value)
        return node


class BoneStrengthFEATest(ScriptedLoadableModuleTest):
    """Self-test on the CT that comes with the library."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_demoVertebraEqualsCommandLine()

    def test_demoVertebraEqualsCommandLine(self):
        from BoneStrengthFEALib.cli.demo import demo_study

        logic = BoneStrengthFEALogic()
        logic.ensurePackages()
        demo = demo_study(("L2",))
        ct = slicer.util.addVolumeFromArray(demo.ct.array)
        ct.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(demo.ct.ijk_to_ras))
        bones = self._segmentation(demo.labels, ct, ("vertebrae_L2",))
        tissues = self._segmentation(demo.tissues, ct, ("aorta", "autochthon_left", "autochthon_right"))
        study = logic.studyFromNodes(ct, (bones, ["vertebrae_L2"]), tissues)
        inSlicer = logic.compute(study).results.sites[0].strengths[0].force_n
        onFiles = logic.compute(demo).results.sites[0].strengths[0].force_n
        # the files hold more labels than the scene and a body label; the strength is the same within a few per cent
        self.assertAlmostEqual(inSlicer / onFiles, 1.0, delta=0.05)

    def _segmentation(self, labels, ct, names):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        node.SetReferenceImageGeometryParameterFromVolumeNode(ct)
        for name in names:
            segment = node.GetSegmentation().AddEmptySegment("", name)
            mask = labels.mask(name).array
            slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, ct)
        return node
