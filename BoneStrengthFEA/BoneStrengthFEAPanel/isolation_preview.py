"""The bone that a click has found, shown over the CT until it is accepted."""

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
        slicer.util.updateSegmentBinaryLabelmapFromArray(found.mask, node, segment, volumeNode)
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

    def nameSegment(self, segment):
        """Name a segment nobody has named, so that its site and side are recognised."""
        if UNNAMED.fullmatch(segment.GetName()):
            segment.SetName(self.found.name)
