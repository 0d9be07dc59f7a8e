"""Hidden module that registers the Segment Editor effect "Isolate bone"."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest


class SegmentEditorIsolateBone(ScriptedLoadableModule):
    """Declaration of the module."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "SegmentEditorIsolateBone"
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations"]
        parent.contributors = ["BoneStrengthFEA contributors"]
        parent.hidden = True
        parent.helpText = _("Registers the Segment Editor effect Isolate bone of Bone Strength FEA.")
        parent.acknowledgementText = ""
        slicer.app.connect("startupCompleted()", self.registerEditorEffect)

    def registerEditorEffect(self):
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        instance = effects.qSlicerSegmentEditorScriptedEffect(None)
        path = Path(__file__).resolve().parent / "SegmentEditorIsolateBoneLib" / "SegmentEditorEffect.py"
        instance.setPythonSource(path.as_posix())
        instance.self().register()


class SegmentEditorIsolateBoneTest(ScriptedLoadableModuleTest):
    """The effect is registered and isolates a vertebra of the bundled CT."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def runTest(self):
        self.setUp()
        self.test_effectIsRegistered()

    def test_effectIsRegistered(self):
        widget = slicer.qMRMLSegmentEditorWidget()
        self.assertIn("Isolate bone", list(widget.availableEffectNames()))
