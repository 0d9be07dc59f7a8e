"""Digital hip of known density: the synthetic femur as voxels with partial volume, and its exact measures.

The exact areal densities come from rays through the solids themselves, in the femur's true frame; nothing of the
measuring code is used but the definitions of its regions.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.synthetic.antialiased import PIECE_MM, render, volumes
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

CORE_MG_CM3, CORTEX_MG_CM3, SOFT_MG_CM3 = 110.0, 800.0, 40.0
LOW, HIGH = np.array((-26.0, -26.0, -126.0)), np.array((67.0, 26.0, 26.0))
"""Corners of the right femur's box in its frame [mm]."""
FINE_MM = 0.5
RAY_MM = 0.25
MODEL_RADII = 4.0
"""The measured part ends so many head radii below the head's centre."""
NECK_BOX_MM = (49.0, 15.0)
BELOW_LESSER_MM = 20.0
NOTCH_RADII = (1.15, 2.6)


def hip_scan(
    bone: SyntheticFemur,
    local_to_ras: FloatArray,
    spacing_mm: tuple[float, float, float],
    left: bool = False,
    piece_mm: float = PIECE_MM,
) -> tuple[Volume, LabelMap]:
    """Put the femur into soft tissue.

    Parameters
    ----------
    bone
        Its shape.
    local_to_ras
        (4, 4) pose.
    spacing_mm
        Voxel size along i, j, k [mm].
    left
        Whether it is a left femur.
    piece_mm
        Edge of the pieces a voxel is sampled in.

    Returns
    -------
    K2HPO4 density [mg/cm3] and label map with value 1 named by site and side.
    """
    mirror = np.array((-1.0 if left else 1.0, 1.0, 1.0))
    ends = np.sort(np.stack([LOW * mirror, HIGH * mirror]), axis=0)
    densities = np.array((SOFT_MG_CM3, CORE_MG_CM3, CORTEX_MG_CM3))
    density, label = volumes(
        *render(lambda p: tissue(bone, p * mirror), densities, (ends[0], ends[1]), local_to_ras, spacing_mm, piece_mm),
        Quantity.K2HPO4,
    )
    return density, LabelMap(label, {1: "femur_left" if left else "femur_right"})


def tissue(bone: SyntheticFemur, local: FloatArray) -> Array:
    """Tissue at points of a right femur.

    Parameters
    ----------
    bone
        Its shape.
    local
        (..., 3) points [mm].

    Returns
    -------
    (...) 0 outside, 1 core, 2 cortex.
    """
    return np.where(bone.bone(local), np.where(bone.bone(local, bone.cortex_mm), 1, 2), 0)


def exact_hip(bone: SyntheticFemur) -> dict[str, float]:
    """Measures by their definitions.

    Parameters
    ----------
    bone
        Its shape.

    Returns
    -------
    Measure id to value. Volumes by quadrature at 0.5 x 0.25 x 0.5 mm.
    """
    x, y, z = (np.arange(LOW[a], HIGH[a], s) + s / 2 for a, s in ((0, FINE_MM), (1, RAY_MM), (2, FINE_MM)))
    rho = np.array((0.0, CORE_MG_CM3, CORTEX_MG_CM3))
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    kinds = np.zeros((len(z), len(x), len(y)), dtype=np.uint8)
    for n, height in enumerate(z):
        kinds[n] = tissue(bone, np.concatenate([grid, np.full((*grid.shape[:2], 1), height)], axis=-1))
    kinds[z < -MODEL_RADII * bone.head_mm] = 0
    mineral = rho[kinds].sum(axis=2) * RAY_MM * 1e-4
    thickness = (kinds > 0).sum(axis=2) * RAY_MM
    return {**_volumetric(kinds, rho), **_areal(bone, x, z, mineral, thickness)}


def _volumetric(kinds: Array, rho: FloatArray) -> dict[str, float]:
    cell = FINE_MM * FINE_MM * RAY_MM / 1000.0
    inside = kinds > 0
    depth = ndimage.distance_transform_edt(np.pad(inside, 1), (FINE_MM, FINE_MM, RAY_MM))[1:-1, 1:-1, 1:-1]
    deep = depth - 0.2 > 3.0
    values = rho[kinds]
    return {
        "integral_vbmd": float(values[inside].mean()),
        "trabecular_vbmd": float(values[deep].mean()),
        "cortical_vbmd": float(values[inside & ~deep].mean()),
        "bmc": float(values.sum()) * cell,
        "volume": float(inside.sum()) * cell,
    }


def _areal(
    bone: SyntheticFemur, x: FloatArray, z: FloatArray, mineral: FloatArray, thickness: FloatArray
) -> dict[str, float]:
    proximal, lateral = np.meshgrid(z, x, indexing="ij")
    axis = bone.neck_axis[[0, 2]]
    along = lateral * axis[0] + proximal * axis[1]
    across = proximal * axis[0] - lateral * axis[1]
    shadow = thickness > 0
    notch = _notch(along[shadow], across[shadow], bone.head_mm)
    box = shadow & (along <= notch) & (along > notch - NECK_BOX_MM[1]) & (np.abs(across) <= NECK_BOX_MM[0] / 2)
    beyond = shadow & (along > notch) & (proximal >= -bone.lesser_mm - BELOW_LESSER_MM)
    regions = {
        "femoral_neck": box,
        "trochanter": beyond & (across > 0),
        "intertrochanter": beyond & (across <= 0),
        "total_hip": box | beyond,
    }
    cell = FINE_MM**2 / 100.0
    found = {}
    for name, mask in regions.items():
        found[f"{name}_bmc"], found[f"{name}_area"] = float(mineral[mask].sum()) * cell, float(mask.sum()) * cell
        found[f"{name}_abmd"] = found[f"{name}_bmc"] / found[f"{name}_area"]
    return found


def _notch(along: FloatArray, across: FloatArray, radius: float) -> float:
    """Deepest place of the upper outline below the convex hull of the shadow."""
    points = np.column_stack([along, across])
    hull = points[ConvexHull(points).vertices]
    upper = hull[np.argsort(hull[:, 0])]
    steps = np.arange(NOTCH_RADII[0] * radius, NOTCH_RADII[1] * radius, FINE_MM / 2)
    gaps = []
    for t in steps:
        near = np.abs(along - t) <= FINE_MM
        # of all chords between hull points on both sides the highest is the hull
        before, after = upper[upper[:, 0] <= t], upper[upper[:, 0] > t]
        share = (t - before[:, None, 0]) / (after[None, :, 0] - before[:, None, 0])
        chord = before[:, None, 1] + share * (after[None, :, 1] - before[:, None, 1])
        gaps.append(chord.max() - across[near].max())
    return float(steps[int(np.argmax(gaps))])
