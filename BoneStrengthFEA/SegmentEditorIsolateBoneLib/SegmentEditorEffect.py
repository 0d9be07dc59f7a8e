"""Segment Editor effect: click in a bone, look at the preview, accept."""

import numpy as np
import qt
import slicer
import vtk

# not from this folder: Slicer loads this file as a module with the folder's name, which is no package then
from BoneStrengthFEAPanel.isolation import isolate, wholeBone
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

PREVIEW_COLOR = (1.0, 0.75, 0.1)
PREVIEW_NAME = "Isolate bone preview"


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Isolate one bone from a click."""

    def __init__(self, scriptedEffect):
        scriptedEffect.name = "Isolate bone"
        scriptedEffect.title = _("Isolate bone")
        scriptedEffect.perSegment = True
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self._preview = None
        self._mask = None

    def clone(self):
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        cloned = effects.qSlicerSegmentEditorScriptedEffect(None)
        cloned.setPythonSource(__file__.replace("\\", "/"))
        return cloned

    def icon(self):
        from pathlib import Path

        path = Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "BoneStrengthFEA.png"
        return qt.QIcon(str(path)) if path.is_file() else qt.QIcon()

    def helpText(self):
        return _(
            "Isolate one bone: say which kind it is, click in it, look at the preview, press Apply. "
            "A vertebra is found along its canal, a femur by its head; any other bone by threshold, "
            "splitting and filling."
        )

    def setupOptionsFrame(self):
        self.kindCombo = qt.QComboBox()
        kinds = (
            (_("Vertebra"), "vertebra"),
            (_("Proximal femur"), "femur"),
            (_("Radius"), "radius"),
            (_("Tibia"), "tibia"),
        )
        for text, site in kinds:
            self.kindCombo.addItem(text, site)
        self.kindCombo.addItem(_("Any bone, by threshold"), "any")
        self.kindCombo.toolTip = _("What kind of bone is clicked; the sliders belong to the last choice")
        self.kindCombo.connect("currentIndexChanged(int)", self.onKindChanged)
        self.scriptedEffect.addLabeledOptionsWidget(_("Bone:"), self.kindCombo)
        self.thresholdSlider = slicer.qMRMLSliderWidget()
        self._slider(self.thresholdSlider, -100, 600, 130, _("Lowest CT number of bone [HU]; lower it for frail bone"))
        self.scriptedEffect.addLabeledOptionsWidget(_("Threshold [HU]:"), self.thresholdSlider)
        self.splitSlider = slicer.qMRMLSliderWidget()
        self._slider(self.splitSlider, 0.2, 6, 1, _("Bones are split where the neck is thinner by this radius [mm]"))
        self.scriptedEffect.addLabeledOptionsWidget(_("Split at necks [mm]:"), self.splitSlider)
        self.closeSlider = slicer.qMRMLSliderWidget()
        self._slider(self.closeSlider, 0, 10, 3, _("Gaps of the shell up to twice this are closed [mm]"))
        self.scriptedEffect.addLabeledOptionsWidget(_("Close gaps [mm]:"), self.closeSlider)
        self.messageLabel = qt.QLabel(_("Click in a bone in a slice view."))
        self.messageLabel.wordWrap = True
        self.scriptedEffect.addOptionsWidget(self.messageLabel)
        self.applyButton = qt.QPushButton(_("Apply"))
        self.applyButton.toolTip = _("Put the previewed bone into the selected segment")
        self.applyButton.enabled = False
        self.scriptedEffect.addOptionsWidget(self.applyButton)
        self.applyButton.connect("clicked(bool)", self.onApply)
        self.onKindChanged()

    def onKindChanged(self, *_unused):
        """The sliders belong to the choice by threshold."""
        for slider in (self.thresholdSlider, self.splitSlider, self.closeSlider):
            slider.enabled = self._kind() == "any"

    def _kind(self):
        return self.kindCombo.itemData(self.kindCombo.currentIndex)

    def _slider(self, slider, low, high, value, tip):
        slider.minimum = low
        slider.maximum = high
        slider.value = value
        slider.singleStep = (high - low) / 100
        slider.toolTip = tip

    def createCursor(self, widget):
        return slicer.util.mainWindow().cursor

    def setMRMLDefaults(self):
        pass

    def updateGUIFromMRML(self):
        pass

    def updateMRMLFromGUI(self):
        pass

    def deactivate(self):
        self.removePreview()

    def processInteractionEvents(self, callerInteractor, eventId, viewWidget):
        """A click in a slice view isolates the bone there."""
        if viewWidget.className() != "qMRMLSliceWidget" or eventId != vtk.vtkCommand.LeftButtonPressEvent:
            return False
        if callerInteractor.GetShiftKey() or callerInteractor.GetControlKey() or callerInteractor.GetAltKey():
            return False
        matrix = viewWidget.sliceLogic().GetSliceNode().GetXYToRAS()
        x, y = callerInteractor.GetEventPosition()
        self.previewAt(matrix.MultiplyPoint((x, y, 0.0, 1.0))[:3])
        return True

    def previewAt(self, ras):
        """Isolate the bone at a RAS position and show it; also for scripts and tests."""
        from BoneStrengthFEAPanel.study_nodes import volumeFromNode

        from BoneStrengthFEALib.errors import BoneStrengthError

        if self._kind() != "any" and not self._packagesThere():
            return
        qt.QApplication.setOverrideCursor(qt.Qt.WaitCursor)
        try:
            ct = volumeFromNode(self.scriptedEffect.parameterSetNode().GetSourceVolumeNode())
            self._mask, notes = self._found(ct, ras)
        except BoneStrengthError as error:
            self._mask = None
            self.removePreview()
            self.messageLabel.text = str(error)
            return
        finally:
            qt.QApplication.restoreOverrideCursor()
        volume = float(self._mask.sum()) * ct.voxel_volume_mm3 / 1000.0
        text = _("Preview: {volume:.1f} cm3. Press Apply, or click again.").format(volume=volume)
        self.messageLabel.text = "\n".join([text, *notes])
        self._showPreview()
        self.applyButton.enabled = True

    def _found(self, ct, ras):
        """Mask, and lines to read with it."""
        if self._kind() != "any":
            mask, unsure, notes = wholeBone(ct, ras, self._kind())
            return mask, [_("{share:.0f} % of it is in doubt.").format(share=100 * unsure), *notes]
        ijk = ct.grid.to_ijk(np.asarray([ras], dtype=float))[0]
        values = (self.thresholdSlider.value, self.splitSlider.value, self.closeSlider.value)
        return isolate(ct, ijk, *values), []

    def _packagesThere(self):
        from BoneStrengthFEA import BoneStrengthFEALogic

        if BoneStrengthFEALogic().ensurePackages("requirements-isolate.txt"):
            return True
        self.messageLabel.text = _(
            "scikit-image is missing; choose the bone by threshold, or click again to install it."
        )
        return False

    def _showPreview(self):
        source = self.scriptedEffect.parameterSetNode().GetSourceVolumeNode()
        if self._preview is None:
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", PREVIEW_NAME)
            node.SetHideFromEditors(True)
            node.SetSaveWithScene(False)
            node.CreateDefaultDisplayNodes()
            node.SetReferenceImageGeometryParameterFromVolumeNode(source)
            self._preview = (node, node.GetSegmentation().AddEmptySegment("", PREVIEW_NAME))
            node.GetSegmentation().GetSegment(self._preview[1]).SetColor(*PREVIEW_COLOR)
        slicer.util.updateSegmentBinaryLabelmapFromArray(self._mask, *self._preview, source)

    def removePreview(self):
        """Take the preview out of the scene."""
        if self._preview is not None:
            from BoneStrengthFEAPanel.to_nodes import removeWithDisplay

            if self._preview[0].GetScene() is not None:
                # a closed scene has taken it out already
                removeWithDisplay(self._preview[0])
            self._preview = None
        self.applyButton.enabled = False

    def onApply(self, *_unused):
        """Put the previewed bone into the selected segment; one step for Undo."""
        if self._mask is None:
            return
        parameters = self.scriptedEffect.parameterSetNode()
        self.scriptedEffect.saveStateForUndo()
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            self._mask,
            parameters.GetSegmentationNode(),
            parameters.GetSelectedSegmentID(),
            parameters.GetSourceVolumeNode(),
        )
        self._mask = None
        self.removePreview()
        self.messageLabel.text = _("Done. Add a segment to isolate another bone.")
