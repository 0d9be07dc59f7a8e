"""From the library's results to MRML nodes: one subject-hierarchy study for each run."""

import json

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from BoneStrengthFEAPanel.measures_table import fillMeasures
from BoneStrengthFEAPanel.packed_files import packedFiles
from BoneStrengthFEAPanel.views import showField

CASE = "BoneStrengthFEA.case"
ROLE = "BoneStrengthFEA.role"
PREFIX = "BoneStrengthFEA."
REGION_COLORS = ((0.90, 0.85, 0.70), (0.55, 0.75, 0.90), (0.95, 0.60, 0.45), (0.60, 0.85, 0.60), (0.80, 0.60, 0.85))


def vtkMatrix(affine):
    """4 x 4 array as a VTK matrix."""
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, float(affine[row][column]))
    return matrix


def volumeFromLibrary(volume, name):
    """Scalar volume node with the numbers and the geometry of a library volume."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(vtkMatrix(volume.ijk_to_ras))
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(volume.array))
    node.CreateDefaultDisplayNodes()
    return node


def segmentationFromLabels(labels, reference, name, colors=None):
    """Segmentation node with one segment for each label present, named as in the map.

    The segments share one image: a hundred labels take no longer than one, and no node is added on the way.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    segmentation = node.GetSegmentation()
    representation = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentation.SetSourceRepresentationName(representation)
    image = orientedImage(labels.volume.array, vtkMatrix(labels.volume.ijk_to_ras))
    for n, value in enumerate(labels.values()):
        segment = segmentation.GetSegment(segmentation.AddEmptySegment("", labels.names.get(value, str(value))))
        if colors:
            segment.SetColor(*colors[n % len(colors)])
        segment.SetLabelValue(int(value))
        segment.AddRepresentation(representation, image)
    return node


def orientedImage(array, matrix):
    """Image in space of a (K, J, I) array of labels and its IJK-to-RAS matrix."""
    slices, rows, columns = array.shape
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(columns, rows, slices)
    scalars = numpy_to_vtk(np.ascontiguousarray(array, dtype=np.int16).ravel(), deep=True)
    image.GetPointData().SetScalars(scalars)
    image.SetGeometryFromImageToWorldMatrix(matrix)
    return image


def removeWithDisplay(node):
    """Take a node out of the scene with its display nodes, a color legend among them."""
    count = node.GetNumberOfDisplayNodes() if hasattr(node, "GetNumberOfDisplayNodes") else 0
    displays = [node.GetNthDisplayNode(n) for n in range(count)]
    slicer.mrmlScene.RemoveNode(node)
    for display in displays:
        if display is not None and display.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(display)


