"""The panel without Slicer: PySide6 in the manner of PythonQt, stand-ins of qMRML and ctk widgets, real MRML nodes.

What it shows: every widget, property and signal the panel names exists, bindings work both ways, buttons do what they
say. What it cannot show: PythonQt's conversions, real widgets' looks, module discovery, Segment Editor effects.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import math
import sys
import types
import typing
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
import slicer.util
import slicer_scene
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

PLAIN_METHODS = {"sizeHint", "minimumSizeHint"}
SHOWN: list[str] = []
"""Texts of messages shown to the user."""


def pythonqt_like() -> types.ModuleType:
    """Module ``qt``: properties are attributes, connect takes a C++ signature."""
    qt = types.ModuleType("qt")
    for module in (QtCore, QtGui, QtWidgets):
        for name in dir(module):
            if name.startswith("Q"):
                setattr(qt, name, getattr(module, name))
    for name in dir(qt):
        kind = getattr(qt, name)
        if isinstance(kind, type) and issubclass(kind, QtCore.QObject):
            _add_properties(kind)
    # QObject.connect is static in PySide6: instances must find the other one
    QtCore.QObject.__getattribute__ = _attribute  # type: ignore[method-assign, assignment]
    return qt


def _attribute(self: Any, name: str) -> Any:
    return functools.partial(_connect, self) if name == "connect" else _GET(self, name)


_GET = QtCore.QObject.__getattribute__


def _add_properties(kind: Any) -> None:
    meta = kind.staticMetaObject
    for n in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(n).name()
        if name in PLAIN_METHODS:
            continue
        static = kind.__dict__.get(name)
        setattr(kind, name, _Property(name, static.__get__(None, kind) if name == "singleShot" else None))


class _Property:
    """A Qt property as an attribute; on the class itself it is the static method of that name."""

    def __init__(self, name: str, static: Any) -> None:
        self.name, self.static = name, static

    def __get__(self, widget: Any, owner: Any = None) -> Any:
        return self.static if widget is None else QtCore.QObject.property(widget, self.name)

    def __set__(self, widget: Any, value: Any) -> None:
        if not QtCore.QObject.setProperty(widget, self.name, value):
            raise AttributeError(f"{type(widget).__name__} refuses {self.name} = {value!r}")


def _connect(self: Any, signal: str, slot: Any) -> bool:
    name, _, arguments = signal.partition("(")
    known = getattr(type(self), "SIGNALS", ())
    normal = bytes(QtCore.QMetaObject.normalizedSignature(signal).data()).decode()
    if signal not in known and self.metaObject().indexOfSignal(normal) < 0:
        raise AssertionError(f"{type(self).__name__} has no signal {signal}")
    bound = getattr(self, name)
    # PythonQt hands over as many arguments as the signature names
    count = 0 if arguments == ")" else arguments.count(",") + 1
    bound.connect(lambda *values: slot(*values[:count]))
    return True


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
    """Notes what was set."""

    maximumNumberOfUndoStates = QtCore.Property(int, lambda s: 0, lambda s, v: None)
    segmentationNodeSelectorVisible = QtCore.Property(bool, lambda s: True, lambda s, v: None)
    sourceVolumeNodeSelectorVisible = QtCore.Property(bool, lambda s: True, lambda s, v: None)

    def __getattr__(self, name: str) -> Any:
        if name in ("setMRMLScene", "setMRMLSegmentEditorNode", "setSegmentationNode", "setSourceVolumeNode",
                    "setupViewObservations", "removeViewObservations", "setActiveEffect", "setActiveEffectByName"):  # fmt: skip
            return lambda *values: self.__dict__.update({f"called {name}": values})
        if name == "activeEffect":
            return lambda: self.__dict__.get("called setActiveEffectByName", [None])[0]
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


def parameter_node_wrapper(kind: type) -> type:
    """Typed attributes over a scripted module node, with connectors as strict as Slicer's."""
    hints = typing.get_type_hints(kind, include_extras=True)
    defaults = {name: getattr(kind, name, None) for name in hints}

    class Wrapped:
        def __init__(self, node: Any) -> None:
            object.__setattr__(self, "parameterNode", node)
            object.__setattr__(self, "_widgets", {})
            object.__setattr__(self, "_busy", [])

        def __getattr__(self, name: str) -> Any:
            hint = _plain_type(hints[name])
            if hint in (str, float):
                text = self.parameterNode.GetParameter(name)
                return hint(json.loads(text)) if text else defaults[name]
            return self.parameterNode.GetNodeReference(name)

        def __setattr__(self, name: str, value: Any) -> None:
            hint = _plain_type(hints[name])
            if hint in (str, float):
                assert type(value) is hint, f"{name} takes {hint.__name__}, not {value!r}"
                _check_range(hints[name], name, value)
                self.parameterNode.SetParameter(name, json.dumps(value))
            else:
                assert value is None or isinstance(value, hint), f"{name} takes {hint}, not {value!r}"
                self.parameterNode.SetNodeReferenceID(name, value.GetID() if value is not None else None)
            if name in self._widgets and name not in self._busy:
                _write_widget(self._widgets[name], hints[name], value)

        def connectGui(self, ui: Any) -> int:
            for widget in vars(ui).values():
                name = QtCore.QObject.property(widget, "SlicerParameterName")
                if name:
                    assert name in hints, f"{name} is no parameter"
                    self._bind(widget, name)
            return 1

        def _bind(self, widget: Any, name: str) -> None:
            if isinstance(widget, QtWidgets.QComboBox):
                rows = [str(choice) for choice in _choices(hints[name])]
                assert rows, f"Slicer binds a combo box only to an annotated Choice: {name}"
                widget.clear()
                widget.addItems(rows)
            if isinstance(widget, QtWidgets.QDoubleSpinBox):
                # as Slicer's connector does: the range of the .ui counts for nothing
                widget.setRange(*_range(hints[name]))
            _write_widget(widget, hints[name], getattr(self, name))
            self._widgets[name] = widget

            def changed(*_unused: Any) -> None:
                if self._widgets.get(name) is widget:
                    self._busy.append(name)
                    setattr(self, name, _read_widget(widget))
                    self._busy.pop()

            _signal(widget).connect(changed)

        def disconnectGui(self, _tag: int) -> None:
            self._widgets.clear()

    Wrapped.__name__ = kind.__name__
    return Wrapped


