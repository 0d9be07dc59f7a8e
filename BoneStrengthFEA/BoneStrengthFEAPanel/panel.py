"""What the panel's widgets do, in the order of work: input, density, model, run, results."""

import json
import tempfile
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from BoneStrengthFEAPanel import views
from BoneStrengthFEAPanel.bone_table import BoneTable
from BoneStrengthFEAPanel.cohort_panel import CohortMixin
from BoneStrengthFEAPanel.density_panel import DensityMixin
from BoneStrengthFEAPanel.editor import EditorMixin
from BoneStrengthFEAPanel.errors_shown import ErrorsShown
from BoneStrengthFEAPanel.input_panel import InputMixin
from BoneStrengthFEAPanel.results_panel import ResultsMixin


class PanelMixin(InputMixin, EditorMixin, DensityMixin, ResultsMixin, CohortMixin):
    """The panel's behaviour; BoneStrengthFEAWidget brings Slicer's widget and observers."""

    def initializeState(self):
        """Attributes the methods below share."""
        self.logic = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None
        self._updating = False
        self.initializeInput()
        self._segmentEditor = None
        self._temporaryFolders = []
        self._cohortLines = None

    # --- set-up ---------------------------------------------------------------------------------------------------

    def setupPanel(self):
        """Connect every widget."""
        ui = self.ui
        self._bones = BoneTable(ui.boneTable, self.onBonesChanged)
        self.initializeChoices()
        ui.ctSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onVolumeChanged)
        ui.segmentationSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.onSegmentationChanged)
        for button, slot in (
            (ui.loadSampleButton, self.onLoadSample),
            (ui.isolateButton, self.onIsolate),
            (ui.totalSegmentatorButton, self.onTotalSegmentator),
            (ui.previewButton, self.onPreview),
            (ui.clearPreviewButton, self.onClearPreview),
            (ui.runButton, self.onRun),
            (ui.cancelButton, self.onCancel),
        ):
            button.connect("clicked(bool)", slot)
        ui.editSegmentationButton.connect("toggled(bool)", self.onEditSegmentation)
        ui.editorFrame.visible = False
        self.setupResults()
        self.setupCohort()
        self.setRunning(False)

    # --- parameter node and scene ---------------------------------------------------------------------------------

    def initializeParameterNode(self):
        """Bind the panel to the scene's parameter node; take the only CT and segmentation when none is chosen."""
        self.disconnectParameterNode()
        p = self.logic.getParameterNode()
        if not p.ctVolume:
            p.ctVolume = _firstOwn("vtkMRMLScalarVolumeNode")
        if not p.boneSegmentation:
            p.boneSegmentation = _firstOwn("vtkMRMLSegmentationNode")
        self._parameterNode = p
        self._parameterNodeGuiTag = p.connectGui(self.ui)
        self.onSegmentationChanged(p.boneSegmentation)
        self.onVolumeChanged(p.ctVolume)
        self.updateChoices()
        self.updateCases()

    def disconnectParameterNode(self):
        """Let go of the parameter node, as on leaving the module or closing the scene."""
        self._observeSegmentation(None)
        self._observeOnly("volume", None, [vtk.vtkCommand.ModifiedEvent], self.onVolumeModified)
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNode = None

    def onSceneStartClose(self, *_unused):
        """A closed scene ends the run that was made from it; a cohort is not."""
        if self._cohortLines is None:
            self.logic.cancel()
        self.closeEditor()
        self.disconnectParameterNode()
        self.setRunning(self.logic.isRunning)
        self.ui.stageLabel.text = ""
        self.showCase(None)

    def onSceneEndClose(self, *_unused):
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneEndImport(self, *_unused):
        if self.parent.isEntered:
            self.initializeParameterNode()

    # --- (d) frames -----------------------------------------------------------------------------------------------

    def onPreview(self, *_unused):
        """Show the loading frame of each bone as a box with handles."""
        self._start("frame", self._onFrames)

    def _onFrames(self, folder):
        from BoneStrengthFEAPanel.preview_nodes import showFrame

        data = json.loads((folder / "frames.json").read_text(encoding="utf-8"))
        boxes = [showFrame(entry) for entry in data["sites"]]
        views.lookAt(boxes[0] if len(boxes) == 1 else None)
        self.ui.stageLabel.text = _("Move or turn a box to change how that bone is loaded; Run uses it.")

    def onClearPreview(self, *_unused):
        from BoneStrengthFEAPanel.preview_nodes import removeFrames

        removeFrames()

    # --- (e) run --------------------------------------------------------------------------------------------------

    def updateRunButton(self, *_unused):
        chosen = any(row[0] for row in self._bones.rows().values())
        ready = self.ui.ctSelector.currentNode() is not None and chosen
        self.ui.runButton.enabled = ready and not self.logic.isRunning
        self.ui.runButton.toolTip = (
            _("Calibrate, measure, solve and report") if ready else _("Choose a CT and tick at least one segment")
        )

    def onRun(self, *_unused):
        self._start("all", self._onResults)

    def onCancel(self, *_unused):
        self.logic.cancel()
        self._cohortLines = None
        self.setRunning(False)
        self.ui.stageLabel.text = _("Cancelled; nothing was changed.")

    def _start(self, until, onDone):
        with self.errorsShown(_("Bone strength could not be computed.")):
            if not self.logic.ensurePackages():
                self.ui.stageLabel.text = _("Not started: packages are missing.")
                return
            p = self._parameterNode
            study = self.logic.studyFromParameters(p, frames=until != "frame")
            settings = self.logic.settingsFromParameters(p)
            self.ui.logText.clear()
            listeners = (self.onProgress, self.onLogLine, self._guarded(onDone), self.onFailed)
            self.logic.start(study, settings, listeners, until)
            self.setRunning(True)
            self.onProgress(_("starting"), 0.0)

    def _guarded(self, onDone):
        def finish(folder):
            self.setRunning(False)
            self.ui.stageLabel.text = _("Done.")
            with self.errorsShown(_("The results could not be shown.")):
                onDone(folder)

        return finish

    def _onResults(self, folder):
        caseId = self.logic.addResults(folder, self._parameterNode.ctVolume)
        self._parameterNode.shownCase = caseId
        self.updateCases()
        if self._parameterNode.boneSegmentation is not None:
            # its surface would hide the model
            self._parameterNode.boneSegmentation.GetDisplayNode().SetVisibility3D(False)
        views.lookAt(self._shownRoles.get(f"model:{self.ui.boneSelector.currentText}"))

    def onProgress(self, stage, fraction):
        self.ui.progressBar.value = round(100 * fraction)
        self.ui.stageLabel.text = stage

    def onLogLine(self, line):
        self.ui.logText.appendPlainText(line)

    def onFailed(self, text):
        self.setRunning(False)
        checks = self.logic.job.refusedChecks if self.logic.job is not None else []
        if checks:
            self.offerToAccept(checks)
            text += "\n\n" + _("To take responsibility for it, press Accept the refused checks in the section Density.")
        self.ui.stageLabel.text = text
        slicer.util.errorDisplay(text, windowTitle=_("Bone strength could not be computed"))

    def setRunning(self, running):
        """Show which buttons make sense."""
        ui = self.ui
        ui.cancelButton.enabled = running
        ui.progressBar.visible = running
        for button in (ui.calibrateButton, ui.measureButton, ui.previewButton):
            button.enabled = not running
        self.updateRunButton()
        self.updateCohortButtons()

    def errorsShown(self, title):
        """Context that turns an error into one message and a line in the panel."""
        return ErrorsShown(self.ui.stageLabel, title)

    def temporaryFolder(self):
        """Folder for files that other programs open; removed by the system, not while they read."""
        folder = tempfile.mkdtemp(prefix="BoneStrengthFEA-report-")
        self._temporaryFolders.append(folder)
        return Path(folder)

    def openFile(self, path):
        """Open a file with the program the system has for it."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))


def _firstOwn(className):
    """First node of the class that is no result of an earlier run."""
    from BoneStrengthFEAPanel.to_nodes import CASE

    collection = slicer.mrmlScene.GetNodesByClass(className)
    collection.UnRegister(None)
    nodes = [collection.GetItemAsObject(n) for n in range(collection.GetNumberOfItems())]
    return next((node for node in nodes if not node.GetAttribute(CASE) and not node.GetHideFromEditors()), None)
