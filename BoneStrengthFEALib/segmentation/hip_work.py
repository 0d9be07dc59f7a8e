"""What every search around a femoral head works on: values, levels and filled bone on a lattice of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.separation import filled_across
from BoneStrengthFEALib.segmentation.sphere_votes import Ball
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels, tissue_levels
from BoneStrengthFEALib.segmentation.work_grid import image_box, sampled, upright_grid
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Volume

STEP_MM = 1.2
AROUND_MM = (np.array((100.0, 100.0, 200.0)), np.array((100.0, 100.0, 45.0)))
"""What is worked on: so far below and above the head's centre."""
LEAST_SHARE = 0.10
"""Candidates with fewer votes are no heads: those of the reference cases have 0.11 to 0.20."""
CLOSING_MM = 3.6
"""Gaps of a thin cortex that still encloses its marrow, half."""


@dataclass(frozen=True, eq=False)
class HipWork:
    """A hip on its working grid.

    Parameters
    ----------
    grid
        Upright isotropic grid.
    values, steady
        (K, J, I) HU, as sampled and blurred as the noise asks for.
    levels
        Soft tissue, noise and threshold.
    solid
        (K, J, I) booleans: bones with their marrow.
    """

    grid: Grid
    values: FloatArray
    steady: FloatArray
    levels: TissueLevels
    solid: Array


def hip_work(volume: Volume, ball: Ball) -> HipWork:
    """Prepare the surroundings of a candidate head.

    Parameters
    ----------
    volume
        CT [HU].
    ball
        Candidate.

    Returns
    -------
    The working grid and what lies on it.
    """
    low, high = image_box(volume)
    # on a fixed lattice, so that clicks do not differ by how voxels fall
    first = np.ceil(np.maximum(low, ball.centre - AROUND_MM[0]) / STEP_MM) * STEP_MM
    last = np.floor(np.minimum(high, ball.centre + AROUND_MM[1]) / STEP_MM) * STEP_MM
    grid = upright_grid(first, last + 1e-6, STEP_MM)
    values = sampled(volume, grid)
    levels = tissue_levels(values)
    steady = ndimage.gaussian_filter(values, levels.blur_steps, truncate=3.0)
    return HipWork(grid, values, steady, levels, _filled(steady > levels.bone_hu))


def _filled(bone: Array) -> Array:
    """Fill marrow in sections of all three directions: a weak neck is closed in some only."""
    solid = filled_across(bone, 0, STEP_MM, CLOSING_MM)
    for axis in (1, 2):
        solid |= filled_across(bone, axis, STEP_MM, CLOSING_MM)
    return solid