def _plain_type(hint: Any) -> Any:
    return typing.get_args(hint)[0] if hasattr(hint, "__metadata__") else hint


def _choices(hint: Any) -> list[Any]:
    return list(hint.__metadata__[0].choices) if hasattr(hint, "__metadata__") else []


def _range(hint: Any) -> tuple[float, float]:
    return hint.__metadata__[0].limits if hasattr(hint, "__metadata__") else (-math.inf, math.inf)


def _check_range(hint: Any, name: str, value: Any) -> None:
    if isinstance(value, float):
        low, high = _range(hint)
        if not low <= value <= high:
            raise ValueError(f"{name} = {value} lies outside {low} to {high}")


def _signal(widget: Any) -> Any:
    names = {"QComboBox": "currentIndexChanged", "QDoubleSpinBox": "valueChanged", "QLineEdit": "textChanged",
             "qMRMLNodeComboBox": "currentNodeChanged"}  # fmt: skip
    return getattr(widget, names[type(widget).__name__])


def _read_widget(widget: Any) -> Any:
    if isinstance(widget, qMRMLNodeComboBox):
        return widget.currentNode()
    return {"QComboBox": lambda: widget.currentText, "QDoubleSpinBox": lambda: widget.value,
            "QLineEdit": lambda: widget.text}[type(widget).__name__]()  # fmt: skip


def _write_widget(widget: Any, hint: Any, value: Any) -> None:
    if isinstance(widget, qMRMLNodeComboBox):
        widget.setCurrentNode(value)
    elif isinstance(widget, QtWidgets.QComboBox):
        widget.currentIndex = _choices(hint).index(value)
    elif isinstance(widget, QtWidgets.QDoubleSpinBox):
        widget.value = value
    else:
        widget.text = value


class _Choice:
    def __init__(self, choices: list[Any]) -> None:
        self.choices = choices


class _WithinRange:
    def __init__(self, low: float, high: float) -> None:
        self.limits = (low, high)


