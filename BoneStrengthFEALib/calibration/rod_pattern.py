"""Search one axial image for a row of rods whose HU follow the phantom's densities.

Every place, angle, spacing and order is tried at once: the mean HU of a disc around each pixel is known after one
convolution, and a row of rods is a sum of shifted copies of it. A low-contrast rod (0 mg/cm3 in water-like resin) is
found by its place in the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.rod_line import HU_AT_ZERO, HU_PER_MG, RodScale, line_through_rods
from BoneStrengthFEALib.volume import Array, FloatArray

PIXEL_MM = 1.5
"""Pixel of the search image."""
ANGLES_DEG = tuple(range(-12, 13, 2))
CORE = 0.6
"""Share of the rod's radius that is averaged."""
POOR_FIT_HU, MARGIN_HU = 3.0, 4.0
"""A whole row with a larger residual gives way to a cut one that costs so much less: its last rod was none."""
RESIDUAL_HU = 25.0
DISC_SD_HU = 45.0
OUTSIDE_HU = -1100.0
"""Values below are filling, not measured."""


@dataclass(frozen=True)
class RodRow:
    """A row of rods in one image.

    Parameters
    ----------
    centre_mm
        Row and column coordinate of the middle of the whole row, missing rods included [mm].
    angle_deg
        Angle of the row against the columns' axis [degrees].
    spacing_mm
        Distance of neighbouring rods [mm].
    reverse
        Whether the definition's first rod has the largest column coordinate.
    present
        Per rod of the definition, whether it lies in the image.
    cost
        Residual and inhomogeneity [HU]; smaller is better.
    residual
        Residual of the phantom's line over the rods [HU].
    """

    centre_mm: tuple[float, float]
    angle_deg: float
    spacing_mm: float
    reverse: bool
    present: tuple[bool, ...]
    cost: float
    residual: float = 0.0

    def rods_mm(self) -> FloatArray:
        """Centres of the rods in the definition's order.

        Returns
        -------
        (n, 2) row and column coordinates [mm].
        """
        offsets = row_offsets(len(self.present), self.spacing_mm, self.angle_deg, self.reverse)
        return np.asarray(offsets + np.array(self.centre_mm))


def row_offsets(count: int, spacing_mm: float, angle_deg: float, reverse: bool) -> FloatArray:
    """Rod centres about the middle of their row.

    Parameters
    ----------
    count, spacing_mm, angle_deg, reverse
        As in RodRow.

    Returns
    -------
    (count, 2) row and column offsets [mm].
    """
    along = (np.arange(count) - 0.5 * (count - 1)) * spacing_mm * (-1.0 if reverse else 1.0)
    angle = np.deg2rad(angle_deg)
    return np.stack((along * np.sin(angle), along * np.cos(angle)), axis=1)


@dataclass(frozen=True, eq=False)
class DiscImages:
    """Mean and standard deviation of a rod's core around each pixel.

    Parameters
    ----------
    mean, sd
        (rows, columns) on a grid of PIXEL_MM; NaN where the disc leaves the image.
    """

    mean: FloatArray
    sd: FloatArray


def disc_images(image: FloatArray, spacing_mm: tuple[float, float], phantom: Phantom) -> DiscImages:
    """Average the rod's core around each pixel.

    Parameters
    ----------
    image
        (rows, columns) HU.
    spacing_mm
        Distance of rows and columns [mm].
    phantom
        For size and shape of a rod.

    Returns
    -------
    The images.
    """
    shape = [max(1, int((n - 1) * s / PIXEL_MM) + 1) for n, s in zip(image.shape, spacing_mm, strict=True)]
    smoothing = [0.4 * max(PIXEL_MM / s - 1.0, 0.0) for s in spacing_mm]
    grid = np.meshgrid(*(np.arange(n) * PIXEL_MM / s for n, s in zip(shape, spacing_mm, strict=True)), indexing="ij")
    coarse = ndimage.map_coordinates(ndimage.gaussian_filter(image, smoothing), grid, order=1, mode="nearest")
    kernel = core_kernel(phantom, PIXEL_MM)
    outside = signal.fftconvolve((coarse < OUTSIDE_HU).astype(float), kernel, "same") > 0.01
    # a shift keeps the convolution of squares accurate
    values = np.clip(coarse, OUTSIDE_HU, 3000.0)
    mean = signal.fftconvolve(values, kernel, "same")
    variance = signal.fftconvolve(values**2, kernel, "same") - mean**2
    margin = kernel.shape[0] // 2
    for array in (mean, variance):
        array[outside] = np.nan
        array[:margin], array[-margin:], array[:, :margin], array[:, -margin:] = (np.nan,) * 4
    return DiscImages(mean, np.sqrt(np.maximum(variance, 0.0)))


def core_kernel(phantom: Phantom, pixel_mm: float) -> FloatArray:
    """Averaging kernel of a rod's core.

    Parameters
    ----------
    phantom
        For size and shape.
    pixel_mm
        Pixel size [mm].

    Returns
    -------
    (m, m) weights that add up to one, m odd.
    """
    radius = 0.5 * CORE * phantom.rod_diameter_mm / pixel_mm
    half = int(np.ceil(radius))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    inside = np.maximum(abs(x), abs(y)) <= radius if phantom.rod_shape == "bar" else np.hypot(x, y) <= radius
    return np.asarray(inside / inside.sum())


