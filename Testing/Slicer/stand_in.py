"""The panel without Slicer: PySide6 in the manner of PythonQt, stand-ins of qMRML and ctk widgets, real MRML nodes.

What it shows: every widget, property and signal the panel names exists, bindings work both ways, buttons do what they
say. What it cannot show: PythonQt's conversions, real widgets' looks, module discovery, Segment Editor effects.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import slicer
import slicer.util
import slicer_scene
from PySide6 import QtCore, QtWidgets
from stand_in_parameters import Choice, WithinRange, parameter_node_wrapper
from stand_in_qt import pythonqt_like
from stand_in_widgets import load_ui, qMRMLSegmentEditorWidget

SHOWN: list[str] = []
"""Texts of messages shown to the user."""


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
    put("slicer.parameterNodeWrapper", parameterNodeWrapper=parameter_node_wrapper, Choice=Choice,
        WithinRange=WithinRange)  # fmt: skip
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
