"""Stand-ins of qMRML and ctk widgets, and the loader of .ui files that makes them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets


class ctkCollapsibleButton(QtWidgets.QWidget):
    text = QtCore.Property(str, lambda s: s.__dict__.get("_t", ""), lambda s, v: s.__dict__.update(_t=v))
    collapsed = QtCore.Property(bool, lambda s: s.__dict__.get("_c", False), lambda s, v: s.__dict__.update(_c=v))


class ctkSliderWidget(QtWidgets.QWidget):
    SIGNALS = ("valueChanged(double)",)
    valueChanged = QtCore.Signal(float)
    decimals = QtCore.Property(int, lambda s: s.__dict__.get("_d", 2), lambda s, v: s.__dict__.update(_d=v))
    singleStep = QtCore.Property(float, lambda s: s.__dict__.get("_s", 1.0), lambda s, v: s.__dict__.update(_s=v))
    minimum = QtCore.Property(float, lambda s: s.__dict__.get("_l", 0.0), lambda s, v: s.__dict__.update(_l=v))
    maximum = QtCore.Property(float, lambda s: s.__dict__.get("_h", 99.0), lambda s, v: s.__dict__.update(_h=v))

    def _write(self, value: float) -> None:
        clipped = min(max(value, self.minimum), self.maximum)
        if clipped != self.__dict__.get("_v", 0.0):
            self.__dict__["_v"] = clipped
            self.valueChanged.emit(clipped)

    value = QtCore.Property(float, lambda s: s.__dict__.get("_v", 0.0), _write)


class qMRMLWidget(QtWidgets.QWidget):
    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlSceneChanged.emit(scene)


class qMRMLTableView(QtWidgets.QTableView):
    def setMRMLScene(self, scene: Any) -> None:
        self.__dict__["scene"] = scene

    def setMRMLTableNode(self, node: Any) -> None:
        assert node is None or node.IsA("vtkMRMLTableNode")
        self.__dict__["node"] = node

    def mrmlTableNode(self) -> Any:
        return self.__dict__.get("node")


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Keeps a node, none when it leaves the scene; without the choice of none it takes the first node there is.

    It does so while a reader is still at work: a volume has no image then, a segmentation no segment.
    """

    SIGNALS = ("currentNodeChanged(vtkMRMLNode*)",)
    currentNodeChanged = QtCore.Signal(object)
    nodeTypes = QtCore.Property("QStringList", lambda s: s.__dict__.get("_n", []), lambda s, v: s.__dict__.update(_n=v))
    showChildNodeTypes = QtCore.Property(bool, lambda s: True, lambda s, v: None)
    addEnabled = QtCore.Property(bool, lambda s: True, lambda s, v: None)
    removeEnabled = QtCore.Property(bool, lambda s: True, lambda s, v: None)
    noneEnabled = QtCore.Property(bool, lambda s: s.__dict__.get("_e", False), lambda s, v: s.__dict__.update(_e=v))

    def setMRMLScene(self, scene: Any) -> None:
        self.__dict__["scene"] = scene
        scene.AddObserver(scene.NodeAddedEvent, self._on_added)
        scene.AddObserver(scene.NodeRemovedEvent, self._on_removed)

    def _on_added(self, *_unused: Any) -> None:
        if self.__dict__.get("node") is None and not self.noneEnabled:
            found = [self.__dict__["scene"].GetFirstNodeByClass(kind) for kind in self.nodeTypes]
            shown = [node for node in found if node is not None and not node.GetHideFromEditors()]
            self.setCurrentNode(shown[0] if shown else None)

    def _on_removed(self, *_unused: Any) -> None:
        node = self.__dict__.get("node")
        if node is not None and node.GetScene() is None:
            self.setCurrentNode(None)

    def currentNode(self) -> Any:
        return self.__dict__.get("node")

    def setCurrentNode(self, node: Any) -> None:
        if node is not self.__dict__.get("node"):
            assert node is None or any(node.IsA(kind) for kind in self.nodeTypes)
            self.__dict__["node"] = node
            self.currentNodeChanged.emit(node)


class qMRMLSegmentEditorWidget(QtWidgets.QWidget):
    """Notes what was set; the first segment is chosen until another one is."""

    maximumNumberOfUndoStates = QtCore.Property(int, lambda s: 0, lambda s, v: None)
    segmentationNodeSelectorVisible = QtCore.Property(bool, lambda s: True, lambda s, v: None)
    sourceVolumeNodeSelectorVisible = QtCore.Property(bool, lambda s: True, lambda s, v: None)

    def _first_segment(self) -> str:
        node = self.__dict__.get("called setSegmentationNode", [None])[0]
        ids = node.GetSegmentation().GetSegmentIDs() if node is not None else []
        return ids[0] if ids else ""

    def __getattr__(self, name: str) -> Any:
        if name in ("setMRMLScene", "setMRMLSegmentEditorNode", "setSegmentationNode", "setSourceVolumeNode",
                    "setupViewObservations", "removeViewObservations", "setActiveEffect", "setActiveEffectByName",
                    "setCurrentSegmentID"):  # fmt: skip
            return lambda *values: self.__dict__.update({f"called {name}": values})
        if name == "activeEffect":
            return lambda: self.__dict__.get("called setActiveEffectByName", [None])[0]
        if name == "currentSegmentID":
            return lambda: self.__dict__.get("called setCurrentSegmentID", [self._first_segment()])[0]
        raise AttributeError(name)


WIDGETS = (ctkCollapsibleButton, ctkSliderWidget, qMRMLWidget, qMRMLTableView, qMRMLNodeComboBox)


class _Loader(QtUiTools.QUiLoader):
    """Makes the stand-ins; a failure is kept, since an exception here ends the process."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []
        for kind in WIDGETS:
            self.registerCustomWidget(kind)

    def createWidget(self, name: str, parent: Any = None, object_name: str = "") -> Any:
        if name.startswith(("q", "ctk")) and name not in [kind.__name__ for kind in WIDGETS]:
            self.failures.append(f"no stand-in for {name}")
        return super().createWidget(name, parent, object_name)


def load_ui(path: str) -> Any:
    """Load a .ui file; connections between stand-ins are made here."""
    loader = _Loader()
    file = QtCore.QFile(str(path))
    assert file.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    widget = loader.load(file)
    file.close()
    assert not loader.failures, loader.failures
    assert widget is not None, loader.errorString()
    root = ET.parse(path).getroot()
    for item in root.iter("widget"):
        found = _child(widget, item.attrib["name"])
        assert type(found).__name__ == item.attrib["class"], item.attrib
        for prop in item.findall("property"):
            if prop.get("stdset") != "0":
                assert found.metaObject().indexOfProperty(prop.attrib["name"]) >= 0, prop.attrib
    for item in root.iter("connection"):
        sender, signal, receiver, slot = (item.findtext(tag) or "" for tag in ("sender", "signal", "receiver", "slot"))
        source = getattr(_child(widget, sender), signal.partition("(")[0])
        source.connect(getattr(_child(widget, receiver), slot.partition("(")[0]))
    return widget


def _child(widget: Any, name: str) -> Any:
    return widget if widget.objectName == name else widget.findChild(QtCore.QObject, name)
