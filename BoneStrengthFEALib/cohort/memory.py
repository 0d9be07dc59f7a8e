"""Memory of a case: the estimate it is scheduled by, and the peak it had."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from BoneStrengthFEALib.cohort.case import Case

BASE_BYTES = 400e6
"""Interpreter, libraries and compiled kernels."""
BYTES_PER_CT_VOXEL = 40.0
"""CT, density, label maps and their masks; measured, see docs/performance.md."""
MODEL_BYTES = 500e6
"""Models of one bone at the usual 1 to 1.5 mm; bones are solved one after the other."""
COMPRESSED_RATIO = 3.0
"""Voxels of two bytes per byte of a compressed series, at most as CT compresses."""


def estimate(case: Case) -> int:
    """Peak memory a case will need.

    Parameters
    ----------
    case
        Case; its first file is the CT.

    Returns
    -------
    Bytes: the manifest's number when given, else from the size of the CT.
    """
    if case.memory_bytes:
        return case.memory_bytes
    voxels = ct_voxels(case.files[0]) if case.files else 0
    return int(BASE_BYTES + MODEL_BYTES + BYTES_PER_CT_VOXEL * voxels)


def ct_voxels(path: Path) -> int:
    """Number of voxels of an image, from its header.

    Parameters
    ----------
    path
        Image file, or folder of a DICOM series, where the size on disk is taken.

    Returns
    -------
    Voxels, an upper estimate for a folder.
    """
    import SimpleITK as sitk

    if path.is_dir():
        return int(sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) / 2 * COMPRESSED_RATIO)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        # the case itself will say what is wrong with the file
        return 0
    return math.prod(reader.GetSize())


def physical_memory() -> int:
    """Physical memory of this machine.

    Returns
    -------
    Bytes.
    """
    import psutil

    return int(psutil.virtual_memory().total)


def peak_memory() -> int:
    """Peak resident memory of this process.

    Returns
    -------
    Bytes; 0 when the system does not tell.
    """
    if os.name == "nt":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    status = Path("/proc/self/status")
    if status.is_file():
        # ru_maxrss would count what the process that started this one had in use
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
