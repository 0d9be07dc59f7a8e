"""What all pictures share: size, colours, letters, bar of length."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from BoneStrengthFEALib.volume import Array, FloatArray

SIDE = 384
"""Pixels along an edge of a picture."""
BAR_MM = 20.0
INK, PAPER = (235, 240, 245), (16, 20, 26)
FONT_SIZE = 18


def scaled(pixels: Array, factor: float) -> Image.Image:
    """Scale pixels into the middle of a square picture.

    Parameters
    ----------
    pixels
        (rows, columns, 3) bytes.
    factor
        Scale.

    Returns
    -------
    Picture.
    """
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.NEAREST)
    canvas = Image.new("RGB", (SIDE, SIDE), PAPER)
    canvas.paste(image, ((SIDE - image.width) // 2, (SIDE - image.height) // 2))
    return canvas


def heat(share: FloatArray) -> Array:
    """Colours of shares.

    Parameters
    ----------
    share
        Values from 0 to 1.

    Returns
    -------
    (n, 3) bytes.
    """
    # dark blue - teal - yellow - red, monotone in lightness up to the yellow
    stops = np.array([[28, 30, 92], [22, 110, 140], [60, 180, 110], [245, 220, 70], [214, 40, 40]], dtype=np.float64)
    position = np.clip(share, 0, 1) * (len(stops) - 1)
    low = np.minimum(position.astype(int), len(stops) - 2)
    part = (position - low)[:, None]
    return ((1 - part) * stops[low] + part * stops[low + 1]).astype(np.uint8)


def annotated(image: Image.Image, letters: tuple[str, ...], pixel_mm: float) -> Image.Image:
    """Orientation letters and a bar of length.

    Parameters
    ----------
    image
        Picture, drawn on.
    letters
        Left, right, top, bottom.
    pixel_mm
        Size of a pixel [mm].

    Returns
    -------
    The picture.
    """
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(FONT_SIZE)
    middle_x, middle_y = image.width // 2, image.height // 2
    places = (
        (8, middle_y, "lm"),
        (image.width - 8, middle_y, "rm"),
        (middle_x, 6, "ma"),
        (middle_x, image.height - 6, "md"),
    )
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        draw.text((x, y), letter, fill=INK, font=font, anchor=anchor, stroke_width=2, stroke_fill=PAPER)
    length = int(BAR_MM / pixel_mm)
    y = image.height - 16
    draw.line([(14, y), (14 + length, y)], fill=INK, width=3)
    draw.text((14, y - 6), f"{BAR_MM:g} mm", fill=INK, font=ImageFont.load_default(FONT_SIZE - 4), anchor="ld")
    return image
