"""Segmenting from the panel: the embedded Segment Editor, Isolate bone, and handing over to TotalSegmentator."""

import slicer
from slicer.i18n import tr as _

from BoneStrengthFEAPanel import study_nodes

EFFECT = "Isolate bone"
EDITOR_NODE_TAG = "BoneStrengthFEA"


class EditorMixin:
    """Segment Editor inside the panel."""

    def onEditSegmentation(self, show):
        """Open or close the Segment Editor below the button; it is made when it is first needed."""
        if not show:
            self.closeEditor()
            return
        with self.errorsShown(_("The Segment Editor could not be opened.")):
            editor = self._editor()
            p = self._parameterNode
            if p.boneSegmentation is None and p.ctVolume is not None:
                node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Bones")
                node.CreateDefaultDisplayNodes()
                node.SetReferenceImageGeometryParameterFromVolumeNode(p.ctVolume)
                p.boneSegmentation = node
            editor.setMRMLScene(slicer.mrmlScene)
            editor.setMRMLSegmentEditorNode(_editorNode())
            editor.setSegmentationNode(p.boneSegmentation)
            editor.setSourceVolumeNode(p.ctVolume)
            editor.setupViewObservations()
            self.ui.editorFrame.visible = True

    def closeEditor(self):
        """Put the Segment Editor away; no effect stays active in the views."""
        if self._segmentEditor is not None:
            self._segmentEditor.setActiveEffect(None)
            self._segmentEditor.removeViewObservations()
        self.ui.editorFrame.visible = False
        if self.ui.editSegmentationButton.checked:
            self.ui.editSegmentationButton.checked = False

    def _editor(self):
        if self._segmentEditor is None:
            editor = slicer.qMRMLSegmentEditorWidget()
            editor.maximumNumberOfUndoStates = 10
            editor.segmentationNodeSelectorVisible = False
            editor.sourceVolumeNodeSelectorVisible = False
            self.ui.editorFrame.layout().addWidget(editor)
            self._segmentEditor = editor
        return self._segmentEditor

    def onIsolate(self, *_unused):
        """Open the editor with the effect Isolate bone active, and an empty segment for what is found."""
        self.ui.editSegmentationButton.checked = True
        if self._segmentEditor is not None:
            self._selectEmptySegment(self._parameterNode.boneSegmentation)
            self._segmentEditor.setActiveEffectByName(EFFECT)
            if self._segmentEditor.activeEffect() is None:
                self.ui.stageLabel.text = _("The effect Isolate bone is not registered; start Slicer again.")

    def _selectEmptySegment(self, node):
        """A bone must not end up under the name of another one."""
        if node is not None and study_nodes.hasVoxels(node, self._segmentEditor.currentSegmentID()):
            self._segmentEditor.setCurrentSegmentID(node.GetSegmentation().AddEmptySegment())

    def onTotalSegmentator(self, *_unused):
        """Hand over to TotalSegmentator; its segment names are recognised afterwards."""
        ct = self._parameterNode.ctVolume if self._parameterNode else None
        if not hasattr(slicer.modules, "totalsegmentator"):
            slicer.util.infoDisplay(
                _("Install the extension TotalSegmentator, or load a label map of it as segmentation.")
            )
            return
        slicer.util.selectModule("TotalSegmentator")
        with self.errorsShown(_("Choose the CT in TotalSegmentator yourself.")):
            widgets = slicer.modules.totalsegmentator.widgetRepresentation().self().ui
            widgets.inputVolumeSelector.setCurrentNode(ct)


def _editorNode():
    node = slicer.mrmlScene.GetSingletonNode(EDITOR_NODE_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(EDITOR_NODE_TAG)
        node = slicer.mrmlScene.AddNode(node)
    return node
