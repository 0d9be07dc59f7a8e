"""Front of a bone whose left and right halves mirror each other."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.volume import Array, FloatArray

STEP_MM = 1.0
BLUR_MM = 2.0
CELL_MM = 0.5
REACH_DEG = 45.0
COARSE_DEG, FINE_DEG = 3.0, 0.5


def symmetric_anterior(points: FloatArray, anterior: FloatArray, up: FloatArray) -> FloatArray:
    """Turn an approximate front about the vertical until the bone is most alike its mirror image.

    Parameters
    ----------
    points
        (n, 3) voxel centres of the bone, RAS [mm].
    anterior
        (3,) approximate front.
    up
        (3,) vertical of the bone.

    Returns
    -------
    (3,) unit vector across up, at most REACH_DEG from the approximate one.
    """
    z = up / np.linalg.norm(up)
    y = anterior - (anterior @ z) * z
    y /= np.linalg.norm(y)
    flat = (points - points.mean(axis=0)) @ np.column_stack([np.cross(y, z), y])
    # seen from above, many points fall together
    cells, counts = np.unique(np.rint(flat / CELL_MM), axis=0, return_counts=True)
    flat = cells * CELL_MM

    def best(angles: FloatArray) -> float:
        return float(angles[int(np.argmin([_difference(flat, counts, np.radians(a)) for a in angles]))])

    coarse = best(np.arange(-REACH_DEG, REACH_DEG + 1e-9, COARSE_DEG))
    turn = np.radians(best(coarse + np.arange(-COARSE_DEG, COARSE_DEG + 1e-9, FINE_DEG)))
    return np.asarray(np.cos(turn) * y - np.sin(turn) * np.cross(y, z))


def _difference(flat: FloatArray, counts: Array, turn: float) -> float:
    x = np.cos(turn) * flat[:, 0] + np.sin(turn) * flat[:, 1]
    y = -np.sin(turn) * flat[:, 0] + np.cos(turn) * flat[:, 1]
    half = int(np.ceil(np.hypot(x, y).max() / STEP_MM + 3 * BLUR_MM))
    # columns lie evenly about the plane of symmetry
    column, row = np.floor(x / STEP_MM).astype(int) + half, np.floor(y / STEP_MM).astype(int) + half
    size = 2 * half
    image = np.bincount(column * size + row, counts, size * size).reshape(size, size)
    image = ndimage.gaussian_filter(image, BLUR_MM / STEP_MM)
    return float(np.abs(image - image[::-1]).sum())
