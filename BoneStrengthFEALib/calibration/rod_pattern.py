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
from BoneStrengthFEALib.calibration.phantom_fit import MINDWAYS_INTERCEPT_SHIFT
from BoneStrengthFEALib.volume import Array, FloatArray

PIXEL_MM = 1.5
"""Pixel of the search image."""
ANGLES_DEG = tuple(range(-12, 13, 2))
CORE = 0.6
"""Share of the rod's radius that is averaged."""
HU_PER_MG = (0.9, 2.2)
"""Slopes a bone calibration can have between 80 and 140 kV."""
HU_AT_ZERO = (-60.0, 60.0)
USUAL_ZERO_HU, ZERO_COST = 30.0, 0.25
"""HU at zero density beyond the first cost so much a HU: evenly spaced rods of which some are out of view fit one rod
further too, 50 to 100 HU away."""
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
    best = _best_row(discs, phantom, whole)
    if best is not None and best.residual <= POOR_FIT_HU:
        return best
    for present in cut:
        row = _best_row(discs, phantom, present)
        margin = 0.0 if best is None or not all(best.present) else MARGIN_HU
        if row is not None and (best is None or row.cost < best.cost - margin):
            best = row
    return best


def _best_row(discs: DiscImages, phantom: Phantom, present: tuple[bool, ...]) -> RodRow | None:
    rows = [
        _best_place(discs, phantom, (spacing, phantom.row_angle_deg + angle, reverse), present)
        for spacing in _spacings(phantom)
        for angle in ANGLES_DEG
        for reverse in (False, True)
    ]
    return min((row for row in rows if row is not None), key=lambda row: row.cost, default=None)


def _spacings(phantom: Phantom) -> FloatArray:
    steps = int(np.ceil(phantom.spacing_tolerance / 0.04))
    return phantom.rod_spacing_mm * (1.0 + np.linspace(-1, 1, 2 * steps + 1) * phantom.spacing_tolerance)


def _subsets(count: int) -> Iterator[tuple[bool, ...]]:
    """All rods, then rows that lose up to two rods at one end, never fewer than three."""
    yield (True,) * count
    for lost in (1, 2):
        if count - lost >= 3:
            yield (False,) * lost + (True,) * (count - lost)
            yield (True,) * (count - lost) + (False,) * lost


def _best_place(
    discs: DiscImages, phantom: Phantom, geometry: tuple[float, float, bool], present: tuple[bool, ...]
) -> RodRow | None:
    offsets = row_offsets(len(present), *geometry)
    used = np.flatnonzero(present)
    steps = np.rint((offsets - offsets[used[0]]) / PIXEL_MM).astype(int)
    hu = np.stack([_shifted(discs.mean, steps[n]) for n in used])
    sd = np.stack([_shifted(discs.sd, steps[n]) for n in used])
    cost, residual = _cost(hu, sd, phantom, used)
    for n in np.flatnonzero(~np.array(present)):
        # a rod may be missing only where the image ends
        cost[~np.isnan(_shifted(discs.mean, steps[n]))] = np.inf
    at = np.unravel_index(int(np.argmin(cost)), cost.shape)
    if not np.isfinite(cost[at]):
        return None
    centre = np.array(at) * PIXEL_MM - offsets[used[0]]
    spacing, angle, reverse = geometry
    place = float(centre[0]), float(centre[1])
    return RodRow(place, angle, float(spacing), reverse, present, float(cost[at]), float(residual[at]))


def _cost(hu: FloatArray, sd: FloatArray, phantom: Phantom, used: Array) -> tuple[FloatArray, FloatArray]:
    """Residual over the rods plus the worst inhomogeneity, infinite where it is no phantom; and that residual."""
    present = np.zeros(len(phantom.rods), dtype=bool)
    present[used] = True
    residual, fits = line_through_rods(np.moveaxis(hu, 0, -1), phantom, present)
    worst = sd.max(axis=0)
    with np.errstate(invalid="ignore"):
        good = fits & (residual < RESIDUAL_HU) & (worst < DISC_SD_HU)
    return np.where(good, residual + worst, np.inf), residual


def line_through_rods(hu: FloatArray, phantom: Phantom, present: Array) -> tuple[FloatArray, Array]:
    """Fit the phantom's line through rods at many places.

    Parameters
    ----------
    hu
        (..., m) mean HU of the rods that are present, in the definition's order.
    phantom
        Definition.
    present
        (n,) bool, which rods these are.

    Returns
    -------
    (...) residual [HU], raised where HU at zero density are unusual, and (...) whether slope and they are possible.
    """
    rods = [rod for rod, there in zip(phantom.rods, present, strict=True) if there]
    density = np.array([rod.density_mg_cm3 for rod in rods])
    liquid = phantom.fit == "mindways"
    y = hu - np.array([rod.water_mg_cm3 or 0.0 for rod in rods]) if liquid else hu
    x = density - density.mean()
    slope = y @ x / (x @ x)
    zero = y.mean(axis=-1) - slope * density.mean() + (MINDWAYS_INTERCEPT_SHIFT if liquid else 0.0)
    residual = np.sqrt(((y - y.mean(axis=-1, keepdims=True) - slope[..., None] * x) ** 2).mean(axis=-1))
    residual = residual + ZERO_COST * np.maximum(np.abs(zero) - USUAL_ZERO_HU, 0.0)
    with np.errstate(invalid="ignore"):
        fits = (slope > HU_PER_MG[0]) & (slope < HU_PER_MG[1]) & (zero > HU_AT_ZERO[0]) & (zero < HU_AT_ZERO[1])
    return np.asarray(residual), np.asarray(fits)


def _shifted(image: FloatArray, step: Array) -> FloatArray:
    """The image read at pixel + step; NaN beyond its border."""
    out = np.full(image.shape, np.nan)
    (r, c), (rows, columns) = step, image.shape
    if abs(r) >= rows or abs(c) >= columns:
        return out
    target = slice(max(0, -r), rows - max(0, r)), slice(max(0, -c), columns - max(0, c))
    source = slice(max(0, r), rows - max(0, -r)), slice(max(0, c), columns - max(0, -c))
    out[target] = image[source]
    return out
