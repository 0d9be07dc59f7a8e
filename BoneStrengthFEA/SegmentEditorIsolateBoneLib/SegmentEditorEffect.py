"""Segment Editor effect: click in a bone, look at the preview, accept."""

from pathlib import Path

import qt
import slicer
import vtk

# not from this folder: Slicer loads this file as a module with the folder's name, which is no package then
from BoneStrengthFEAPanel.isolation import ANY, Isolation
from BoneStrengthFEAPanel.isolation_preview import IsolationPreview
from BoneStrengthFEAPanel.runner import RunnerError
from BoneStrengthFEAPanel.study_nodes import volumeFromNode
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Isolate one bone from a click."""

    def __init__(self, scriptedEffect):
        scriptedEffect.name = "Isolate bone"
        scriptedEffect.title = _("Isolate bone")
        scriptedEffect.perSegment = True
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.isolation = Isolation()
        self._preview = IsolationPreview()
        self._source = None

    def clone(self):
        import qSlicerSegmentationsEditorEffectsPythonQt as effects

        cloned = effects.qSlicerSegmentEditorScriptedEffect(None)
        cloned.setPythonSource(__file__.replace("\\", "/"))
        return cloned

    def icon(self):
        path = Path(__file__).resolve().parents[1] / "Resources" / "Icons" / "BoneStrengthFEA.png"
        return qt.QIcon(str(path)) if path.is_file() else qt.QIcon()

    def helpText(self):
        return _(
            "Isolate one bone: say which kind it is, click in it, look at the preview, press Apply. "
            "A vertebra is found along its canal, a femur by its head; any other bone by threshold, "
            "splitting and filling."
        )

    # --- options --------------------------------------------------------------------------------------------------

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
        self.kindCombo.addItem(_("Any bone, by threshold"), ANY)
        self.kindCombo.toolTip = _("What kind of bone is clicked; the sliders belong to the last choice")
        self.kindCombo.connect("currentIndexChanged(int)", self.onKindChanged)
        self.scriptedEffect.addLabeledOptionsWidget(_("Bone:"), self.kindCombo)
        self.thresholdSlider = self._slider(
            _("Threshold [HU]:"), (-100, 600, 130), _("Lowest CT number of bone [HU]; lower it for frail bone")
        )
        self.splitSlider = self._slider(
            _("Split at necks [mm]:"), (0.2, 6, 1), _("Bones are split where the neck is thinner by this radius [mm]")
        )
        self.closeSlider = self._slider(
            _("Close gaps [mm]:"), (0, 10, 3), _("Gaps of the shell up to twice this are closed [mm]")
        )
        self.messageLabel = qt.QLabel(_("Click in a bone in a slice view."))
        self.messageLabel.wordWrap = True
        self.scriptedEffect.addOptionsWidget(self.messageLabel)
        self.busyBar = qt.QProgressBar()
        self.busyBar.visible = False
        self.scriptedEffect.addOptionsWidget(self.busyBar)
        self.cancelButton = self._button(_("Cancel"), _("Stop, or take the preview away"), self.onCancel)
        self.applyButton = self._button(
            _("Apply"), _("Put the previewed bone into the selected segment, in place of what is in it"), self.onApply
        )
        self.onKindChanged()

    def _slider(self, label, limits, tip):
        slider = slicer.qMRMLSliderWidget()
        slider.minimum, slider.maximum, slider.value = limits
        slider.singleStep = (limits[1] - limits[0]) / 100
        slider.toolTip = tip
        self.scriptedEffect.addLabeledOptionsWidget(label, slider)
        return slider

    def _button(self, text, tip, method):
        button = qt.QPushButton(text)
        button.toolTip = tip
        button.enabled = False
        button.connect("clicked(bool)", method)
        self.scriptedEffect.addOptionsWidget(button)
        return button

    def onKindChanged(self, *_unused):
        """The sliders belong to the choice by threshold."""
        for slider in (self.thresholdSlider, self.splitSlider, self.closeSlider):
            slider.enabled = self._site() == ANY

    def _site(self):
        return self.kindCombo.itemData(self.kindCombo.currentIndex)

    def _kind(self):
        if self._site() != ANY:
            return self._site(), {}
        sliders = {"threshold": self.thresholdSlider, "split": self.splitSlider, "close": self.closeSlider}
        return ANY, {name: slider.value for name, slider in sliders.items()}

    # --- what the Segment Editor calls ----------------------------------------------------------------------------

    def createCursor(self, widget):
        return slicer.util.mainWindow().cursor

    def setMRMLDefaults(self):
        pass

    def updateGUIFromMRML(self):
        pass

    def updateMRMLFromGUI(self):
        pass

    def deactivate(self):
        """Another effect, another segmentation, or the scene is closed: nothing stays."""
        self._end(_("Click in a bone in a slice view."))

    def sourceVolumeNodeChanged(self):
        """What was found belongs to another CT."""
        if self.isolation.isRunning or self._preview.found is not None:
            self.deactivate()

    def cleanup(self):
        """The Segment Editor goes away."""
        self.isolation.cancel()
        self._preview.remove()

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

    # --- isolate, show, accept ------------------------------------------------------------------------------------

    def previewAt(self, ras):
        """Start to isolate the bone at a RAS position; its preview appears when it is found. Also for scripts."""
        from BoneStrengthFEALib.errors import BoneStrengthError

        if self._segment() is None:
            self._end(_("Add a segment first, then click in the bone it is for."))
            return
        if self._site() != ANY and not self._packagesThere():
            return
        self._preview.remove()
        self._source = self.scriptedEffect.parameterSetNode().GetSourceVolumeNode()
        try:
            self.busyBar.maximum = 0
            listeners = (self._onProgress, self._onFound, self._end)
            self.isolation.start(volumeFromNode(self._source), ras, self._kind(), listeners)
        except (BoneStrengthError, RunnerError, OSError) as error:
            self._end(str(error))
            return
        self.messageLabel.text = _("Isolating: {kind}. Slicer can be used meanwhile.").format(
            kind=self.kindCombo.currentText
        )
        self._showState()

    def _onProgress(self, fraction):
        self.busyBar.maximum = 100
        self.busyBar.value = round(100 * fraction)

    def _onFound(self, found):
        if self._source is None or self._source.GetScene() is None:
            self._end("")
            return
        self._preview.show(found, self._source)
        text = _("{name}, {volume:.1f} cm3. Apply puts it into the segment {segment}; or click again.")
        lines = [text.format(name=found.name, volume=self._preview.volumeCm3(), segment=self._segment().GetName())]
        if found.unsure > 0:
            lines.append(_("{share:.0f} % of it is in doubt.").format(share=100 * found.unsure))
        self.messageLabel.text = "\n".join([*lines, *found.notes])
        self._showState()

    def _end(self, text):
        self.isolation.cancel()
        self._preview.remove()
        self.messageLabel.text = text
        self._showState()

    def _showState(self):
        running, found = self.isolation.isRunning, self._preview.found is not None
        self.busyBar.visible = running
        self.applyButton.enabled = found
        self.cancelButton.enabled = running or found

    def _segment(self):
        parameters = self.scriptedEffect.parameterSetNode()
        segment = parameters.GetSelectedSegmentID()
        return parameters.GetSegmentationNode().GetSegmentation().GetSegment(segment) if segment else None

    def _packagesThere(self):
        from BoneStrengthFEA import BoneStrengthFEALogic

        if BoneStrengthFEALogic().ensurePackages("requirements-isolate.txt"):
            return True
        self.messageLabel.text = _(
            "scikit-image is missing; choose the bone by threshold, or click again to install it."
        )
        return False

    def onCancel(self, *_unused):
        """Stop, or take the preview away; the segments are as before."""
        self._end(_("Cancelled. Click in a bone in a slice view."))

    def onApply(self, *_unused):
        """Put the previewed bone into the selected segment, as its masking allows; one step for Undo."""
        if self._preview.found is None:
            return
        self.scriptedEffect.saveStateForUndo()
        mode = slicer.qSlicerSegmentEditorAbstractEffect.ModificationModeSet
        self.scriptedEffect.modifySelectedSegmentByLabelmap(self._preview.image(), mode)
        parameters = self.scriptedEffect.parameterSetNode()
        segmentation = parameters.GetSegmentationNode().GetSegmentation()
        self._preview.nameSegment(segmentation, parameters.GetSelectedSegmentID())
        self._end(_("Done. Add a segment to isolate another bone."))
