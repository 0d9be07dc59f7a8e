"""From MRML nodes to an examination of the library."""

import json

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def segmentNames(segmentationNode):
    """Segment IDs and names of a segmentation node, in order."""
    if segmentationNode is None:
        return {}
    segmentation = segmentationNode.GetSegmentation()
    ids = [segmentation.GetNthSegmentID(n) for n in range(segmentation.GetNumberOfSegments())]
    return {segment: segmentation.GetSegment(segment).GetName() for segment in ids}


def hasVoxels(segmentationNode, segmentId):
    """Whether something is in a segment, or there is no such segment: it cannot take a bone that is found."""
    if not segmentId or segmentationNode.GetSegmentation().GetSegment(segmentId) is None:
        return True
    image = slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, image)
    scalars = image.GetPointData().GetScalars()
    return scalars is not None and scalars.GetNumberOfTuples() > 0 and scalars.GetRange()[1] > 0


def isMadeFor(segmentationNode, volumeNode):
    """Whether a segmentation was drawn on this volume, as its reference geometry tells."""
    role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    return segmentationNode is not None and segmentationNode.GetNodeReferenceID(role) == volumeNode.GetID()


def volumeFromNode(volumeNode):
    """CT of a volume node in RAS; a transform must be hardened first."""
    from BoneStrengthFEALib.errors import InputError
    from BoneStrengthFEALib.volume import Quantity, Volume

    if volumeNode is None or volumeNode.GetImageData() is None:
        raise InputError("no CT volume is chosen, or it holds no image; load a CT and choose it as input")
    if volumeNode.GetParentTransformNode() is not None:
        raise InputError("the CT lies under a transform; harden or remove the transform first")
    if volumeNode.GetImageData().GetNumberOfScalarComponents() != 1:
        raise InputError("the chosen volume is a color image; choose a CT with one number per voxel")
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    affine = slicer.util.arrayFromVTKMatrix(matrix)
    return Volume(slicer.util.arrayFromVolume(volumeNode).copy(), affine, Quantity.HU)


def labelsFromNode(segmentationNode, volumeNode, ct=None):
    """Label map of all segments on the CT's grid; earlier segments win where segments overlap.

    Segments of one layer are resampled together: nothing is gained by doing a hundred labels one at a time.
    """
    from BoneStrengthFEALib.errors import InputError
    from BoneStrengthFEALib.label_map import LabelMap
    from BoneStrengthFEALib.volume import Quantity

    names = segmentNames(segmentationNode)
    if not names:
        raise InputError("the segmentation has no segment; segment a bone or choose another segmentation")
    if segmentationNode.GetParentTransformNode() is not None:
        raise InputError(f"{segmentationNode.GetName()} lies under a transform; harden or remove the transform first")
    ct = ct or volumeFromNode(volumeNode)
    labels = np.zeros(ct.array.shape, np.int16)
    for value, segmentId in enumerate(names, start=1):
        mask = _segmentOnGrid(segmentationNode, segmentId, volumeNode)
        labels[(labels == 0) & (mask > 0)] = value
    return LabelMap(ct.with_array(labels, Quantity.LABEL), dict(enumerate(names.values(), start=1)))


def _segmentOnGrid(segmentationNode, segmentId, volumeNode):
    # slicer.util.arrayFromSegmentBinaryLabelmap leaves color nodes in the scene
    segment, onGrid = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    if not segmentationNode.GetBinaryLabelmapRepresentation(segmentId, segment):
        segmentationNode.CreateBinaryLabelmapRepresentation()
        segmentationNode.GetBinaryLabelmapRepresentation(segmentId, segment)
    reference = slicer.modules.segmentations.logic().CreateOrientedImageDataFromVolumeNode(volumeNode)
    reference.UnRegister(None)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(segment, reference, onGrid, False)
    columns, rows, slices = onGrid.GetDimensions()
    return vtk_to_numpy(onGrid.GetPointData().GetScalars()).reshape(slices, rows, columns)


