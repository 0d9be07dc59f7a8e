"""Inserts of a phantom that lie behind one another along the table, as vertebrae do: found by their line through HU."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.calibration.axial_stack import AxialStack, axial_stack
from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.rod_line import line_through_rods
from BoneStrengthFEALib.calibration.rod_pattern import CORE, PIXEL_MM, disc_images, likely_places
from BoneStrengthFEALib.calibration.rod_samples import RodSamples
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

SLAB_MM, STEP_MM = 8.0, 4.0
"""Slices averaged, and how far apart along the table such means are taken."""
SIDEWAYS = 2
"""Pixels of PIXEL_MM by which an insert may lie beside its neighbour: 5 degrees at 34 mm."""
RESIDUAL_HU, DISC_SD_HU = 8.0, 30.0
"""An insert is of one material; bone and organs that follow the phantom's densities are less even."""
NEAR_BEST_HU, NEAR_PLACES = 3.0, 6
"""Places within so many slabs and pixels of the best, and within so many HU of its cost, are averaged."""
END_HU = 20.0
"""A slice whose core is farther than this from the insert's middle belongs to an end of the insert."""
FEWEST_SLICES, SHORTEST = 3, 0.4
"""An insert is even along the table over at least this share of the distance to the next."""


@dataclass(frozen=True)
class InsertColumn:
    """Inserts behind one another.

    Parameters
    ----------
    first
        Centre of the definition's first insert: slice, row, column coordinate [mm].
    step
        From each insert to the next [mm].
    cost
        Residual and inhomogeneity [HU]; smaller is better.
    places
        How many places nearby fit about as well; they are most where distance and tilt are right.
    """

    first: tuple[float, float, float]
    step: tuple[float, float, float]
    cost: float
    places: int


def find_inserts(ct: Volume, phantom: Phantom) -> RodSamples:
    """Find the inserts of a phantom.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    phantom
        Definition; its spacing is along the table, its diameter that of an insert in an axial slice.

    Returns
    -------
    The inserts; slices of one hold no value of the others.

    Raises
    ------
    CalibrationError
        NO_PHANTOM when no column of inserts fits, or one of them is too short.
    """
    stack = axial_stack(ct)
    columns = list(_columns(stack, phantom))
    if not columns:
        raise _not_found(phantom, "nothing in the scan follows their densities")
    enough = min(column.cost for column in columns) + NEAR_BEST_HU
    best = max((column for column in columns if column.cost <= enough), key=lambda column: column.places)
    return _sampled(stack, best, phantom)


def _not_found(phantom: Phantom, why: str) -> CalibrationError:
    names = ", ".join(rod.name for rod in phantom.rods)
    return CalibrationError(
        f"no column of inserts of {phantom.name} was found: {why}; check the definition (distance "
        f"{phantom.rod_spacing_mm:g} mm along the table, diameter {phantom.rod_diameter_mm:g} mm), that all lie in the "
        f"scan and that slices are thin, or give a label map with one label per insert, named {names}",
        code="NO_PHANTOM",
    )


def _columns(stack: AxialStack, phantom: Phantom) -> Iterator[InsertColumn]:
    """Best column for every distance, tilt and order."""
    slab = max(1, round(SLAB_MM / stack.spacing_mm[0]))
    starts = np.arange(0, stack.slices.shape[0] - slab + 1, max(1, round(STEP_MM / stack.spacing_mm[0])))
    if not starts.size:
        return
    discs = [disc_images(stack.chunk(k, k + slab), stack.spacing_mm[1:], phantom) for k in starts.tolist()]
    mean, sd = (np.stack(images).astype(np.float32) for images in zip(*((d.mean, d.sd) for d in discs), strict=True))
    heights = (starts + 0.5 * (slab - 1)) * stack.spacing_mm[0]
    likely = [places & (sd < DISC_SD_HU) for places in likely_places(mean, sd, phantom)]
    # the densest insert is the rarest to look like something else
    anchor = int(np.argmax([rod.density_mg_cm3 for rod in phantom.rods]))
    candidates = np.argwhere(likely[anchor])
    for step in _steps(heights, phantom):
        found = _best_place((mean, sd), likely, (candidates, anchor), step, phantom)
        if found is not None:
            place, cost, places = found
            scale = np.array((heights[1] - heights[0], PIXEL_MM, PIXEL_MM)) if heights.size > 1 else np.ones(3)
            first = np.array((heights[0], 0.0, 0.0)) + place * scale
            yield InsertColumn(_triple(first), _triple(step * scale), cost, places)


def _triple(values: FloatArray) -> tuple[float, float, float]:
    a, b, c = values.tolist()
    return a, b, c


