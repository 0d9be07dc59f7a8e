"""Where bone leaves the image, in words: what a refusal says of a bone that is not whole in view."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.seed_checks import side_name
from BoneStrengthFEALib.segmentation.tissue_levels import tissue_levels
from BoneStrengthFEALib.segmentation.work_grid import image_box, sampled, upright_grid
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Volume

STEP_MM = 3.0
LEAST_AREA_MM2 = 100.0
"""Less than the section of a femur's shaft, with its marrow."""
THIN_STEPS = 1
"""Tables and single ribs are thinner than twice this."""


def above_the_point(volume: Volume, point_ras: FloatArray, reach_mm: tuple[FloatArray, FloatArray]) -> str:
    """Say how far the bone at a point goes up, and where it leaves the image there.

    Parameters
    ----------
    volume
        CT [HU].
    point_ras
        (3,) RAS of a point in bone [mm].
    reach_mm
        (3,) and (3,): so far below and above the point is looked [mm].

    Returns
    -------
    Words for a refusal.
    """
    low, high = image_box(volume)
    grid = upright_grid(np.maximum(low, point_ras - reach_mm[0]), np.minimum(high, point_ras + reach_mm[1]), STEP_MM)
    piece = _piece_at(_bone(volume, grid), grid, point_ras)
    index = np.argwhere(piece)
    points = grid.to_ras(index[:, ::-1].astype(np.float64))
    upper = points[points[:, 2] >= point_ras[2]]
    if len(upper) == 0:
        return "no bone goes up from the point"
    sides = _sides(volume, upper)
    top = float(upper[:, 2].max() - point_ras[2])
    if not sides and top > reach_mm[1][2] - 2 * STEP_MM:
        return f"the bone at the point goes on for more than {top:.0f} mm above it"
    if not sides:
        return f"the bone at the point ends {top:.0f} mm above it without such a ball"
    return (
        f"the bone at the point is cut by the {_listed(sides)} of the image, {top:.0f} mm above the point at most: its "
        "upper end is not whole in the image"
    )


def of_the_image(volume: Volume) -> str:
    """Say where bones leave the image.

    Parameters
    ----------
    volume
        CT [HU].

    Returns
    -------
    Words for a refusal; empty when none does.
    """
    grid = upright_grid(*image_box(volume), STEP_MM)
    bone = ndimage.binary_opening(_bone(volume, grid), iterations=THIN_STEPS)
    # an opening wears away what lies at the rim: look a step inside
    grown = ndimage.binary_dilation(bone, iterations=THIN_STEPS)
    sides = _sides(volume, grid.to_ras(np.argwhere(grown)[:, ::-1].astype(np.float64)))
    return f"bone is cut by the {_listed(sides)} of the image" if sides else ""


def _bone(volume: Volume, grid: Grid) -> Array:
    values = sampled(volume, grid)
    return np.asarray(values > tissue_levels(values).bone_hu)


def _piece_at(bone: Array, grid: Grid, point: FloatArray) -> Array:
    """The piece nearest the point, marrow left out."""
    if not bone.any():
        return bone
    pieces, _ = ndimage.label(bone, structure=np.ones((3, 3, 3)))
    index = np.argwhere(bone)
    away = np.linalg.norm(grid.to_ras(index[:, ::-1].astype(np.float64)) - point, axis=1)
    return np.asarray(pieces == pieces[tuple(index[int(away.argmin())])])


def _sides(volume: Volume, points: FloatArray) -> list[str]:
    """Sides of the image that bone reaches, the largest section first."""
    if len(points) == 0:
        return []
    ijk, spacing = volume.grid.to_ijk(points), np.array(volume.spacing_mm)
    found: dict[str, float] = {}
    for axis in range(3):
        last = volume.array.shape[2 - axis] - 1
        for room, sign in ((ijk[:, axis], -1.0), (last - ijk[:, axis], 1.0)):
            area = float(np.count_nonzero(room * spacing[axis] < STEP_MM)) * STEP_MM**2
            if area > LEAST_AREA_MM2:
                found[side_name(sign * volume.ijk_to_ras[:3, axis] / spacing[axis])] = area
    return sorted(found, key=lambda name: -found[name])


def _listed(sides: list[str]) -> str:
    edge = "edge" if len(sides) == 1 else "edges"
    return f"{' and '.join([', '.join(sides[:-1]), sides[-1]] if len(sides) > 1 else sides)} {edge}"
