"""Scanco AIM and ISQ files (HR-pQCT, micro-CT) to density volumes, through the package aimio-py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from BoneStrengthFEALib.errors import DependencyError, InputError
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

SUFFIXES = (".aim", ".isq")


def is_scanco(path: Path) -> bool:
    """Tell whether a file name is that of a Scanco image.

    Parameters
    ----------
    path
        File; versions such as "BONE.AIM;1" count.

    Returns
    -------
    Whether it is.
    """
    return path.name.lower().split(";")[0].endswith(SUFFIXES)


def read_scanco(path: Path, native: bool = False) -> Volume:
    """Read an AIM or ISQ file.

    Parameters
    ----------
    path
        File.
    native
        Whether the file is a segmentation, whose numbers are labels.

    Returns
    -------
    Density [mg HA/cm3] by the file's own calibration, or labels. The axes are taken as LPS: the files state none.

    Raises
    ------
    DependencyError
        When aimio-py is not installed.
    InputError
        When the file cannot be read, or holds no calibration.
    """
    reader = _reader()
    if not path.is_file():
        raise InputError(f"{path} is no file")
    isq = path.name.lower().split(";")[0].endswith(".isq")
    try:
        array, header = reader.read_isq(str(path)) if isq else reader.read_aim(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{path.name} cannot be read as {'ISQ' if isq else 'AIM'}: {error}") from error
    affine = _affine(header, isq, path)
    if native:
        return Volume(np.ascontiguousarray(array).astype(np.uint8), affine, Quantity.LABEL)
    slope, intercept = density_line(header, isq, path)
    density = (np.asarray(array, dtype=np.float32) * np.float32(slope) + np.float32(intercept)).astype(np.float32)
    return Volume(density, affine, Quantity.CAHA)


def density_line(header: Mapping[str, Any], isq: bool, path: Path) -> tuple[float, float]:
    """Line from stored numbers to density.

    Parameters
    ----------
    header
        Header as aimio-py gives it.
    isq
        Whether it is that of an ISQ file.
    path
        File, for the message.

    Returns
    -------
    Slope and intercept [mg HA/cm3]: attenuation is number / mu_scaling [1/cm], density is slope * attenuation +
    intercept.

    Raises
    ------
    InputError
        When the file holds no calibration.
    """
    if isq:
        found = [header.get(name) for name in ("mu_scaling", "rescale_slope", "rescale_intercept")]
    else:
        log = header.get("processing_log") or {}
        found = [_number(log, name) for name in ("Mu_Scaling", "Density: slope", "Density: intercept")]
    if any(value is None for value in found) or float(found[0] or 0) <= 0:
        raise InputError(
            f"{path.name} holds no density calibration; export the AIM with its processing log, or give a segmentation"
        )
    scaling, slope, intercept = (float(value or 0) for value in found)
    return slope / scaling, intercept


def _number(log: Any, name: str) -> float | None:
    if not isinstance(log, Mapping) or name not in log:
        return None
    value = log[name]
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    try:
        return float(str(value).split()[0])
    except (ValueError, IndexError):
        return None


def _affine(header: Mapping[str, Any], isq: bool, path: Path) -> FloatArray:
    if isq:
        spacing = np.array(header["dimensions_um"], dtype=np.float64) / np.array(header["dimensions"]) / 1000.0
        origin = np.zeros(3)
    else:
        spacing = np.array(header.get("spacing", header.get("element_size", (0, 0, 0))), dtype=np.float64)
        origin = np.array(header.get("origin", (0.0, 0.0, 0.0)), dtype=np.float64)
    if spacing.shape != (3,) or not (spacing > 0).all():
        raise InputError(f"{path.name} states no voxel size")
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = origin * (-1.0, -1.0, 1.0)
    return affine


def _reader() -> ModuleType:
    try:
        import py_aimio
    except ImportError as error:
        raise DependencyError(
            "reading Scanco AIM and ISQ files needs the package aimio-py; install it with: pip install aimio-py"
        ) from error
    module: ModuleType = py_aimio
    return module
