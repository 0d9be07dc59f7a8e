"""Labels stored in another voxel order, or cropped, put on the grid of their CT without interpolation."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.volume import GEOMETRY_TOLERANCE_MM, Array, FloatArray, Grid, Volume

AXIS_TOLERANCE = 2e-4
"""Deviation of the relative axes from a signed permutation: 0.1 voxel over 500."""


def onto_grid(labels: Volume, grid: Grid) -> Volume:
    """Bring labels to a grid whose voxels they share.

    Parameters
    ----------
    labels
        (K, J, I) label volume: axes may be permuted or reversed, the extent may be smaller or larger.
    grid
        Grid of the CT.

    Returns
    -------
    Labels on the grid, 0 where they did not reach; the input when its voxels are not those of the grid, for the caller
    to refuse.
    """
    if labels.grid.matches(grid):
        return labels
    relation = np.linalg.inv(grid.ijk_to_ras) @ labels.ijk_to_ras
    axes = np.rint(relation[:3, :3])
    if np.abs(relation[:3, :3] - axes).max() > AXIS_TOLERANCE or not _signed_permutation(axes):
        return labels
    turned, corner = _turned(labels.array, axes, relation[:3, 3])
    whole = np.rint(corner)
    if float(np.abs((corner - whole) * np.array(grid.spacing_mm)).max()) > 2 * GEOMETRY_TOLERANCE_MM:
        return labels
    return Volume(_pasted(turned, whole.astype(int)[::-1], grid.shape), grid.ijk_to_ras, labels.quantity)


def _signed_permutation(axes: FloatArray) -> bool:
    whole = np.abs(axes)
    return bool((whole.sum(axis=0) == 1).all() and (whole.sum(axis=1) == 1).all())


def _turned(array: Array, axes: FloatArray, offset: FloatArray) -> tuple[Array, FloatArray]:
    """Array with the grid's axis order and directions, and the index (i, j, k) of its first voxel in the grid."""
    source = [int(np.abs(axes[row]).argmax()) for row in range(3)]
    signs = [float(axes[row, column]) for row, column in enumerate(source)]
    # array axes run k, j, i
    turned = array.transpose([2 - source[2], 2 - source[1], 2 - source[0]])
    corner = np.array(offset, dtype=np.float64)
    for row, sign in enumerate(signs):
        if sign < 0:
            corner[row] -= turned.shape[2 - row] - 1
            turned = np.flip(turned, 2 - row)
    return turned, corner


def _pasted(array: Array, first_kji: Array, shape: tuple[int, int, int]) -> Array:
    result = np.zeros(shape, dtype=array.dtype)
    target, source = [], []
    for start, size, room in zip(first_kji.tolist(), array.shape, shape, strict=True):
        low, high = max(start, 0), min(start + size, room)
        if low >= high:
            return result
        target.append(slice(low, high))
        source.append(slice(low - start, high - start))
    result[tuple(target)] = array[tuple(source)]
    return result
