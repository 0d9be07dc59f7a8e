"""The box of voxels a mask fills: work inside it costs what the bone costs, not what the scan costs."""

from __future__ import annotations

import math

import numpy as np

from BoneStrengthFEALib.volume import Array, Grid, Volume

Box = tuple[slice, slice, slice]


def bounding_box(mask: Array, margin: tuple[int, int, int] = (0, 0, 0)) -> Box:
    """Box around all true voxels.

    Parameters
    ----------
    mask
        (K, J, I), zero or false outside; at least one voxel is not.
    margin
        Voxels added on each side along k, j, i, as far as the array goes.

    Returns
    -------
    Slices along k, j, i.
    """
    # slice by slice first: a scan is read once, and only the slab that holds the mask is looked at again
    slices = np.array([layer.any() for layer in mask])
    first, last = _ends(slices)
    slab = mask[first : last + 1]
    used = (slices, np.asarray(slab.any(axis=(0, 2))), np.asarray(slab.any(axis=(0, 1))))
    return tuple(  # type: ignore[return-value]
        slice(max(low - extra, 0), min(high + 1 + extra, size))
        for (low, high), extra, size in zip((_ends(u) for u in used), margin, mask.shape, strict=True)
    )


def voxels_in(margin_mm: float, grid: Grid) -> tuple[int, int, int]:
    """Voxels along each array axis that a margin takes.

    Parameters
    ----------
    margin_mm
        Margin [mm].
    grid
        Grid.

    Returns
    -------
    Counts along k, j, i, rounded up.
    """
    i, j, k = (math.ceil(margin_mm / h) for h in grid.spacing_mm)
    return k, j, i


def crop(volume: Volume, box: Box) -> Volume:
    """Cut a box out of a volume.

    Parameters
    ----------
    volume
        Volume.
    box
        Slices along k, j, i with start and stop.

    Returns
    -------
    The box, at the same place in space.
    """
    k, j, i = box
    return volume.cropped((k.start, j.start, i.start), (k.stop, j.stop, i.stop))


def _ends(used: Array) -> tuple[int, int]:
    index = np.flatnonzero(used)
    return int(index[0]), int(index[-1])
