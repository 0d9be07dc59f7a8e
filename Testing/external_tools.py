"""Programs some tests need: absent in CI they fail the test, on a user's machine they skip it with the reason."""

from __future__ import annotations

import os
import shutil

import pytest


def require_executable(name: str, debian_package: str) -> str:
    """Path of a program on PATH."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed (Debian package {debian_package})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def require_module(name: str) -> None:
    """Fail or skip when a Python package is missing."""
    try:
        __import__(name)
    except ImportError:
        reason = f"Python package {name} is not installed; 'make test' installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
