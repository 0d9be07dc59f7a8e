"""Rules of the project's layout that a reader may rely on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "BoneStrengthFEALib").rglob("*.py"))
FORBIDDEN = {"slicer", "qt", "ctk", "PythonQt"}


def imported_modules(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_library_never_imports_slicer(path: Path) -> None:
    assert not imported_modules(ast.parse(path.read_text(encoding="utf-8"))) & FORBIDDEN


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_library_files_are_short_and_functions_fit_a_screen(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300, "split the file"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is too long"


def test_a_slicer_import_would_be_found() -> None:
    assert imported_modules(ast.parse("from slicer.util import getNode\nimport qt")) & FORBIDDEN == {"slicer", "qt"}