class _Observations:
    """VTKObservationMixin."""

    def __init__(self) -> None:
        self._tags: list[tuple[Any, Any, Any, int]] = []

    def addObserver(self, source: Any, event: Any, method: Any) -> None:
        self._tags.append((source, event, method, source.AddObserver(event, method)))

    def removeObserver(self, source: Any, event: Any, method: Any) -> None:
        for entry in [e for e in self._tags if e[0] is source and e[1] == event and e[2] == method]:
            source.RemoveObserver(entry[3])
            self._tags.remove(entry)

    def removeObservers(self) -> None:
        for source, _event, _method, tag in self._tags:
            source.RemoveObserver(tag)
        self._tags.clear()


class _ModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        self.parent = parent
        self.layout = parent.layout()

    def setup(self) -> None:
        pass

    def resourcePath(self, name: str) -> str:
        return str(slicer_scene.MODULE.parent / "Resources" / name)

    def onReload(self) -> None:
        pass


class _ModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        self.moduleName = "BoneStrengthFEA"

    def getParameterNode(self) -> Any:
        scene = slicer.mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node = scene.AddNode(node)
        return node


class _Module:
    def __init__(self, parent: Any) -> None:
        self.parent = parent


class _Test:
    pass


class Application:
    """slicer.app without a main window."""

    def __init__(self, folder: Path) -> None:
        self.temporaryPath = str(folder)
        self.slicerHome = str(folder)

    def connect(self, _signal: str, _slot: Any) -> None:
        pass

    def layoutManager(self) -> None:
        return None


def _keep_none() -> None:
    """PySide6 releases None once too often on some paths; before Python 3.12 that ends in an abort at exit."""
    if sys.version_info < (3, 12):
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 40


def install(folder: Path) -> types.ModuleType:
    """Put the stand-ins in place and import the module; returns it."""
    _keep_none()
    if QtWidgets.QApplication.instance() is None:
        QtWidgets.QApplication([])
    if "qt" not in sys.modules or not hasattr(sys.modules["qt"], "QTimer"):
        sys.modules["qt"] = pythonqt_like()
    slicer_scene.new_scene()
    put = slicer_scene.put
    put("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text)
    put("slicer.parameterNodeWrapper", parameterNodeWrapper=parameter_node_wrapper, Choice=_Choice,
        WithinRange=_WithinRange)  # fmt: skip
    put("slicer.ScriptedLoadableModule", ScriptedLoadableModule=_Module, ScriptedLoadableModuleWidget=_ModuleWidget,
        ScriptedLoadableModuleLogic=_ModuleLogic, ScriptedLoadableModuleTest=_Test)  # fmt: skip
    slicer.app = Application(folder)
    slicer.qMRMLSegmentEditorWidget = qMRMLSegmentEditorWidget
    slicer.util.loadUI = load_ui
    slicer.util.childWidgetVariables = _children
    slicer.util.VTKObservationMixin = _Observations
    slicer.util.errorDisplay = lambda text, **_options: SHOWN.append(text)
    slicer.util.infoDisplay = lambda text, **_options: SHOWN.append(text)
    slicer.util.confirmOkCancelDisplay = lambda _text, **_options: False
    slicer.util.mainWindow = lambda: None
    SHOWN.clear()
    return slicer_scene.import_module()


def _children(widget: Any) -> Any:
    found = types.SimpleNamespace()
    for child in widget.findChildren(QtCore.QObject):
        if child.objectName and isinstance(child, QtWidgets.QWidget) and not child.objectName.startswith("qt_"):
            setattr(found, child.objectName, child)
    return found


def new_panel(module: types.ModuleType, runner: Any) -> Any:
    """A panel that is shown, with this runner."""
    parent = QtWidgets.QWidget()
    QtWidgets.QVBoxLayout(parent)
    parent.__dict__["isEntered"] = True
    panel = module.BoneStrengthFEAWidget(parent)
    panel.setup()
    panel.logic.runner = runner
    return panel


@contextlib.contextmanager
def no_hidden_errors() -> Iterator[None]:
    """An exception in a slot fails the test; Qt would only print it."""
    caught: list[BaseException] = []
    before = sys.excepthook
    sys.excepthook = lambda _kind, error, _trace: caught.append(error)
    try:
        yield
    finally:
        sys.excepthook = before
    if caught:
        raise caught[0]


def process_events(done: Any, seconds: float = 600.0) -> None:
    """Run Qt's events until done() is true."""
    clock = QtCore.QElapsedTimer()
    clock.start()
    while not done():
        assert clock.elapsed() < 1000 * seconds, "waited too long"
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 50)
        QtCore.QThread.msleep(5)
