"""A working MRML scene on the slicer-core package, and stand-ins for the parts of Slicer it lacks.

The stand-ins let the module file be imported and its Logic run on real MRML nodes. They prove nothing about the panel.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import slicer
import slicer.util
import vtk

MODULE = Path(__file__).resolve().parents[2] / "BoneStrengthFEA" / "BoneStrengthFEA.py"
LOGICS = {
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "tables": "vtkSlicerTablesLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "models": "vtkSlicerModelsLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "plots": "vtkSlicerPlotsLogic",
    "colors": "vtkSlicerColorLogic",
}
_KEEP: list[Any] = []


def new_scene() -> None:
    """Make slicer.mrmlScene with colors, file input and the module logics the module needs."""
    scene = slicer.vtkMRMLScene()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    # the Colors module looks there for color files of its own
    home = Path(tempfile.mkdtemp())
    (home / "share" / "ColorFiles").mkdir(parents=True)
    application.SetHomeDirectory(str(home))
    application.SetShareDirectory("share")
    colors = slicer.vtkMRMLColorLogic()
    colors.SetMRMLScene(scene)
    colors.AddDefaultColorNodes()
    application.SetModuleLogic("Colors", colors)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.GetCacheManager().SetRemoteCacheDirectory(tempfile.mkdtemp())
    remote.SetMRMLScene(scene)
    remote.AddDataIOToScene()
    logics = []
    slicer.modules = types.SimpleNamespace()
    for module, name in LOGICS.items():
        logic = getattr(slicer, name)()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        logics.append(logic)
        setattr(slicer.modules, module, types.SimpleNamespace(logic=lambda logic=logic: logic))
    _KEEP[:] = [scene, application, colors, remote, *logics]
    slicer.mrmlScene = scene


def import_module() -> types.ModuleType:
    """Import BoneStrengthFEA.py as it is."""
    if str(MODULE.parent) not in sys.path:
        sys.path.insert(0, str(MODULE.parent))
    spec = importlib.util.spec_from_file_location("BoneStrengthFEA", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put(name: str, **members: object) -> None:
    """Make a module of these members."""
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


def volume_node(volume: Any) -> Any:
    """Volume of the library as a scalar volume node."""
    node = slicer.util.addVolumeFromArray(volume.array, name="CT", ijkToRAS=_matrix(volume.ijk_to_ras))
    assert node is not None
    return node


def segmentation_node(labels: Any, reference: Any, values: dict[int, str]) -> Any:
    """Some labels of the library as a segmentation node."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "bones")
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    for value, name in values.items():
        segment = node.GetSegmentation().AddEmptySegment("", name)
        mask = (labels.array == value).astype("uint8")
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, reference)
    return node


def _matrix(affine: Any) -> Any:
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, float(affine[row, column]))
    return matrix
