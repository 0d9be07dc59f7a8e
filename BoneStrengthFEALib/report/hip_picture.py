"""Picture of a hip's projection with the outlines of its regions."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from BoneStrengthFEALib.anatomy import Side
from BoneStrengthFEALib.bmd import HipScan
from BoneStrengthFEALib.bmd.hip_projection import PIXEL_MM
from BoneStrengthFEALib.bmd.hip_regions import NAMES
from BoneStrengthFEALib.report.picture_parts import BAR_MM, FONT_SIZE, INK, PAPER, SIDE
from BoneStrengthFEALib.volume import Array

COLOURS = {"femoral_neck": (255, 170, 40), "trochanter": (90, 200, 255), "intertrochanter": (150, 230, 120)}
TOP_PERCENT = 99.5
SMOOTH_PIXELS = 0.8
"""Blur of the picture alone; it hides the pattern of voxels against pixels."""


def hip_picture(scan: HipScan) -> Image.Image:
    """Draw the projection as a densitometer shows it.

    Parameters
    ----------
    scan
        Projection and regions.

    Returns
    -------
    Square picture; a right femur as seen from in front, with its head at the right of the picture.
    """
    projection = scan.projection
    mineral = ndimage.gaussian_filter(projection.mineral_g_cm2, SMOOTH_PIXELS)
    top = float(np.percentile(mineral[projection.bone], TOP_PERCENT))
    grey = np.clip(mineral / max(top, 1e-6), 0.0, 1.0) ** 0.8
    # the patient's right is at the left of the picture: the lateral side of a right femur lies left
    mirrored = projection.side is not Side.LEFT
    factor = max(1, min((SIDE - 8) // max(grey.shape), 6))
    paper = np.array(PAPER, dtype=np.float64)
    pixels = (paper + _turned(grey, mirrored)[..., None] * (255.0 - paper)).astype(np.uint8)
    size = (pixels.shape[1] * factor, pixels.shape[0] * factor)
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)
    drawn = np.array(image)
    for name, colour in COLOURS.items():
        mask = scan.regions.masks.get(name)
        if mask is not None:
            drawn[_edge(_turned(mask, mirrored), factor)] = colour
    canvas = Image.new("RGB", (SIDE, SIDE), PAPER)
    image = Image.fromarray(drawn)
    canvas.paste(image, ((SIDE - image.width) // 2, max(0, (SIDE - image.height) // 2)))
    return _lettered(canvas, scan, factor, mirrored)


def _turned(values: Array, mirrored: bool) -> Array:
    return np.asarray(values[:, ::-1] if mirrored else values)


def _edge(mask: Array, factor: int) -> Array:
    fine = np.kron(mask, np.ones((factor, factor), dtype=bool)) > 0
    return np.asarray(fine & ~ndimage.binary_erosion(fine, iterations=2))


def _lettered(canvas: Image.Image, scan: HipScan, factor: int, mirrored: bool) -> Image.Image:
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(FONT_SIZE - 4)
    names = [name for name in COLOURS if name in scan.regions.masks]
    for n, name in enumerate(names):
        y = 10 + 20 * n
        draw.rectangle([12, y, 24, y + 12], fill=COLOURS[name])
        draw.text((30, y - 3), NAMES[name], fill=INK, font=font, stroke_width=2, stroke_fill=PAPER)
    sides = ("lateral", "medial") if mirrored else ("medial", "lateral")
    for text, x, anchor in ((sides[0], 8, "lm"), (sides[1], SIDE - 8, "rm")):
        draw.text((x, SIDE // 2), text, fill=INK, font=font, anchor=anchor, stroke_width=2, stroke_fill=PAPER)
    length, y = int(BAR_MM * factor / PIXEL_MM), SIDE - 16
    draw.line([(14, y), (14 + length, y)], fill=INK, width=3)
    draw.text((14, y - 6), f"{BAR_MM:g} mm", fill=INK, font=font, anchor="ld", stroke_width=2, stroke_fill=PAPER)
    return canvas
