"""Memory a solution needs, known before anything is allocated."""

from __future__ import annotations

import os

import numpy as np

from BoneStrengthFEALib.errors import MemoryLimitError
from BoneStrengthFEALib.fe_model import FeModel

BYTES_PER_ELEMENT = {"numba": 140.0, "numpy": 576 * 16.0 + 300.0}
"""Corners, factors and coarse levels, or the assembled triplets."""
BYTES_PER_NODE = {"numba": 260.0, "numpy": 400.0}
"""Vectors of the iteration in float64 and of the hierarchy in float32."""
BYTES_PER_VOXEL = 14.0
"""Masks and numbering of the whole box."""


def estimate(model: FeModel, backend: str) -> int:
    """Peak memory of a linear solution, above what is already in use.

    Parameters
    ----------
    model
        Model.
    backend
        "numba" or "numpy".

    Returns
    -------
    Bytes; an upper estimate.
    """
    elements = model.elements
    count = int(elements.sum())
    occupied = np.zeros(model.node_shape, dtype=bool)
    for k in (0, 1):
        for j in (0, 1):
            for i in (0, 1):
                occupied[k : k + elements.shape[0], j : j + elements.shape[1], i : i + elements.shape[2]] |= elements
    return int(
        count * BYTES_PER_ELEMENT[backend] + occupied.sum() * BYTES_PER_NODE[backend] + elements.size * BYTES_PER_VOXEL
    )


def available() -> int:
    """Physical memory that is free or can be freed.

    Returns
    -------
    Bytes; 0 when the system does not say.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:  # noqa: PTH123 - a kernel file, not a path of ours
            for line in stream:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


def require(model: FeModel, limit_bytes: int, backend: str) -> int:
    """Refuse a model that will not fit.

    Parameters
    ----------
    model
        Model.
    limit_bytes
        Limit; 0 takes what is available.
    backend
        "numba" or "numpy".

    Returns
    -------
    The estimate [bytes].

    Raises
    ------
    MemoryLimitError
        When the estimate is above the limit.
    """
    needed = estimate(model, backend)
    limit = limit_bytes or available()
    if limit and needed > limit:
        raise MemoryLimitError(
            f"the model of {int(model.elements.sum())} elements needs about {needed / 2**30:.1f} GiB, "
            f"{limit / 2**30:.1f} GiB are available; use larger voxels or a machine with more memory"
        )
    return needed