class CaseWriter:
    """Adds the nodes of one run; all of them or, after an error, none."""

    def __init__(self, caseId, volumeNode, results):
        self.caseId = caseId
        self.volumeNode = volumeNode
        self.results = results
        self.nodes = []
        self.studyItem = None

    def add(self, folder):
        """Add all nodes of a result folder; returns them by role."""
        if slicer.mrmlScene.GetUndoFlag():
            slicer.mrmlScene.SaveStateForUndo()
        try:
            return self._add(folder)
        except Exception:
            self.remove()
            raise

    def remove(self):
        """Take back what was added."""
        for node in reversed(self.nodes):
            removeWithDisplay(node)
        self.nodes.clear()
        if self.studyItem:
            hierarchy().RemoveItem(self.studyItem, False, False)
            self.studyItem = None

    def _add(self, folder):
        self.studyItem = studyItemFor(self.volumeNode, self.caseId, self.results)
        added = {"table": self._table(), "files": self._files(folder)}
        curves = [site for site in self.results.sites if site.curve]
        for site in curves:
            added[f"plot:{site.name}"] = self._curve(site)
        scene = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
        added["density"] = self._density(folder, scene["density"])
        for entry in scene["sites"]:
            added[f"regions:{entry['name']}"] = self._regions(folder, entry, added["density"])
            added[f"model:{entry['name']}"] = self._model(folder, entry)
        return added

    def _own(self, node, role):
        node.SetAttribute(CASE, self.caseId)
        node.SetAttribute(ROLE, role)
        self.nodes.append(node)
        for key, value in self.results.provenance.items():
            node.SetAttribute(PREFIX + key, str(value))
        hierarchy().CreateItem(self.studyItem, node)
        return node

    def _table(self):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Bone strength measures")
        return fillMeasures(self._own(node, "table"), self.results)

    def _files(self, folder):
        node = self._own(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "Bone strength report files"), "files")
        node.SetText(packedFiles(folder))
        node.SetForceCreateStorageNode(node.CreateStorageNodeAlways)
        return node

    def _curve(self, site):
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{site.name} force-displacement data")
        self._own(table, f"curve:{site.name}")
        for name, values in (
            ("displacement_mm", [0.0, *(point.displacement_mm for point in site.curve)]),
            ("force_n", [0.0, *(point.force_n for point in site.curve)]),
        ):
            column = vtk.vtkDoubleArray()
            column.SetName(name)
            for value in values:
                column.InsertNextValue(value)
            table.AddColumn(column)
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", f"{site.name} force-displacement")
        self._own(series, f"series:{site.name}")
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName("displacement_mm")
        series.SetYColumnName("force_n")
        series.SetPlotType(series.PlotTypeScatter)
        series.SetColor(0.75, 0.2, 0.1)
        chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"{site.name} force-displacement plot")
        self._own(chart, f"plot:{site.name}")
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
        chart.SetTitle(f"{site.name}: force and displacement")
        chart.SetXAxisTitle("displacement [mm]")
        chart.SetYAxisTitle("force [N]")
        chart.SetLegendVisibility(False)
        return chart

    def _density(self, folder, entry):
        from BoneStrengthFEALib.image_files import read_volume
        from BoneStrengthFEALib.volume import Quantity

        volume = read_volume(folder / entry["file"], Quantity[entry["kind"]])
        node = self._own(volumeFromLibrary(volume, f"Density {entry['kind']} [{entry['unit']}]"), "density")
        display = node.GetDisplayNode()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeFileViridis.txt")
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(-100.0, 600.0)
        return node

    def _regions(self, folder, entry, density):
        from BoneStrengthFEALib.image_files import read_volume
        from BoneStrengthFEALib.label_map import LabelMap
        from BoneStrengthFEALib.volume import Quantity

        volume = read_volume(folder / entry["regions_file"], Quantity.LABEL)
        labels = LabelMap(volume, {int(value): name for value, name in entry["regions"].items()})
        # regions lie on a box of the scan's grid, so they get a reference of their own
        reference = volumeFromLibrary(volume, "reference")
        try:
            node = segmentationFromLabels(labels, reference, f"{entry['name']} regions", REGION_COLORS)
        finally:
            removeWithDisplay(reference)
        self._own(node, f"regions:{entry['name']}")
        node.SetReferenceImageGeometryParameterFromVolumeNode(density)
        return node

    def _model(self, folder, entry):
        reader = vtk.vtkXMLUnstructuredGridReader()
        reader.SetFileName(str(folder / entry["model_file"]))
        reader.Update()
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", f"{entry['name']} finite-element model")
        self._own(node, f"model:{entry['name']}")
        node.SetAndObserveMesh(reader.GetOutput())
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetBackfaceCulling(False)
        showField(node, "effective_strain_percent", 0.0)
        return node


def hierarchy():
    """Subject hierarchy of the scene."""
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)


def studyItemFor(volumeNode, caseId, results):
    """New study item for a run, under the patient of the CT."""
    node = hierarchy()
    parent = _patientItem(node, volumeNode)
    names = ", ".join(site.name for site in results.sites)
    item = node.CreateStudyItem(
        parent, f"Bone strength {names} ({results.provenance.get('utc', '')[:16].replace('T', ' ')})"
    )
    node.SetItemAttribute(item, CASE, caseId)
    for key, value in results.provenance.items():
        node.SetItemAttribute(item, PREFIX + key, str(value))
    return item


def _patientItem(node, volumeNode):
    scene = node.GetSceneItemID()
    item = node.GetItemByDataNode(volumeNode) if volumeNode is not None else 0
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetSubjectHierarchyLevelAttributeName()
    wanted = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    while item and item != scene:
        if node.GetItemAttribute(item, level) == wanted:
            return item
        item = node.GetItemParent(item)
    name = f"Patient of {volumeNode.GetName()}" if volumeNode is not None else "Patient"
    existing = node.GetItemChildWithName(scene, name)
    return existing or node.CreateSubjectItem(scene, name)


def resultNodes():
    """Pairs (role, node) of all nodes that runs have added."""
    collection = slicer.mrmlScene.GetNodes()
    nodes = [collection.GetItemAsObject(n) for n in range(collection.GetNumberOfItems())]
    return [(node.GetAttribute(ROLE), node) for node in nodes if node.GetAttribute(CASE)]


def nodesOfCase(caseId):
    """Nodes of a run, by role."""
    return {role: node for role, node in resultNodes() if node.GetAttribute(CASE) == caseId}


def casesInScene():
    """Pairs (text, case id) of all runs in the scene, in the order they were made."""
    found = []
    for node in (node for role, node in resultNodes() if role == "files"):
        item = hierarchy().GetItemByDataNode(node)
        parent = hierarchy().GetItemParent(item) if item else 0
        found.append((hierarchy().GetItemName(parent) if parent else node.GetName(), node.GetAttribute(CASE)))
    return found
