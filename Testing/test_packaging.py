"""The build lists name every file of the library: a missing one stops configuration, an unlisted one is not shipped."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def listed(path: Path) -> set[str]:
    names = re.findall(r"^    ([\w./-]+\.[\w.]+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {name for name in names if "{" not in name}


def shipped(folder: Path) -> set[str]:
    return {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "CMakeLists.txt" and "__pycache__" not in p.parts
    }


def test_every_file_of_the_library_is_listed() -> None:
    folder = ROOT / "BoneStrengthFEALib"
    assert listed(folder / "CMakeLists.txt") == shipped(folder)
