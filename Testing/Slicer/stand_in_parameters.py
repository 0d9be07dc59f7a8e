"""Stand-in of slicer.parameterNodeWrapper, with connectors as strict as Slicer's."""

from __future__ import annotations

import json
import math
import typing
from typing import Any

from PySide6 import QtCore, QtWidgets
from stand_in_widgets import qMRMLNodeComboBox


def parameter_node_wrapper(kind: type) -> type:
    """Typed attributes over a scripted module node, with connectors as strict as Slicer's."""
    hints = typing.get_type_hints(kind, include_extras=True)
    defaults = {name: getattr(kind, name, None) for name in hints}

    class Wrapped:
        def __init__(self, node: Any) -> None:
            object.__setattr__(self, "parameterNode", node)
            object.__setattr__(self, "_widgets", {})
            object.__setattr__(self, "_updating", False)

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
            self._update_gui()

        def _update_gui(self) -> None:
            # as Slicer does it: whatever is set, every widget is written again, and answers of widgets are not heard
            if self._updating:
                return
            object.__setattr__(self, "_updating", True)
            try:
                for name, widget in list(self._widgets.items()):
                    _write_widget(widget, hints[name], getattr(self, name))
            finally:
                object.__setattr__(self, "_updating", False)

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
                if self._widgets.get(name) is widget and not self._updating:
                    setattr(self, name, _read_widget(widget))

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


class Choice:
    def __init__(self, choices: list[Any]) -> None:
        self.choices = choices


class WithinRange:
    def __init__(self, low: float, high: float) -> None:
        self.limits = (low, high)
