"""DICOM plugin: results of Bone Strength FEA to DICOM, and our segmentations and reports back."""

import logging
import shutil
from pathlib import Path

import slicer
from DICOMLib import DICOMLoadable, DICOMPlugin
from slicer.i18n import tr as _

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
SR_CLASSES = ("1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.34")
MANUFACTURER = "BoneStrengthFEA"


class DICOMBoneStrengthFEAPluginClass(DICOMPlugin):
    """Loads SEG and SR objects this extension wrote; exports the DICOM files of a run."""

    def __init__(self):
        super().__init__()
        self.loadType = "BoneStrengthFEA"
        self.tags["manufacturer"] = "0008,0070"

    def examineFiles(self, files):
        """Loadables for our own objects only; Slicer's plugins keep all others."""
        loadables = []
        for path in files:
            kind = slicer.dicomDatabase.fileValue(path, self.tags["sopClassUID"])
            maker = slicer.dicomDatabase.fileValue(path, self.tags["manufacturer"])
            if MANUFACTURER.lower() not in (maker or "").lower() or kind not in (SEG_CLASS, *SR_CLASSES):
                continue
            loadable = DICOMLoadable()
            loadable.files = [path]
            loadable.name = slicer.dicomDatabase.fileValue(path, self.tags["seriesDescription"]) or "Bone strength"
            loadable.tooltip = (
                _("Segmentation of Bone Strength FEA") if kind == SEG_CLASS else _("Bone strength report")
            )
            loadable.selected = True
            loadable.confidence = 0.95
            loadables.append(loadable)
        return loadables

    def load(self, loadable):
        """Add a segmentation node, or a table node with the report's numbers."""
        path = loadable.files[0]
        kind = slicer.dicomDatabase.fileValue(path, self.tags["sopClassUID"])
        node = segmentationFromSeg(path, loadable.name) if kind == SEG_CLASS else tableFromSr(path, loadable.name)
        self.addSeriesInSubjectHierarchy(loadable, node)
        return True

    def examineForExport(self, subjectHierarchyItemID):
        """Runs of the extension whose files hold DICOM objects."""
        caseId = _caseOf(subjectHierarchyItemID)
        if not caseId:
            return []
        exportable = slicer.qSlicerDICOMExportable()
        exportable.name = _("Bone strength results")
        exportable.tooltip = _("DICOM objects of this run: report, segmentation, maps")
        exportable.subjectHierarchyItemID = subjectHierarchyItemID
        exportable.pluginClass = self.__module__
        exportable.confidence = 0.9
        return [exportable]

    def export(self, exportables):
        """Copy the run's DICOM objects to the export folder; returns an error text, empty when done."""
        from BoneStrengthFEAPanel.packed_files import unpackFiles
        from BoneStrengthFEAPanel.to_nodes import nodesOfCase

        for exportable in exportables:
            node = nodesOfCase(_caseOf(exportable.subjectHierarchyItemID)).get("files")
            if node is None:
                return _("The run is not in the scene any more; run the examination again.")
            folder = Path(exportable.directory)
            staging = folder / ".bone-strength"
            try:
                staging.mkdir(parents=True, exist_ok=True)
                unpackFiles(node.GetText(), staging)
                found = sorted(staging.rglob("*.dcm"))
                for path in found:
                    shutil.copy2(path, folder / path.name)
            except (OSError, ValueError) as error:
                return _("The results could not be written: {reason}").format(reason=error)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            if not found:
                return _(
                    "This run has no DICOM objects: the CT must come from the DICOM database. Run it again from there."
                )
        return ""


