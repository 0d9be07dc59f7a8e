"""The bone that a click has found, shown over the CT until it is accepted."""

import itertools
import re

import slicer
import vtk

from BoneStrengthFEAPanel.to_nodes import orientedImage, removeWithDisplay

COLOR = (1.0, 0.75, 0.1)
NAME = "Isolate bone preview"
UNNAMED = re.compile(r"Segment_\d+")
"""Names Slicer gives to new segments."""


class IsolationPreview:
    """A segmentation node of its own, hidden from choices and never saved."""

    def __init__(self):
        self.found = None
        self._source = None
        self._node = None

    def show(self, found, volumeNode):
        """Show a bone (isolation.Found) on the voxels of its CT."""
        self.remove()
        self.found, self._source = found, volumeNode
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", NAME)
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        segment = node.GetSegmentation().AddEmptySegment("", NAME)
        node.GetSegmentation().GetSegment(segment).SetColor(*COLOR)
        # slicer.util.updateSegmentBinaryLabelmapFromArray leaves a color node in the scene
        slicer.modules.segmentations.logic().SetBinaryLabelmapToSegment(self.image(), node, segment)
        self._node = node

    def remove(self):
        """Take it out of the scene; a closed scene has done so already."""
        if self._node is not None and self._node.GetScene() is not None:
            removeWithDisplay(self._node)
        self.found = self._source = self._node = None

    def image(self):
        """The mask as an image in space."""
        matrix = vtk.vtkMatrix4x4()
        self._source.GetIJKToRASMatrix(matrix)
        return orientedImage(self.found.mask, matrix)

    def volumeCm3(self):
        """Volume of the bone [cm3]."""
        sizes = self._source.GetSpacing()
        return float(self.found.mask.sum()) * sizes[0] * sizes[1] * sizes[2] / 1000.0

    def nameSegment(self, segmentation, segmentId):
        """Name a segment nobody has named, so that its site and side are recognised; no name is given twice."""
        segment = segmentation.GetSegment(segmentId)
        if not UNNAMED.fullmatch(segment.GetName()):
            return
        taken = {segmentation.GetSegment(other).GetName() for other in segmentation.GetSegmentIDs()}
        stem = self.found.name.removesuffix("_1")
        counted = (f"{stem}_{n}" for n in itertools.count(2))
        segment.SetName(self.found.name if self.found.name not in taken else next(n for n in counted if n not in taken))
