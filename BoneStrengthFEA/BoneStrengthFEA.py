"""3D Slicer module: bone density and finite-element bone strength from a CT and a segmentation."""

import importlib
import importlib.util
import logging
import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

HERE = Path(__file__).resolve().parent
if importlib.util.find_spec("BoneStrengthFEALib") is None:
    # a source checkout given as additional module path: the library lies beside this folder
    sys.path.append(str(HERE.parent))
if importlib.util.find_spec("BoneStrengthFEAPanel") is None:
    sys.path.append(str(HERE))

from BoneStrengthFEAPanel import study_nodes
from BoneStrengthFEAPanel.job import Job, caseCommand, errorIn, temporaryFolder
from BoneStrengthFEAPanel.panel import PanelMixin
from BoneStrengthFEAPanel.runner import ProcessRunner, RunnerError

IMPORT_NAMES = {"pillow": "PIL", "scikit-image": "skimage"}


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
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Add the bundled CT to the Sample Data module."""
    from BoneStrengthFEAPanel import sample_data

    try:
        sample_data.register(HERE / "Resources" / "Icons")
    except Exception:
        logging.exception("the sample data of BoneStrengthFEA were not registered")


@parameterNodeWrapper
class BoneStrengthFEAParameterNode:
    """Choices of the panel, saved with the scene; the table of bones as JSON; subjectVolume is the CT that subject and
    accepted checks were given for.

    Every number has a range: without one Slicer opens the spin boxes to infinity, and what stands for "unknown" is
    their least value.
    """

    ctVolume: vtkMRMLScalarVolumeNode
    subjectVolume: vtkMRMLScalarVolumeNode
    boneSegmentation: vtkMRMLSegmentationNode
    tissueSegmentation: vtkMRMLSegmentationNode
    bodySegmentation: vtkMRMLSegmentationNode
    bones: str = ""
    sex: Annotated[str, Choice(["", "F", "M", "O"])] = ""
    ageYears: Annotated[float, WithinRange(0, 120)] = 0.0
    heightM: Annotated[float, WithinRange(0, 2.5)] = 0.0
    weightKg: Annotated[float, WithinRange(0, 350)] = 0.0
    calibrationMethod: str = "internal-air-fat-muscle"
    phantom: str = ""
    calibrationStore: str = ""
    slope: Annotated[float, WithinRange(0, 10)] = 1.0
    intercept: Annotated[float, WithinRange(-1000, 1000)] = 0.0
    densityKind: Annotated[str, Choice(["K2HPO4", "CAHA"])] = "K2HPO4"
    accept: str = ""
    loadCase: str = ""
    law: str = ""
    conversions: str = ""
    voxelMm: Annotated[float, WithinRange(0, 5)] = 0.0
    capMm: Annotated[float, WithinRange(0, 20)] = 0.0
    analysis: str = "linear"
    shownCase: str = ""
    sendTo: str = ""
    cohortManifest: str = ""
    cohortFolder: str = ""


class BoneStrengthFEAWidget(PanelMixin, ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel; what its buttons do is in BoneStrengthFEAPanel.panel."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.initializeState()

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/BoneStrengthFEA.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = BoneStrengthFEALogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.NodeRemovedEvent, self.onNodeRemoved)
        self.setupPanel()
        self.initializeParameterNode()

    def cleanup(self):
        """The application closes, or the module is reloaded."""
        self.logic.cancel()
        self.closeEditor()
        self.disconnectParameterNode()
        self.removeObservers()

    def enter(self):
        self.initializeParameterNode()

    def exit(self):
        self.closeEditor()
        self.disconnectParameterNode()

    def onReload(self):
        """Reload the library and the panel's files with the module."""
        for name in [n for n in sys.modules if n.partition(".")[0] in ("BoneStrengthFEALib", "BoneStrengthFEAPanel")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class BoneStrengthFEALogic(ScriptedLoadableModuleLogic):
    """From MRML nodes to the library and back; usable from scripts without the panel.

    runner: what starts the command line; tests hand in their own.
    """

    def __init__(self, runner=None):
        ScriptedLoadableModuleLogic.__init__(self)
        self.runner = runner or ProcessRunner()
        self.job = None

    def getParameterNode(self):
        return BoneStrengthFEAParameterNode(super().getParameterNode())

    # --- packages -------------------------------------------------------------------------------------------------

    def missingPackages(self, requirements="requirements.txt"):
        """Requirements of the library that Slicer's Python does not satisfy."""
        text = (HERE / "Resources" / requirements).read_text(encoding="utf-8")
        wanted = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        packaging = _slicerPackaging()
        there = packaging.pip_check if packaging else lambda line: importlib.util.find_spec(_importName(line))
        return [line for line in wanted if not there(line)]

    def ensurePackages(self, requirements="requirements.txt", ask=True):
        """Install what is missing, after asking unless told not to; never at import. Returns False when declined."""
        missing = self.missingPackages(requirements)
        if not missing:
            return True
        packaging = _slicerPackaging()
        if packaging:
            try:
                packaging.pip_ensure(missing, prompt_install=ask, requester=_("Bone Strength FEA"))
            except RuntimeError:
                # Slicer's word for: the person has declined
                return False
        else:
            question = _("Bone Strength FEA needs these Python packages: {names}. Install them now?")
            if ask and not slicer.util.confirmOkCancelDisplay(question.format(names=", ".join(missing))):
                return False
            slicer.util.pip_install(missing)
        importlib.invalidate_caches()
        return not self.missingPackages(requirements)

    # --- from the scene -------------------------------------------------------------------------------------------

    def segmentNames(self, segmentationNode):
        """Segment IDs and names of a segmentation node, in order."""
        return study_nodes.segmentNames(segmentationNode)

    def isAnalysable(self, name):
        """Whether a segment's name tells a bone the library can load."""
        return study_nodes.isAnalysable(name)

    def studyFromNodes(self, volumeNode, segments, tissueSegmentationNode=None, subject=None, bodyNode=None):
        """Study of the library; segments is (segmentation node, names or Targets of the bones to analyse)."""
        return study_nodes.studyFromNodes(volumeNode, segments, tissueSegmentationNode, subject, bodyNode)

    def studyFromParameters(self, p, frames=True):
        """Study of what the panel says."""
        from BoneStrengthFEAPanel.preview_nodes import movedFrame

        from BoneStrengthFEALib.errors import InputError

        targets = []
        for name, (use, site, level, side) in study_nodes.targetsFromJson(p.bones).items():
            if use:
                frame = movedFrame(name) if frames else None
                targets.append(study_nodes.targetFromTexts(name, site, level, side, frame))
        if p.boneSegmentation is None or not targets:
            raise InputError("no segment is chosen; segment a bone, or tick one in the table of bones")
        subject = {"sex": p.sex, "age_years": p.ageYears, "height_m": p.heightM, "weight_kg": p.weightKg}
        segments = (p.boneSegmentation, targets)
        return self.studyFromNodes(p.ctVolume, segments, p.tissueSegmentation, subject, p.bodySegmentation)

    def settingsFromParameters(self, p):
        """Settings of the library from what the panel says."""
        from BoneStrengthFEALib.settings import Settings, settings_from_dict

        _requireCalibrationInput(p)
        data = Settings().to_dict()
        data["calibration"] |= {
            "method": p.calibrationMethod,
            "phantom": p.phantom,
            "store": p.calibrationStore,
        }
        if p.calibrationMethod == "given-linear":
            data["calibration"] |= {
                "slope_mg_cm3_per_hu": float(p.slope),
                "intercept_mg_cm3": float(p.intercept),
                "density_kind": p.densityKind,
            }
        data["model"] |= {
            "voxel_mm": float(p.voxelMm) or None,
            "cap_mm": float(p.capMm) or None,
            "law": p.law,
            "load_case": p.loadCase,
            "analysis": p.analysis,
            "conversions": _words(p.conversions),
        }
        data["accept"] = _words(p.accept)
        return settings_from_dict(data)

    # --- compute --------------------------------------------------------------------------------------------------

    def compute(self, study, settings=None, callback=None):
        """Run the chain in this process; the same code path as the command line."""
        from BoneStrengthFEALib import pipeline
        from BoneStrengthFEALib.progress import no_progress

        return pipeline.run(study, settings, callback or no_progress)

    def process(self, volumeNode, segments, tissueSegmentationNode=None, subject=None, callback=None, **options):
        """Measure the named segments, wait, and add the results to the scene; for scripts.

        options: settings (of the library), bodyNode (segmentation with vertebral bodies), outputFolder (where the
        report is written; a temporary folder when left out). Returns the folder, or None when the callback cancelled.
        """
        from BoneStrengthFEALib.errors import CancelledError
        from BoneStrengthFEALib.outcome_files import write_outcome
        from BoneStrengthFEALib.scene_files import objects_possible, write_scene

        study = self.studyFromNodes(volumeNode, segments, tissueSegmentationNode, subject, options.get("bodyNode"))
        try:
            outcome = self.compute(study, options.get("settings"), callback)
        except CancelledError:
            logging.info("bone strength run cancelled")
            return None
        folder = Path(options.get("outputFolder") or tempfile.mkdtemp(prefix="BoneStrengthFEA-"))
        write_outcome(study, outcome, folder, dicom=objects_possible(study))
        write_scene(outcome, folder)
        self.addResults(folder, volumeNode)
        return folder

    @property
    def isRunning(self):
        """Whether a computation runs beside the application."""
        return self.runner.isRunning

    def start(self, study, settings, listeners, until="all"):
        """Run the command line beside the application; listeners as in BoneStrengthFEAPanel.job."""
        if self.isRunning:
            raise RunnerError(_("a computation is running; wait for it or cancel it first"))
        self.job = Job(self.runner)
        self.job.start(caseCommand(study, settings, until), listeners)

    def cancel(self):
        """End a running computation and remove its files; the scene is as before."""
        self.runner.cancel()
        if self.job is not None:
            self.job.cancel()
            self.job = None

    # --- to the scene ---------------------------------------------------------------------------------------------

    def addResults(self, folder, volumeNode):
        """Add the nodes of a result folder under the CT's patient; returns the id of the new case."""
        from BoneStrengthFEAPanel.to_nodes import CaseWriter

        from BoneStrengthFEALib.results_reading import read_results

        caseId = uuid.uuid4().hex
        CaseWriter(caseId, volumeNode, read_results(folder)).add(folder)
        return caseId

    def cases(self):
        """Pairs (text, case id) of all runs in the scene."""
        from BoneStrengthFEAPanel.to_nodes import casesInScene

        return casesInScene()

    def resultsOf(self, caseId):
        """StudyResults of a run in the scene, or None when it is gone."""
        from BoneStrengthFEALib.results_reading import read_results

        with tempfile.TemporaryDirectory() as folder:
            return read_results(Path(folder)) if self.writeFiles(caseId, folder) else None

    def writeFiles(self, caseId, folder):
        """Write report, tables and pictures of a run into a folder; False when the run is not in the scene."""
        from BoneStrengthFEAPanel.packed_files import unpackFiles
        from BoneStrengthFEAPanel.to_nodes import nodesOfCase

        node = nodesOfCase(caseId).get("files") if caseId else None
        if node is None:
            return False
        unpackFiles(node.GetText(), folder)
        return True

    def send(self, caseId, destinations, onDone, onError):
        """Send the results of a run with the command line, beside the application."""
        from BoneStrengthFEALib.errors import InputError

        if not destinations:
            raise InputError(_("say where to send: pacs:NAME, fhir:NAME or folder:PATH"))
        folder = Path(tempfile.mkdtemp(prefix="BoneStrengthFEA-send-", dir=temporaryFolder()))
        self.writeFiles(caseId, folder)
        lines = []

        def finish(code):
            if code == 0:
                shutil.rmtree(folder, ignore_errors=True)
                onDone("\n".join(lines))
            else:
                # the folder stays: what could not be delivered is tried again from there
                onError(errorIn(lines) or "\n".join(lines[-6:]))

        arguments = ["send", str(folder), *(word for name in destinations for word in ("--to", name))]
        self.runner.start(arguments, lines.append, finish)


class BoneStrengthFEATest(ScriptedLoadableModuleTest):
    """Self-test on the CT that comes with the library."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_sampleEqualsCommandLine()

    def test_sampleEqualsCommandLine(self):
        from BoneStrengthFEAPanel import sample_data
        from BoneStrengthFEAPanel.to_nodes import nodesOfCase

        from BoneStrengthFEALib import pipeline
        from BoneStrengthFEALib.cli.demo import demo_study

        logic = BoneStrengthFEALogic()
        self.assertTrue(logic.ensurePackages())
        ct, bones, tissues, bodies = sample_data.load()
        logic.process(ct, (bones, ["vertebrae_L2"]), tissues, bodyNode=bodies)
        caseId = logic.cases()[-1][1]
        inScene = logic.resultsOf(caseId).sites[0]
        onFiles = pipeline.run(demo_study(("L2",))).results.sites[0]
        self.assertEqual(inScene.strengths[0].force_n, onFiles.strengths[0].force_n)
        self.assertEqual([m.value for m in inScene.bmd], [m.value for m in onFiles.bmd])
        roles = nodesOfCase(caseId)
        for role in ("table", "files", "density", "regions:L2", "model:L2"):
            self.assertIn(role, roles)


def _slicerPackaging():
    """Module slicer.packaging, which checks versions too; None in Slicer 5.10."""
    if importlib.util.find_spec("slicer.packaging") is None:
        return None
    return importlib.import_module("slicer.packaging")


def _importName(requirement):
    name = "".join(c if c.isalnum() or c in "_-." else " " for c in requirement).split()[0]
    return IMPORT_NAMES.get(name.lower(), name.replace("-", "_"))


def _requireCalibrationInput(p):
    """Say what is missing in the panel's words."""
    from BoneStrengthFEALib.errors import InputError

    if p.calibrationMethod == "phantom" and not p.phantom:
        raise InputError(_("choose the phantom that is in the scan, in the section Density"))
    if p.calibrationMethod == "asynchronous" and not p.calibrationStore:
        raise InputError(_("give the folder of stored calibrations, in the section Density"))


def _words(text):
    return [word for word in text.replace(",", " ").split() if word]
