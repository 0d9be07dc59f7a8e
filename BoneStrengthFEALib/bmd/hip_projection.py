"""Projection of the proximal femur onto its anteversion-free plane, as a densitometer sees it.

The plane holds the axes of neck and shaft: it is the plane x-z of the femur's local frame, and the rays run along y.
Every voxel of the bone gives its mineral to the pixels its own volume projects to, so that the mineral in the picture
is the mineral in the bone, whatever the voxel's size and the bone's pose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Side, Specimen
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

PIXEL_MM = 1.0
"""Edge of a pixel; densitometers of the field have pixels of about this size."""
PIECE_MM = 0.34
"""A voxel is projected in pieces of at most this edge."""
LEAST_THICKNESS_MM = 4.0
"""A pixel belongs to the bone where its ray passes so much of it: steps of thick slices reach no farther."""
MARGIN_PIXELS = 3
PIECES_AT_ONCE = 2_000_000
G_CM2 = 1e-4
"""mg/cm3 times mm, in g/cm2."""


@dataclass(frozen=True, eq=False)
class HipProjection:
    """Mineral and thickness along rays from front to back.

    Parameters
    ----------
    mineral_g_cm2
        (rows, columns) areal density; rows run distally, columns laterally.
    thickness_mm
        (rows, columns) length of the ray inside the bone.
    lateral_mm, proximal_mm
        (columns,) and (rows,) pixel centres from the head's centre.
    side
        Side; both sides are shown with lateral to the right.
    """

    mineral_g_cm2: FloatArray
    thickness_mm: FloatArray
    lateral_mm: FloatArray
    proximal_mm: FloatArray
    side: Side

    @property
    def bone(self) -> Array:
        """(rows, columns) pixels of the bone's shadow."""
        return np.asarray(self.thickness_mm >= LEAST_THICKNESS_MM)


def project(density: Volume, specimen: Specimen, region: int = 1) -> HipProjection:
    """Project a femur.

    Parameters
    ----------
    density
        (K, J, I) density [mg/cm3] on the specimen's grid.
    specimen
        Femur.
    region
        Region value that is projected.

    Returns
    -------
    The projection.

    Raises
    ------
    AnatomyError
        When the region is empty.
    """
    index = np.argwhere(specimen.regions.array == region)
    if not len(index):
        raise AnatomyError(f"{specimen.name} has no bone to project; check its label")
    values = density.array[tuple(index.T)].astype(np.float64)
    to_plane, offset = _to_plane(specimen, density)
    plane = index[:, ::-1] @ to_plane.T + offset
    pieces = _pieces(density.spacing_mm) @ to_plane.T
    reach = np.abs(pieces).max(axis=0) if len(pieces) else 0.0
    low = np.floor((plane.min(axis=0) - reach) / PIXEL_MM).astype(int) - MARGIN_PIXELS
    high = np.ceil((plane.max(axis=0) + reach) / PIXEL_MM).astype(int) + MARGIN_PIXELS
    columns, rows = (high - low + 1).tolist()
    share = density.voxel_volume_mm3 / len(pieces) / PIXEL_MM**2
    mass, depth = np.zeros(rows * columns), np.zeros(rows * columns)
    step = max(1, PIECES_AT_ONCE // len(pieces))
    for start in range(0, len(plane), step):
        places = plane[start : start + step, None, :] + pieces[None]
        pixel = np.rint(places / PIXEL_MM).astype(int) - low
        flat = ((rows - 1 - pixel[..., 1]) * columns + pixel[..., 0]).ravel()
        weights = np.repeat(values[start : start + step], len(pieces))
        mass += np.bincount(flat, weights, rows * columns)
        depth += np.bincount(flat, minlength=rows * columns)
    shape = (rows, columns)
    return HipProjection(
        mass.reshape(shape) * share * G_CM2,
        depth.reshape(shape) * share,
        (low[0] + np.arange(columns)) * PIXEL_MM,
        (high[1] - np.arange(rows)) * PIXEL_MM,
        specimen.side,
    )


def plane_point(specimen: Specimen, ras: FloatArray) -> FloatArray:
    """Lateral and proximal coordinate of a point.

    Parameters
    ----------
    specimen
        Femur.
    ras
        (3,) point [mm].

    Returns
    -------
    (2,) from the head's centre [mm].
    """
    frame = specimen.local_to_ras
    local = (np.asarray(ras, dtype=np.float64) - frame[:3, 3]) @ frame[:3, :3]
    return np.array((_lateral_sign(specimen) * local[0], local[2]))


def _lateral_sign(specimen: Specimen) -> float:
    # x of the frame points to the patient's right
    return -1.0 if specimen.side is Side.LEFT else 1.0


def _to_plane(specimen: Specimen, volume: Volume) -> tuple[FloatArray, FloatArray]:
    """(2, 3) and (2,): lateral and proximal coordinates of voxel (i, j, k)."""
    frame, affine = specimen.local_to_ras, volume.ijk_to_ras
    axes = np.stack([_lateral_sign(specimen) * frame[:3, 0], frame[:3, 2]])
    return axes @ affine[:3, :3], axes @ (affine[:3, 3] - frame[:3, 3])


def _pieces(spacing_mm: tuple[float, float, float]) -> FloatArray:
    """(n, 3) centres of the pieces of a voxel, in voxels from its centre, i j k."""
    axes = [(np.arange(n) + 0.5) / n - 0.5 for n in (int(np.ceil(h / PIECE_MM)) for h in spacing_mm)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