def _steps(heights: FloatArray, phantom: Phantom) -> Iterator[Array]:
    """Steps from insert to insert, in slabs and pixels, either way along the table."""
    if heights.size < len(phantom.rods):
        return
    pitch = heights[1] - heights[0]
    reach = phantom.rod_spacing_mm * (1.0 + phantom.spacing_tolerance * np.array((-1.0, 1.0)))
    low, high = int(np.floor(reach[0] / pitch)), int(np.ceil(reach[1] / pitch))
    sideways = range(-SIDEWAYS, SIDEWAYS + 1)
    for along, row, column, sign in itertools.product(range(max(low, 1), high + 1), sideways, sideways, (1, -1)):
        yield np.array((sign * along, row, column))


def _best_place(
    images: tuple[Array, Array], likely: list[Array], known: tuple[Array, int], step: Array, phantom: Phantom
) -> tuple[FloatArray, float, int] | None:
    """Place of the first insert, its cost and how many places are like it; None when nothing fits."""
    (mean, sd), (candidates, anchor) = images, known
    offsets = [step * (n - anchor) for n in range(len(phantom.rods))]
    ends = np.array(offsets)
    inside = (candidates + ends.min(axis=0) >= 0).all(axis=1)
    inside &= (candidates + ends.max(axis=0) < mean.shape).all(axis=1)
    places = candidates[inside]
    for offset, where in zip(offsets, likely, strict=True):
        places = places[where[tuple((places + offset).T)]]
    if not places.size:
        return None
    at = [tuple((places + offset).T) for offset in offsets]
    hu = np.stack([mean[one] for one in at], axis=-1).astype(np.float64)
    residual, fits = line_through_rods(hu, phantom, np.ones(len(phantom.rods), dtype=bool))
    cost = np.where(fits & (residual < RESIDUAL_HU), residual + np.max([sd[one] for one in at], axis=0), np.inf)
    best = int(np.argmin(cost))
    if not np.isfinite(cost[best]):
        return None
    # inside inserts all places are alike: the middle of those that fit about as well as the best
    alike = (cost <= cost[best] + NEAR_BEST_HU) & (np.abs(places - places[best]) <= NEAR_PLACES).all(axis=1)
    return np.asarray(places[alike].mean(axis=0) + offsets[0]), float(cost[best]), int(alike.sum())


def _sampled(stack: AxialStack, column: InsertColumn, phantom: Phantom) -> RodSamples:
    cores = [_core(stack, np.array(column.first) + n * np.array(column.step), column, phantom)
             for n in range(len(phantom.rods))]  # fmt: skip
    used = np.unique(np.concatenate([slices for slices, _ in cores]))
    by_slice = np.full((len(cores), used.size), np.nan)
    for n, (slices, values) in enumerate(cores):
        by_slice[n, np.searchsorted(used, slices)] = values.mean(axis=1)
    samples = tuple(values.ravel() for _, values in cores)
    return RodSamples(
        np.array([sample.mean() for sample in samples]),
        np.array([np.sqrt(values.var(axis=1).mean()) for _, values in cores]),
        np.array([sample.size for sample in samples]),
        by_slice,
        samples,
        "inserts found in the image",
        {"reversed": float(column.step[0] < 0)},
    )


def _core(stack: AxialStack, centre: FloatArray, column: InsertColumn, phantom: Phantom) -> tuple[Array, FloatArray]:
    """Slices of the middle of an insert, and (s, v) voxels of its core in them."""
    middle, reach = centre[0] / stack.spacing_mm[0], 0.5 * abs(column.step[0]) / stack.spacing_mm[0]
    slices = np.arange(max(0, round(middle - reach)), min(stack.slices.shape[0], round(middle + reach) + 1))
    rows, columns = stack.in_plane_mm()
    away = np.hypot(rows[:, None] - centre[1], columns[None, :] - centre[2])
    values = np.stack([stack.slices[k][away <= 0.5 * CORE * phantom.rod_diameter_mm] for k in slices])
    near = np.abs(slices - middle) <= 0.5 * SLAB_MM / stack.spacing_mm[0]
    profile = values.mean(axis=1, dtype=np.float64)
    even = np.abs(profile - np.median(profile[near])) <= END_HU
    at = int(np.argmin(np.abs(slices - middle)))
    first, last = _run(even, at)
    rim = int(np.ceil(0.5 * (1.0 - CORE) * (last - first)))
    chosen = slice(first + rim, last - rim)
    short = (last - first) * stack.spacing_mm[0] < SHORTEST * abs(column.step[0])
    if short or len(slices[chosen]) < FEWEST_SLICES:
        raise _not_found(phantom, f"the place that fits best is even along the table in {last - first} slices only")
    return slices[chosen], values[chosen].astype(np.float64)


def _run(even: Array, at: int) -> tuple[int, int]:
    """First and one past the last of the run of true values around a place."""
    gaps = np.flatnonzero(~even)
    before, after = gaps[gaps < at], gaps[gaps > at]
    return int(before[-1]) + 1 if before.size else 0, int(after[0]) if after.size else even.size
