"""Rods of a phantom in a scan: found in a few slabs, then followed slab by slab along the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.calibration.axial_stack import AxialStack, axial_stack
from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.rod_line import line_through_rods as through
from BoneStrengthFEALib.calibration.rod_pattern import (
    CORE,
    DISC_SD_HU,
    OUTSIDE_HU,
    POOR_FIT_HU,
    RESIDUAL_HU,
    RodRow,
    row_offsets,
    search_row,
)
from BoneStrengthFEALib.calibration.rod_refine import refine_row
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

SLAB_MM = 8.0
"""Slices averaged for the search: noise falls, a tilted rod moves by less than its rim."""
PROBES = 5
FOLLOW_MM = 4.0
FOLLOW_STEP_MM = 0.5
NEAR_BEST_HU = 3.0
REFINED_SLABS = 12
FEWEST_SLICES = 3
END_HU = 20.0
"""A slice in which a rod is farther than this from its median is at the phantom's end."""
LARGEST_TILT = 0.12
"""Tangent of the steepest tilt that is followed: 5 degrees and a margin."""


@dataclass(frozen=True, eq=False)
class FoundRods:
    """Rods of a phantom in a scan.

    Parameters
    ----------
    slices
        (s,) indices of the axial slices used.
    hu_by_slice
        (n, s) mean HU of each rod's core; NaN for a rod outside the image.
    sd_hu
        (n,) standard deviation of the voxels of each core within slices.
    voxels
        (n,) number of voxels.
    samples
        n arrays of voxel values.
    tilt_deg
        Angle between rods and the scan's axis [degrees].
    reverse
        Whether the definition's first rod has the largest column coordinate.
    """

    slices: Array
    hu_by_slice: FloatArray
    sd_hu: FloatArray
    voxels: Array
    samples: tuple[Array, ...]
    tilt_deg: float
    reverse: bool