def segmentationFromSeg(path, name):
    """Segmentation node of a binary DICOM SEG, by pydicom alone; frames are placed by their own positions."""
    import numpy as np
    import pydicom
    from BoneStrengthFEAPanel.to_nodes import vtkMatrix

    dataset = pydicom.dcmread(path)
    frames = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    groups = dataset.PerFrameFunctionalGroupsSequence
    orientation = _group(shared, groups[0], "PlaneOrientationSequence").ImageOrientationPatient
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    spacing = [float(v) for v in _group(shared, groups[0], "PixelMeasuresSequence").PixelSpacing]
    normal = np.cross(row, column)
    places = [np.array(_group(shared, group, "PlanePositionSequence").ImagePositionPatient, float) for group in groups]
    heights = np.array([place @ normal for place in places])
    levels = np.unique(np.round(heights, 3))
    step = float(np.min(np.diff(levels))) if len(levels) > 1 else 1.0
    count = round((levels[-1] - levels[0]) / step) + 1
    lps = np.eye(4)
    lps[:3, :3] = np.stack([row * spacing[1], column * spacing[0], normal * step], axis=1)
    lps[:3, 3] = places[int(np.argmin(heights))]
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps
    masks = {}
    for frame, group, height in zip(frames, groups, heights, strict=True):
        number = int(_group(shared, group, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        mask = masks.setdefault(number, np.zeros((count, *frame.shape), np.uint8))
        mask[round((height - levels[0]) / step)] = frame > 0
    reference = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "reference")
    reference.SetIJKToRASMatrix(vtkMatrix(affine))
    slicer.util.updateVolumeFromArray(reference, next(iter(masks.values())))
    try:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
        for item in dataset.SegmentSequence:
            mask = masks.get(int(item.SegmentNumber))
            if mask is not None:
                segmentId = node.GetSegmentation().AddEmptySegment("", str(item.SegmentLabel))
                slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segmentId, reference)
    finally:
        slicer.mrmlScene.RemoveNode(reference)
    return node


def tableFromSr(path, name):
    """Table node with the numbers of a DICOM SR: name, value, unit."""
    import pydicom
    import vtk

    rows = []
    _numbers(pydicom.dcmread(path), rows)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    for title in ("measure", "value", "unit"):
        column = vtk.vtkStringArray()
        column.SetName(title)
        node.AddColumn(column)
    for row in rows:
        index = node.AddEmptyRow()
        for column, text in enumerate(row):
            node.SetCellText(index, column, text)
    return node


def _numbers(item, rows):
    for child in getattr(item, "ContentSequence", ()):
        if getattr(child, "ValueType", "") == "NUM" and child.MeasuredValueSequence:
            measured = child.MeasuredValueSequence[0]
            unit = measured.MeasurementUnitsCodeSequence[0].CodeValue
            rows.append((child.ConceptNameCodeSequence[0].CodeMeaning, str(measured.NumericValue), unit))
        _numbers(child, rows)


def _group(shared, frame, name):
    return getattr(frame if hasattr(frame, name) else shared, name)[0]


def _caseOf(itemId):
    """Case id of a study item or of anything below it."""
    from BoneStrengthFEAPanel.to_nodes import CASE, hierarchy

    node = hierarchy()
    while itemId and itemId != node.GetSceneItemID():
        found = node.GetItemAttribute(itemId, CASE)
        data = node.GetItemDataNode(itemId)
        found = found or (data.GetAttribute(CASE) if data is not None else "")
        if found:
            return found
        itemId = node.GetItemParent(itemId)
    return ""


class DICOMBoneStrengthFEAPlugin:
    """What Slicer finds as a module; it registers the plugin with the DICOM module."""

    def __init__(self, parent):
        parent.title = "Bone Strength FEA DICOM plugin"
        parent.categories = ["Developer Tools.DICOM Plugins"]
        parent.contributors = ["BoneStrengthFEA contributors"]
        parent.helpText = "Plugin to the DICOM module; no interface of its own."
        parent.dependencies = ["DICOM"]
        parent.acknowledgementText = ""
        parent.hidden = True
        if not hasattr(slicer.modules, "dicomPlugins"):
            slicer.modules.dicomPlugins = {}
        slicer.modules.dicomPlugins["DICOMBoneStrengthFEAPlugin"] = DICOMBoneStrengthFEAPluginClass
        logging.debug("DICOM plugin of BoneStrengthFEA registered")
