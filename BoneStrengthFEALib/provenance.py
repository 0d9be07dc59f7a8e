"""Where a result comes from: software, inputs, time."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.version import __version__
from BoneStrengthFEALib.volume import Volume

PACKAGES = ("numpy", "scipy", "SimpleITK", "numba", "xraydb", "pydicom")


def file_sha256(path: Path) -> str:
    """Hash a file.

    Parameters
    ----------
    path
        File.

    Returns
    -------
    64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def volume_sha256(volume: Volume) -> str:
    """Hash the numbers and the geometry of a volume, however it was stored.

    Parameters
    ----------
    volume
        Volume.

    Returns
    -------
    64 hexadecimal digits; equal for the same image from NIfTI, DICOM or a scene.
    """
    digest = hashlib.sha256(volume.quantity.value.encode())
    digest.update(np.round(volume.ijk_to_ras, 6).astype("<f8").tobytes())
    digest.update(np.ascontiguousarray(volume.array, dtype="<f4").tobytes())
    return digest.hexdigest()


def record(inputs: Mapping[str, Volume], files: Iterable[Path], settings_sha256: str) -> dict[str, str]:
    """Collect the provenance of a run.

    Parameters
    ----------
    inputs
        Name to input volume, hashed by content.
    files
        Input files, hashed by bytes; named by position, since a file name may hold an identity.
    settings_sha256
        Hash of the settings.

    Returns
    -------
    Text values by name.
    """
    entries = {
        "software": f"BoneStrengthFEA {__version__}",
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "settings_sha256": settings_sha256,
        "utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }
    entries |= {f"package_{name}": _version(name) for name in PACKAGES}
    entries |= {f"{name}_sha256": volume_sha256(volume) for name, volume in inputs.items()}
    entries |= {f"file_{n}_sha256": file_sha256(path) for n, path in enumerate(files)}
    return entries


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