def find_rods(ct: Volume, phantom: Phantom) -> FoundRods:
    """Find the rods of a phantom.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    phantom
        Definition; a row of rods that run along the table.

    Returns
    -------
    The rods, with at least FEWEST_SLICES slices.

    Raises
    ------
    CalibrationError
        NO_PHANTOM when no row fits, FEW_SLICES when it cannot be followed.
    """
    stack = axial_stack(ct)
    slabs = _slabs(stack)
    start, row = _first(stack, slabs, phantom)
    followed = _follow(stack, slabs, start, row, phantom)
    places = _straight(stack, followed)
    few = sorted(followed)[:: max(1, len(followed) // REFINED_SLABS)]
    row, move = refine_row(stack, {slabs[n]: places[0] + places[1] * n for n in few}, row, phantom)
    places = np.stack((places[0] + move, places[1]))
    every = np.concatenate([np.arange(*slabs[n]) for n in sorted(followed)])
    used = every[_inside(_sampled(stack, every, places, row, phantom).hu_by_slice)]
    if used.size < FEWEST_SLICES:
        raise CalibrationError(
            f"the rods of {phantom.name} were found in {used.size} slices, at least {FEWEST_SLICES} are needed; scan "
            "more of the phantom",
            code="FEW_SLICES",
        )
    return _sampled(stack, used, places, row, phantom)


def _slabs(stack: AxialStack) -> list[tuple[int, int]]:
    count = stack.slices.shape[0]
    thick = max(1, round(SLAB_MM / stack.spacing_mm[0]))
    return [(first, min(first + thick, count)) for first in range(0, count, thick)]


def _first(stack: AxialStack, slabs: list[tuple[int, int]], phantom: Phantom) -> tuple[int, RodRow]:
    """Best row among slabs spread over the scan."""
    best: tuple[int, RodRow] | None = None
    for n in np.unique(np.linspace(0, len(slabs) - 1, PROBES + 2).round().astype(int)[1:-1]):
        row = search_row(stack.chunk(*slabs[n]), stack.spacing_mm[1:], phantom)
        if row is not None and (best is None or _rank(row) < _rank(best[1])):
            best = int(n), row
    if best is None:
        raise CalibrationError(
            f"no row of {len(phantom.rods)} rods of {phantom.name} was found; check the phantom's definition (spacing "
            f"{phantom.rod_spacing_mm:g} mm, diameter {phantom.rod_diameter_mm:g} mm) and that it lies in the field of "
            "view, or give a label map with one label per rod",
            code="NO_PHANTOM",
        )
    return best


def _rank(row: RodRow) -> tuple[bool, int, float]:
    return row.residual > 2 * POOR_FIT_HU, -sum(row.present), row.cost


def _follow(
    stack: AxialStack, slabs: list[tuple[int, int]], start: int, row: RodRow, phantom: Phantom
) -> dict[int, FloatArray]:
    """Centre of the row in every slab that shows it, from the start both ways."""
    found: dict[int, FloatArray] = {}
    for step in (1, -1):
        centre, n = np.array(row.centre_mm), start
        while 0 <= n < len(slabs):
            place = _refined(stack, slabs[n], centre, row, phantom)
            if place is None:
                break
            found[n] = centre = place
            n += step
    if not found:
        raise CalibrationError(f"the row of rods of {phantom.name} is not clear in any slab", code="NO_PHANTOM")
    return found


def _refined(
    stack: AxialStack, slab: tuple[int, int], centre: FloatArray, row: RodRow, phantom: Phantom
) -> FloatArray | None:
    """Middle of all places near a centre that fit about as well as the best; None when none fits."""
    image = stack.chunk(*slab)
    offsets = row_offsets(len(row.present), row.spacing_mm, row.angle_deg, row.reverse)[list(row.present)]
    core = _core_points(phantom)
    moves = np.array(list(_moves()))
    points = centre + moves[:, None, None, :] + offsets[None, :, None, :] + core[None, None, :, :]
    values = ndimage.map_coordinates(
        image, np.moveaxis(points, -1, 0) / np.array(stack.spacing_mm[1:])[:, None, None, None], order=1, mode="nearest"
    )
    mean, sd = values.mean(axis=2), values.std(axis=2).max(axis=1)
    residual, fits = through(mean, phantom, np.array(row.present))
    good = fits & (residual < RESIDUAL_HU) & (sd < DISC_SD_HU) & (values.min(axis=(1, 2)) > OUTSIDE_HU)
    if not good.any():
        return None
    cost = np.where(good, residual + sd, np.inf)
    return np.asarray(centre + moves[cost <= cost.min() + NEAR_BEST_HU].mean(axis=0))


def _moves() -> Iterator[tuple[float, float]]:
    steps = np.arange(-FOLLOW_MM, FOLLOW_MM + FOLLOW_STEP_MM / 2, FOLLOW_STEP_MM)
    return ((float(y), float(x)) for y in steps for x in steps if y * y + x * x <= FOLLOW_MM**2)


def _core_points(phantom: Phantom) -> FloatArray:
    radius = 0.5 * CORE * phantom.rod_diameter_mm
    grid = np.arange(-radius, radius + 0.5, 1.0)
    y, x = np.meshgrid(grid, grid, indexing="ij")
    inside = np.maximum(abs(x), abs(y)) <= radius if phantom.rod_shape == "bar" else np.hypot(x, y) <= radius
    return np.stack([y[inside], x[inside]], axis=1)


def _straight(stack: AxialStack, followed: dict[int, FloatArray]) -> FloatArray:
    """(2, 2) intercept and slope of the row's centre over the slab number: rods are straight."""
    numbers = np.array(sorted(followed), dtype=np.float64)
    centres = np.array([followed[int(n)] for n in numbers])
    if numbers.size < 3:
        return np.stack([centres.mean(axis=0), np.zeros(2)])
    slope = np.array([np.median(np.diff(centres[:, c]) / np.diff(numbers)) for c in (0, 1)])
    if np.abs(slope).max() > LARGEST_TILT * SLAB_MM * 1.5:
        raise CalibrationError("the phantom is tilted by more than 5 degrees; lay it straight", code="PHANTOM_TILT")
    fitted = np.polynomial.polynomial.polyfit(numbers, centres, 1)
    return np.asarray(fitted)


def _inside(by_slice: FloatArray) -> Array:
    """Longest run of slices in which every rod is near its median: slabs reach over the phantom's ends."""
    present = ~np.isnan(by_slice).all(axis=1)
    rods = by_slice[present]
    near = (np.abs(rods - np.nanmedian(rods, axis=1, keepdims=True)) <= END_HU).all(axis=0)
    runs, count = ndimage.label(near)
    if count == 0:
        return np.zeros(near.shape, dtype=bool)
    return np.asarray(runs == 1 + int(np.bincount(runs)[1:].argmax()))


def _sampled(stack: AxialStack, used: Array, places: FloatArray, row: RodRow, phantom: Phantom) -> FoundRods:
    thick = max(1, round(SLAB_MM / stack.spacing_mm[0]))
    offsets = row_offsets(len(row.present), row.spacing_mm, row.angle_deg, row.reverse)
    rows_mm, columns_mm = stack.in_plane_mm()
    radius = 0.5 * CORE * phantom.rod_diameter_mm
    means = np.full((len(row.present), used.size), np.nan)
    samples: list[list[Array]] = [[] for _ in row.present]
    for s, k in enumerate(used):
        centre = places[0] + places[1] * ((k - 0.5 * (thick - 1)) / thick)
        for n in np.flatnonzero(row.present):
            y, x = centre + offsets[n]
            if not (rows_mm[0] <= y - radius and y + radius <= rows_mm[-1]):
                continue
            if not (columns_mm[0] <= x - radius and x + radius <= columns_mm[-1]):
                continue  # the core leaves the view in this slice
            dy, dx = rows_mm[:, None] - y, columns_mm[None, :] - x
            bar = phantom.rod_shape == "bar"
            inside = np.maximum(abs(dy), abs(dx)) <= radius if bar else dy * dy + dx * dx <= radius * radius
            values = stack.slices[k][inside].astype(np.float64)
            means[n, s] = values.mean()
            samples[n].append(values)
    joined = tuple(np.concatenate(part) if part else np.zeros(0) for part in samples)
    sd = np.array([np.sqrt(np.mean([v.var() for v in part])) if part else np.nan for part in samples])
    per_mm = places[1] / (thick * stack.spacing_mm[0])
    tilt = float(np.degrees(np.arctan(np.hypot(*per_mm))))
    return FoundRods(used, means, sd, np.array([v.size for v in joined]), joined, tilt, row.reverse)