def recogniseSegment(name):
    """Texts (site, level, side) a segment's name tells; empty where it does not."""
    from BoneStrengthFEALib.anatomy.names import recognise

    site, level, side = recognise(name)
    return (site.value if site else "", level, side.value)


def isAnalysable(name):
    """Whether a segment's name tells a bone the library has a load case for."""
    from BoneStrengthFEALib.load_case.registry import DEFAULT_LOAD_CASE

    site, level, _side = recogniseSegment(name)
    known = {case.value for case in DEFAULT_LOAD_CASE}
    return site in known and (site != "vertebra" or level[:1] in ("T", "L"))


def targetFromTexts(label, site="", level="", side="", frame=None):
    """Target of the library from the texts of the panel's bone table."""
    from BoneStrengthFEALib.anatomy import Side, Site
    from BoneStrengthFEALib.errors import InputError
    from BoneStrengthFEALib.study import Target

    try:
        chosen = (Site(site.strip().lower()) if site.strip() else None, level.strip(), side.strip().lower())
        return Target(label, chosen[0], chosen[1], Side(chosen[2]) if chosen[2] else None, frame)
    except ValueError as error:
        sites = ", ".join(item.value for item in Site)
        raise InputError(f"{label}: {error}; sites are {sites}, sides are left and right") from error


def dicomFiles(volumeNode):
    """Files of a volume loaded from Slicer's DICOM database, in its order; empty when it was not."""
    uids = (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split() if volumeNode else []
    database = getattr(slicer, "dicomDatabase", None)
    if not uids or database is None:
        return []
    return [path for path in (database.fileForInstance(uid) for uid in uids) if path]


def acquisitionOf(volumeNode):
    """Acquisition and QualityReport of a volume: from the DICOM headers, else what a scene knows."""
    from pathlib import Path

    from BoneStrengthFEALib.acquisition import Acquisition
    from BoneStrengthFEALib.quality import QualityReport

    files = dicomFiles(volumeNode)
    if not files:
        return Acquisition(source="slicer", series_description=volumeNode.GetName()), QualityReport()
    from BoneStrengthFEALib.dicom_in import admit

    admitted = admit([Path(path) for path in files])
    return admitted.acquisition, admitted.quality


def studyFromNodes(volumeNode, segments, tissueSegmentationNode=None, subject=None, bodySegmentationNode=None):
    """Study of the library; segments is (segmentation node, names or Targets to analyse)."""
    from BoneStrengthFEALib.acquisition import Sex
    from BoneStrengthFEALib.study import Study, Target

    segmentationNode, chosen = segments
    ct = volumeFromNode(volumeNode)
    acquisition, quality = acquisitionOf(volumeNode)
    tissues = labelsFromNode(tissueSegmentationNode, volumeNode, ct) if tissueSegmentationNode else None
    parts = labelsFromNode(bodySegmentationNode, volumeNode, ct) if bodySegmentationNode else None
    labels = labelsFromNode(segmentationNode, volumeNode, ct)
    targets = tuple(Target(target) if isinstance(target, str) else target for target in chosen)
    _requireVoxels(labels, targets, volumeNode)
    study = Study(
        ct,
        labels,
        targets,
        acquisition,
        tissues,
        parts,
        quality,
    )
    facts = {name: value for name, value in (subject or {}).items() if value}
    if facts.get("sex"):
        facts["sex"] = Sex(facts["sex"])
    return study.with_subject(**facts)


def _requireVoxels(labels, targets, volumeNode):
    from BoneStrengthFEALib.errors import InputError

    filled = {labels.names.get(value) for value in labels.values()}
    for target in targets:
        if target.label in labels.names.values() and target.label not in filled:
            raise InputError(
                f"the segment {target.label} has no voxel on the CT {volumeNode.GetName()}; segment the bone, or "
                "choose the segmentation that belongs to this CT"
            )


def targetsFromJson(text):
    """Rows of the bone table kept in the parameter node: name to [use, site, level, side]."""
    try:
        data = json.loads(text) if text else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
