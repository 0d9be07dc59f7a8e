"""The row of rods to a fraction of a millimetre, from the mean image along the rods."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import ndimage, optimize

from BoneStrengthFEALib.calibration.axial_stack import AxialStack
from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.rod_pattern import RodRow, row_offsets
from BoneStrengthFEALib.volume import Array, FloatArray

PITCH_MM = 0.75
MARGIN_MM = 6.0
SHIFT_MM, TURN_DEG, STRETCH = 2.5, 2.5, 0.03
"""How far the search's grid of places, angles and spacings can be off."""


def refine_row(
    stack: AxialStack, slabs: dict[tuple[int, int], FloatArray], row: RodRow, phantom: Phantom
) -> tuple[RodRow, FloatArray]:
    """Move, turn and stretch a row so that its rods are as even inside as they can be.

    Parameters
    ----------
    stack
        Axial slices.
    slabs
        First slice and one past the last of each slab to the centre of the row there [mm].
    row
        The row as searched.
    phantom
        Definition.

    Returns
    -------
    The row with its angle and spacing, and the (2,) move of its centre [mm]: the sum of variances within whole rods is
    least. A rod that is off its place by no matter which way holds some of what surrounds it.
    """
    count = len(row.present)
    image = _mean_along(stack, slabs, row, phantom.rod_diameter_mm)
    middle = 0.5 * (np.array(image.shape) - 1)
    disc = _disc(phantom)
    used = np.flatnonzero(row.present)
    sizes = np.array((SHIFT_MM, SHIFT_MM, TURN_DEG, STRETCH))

    def unevenness(change: FloatArray) -> float:
        step = change * sizes
        # the image is turned so that the row lies along its columns
        offsets = row_offsets(count, row.spacing_mm * (1.0 + step[3]), step[2], row.reverse)[used]
        points = (offsets[:, None, :] + disc[None, :, :] + step[:2]) / PITCH_MM + middle
        values = ndimage.map_coordinates(image, np.moveaxis(points, -1, 0), order=1, mode="nearest")
        return float(values.var(axis=1).sum() * (1.0 + 10.0 * np.maximum(np.abs(change) - 1.0, 0.0).sum()))

    start = np.vstack((np.zeros(4), 0.4 * np.eye(4)))
    options = {"initial_simplex": start, "xatol": 0.02, "fatol": 0.1, "maxfev": 400}
    best = optimize.minimize(unevenness, np.zeros(4), method="Nelder-Mead", options=options).x
    step = np.clip(best, -1.0, 1.0) * sizes
    angle = np.deg2rad(row.angle_deg)
    move = np.array(
        (step[0] * np.cos(angle) + step[1] * np.sin(angle), step[1] * np.cos(angle) - step[0] * np.sin(angle))
    )
    better = dataclasses.replace(
        row, angle_deg=row.angle_deg + float(step[2]), spacing_mm=row.spacing_mm * (1.0 + float(step[3]))
    )
    return better, move


def _mean_along(
    stack: AxialStack, slabs: dict[tuple[int, int], FloatArray], row: RodRow, diameter_mm: float
) -> FloatArray:
    """Mean over slabs around the row's centre, turned so that the row lies along the columns."""
    angle = np.deg2rad(row.angle_deg)
    half_length_mm = 0.5 * (len(row.present) - 1) * row.spacing_mm * (1.0 + STRETCH) + 0.5 * diameter_mm + MARGIN_MM
    half_height = MARGIN_MM + 0.5 * diameter_mm + half_length_mm * np.tan(np.deg2rad(TURN_DEG))
    rows = np.arange(-half_height, half_height + PITCH_MM / 2, PITCH_MM)
    columns = np.arange(-half_length_mm, half_length_mm + PITCH_MM / 2, PITCH_MM)
    across, along = np.meshgrid(rows - rows.mean(), columns - columns.mean(), indexing="ij")
    places = np.stack((along * np.sin(angle) + across * np.cos(angle), along * np.cos(angle) - across * np.sin(angle)))
    spacing = np.array(stack.spacing_mm[1:])[:, None, None]
    total = np.zeros(across.shape)
    for slab, centre in slabs.items():
        points = (places + centre[:, None, None]) / spacing
        total += ndimage.map_coordinates(stack.chunk(*slab), points, order=1, mode="nearest")
    return total / len(slabs)


def _disc(phantom: Phantom) -> Array:
    radius = 0.5 * phantom.rod_diameter_mm
    grid = np.arange(-np.floor(radius), radius + 0.5, 1.0)
    y, x = np.meshgrid(grid, grid, indexing="ij")
    inside = np.maximum(abs(x), abs(y)) <= radius if phantom.rod_shape == "bar" else np.hypot(x, y) <= radius
    return np.stack([y[inside], x[inside]], axis=1)
