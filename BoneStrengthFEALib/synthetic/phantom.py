"""A calibration phantom of known rods laid into a CT: with noise, blur, tilt, cupping, truncation, reversed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.calibration.axial_stack import axial_order
from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.phantom_fit import expected_rod_hu
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

SLAB_HU = 20.0
RIM_MM = 1.0


@dataclass(frozen=True)
class Placement:
    """How a phantom lies in a scan and what the scanner did to it.

    Parameters
    ----------
    centre_mm
        Row and column coordinate of the middle of the row in the middle slice [mm].
    sigma, beta
        Bone calibration of the scanner: HU = sigma * density + beta.
    reverse
        Whether the first rod has the largest column coordinate.
    angle_deg
        Rotation in the axial plane [degrees].
    tilt_deg
        Tilt of the rods against the table, towards the rows and the columns [degrees].
    noise_hu, blur_mm, cupping_hu
        Standard deviation of the noise as it stands in the image, standard deviation of the blur, and how much lower HU
        are in the middle of the phantom. The object is blurred and then gets noise with the grain of that blur.
    seed
        Of the noise.
    """

    centre_mm: tuple[float, float]
    sigma: float = 1.3
    beta: float = -2.0
    reverse: bool = False
    angle_deg: float = 0.0
    tilt_deg: tuple[float, float] = (0.0, 0.0)
    noise_hu: float = 10.0
    blur_mm: float = 0.6
    cupping_hu: float = 0.0
    seed: int = 0


def with_phantom(ct: Volume, phantom: Phantom, placement: Placement) -> Volume:
    """Lay a phantom into a CT.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    phantom
        Definition.
    placement
        Place and image quality.

    Returns
    -------
    The composite, float32; noise is added to the phantom only, the CT has its own.
    """
    order = axial_order(ct)
    image = np.array(np.transpose(ct.array, order), dtype=np.float32)
    spacing = [ct.spacing_mm[2 - axis] for axis in order]
    hu = expected_rod_hu(phantom, placement.sigma, placement.beta)
    dice = np.random.default_rng(placement.seed)
    middle = 0.5 * (image.shape[0] - 1)
    pixels = [placement.blur_mm / h for h in spacing[1:]]
    for k in range(image.shape[0]):
        shift = np.tan(np.radians(placement.tilt_deg)) * (k - middle) * spacing[0]
        slab, content = _slice(image.shape[1:], (spacing[1], spacing[2]), phantom, placement, hu, shift)
        content = ndimage.gaussian_filter(content, pixels) + _noise(dice, content.shape, pixels, placement.noise_hu)
        share = ndimage.gaussian_filter(slab.astype(np.float64), pixels)
        image[k] = share * content + (1.0 - share) * image[k]
    back = np.argsort(order)
    return Volume(np.ascontiguousarray(np.transpose(image, back)), ct.ijk_to_ras, Quantity.HU)


def _noise(dice: np.random.Generator, shape: tuple[int, ...], pixels: list[float], noise_hu: float) -> FloatArray:
    """Noise of a given standard deviation whose grain is that of the blur, as reconstruction leaves it."""
    white = dice.normal(0.0, 1.0, shape)
    grain = ndimage.gaussian_filter(white, pixels, mode="wrap")
    return np.asarray(noise_hu * grain / max(float(grain.std()), 1e-12))


def _slice(
    shape: tuple[int, ...],
    spacing: tuple[float, float],
    phantom: Phantom,
    placement: Placement,
    hu: FloatArray,
    shift: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    rows, columns = np.arange(shape[0]) * spacing[0], np.arange(shape[1]) * spacing[1]
    angle = np.radians(placement.angle_deg)
    y = rows[:, None] - placement.centre_mm[0] - shift[0]
    x = columns[None, :] - placement.centre_mm[1] - shift[1]
    across, along = y * np.cos(angle) - x * np.sin(angle), y * np.sin(angle) + x * np.cos(angle)
    slab = (np.abs(along) <= phantom.slab_mm[0] / 2) & (np.abs(across) <= phantom.slab_mm[1] / 2)
    content = np.full(shape, SLAB_HU)
    sign = -1.0 if placement.reverse else 1.0
    for n, value in enumerate(hu):
        place = sign * (n - 0.5 * (len(hu) - 1)) * phantom.rod_spacing_mm
        distance = (
            np.maximum(np.abs(along - place), np.abs(across))
            if phantom.rod_shape == "bar"
            else np.hypot(along - place, across)
        )
        share = np.clip((phantom.rod_diameter_mm / 2 - distance) / RIM_MM + 0.5, 0.0, 1.0)
        content += share * (value - SLAB_HU)
    cup = placement.cupping_hu * np.exp(-((along / (0.25 * phantom.slab_mm[0])) ** 2))
    return slab, content - cup
