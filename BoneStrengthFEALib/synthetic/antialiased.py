"""Solids of known density as voxels that hold the mean over their volume, as a CT does: partial volume included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

PIECE_MM = 0.25
"""A voxel is sampled in pieces of at most this edge."""
FAR = 1.5
"""Margin around the solids [voxels]."""


def render(
    tissue: Callable[[FloatArray], Array],
    densities: FloatArray,
    box_mm: tuple[FloatArray, FloatArray],
    local_to_ras: FloatArray,
    spacing_mm: tuple[float, float, float],
    piece_mm: float = PIECE_MM,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sample solids.

    Parameters
    ----------
    tissue
        (..., 3) local points to (...) integers: 0 outside of bone, otherwise an index of densities.
    densities
        (n,) density of each tissue [mg/cm3]; the first is that of the surroundings.
    box_mm
        Two (3,) corners of the solids in the local frame [mm].
    local_to_ras
        (4, 4) pose.
    spacing_mm
        Voxel size along i, j, k [mm]; axes i = L, j = P, k = S.
    piece_mm
        Largest edge of a sample's piece.

    Returns
    -------
    (K, J, I) mean density [mg/cm3], (K, J, I) share of bone in each voxel, (4, 4) ijk_to_ras.
    """
    corners = np.array([[box_mm[b][a] for a, b in enumerate(bits)] for bits in np.ndindex(2, 2, 2)])
    posed = corners @ local_to_ras[:3, :3].T + local_to_ras[:3, 3]
    spacing = np.array(spacing_mm)
    first, last = posed.min(axis=0) - FAR * spacing, posed.max(axis=0) + FAR * spacing
    count = np.ceil((last - first) / spacing).astype(int) + 1
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = (last[0], last[1], first[2])
    # an odd number of pieces: no voxel is half bone exactly, which would bias the label
    parts = [int(np.ceil(h / piece_mm)) // 2 * 2 + 1 for h in spacing_mm]
    axes = [(np.arange(n * m) + 0.5) / m - 0.5 for n, m in zip(count, parts, strict=True)]
    to_local = local_to_ras[:3, :3].T @ affine[:3, :3]
    offset = local_to_ras[:3, :3].T @ (affine[:3, 3] - local_to_ras[:3, 3])
    i, j = np.meshgrid(axes[0], axes[1], indexing="xy")
    plane = i[..., None] * to_local[:, 0] + j[..., None] * to_local[:, 1] + offset
    density, share = (np.zeros(tuple(count[::-1])) for _ in range(2))
    for n, k in enumerate(axes[2]):
        kind = tissue(plane + k * to_local[:, 2])
        density[n // parts[2]] += _blocks(densities[kind], parts)
        share[n // parts[2]] += _blocks((kind > 0).astype(np.float64), parts)
    return density / parts[2], share / parts[2], affine


def _blocks(values: FloatArray, parts: list[int]) -> FloatArray:
    rows, columns = values.shape[0] // parts[1], values.shape[1] // parts[0]
    return np.asarray(values.reshape(rows, parts[1], columns, parts[0]).mean(axis=(1, 3)))


def volumes(density: FloatArray, share: FloatArray, affine: FloatArray, kind: Quantity) -> tuple[Volume, Volume]:
    """Density and the label of a perfect segmentation: voxels that are at least half bone.

    Parameters
    ----------
    density, share, affine
        From render.
    kind
        Kind of density.

    Returns
    -------
    Density [mg/cm3] and 0/1 label.
    """
    return (
        Volume(density.astype(np.float32), affine, kind),
        Volume((share >= 0.5).astype(np.uint8), affine, Quantity.LABEL),
    )
