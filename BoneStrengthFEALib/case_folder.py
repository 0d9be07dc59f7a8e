"""An examination as a folder of arrays and one JSON file: how a program hands a scene to the command line, exactly."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.atomic_files import replacing, write_text
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import QualityReport
from BoneStrengthFEALib.results import to_plain
from BoneStrengthFEALib.results_reading import from_plain
from BoneStrengthFEALib.settings import Settings, settings_from_dict
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Quantity, Volume

SCHEMA = "bonestrengthfea-case/1"
FILE = "case.json"
_MAPS = ("labels", "tissues", "parts")


def write_case(study: Study, settings: Settings, folder: Path) -> None:
    """Write an examination so that reading it gives the same numbers to the last bit.

    Parameters
    ----------
    study
        The examination; its DICOM header stays in the folder, so keep the folder private.
    settings
        Settings of the run.
    folder
        Existing folder.

    Raises
    ------
    OutputError
        When something cannot be written.
    """
    maps = {name: getattr(study, name) for name in _MAPS if getattr(study, name) is not None}
    _write_array(study.ct.array, folder / "ct.npy")
    for name, labels in maps.items():
        _write_array(labels.volume.array, folder / f"{name}.npy")
    data = {
        "schema": SCHEMA,
        "ijk_to_ras": study.ct.ijk_to_ras.tolist(),
        "names": {name: {str(v): text for v, text in labels.names.items()} for name, labels in maps.items()},
        "targets": [_target_to_dict(target) for target in study.targets],
        "acquisition": to_plain(study.acquisition),
        "quality": to_plain(study.quality),
        "files": [str(path) for path in study.files],
        "settings": settings.to_dict(),
    }
    write_text(folder / FILE, json.dumps(data, indent=1, ensure_ascii=False))


def read_case(folder: Path) -> tuple[Study, Settings]:
    """Read what write_case wrote.

    Parameters
    ----------
    folder
        The folder.

    Returns
    -------
    Examination and settings.

    Raises
    ------
    InputError
        When the folder does not hold a case.
    """
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {folder / FILE}: {error.strerror}; give a folder with a {FILE}") from error
    except ValueError as error:
        raise InputError(f"{folder / FILE} is not valid JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InputError(f"{folder / FILE} does not hold a case of schema {SCHEMA}")
    try:
        return _study(data, folder), settings_from_dict(data["settings"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / FILE} is incomplete: {error}; write the case again") from error


def _study(data: dict[str, Any], folder: Path) -> Study:
    affine = np.array(data["ijk_to_ras"], dtype=np.float64)
    maps = {
        name: LabelMap(
            Volume(_read_array(folder / f"{name}.npy"), affine, Quantity.LABEL),
            {int(value): text for value, text in names.items()},
        )
        for name, names in data["names"].items()
    }
    return Study(
        Volume(_read_array(folder / "ct.npy"), affine, Quantity.HU),
        maps["labels"],
        tuple(_target_from_dict(entry) for entry in data["targets"]),
        from_plain(Acquisition, data["acquisition"]),
        maps.get("tissues"),
        maps.get("parts"),
        from_plain(QualityReport, data["quality"]),
        tuple(Path(name) for name in data["files"]),
    )


def _target_to_dict(target: Target) -> dict[str, Any]:
    return {
        "label": target.label,
        "site": target.site.value if target.site else None,
        "level": target.level,
        "side": target.side.value if target.side else None,
        "local_to_ras": None if target.local_to_ras is None else np.asarray(target.local_to_ras).tolist(),
        "landmarks": to_plain(dict(target.landmarks or {})),
    }


def _target_from_dict(entry: dict[str, Any]) -> Target:
    frame = entry["local_to_ras"]
    return Target(
        entry["label"],
        Site(entry["site"]) if entry["site"] else None,
        entry["level"],
        Side(entry["side"]) if entry["side"] else None,
        None if frame is None else np.array(frame, dtype=np.float64),
        {name: np.array(point, dtype=np.float64) for name, point in entry.get("landmarks", {}).items()} or None,
    )


def _write_array(array: Any, path: Path) -> None:
    with replacing(path) as temporary, temporary.open("wb") as stream:
        try:
            np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
        except OSError as error:
            if error.errno is None:
                # numpy counts bytes; people want to know what is full
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
            raise


def _read_array(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is missing or damaged; write the case again") from error
