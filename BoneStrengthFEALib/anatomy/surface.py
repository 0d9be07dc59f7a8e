"""A label as a smooth solid: points on its surface, and cuts through it, free of voxel steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Volume

STEP_MM = 1.5
"""Spacing of the grid the solid is looked at on."""
BLUR_MM = 2.0
"""Standard deviation of the blur; thicker voxels need BLUR_VOXELS of them."""
BLUR_VOXELS = 0.6
RIM_MM = 8.0


@dataclass(frozen=True, eq=False)
class Solid:
    """A blurred label on an isotropic grid; the surface is where it crosses one half.

    Parameters
    ----------
    field
        (K, J, I) share of bone, 0 to 1.
    grid
        Its grid, parallel to the scan's.
    blur_mm
        Standard deviation of the blur [mm].
    """

    field: FloatArray
    grid: Grid
    blur_mm: float

    def at(self, ras: FloatArray) -> FloatArray:
        """Share of bone at points.

        Parameters
        ----------
        ras
            (..., 3) points [mm].

        Returns
        -------
        (...) share, 0 outside the grid.
        """
        ijk = self.grid.to_ijk(ras.reshape(-1, 3))
        values = ndimage.map_coordinates(self.field, ijk[:, ::-1].T, order=1, mode="constant")
        return np.asarray(values.reshape(ras.shape[:-1]))

    def inside(self) -> FloatArray:
        """Grid points in the bone.

        Returns
        -------
        (n, 3) RAS [mm].
        """
        return self.grid.to_ras(np.argwhere(self.field > 0.5)[:, ::-1].astype(np.float64))

    def surface(self) -> tuple[FloatArray, FloatArray]:
        """Points where grid lines cross the surface, with outward normals.

        Returns
        -------
        (n, 3) RAS points [mm] and (n, 3) unit normals.
        """
        slopes = [np.gradient(self.field, h, axis=n) for n, h in enumerate(self.grid.spacing_mm[::-1])]
        places, normals = [], []
        for axis in range(3):
            first, second = self._pairs(axis)
            a, b = self.field[first], self.field[second]
            cross = (a > 0.5) != (b > 0.5)
            share = (0.5 - a[cross]) / (b[cross] - a[cross])
            index = np.argwhere(cross).astype(np.float64)
            index[:, axis] += share
            places.append(index)
            normals.append(np.stack([(1 - share) * s[first][cross] + share * s[second][cross] for s in slopes], axis=1))
        index, normal = np.concatenate(places), -np.concatenate(normals)
        directions = self.grid.ijk_to_ras[:3, :3] / np.asarray(self.grid.spacing_mm)
        outward = normal[:, ::-1] @ directions.T
        length = np.linalg.norm(outward, axis=1)
        good = length > 1e-9
        return self.grid.to_ras(index[good][:, ::-1]), outward[good] / length[good][:, None]

    @staticmethod
    def _pairs(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        first, second = [slice(None)] * 3, [slice(None)] * 3
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        return tuple(first), tuple(second)


def smooth_solid(mask: Array, volume: Volume) -> Solid:
    """Blur a mask and look at it on an isotropic grid.

    Parameters
    ----------
    mask
        (K, J, I) bone.
    volume
        Volume whose grid the mask lies on.

    Returns
    -------
    The solid.

    Raises
    ------
    AnatomyError
        When the mask is empty.
    """
    if not mask.any():
        raise AnatomyError("the label is empty; choose another or segment the bone again")
    spacing = np.asarray(volume.spacing_mm[::-1])
    blur = max(BLUR_MM, BLUR_VOXELS * float(spacing.max()))
    rim = np.ceil((RIM_MM + 2 * blur) / spacing).astype(int)
    used = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    low = np.array([u[0] for u in used]) - rim
    box = tuple(slice(int(u[0]), int(u[-1]) + 1) for u in used)
    # the bone ends where the image ends: the rim outside is empty, as is everything outside the label
    padded = np.pad(mask[box], [(r, r) for r in rim]).astype(np.float32)
    blurred = ndimage.gaussian_filter(padded, blur / spacing, truncate=3.0)
    length = (np.array(blurred.shape) - 1) * spacing
    shape = np.floor(length / STEP_MM).astype(int) + 1
    # centred on the box of the label, so that a mirrored label gives the mirrored solid
    first = (length - (shape - 1) * STEP_MM) / 2 / spacing
    field = ndimage.affine_transform(blurred, STEP_MM / spacing, first, tuple(shape), order=1)
    affine = np.array(volume.ijk_to_ras)
    affine[:3, :3] *= STEP_MM / np.asarray(volume.spacing_mm)
    affine[:3, 3] = volume.grid.to_ras((low + first)[::-1].astype(np.float64))
    return Solid(field, Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine), blur)


@dataclass(frozen=True, eq=False)
class Section:
    """The piece of a plane cut that belongs to the bone at hand.

    Parameters
    ----------
    area_mm2
        Its area.
    centroid
        (3,) RAS [mm].
    """

    area_mm2: float
    centroid: FloatArray


def section(
    solid: Solid, origin: FloatArray, normal: FloatArray, radius_mm: float, step_mm: float = 1.0
) -> Section | None:
    """Cut the solid by a plane and keep the piece nearest to a point.

    Parameters
    ----------
    solid
        The bone.
    origin
        (3,) point of the plane the piece is sought at [mm].
    normal
        (3,) unit normal.
    radius_mm
        Nothing farther from the origin is looked at.
    step_mm
        Sampling of the plane.

    Returns
    -------
    The section, None when the plane misses the bone.
    """
    first, second = perpendicular(normal)
    offsets = np.arange(-radius_mm, radius_mm + step_mm / 2, step_mm)
    u, v = np.meshgrid(offsets, offsets)
    values = solid.at(origin + u[..., None] * first + v[..., None] * second)
    cut = (values > 0.5) & (u**2 + v**2 <= radius_mm**2)
    pieces, count = ndimage.label(cut)
    if count == 0:
        return None
    distance = np.where(cut, u**2 + v**2, np.inf)
    piece = pieces == pieces[np.unravel_index(int(distance.argmin()), cut.shape)]
    # partly filled cells at the rim count with their share, so that areas change smoothly with the plane
    weight = np.clip((values - 0.5) / 0.5 + 0.5, 0.0, 1.0) * ndimage.binary_dilation(piece)
    total = float(weight.sum())
    middle = np.array([(weight * u).sum(), (weight * v).sum()]) / total
    return Section(float(piece.sum()) * step_mm**2, origin + middle[0] * first + middle[1] * second)


def perpendicular(normal: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors that complete a normal to a right-handed frame.

    Parameters
    ----------
    normal
        (3,) unit vector.

    Returns
    -------
    (3,) and (3,): first x second = normal.
    """
    helper = np.eye(3)[int(np.abs(normal).argmin())]
    first = np.cross(helper, normal)
    first /= np.linalg.norm(first)
    return first, np.cross(normal, first)


def unit(vector: FloatArray) -> FloatArray:
    """Scale a vector to length one.

    Parameters
    ----------
    vector
        (3,).

    Returns
    -------
    (3,).
    """
    return np.asarray(vector / np.linalg.norm(vector))
