"""CT values on an upright isotropic grid: one orientation and one voxel size for all searches."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Quantity, Volume

OUTSIDE_HU = -1024.0
"""Value where the image does not reach."""


def upright_grid(low_ras: FloatArray, high_ras: FloatArray, step_mm: float) -> Grid:
    """Grid with axes along R, A, S whose voxel centres lie symmetric in a box.

    Symmetry makes a mirrored scan give the mirrored grid.

    Parameters
    ----------
    low_ras, high_ras
        (3,) corners of the box [mm].
    step_mm
        Voxel size.

    Returns
    -------
    The grid.
    """
    low, high = np.asarray(low_ras, dtype=np.float64), np.asarray(high_ras, dtype=np.float64)
    counts = np.maximum(np.floor((high - low) / step_mm).astype(int) + 1, 1)
    affine = np.diag([step_mm, step_mm, step_mm, 1.0])
    affine[:3, 3] = 0.5 * (low + high) - 0.5 * (counts - 1) * step_mm
    return Grid((int(counts[2]), int(counts[1]), int(counts[0])), affine)


def image_box(ct: Volume) -> tuple[FloatArray, FloatArray]:
    """Corners of the upright box around an image.

    Parameters
    ----------
    ct
        Image.

    Returns
    -------
    (3,) lowest and highest RAS coordinates of its voxel centres [mm].
    """
    corners = ct.grid.corners_ras()
    return corners.min(axis=0), corners.max(axis=0)


def sampled(ct: Volume, grid: Grid) -> FloatArray:
    """Image values on another grid, averaged first where that grid is much coarser.

    Parameters
    ----------
    ct
        Image.
    grid
        Where to sample.

    Returns
    -------
    (K, J, I) float32; OUTSIDE_HU where the image does not reach.
    """
    factors = _block(ct, max(grid.spacing_mm))
    part = _needed(ct, grid, max(factors))
    if part is None:
        return np.full(grid.shape, OUTSIDE_HU, dtype=np.float32)
    coarse = _averaged(part, factors)
    relation = np.linalg.inv(coarse.ijk_to_ras) @ grid.ijk_to_ras
    matrix, offset = relation[:3, :3][::-1, ::-1], relation[:3, 3][::-1]
    # half a voxel at the rim belongs to the image still: clamp there, mark only what lies farther out
    values = ndimage.affine_transform(
        coarse.array.astype(np.float32), matrix, offset, output_shape=grid.shape, order=1, mode="nearest"
    )
    values[~_reached(coarse.grid, grid)] = OUTSIDE_HU
    return values


def reached(ct: Volume, grid: Grid) -> Array:
    """Tell which points of a grid lie in the image.

    Parameters
    ----------
    ct
        Image.
    grid
        Grid.

    Returns
    -------
    (K, J, I) booleans.
    """
    return _reached(ct.grid, grid)


def onto_ct(field: FloatArray, grid: Grid, ct: Volume) -> tuple[FloatArray, Volume]:
    """Values of a working grid at the voxel centres of the image, in the box that the grid covers.

    Parameters
    ----------
    field
        (K, J, I) on the grid.
    grid
        Working grid.
    ct
        Image.

    Returns
    -------
    (K', J', I') values by linear interpolation, and the image's box they belong to.
    """
    part = _needed(ct, grid)
    assert part is not None
    relation = np.linalg.inv(grid.ijk_to_ras) @ part.ijk_to_ras
    matrix, offset = relation[:3, :3][::-1, ::-1], relation[:3, 3][::-1]
    values = ndimage.affine_transform(
        field.astype(np.float32), matrix, offset, output_shape=part.array.shape, order=1, mode="nearest"
    )
    return values, part


def _needed(ct: Volume, grid: Grid, margin: int = 1) -> Volume | None:
    """The box of the image that a grid covers, and a margin of voxels on each side."""
    ijk = ct.grid.to_ijk(grid.corners_ras())
    low = np.maximum(np.floor(ijk.min(axis=0)).astype(int) - margin, 0)[::-1]
    high = np.minimum(np.ceil(ijk.max(axis=0)).astype(int)[::-1] + 1 + margin, ct.array.shape)
    if (high <= low).any():
        return None
    return ct.cropped((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2])))


def _block(ct: Volume, step_mm: float) -> tuple[int, int, int]:
    """Voxels along k, j, i that go into one mean."""
    i, j, k = (max(1, math.floor(step_mm / spacing + 1e-6)) for spacing in ct.spacing_mm)
    return k, j, i


def _averaged(ct: Volume, factors: tuple[int, int, int]) -> Volume:
    """Means of blocks of voxels, slab by slab, so that a large scan is never held as floats."""
    if max(factors) == 1:
        return ct
    fk, fj, fi = factors
    counts = [-(-n // f) for n, f in zip(ct.array.shape, factors, strict=True)]
    # the last block repeats the rim where voxels are missing
    j, i = (
        np.minimum(np.arange(n * f), size - 1)
        for n, f, size in zip(counts[1:], (fj, fi), ct.array.shape[1:], strict=True)
    )
    means = np.empty(counts, dtype=np.float32)
    for row in range(counts[0]):
        k = np.minimum(np.arange(row * fk, (row + 1) * fk), ct.array.shape[0] - 1)
        slab = ct.array[np.ix_(k, j, i)]
        means[row] = slab.reshape(fk, counts[1], fj, counts[2], fi).mean(axis=(0, 2, 4), dtype=np.float32)
    affine = np.array(ct.ijk_to_ras)
    affine[:3, 3] = ct.grid.to_ras((np.array(factors[::-1]) - 1) / 2.0)
    affine[:3, :3] *= np.array(factors[::-1])
    return Volume(means, affine, Quantity.HU)


def _reached(source: Grid, grid: Grid) -> Array:
    relation = np.linalg.inv(source.ijk_to_ras) @ grid.ijk_to_ras
    k, j, i = (np.arange(n, dtype=np.float32) for n in grid.shape)
    inside = np.ones(grid.shape, dtype=bool)
    for row, size in enumerate(source.shape[::-1]):
        a, b, c, d = relation[row]
        index = (c * k)[:, None, None] + (b * j)[None, :, None] + (a * i)[None, None, :] + d
        inside &= (index >= -0.5 - 1e-4) & (index <= size - 0.5 + 1e-4)
    return inside
