"""A spine straightened along its canal: coordinates along the canal, to the front and to the right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU
from BoneStrengthFEALib.volume import FloatArray, Volume

STEP_MM = 1.0
BACK_MM, FRONT_MM, SIDE_MM = 60.0, 60.0, 52.0
FOOT_STEPS = 3
"""Steps towards the foot of the perpendicular on the canal."""
BEYOND_MM = 8.0
"""The canal goes on straight by this beyond the image."""
RIM_MM = 2.0
"""Outermost voxels go on by this, so that a smoothed bone which the image cuts still reaches its last voxel."""


class CanalFrame:
    """Coordinates of points relative to a canal.

    Parameters
    ----------
    points
        (N, 3) RAS points of the canal, rising [mm].
    """

    def __init__(self, points: FloatArray) -> None:
        self._points = np.asarray(points, dtype=np.float64)
        tangents = np.gradient(self._points, axis=0)
        self._tangents = tangents / np.linalg.norm(tangents, axis=1)[:, None]
        steps = np.linalg.norm(np.diff(self._points, axis=0), axis=1)
        self._along = np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def length_mm(self) -> float:
        """Length of the canal."""
        return float(self._along[-1])

    def _at(self, height: FloatArray) -> tuple[FloatArray, ...]:
        z = self._points[:, 2]
        centre = np.stack([np.interp(height, z, self._points[:, n]) for n in range(3)], axis=-1)
        up = np.stack([np.interp(height, z, self._tangents[:, n]) for n in range(3)], axis=-1)
        front = np.array([0.0, 1.0, 0.0]) - up * up[..., 1:2]
        front /= np.linalg.norm(front, axis=-1, keepdims=True)
        return centre, up, front, np.cross(front, up)

    def local(self, ras: FloatArray) -> FloatArray:
        """Coordinates (along, front, right) of points.

        Parameters
        ----------
        ras
            (..., 3) RAS [mm].

        Returns
        -------
        (..., 3) [mm].
        """
        z = self._points[:, 2]
        height = np.clip(ras[..., 2], z[0], z[-1])
        for _ in range(FOOT_STEPS):
            centre, up, _, _ = self._at(height)
            height = np.clip(height + ((ras - centre) * up).sum(axis=-1) * up[..., 2], z[0], z[-1])
        centre, up, front, right = self._at(height)
        offset = ras - centre
        along = np.interp(height, z, self._along) + (offset * up).sum(axis=-1)
        return np.stack([along, (offset * front).sum(axis=-1), (offset * right).sum(axis=-1)], axis=-1)

    def ras(self, local: FloatArray) -> FloatArray:
        """RAS points of coordinates (along, front, right).

        Parameters
        ----------
        local
            (..., 3) [mm].

        Returns
        -------
        (..., 3) RAS [mm].
        """
        inside = np.clip(local[..., 0], 0.0, self._along[-1])
        centre, up, front, right = self._at(np.interp(inside, self._along, self._points[:, 2]))
        beyond = (local[..., 0] - inside)[..., None]
        return centre + beyond * up + local[..., 1:2] * front + local[..., 2:3] * right


@dataclass(frozen=True, eq=False)
class StraightSpine:
    """CT resampled along a canal at 1 mm.

    Parameters
    ----------
    frame
        Coordinates.
    along, front, right
        Positions of the samples [mm].
    values
        (S, A, R) HU; OUTSIDE_HU outside the image.
    """

    frame: CanalFrame
    along: FloatArray
    front: FloatArray
    right: FloatArray
    values: FloatArray

    @property
    def planes(self) -> tuple[FloatArray, FloatArray]:
        """(A, R) front and right coordinates of a section."""
        front, right = np.meshgrid(self.front, self.right, indexing="ij")
        return front, right

    def index(self, local: FloatArray) -> FloatArray:
        """(..., 3) fractional indices of coordinates (..., 3)."""
        return (local - np.array([self.along[0], self.front[0], self.right[0]])) / STEP_MM


def straighten(ct: Volume, frame: CanalFrame) -> StraightSpine:
    """Resample a CT along a canal.

    Parameters
    ----------
    ct
        CT [HU].
    frame
        Canal.

    Returns
    -------
    The straightened spine.
    """
    along = np.arange(-BEYOND_MM, frame.length_mm + BEYOND_MM + STEP_MM / 2, STEP_MM)
    front = np.arange(-BACK_MM, FRONT_MM + STEP_MM / 2, STEP_MM)
    right = np.arange(-SIDE_MM, SIDE_MM + STEP_MM / 2, STEP_MM)
    return StraightSpine(frame, along, front, right, sections(ct, frame, along, front, right))


def sections(ct: Volume, frame: CanalFrame, along: FloatArray, front: FloatArray, right: FloatArray) -> FloatArray:
    """Values of a CT on sections across a canal.

    Parameters
    ----------
    ct
        CT [HU].
    frame
        Canal.
    along, front, right
        Coordinates of the samples [mm]; beyond its ends the canal goes on straight.

    Returns
    -------
    (S, A, R) HU; OUTSIDE_HU outside the image.
    """
    values = np.empty((len(along), len(front), len(right)), dtype=np.float32)
    section = np.stack(np.meshgrid(front, right, indexing="ij"), axis=-1)
    for n, s in enumerate(along):
        local = np.concatenate([np.full((*section.shape[:2], 1), s), section], axis=-1)
        values[n] = _sampled(ct, frame.ras(local).reshape(-1, 3)).reshape(section.shape[:2])
    return values


def _sampled(ct: Volume, points: FloatArray) -> FloatArray:
    ijk = ct.grid.to_ijk(points)
    inside = np.clip(ijk, 0.0, np.array(ct.array.shape[::-1]) - 1.0)
    # the scan stays in the numbers it came in: as floats a large one takes twice the memory
    values = ndimage.map_coordinates(ct.array, inside.T[::-1], output=np.float32, order=1)
    beyond = (np.abs(ijk - inside) * ct.spacing_mm).max(axis=-1)
    return np.where(beyond > RIM_MM, OUTSIDE_HU, values)
