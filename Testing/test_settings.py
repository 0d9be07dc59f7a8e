"""Settings: strict, complete, hashable, from files and command lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.settings import ModelSettings, Settings, read_settings, settings_from_dict
from BoneStrengthFEALib.settings_override import override


def test_settings_survive_json() -> None:
    settings = Settings(model=ModelSettings(voxel_mm=1.5, criteria=("a", "b")), accept=("KVP",))
    assert settings_from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"modle": {}}, "no setting modle"),
        ({"model": {"voxel": 1}}, "no setting voxel"),
        ({"model": {"voxel_mm": "one"}}, "model.voxel_mm must be float"),
        ({"model": {"criteria": "pistoia"}}, "must be a list"),
        ({"solver": {"threads": True}}, "threads must be int"),
        ({"model": 3}, "must be a table"),
    ],
)
def test_unknown_and_mistyped_settings_are_refused(data: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        settings_from_dict(data)


def test_files_in_toml_and_json_give_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('[model]\nvoxel_mm = 2\ncriteria = ["pistoia2002"]\n', encoding="utf-8")
    (tmp_path / "a.json").write_text('{"model": {"voxel_mm": 2, "criteria": ["pistoia2002"]}}', encoding="utf-8")
    assert read_settings(tmp_path / "a.toml") == read_settings(tmp_path / "a.json")
    assert read_settings(tmp_path / "a.toml").model.voxel_mm == 2.0


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("[model", encoding="utf-8")
    with pytest.raises(InputError, match=r"broken\.toml"):
        read_settings(tmp_path / "broken.toml")


def test_assignments_on_a_command_line() -> None:
    settings = override(Settings(), ["model.voxel_mm=1.5", "model.criteria=crawford2003,pistoia2002", "accept=KVP"])
    assert settings.model.voxel_mm == 1.5
    assert settings.model.criteria == ("crawford2003", "pistoia2002")
    assert settings.accept == ("KVP",)


@pytest.mark.parametrize("assignment", ["model.voxel_mm", "model.nothing=1", "nothing=1", "model.voxel_mm.x=1"])
def test_assignments_that_name_nothing_are_refused(assignment: str) -> None:
    with pytest.raises(InputError):
        override(Settings(), [assignment])


def test_equal_settings_have_equal_hashes_and_others_do_not() -> None:
    assert Settings().sha256() == settings_from_dict({}).sha256()
    assert Settings().sha256() != override(Settings(), ["solver.threads=1"]).sha256()
