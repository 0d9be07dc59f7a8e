"""PySide6 in the manner of PythonQt: properties are attributes, connect takes a C++ signature."""

from __future__ import annotations

import functools
import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

PLAIN_METHODS = {"sizeHint", "minimumSizeHint"}


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