def search_row(image: FloatArray, spacing_mm: tuple[float, float], phantom: Phantom) -> RodRow | None:
    """Find the best row of rods in an axial image.

    Parameters
    ----------
    image
        (rows, columns) HU.
    spacing_mm
        Distance of rows and columns [mm].
    phantom
        Definition.

    Returns
    -------
    The row with the least cost that fits the phantom, or None.
    """
    discs = disc_images(image, spacing_mm, phantom)
    whole, *cut = (present for present in _subsets(len(phantom.rods)))
    likely = likely_places(discs.mean, discs.sd, phantom)
    best = _best_row(discs, likely, phantom, whole)
    if best is not None and best.residual <= POOR_FIT_HU:
        return best
    for present in cut:
        row = _best_row(discs, likely, phantom, present)
        margin = 0.0 if best is None or not all(best.present) else MARGIN_HU
        if row is not None and (best is None or row.cost < best.cost - margin):
            best = row
    return best


def _best_row(discs: DiscImages, likely: list[Array], phantom: Phantom, present: tuple[bool, ...]) -> RodRow | None:
    rows = [
        _best_place(discs, likely, phantom, (spacing, base + angle, reverse), np.array(present))
        for spacing in _spacings(phantom)
        # rows may be stored front to back or back to front, which turns an oblique row the other way
        for base in {phantom.row_angle_deg, -phantom.row_angle_deg}
        for angle in ANGLES_DEG
        for reverse in (False, True)
    ]
    return min((row for row in rows if row is not None), key=lambda row: row.cost, default=None)


def _spacings(phantom: Phantom) -> FloatArray:
    steps = int(np.ceil(phantom.spacing_tolerance / 0.04))
    return phantom.rod_spacing_mm * (1.0 + np.linspace(-1, 1, 2 * steps + 1) * phantom.spacing_tolerance)


def _subsets(count: int) -> Iterator[tuple[bool, ...]]:
    """All rods, then rows that lose one or two rods at one end or one at each, never fewer than three."""
    yield (True,) * count
    for lost in (1, 2):
        if count - lost >= 3:
            yield (False,) * lost + (True,) * (count - lost)
            yield (True,) * (count - lost) + (False,) * lost
    if count >= 5:
        yield (False, *(True,) * (count - 2), False)


def _best_place(
    discs: DiscImages, likely: list[Array], phantom: Phantom, geometry: tuple[float, float, bool], present: Array
) -> RodRow | None:
    offsets = row_offsets(len(present), *geometry)
    used = np.flatnonzero(present)
    steps = np.rint((offsets - offsets[used[0]]) / PIXEL_MM).astype(int)
    # places of the first rod in view for which all rods in view lie in the image
    low = -steps[used].min(axis=0)
    high = np.array(discs.mean.shape) - steps[used].max(axis=0)
    if (high <= low).any():
        return None
    places = np.argwhere(np.logical_and.reduce([likely[n][_window(steps[n], low, high)] for n in used])) + low
    for n in np.flatnonzero(~present):
        # a rod may be missing only where the image ends
        places = places[~_seen(discs.mean, places + steps[n])]
    if not places.size:
        return None
    cost, residual = _cost(discs, phantom, used, [places + steps[n] for n in used])
    at = int(np.argmin(cost))
    if not np.isfinite(cost[at]):
        return None
    centre = places[at] * PIXEL_MM - offsets[used[0]]
    spacing, angle, reverse = geometry
    row = float(centre[0]), float(centre[1])
    return RodRow(row, angle, float(spacing), reverse, tuple(present.tolist()), float(cost[at]), float(residual[at]))


def _window(step: Array, low: Array, high: Array) -> tuple[slice, slice]:
    (r, c), (top, left), (bottom, right) = step, low, high
    return slice(top + r, bottom + r), slice(left + c, right + c)


def _seen(mean: FloatArray, places: Array) -> Array:
    """Which places lie in the image."""
    inside: Array = np.asarray(((places >= 0) & (places < mean.shape)).all(axis=1))
    inside[inside] = ~np.isnan(mean[tuple(places[inside].T)])
    return np.asarray(inside)


def likely_places(mean: FloatArray, sd: FloatArray, phantom: Phantom) -> list[Array]:
    """Where the core of each rod may lie: even inside, and within the HU that a possible line and residual leave it.

    Parameters
    ----------
    mean, sd
        (...) mean and standard deviation of a rod's core around each place [HU].
    phantom
        Definition.

    Returns
    -------
    Per rod (...) booleans.
    """
    scale = RodScale.of(phantom, np.arange(len(phantom.rods)))
    slack = RESIDUAL_HU * np.sqrt(len(phantom.rods))
    even = sd < DISC_SD_HU
    found = []
    for rod, water in zip(phantom.rods, scale.water, strict=True):
        ends = [slope * rod.density_mg_cm3 + water - scale.shift for slope in HU_PER_MG]
        low, high = min(ends) + HU_AT_ZERO[0] - slack, max(ends) + HU_AT_ZERO[1] + slack
        found.append(even & (mean > low) & (mean < high))
    return found


def _cost(discs: DiscImages, phantom: Phantom, used: Array, places: list[Array]) -> tuple[FloatArray, FloatArray]:
    """Residual over the rods plus the worst inhomogeneity, infinite where it is no phantom; and that residual."""
    rods = [tuple(rod.T) for rod in places]
    hu = np.stack([discs.mean[rod] for rod in rods], axis=-1)
    present = np.isin(np.arange(len(phantom.rods)), used)
    residual, fits = line_through_rods(hu, phantom, present)
    worst = np.max([discs.sd[rod] for rod in rods], axis=0)
    good = fits & (residual < RESIDUAL_HU) & (worst < DISC_SD_HU)
    return np.where(good, residual + worst, np.inf), residual
