"""Pictures of a bone with two outlines: the mask given and the result found."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.segmentation_cases import Case
from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.volume import Array

MARGIN_MM = 14.0
WINDOW_HU = (-150.0, 650.0)
MASK_RGB, FOUND_RGB = (0, 255, 80), (255, 60, 60)
GREYS, BLENDS, UNDER = 48, (0.35, 0.7, 1.0), 8
"""Palette of the sheets, small enough for a repository: greys, and the outlines over some greys."""
PLANES = ("axial", "coronal", "sagittal")


def draw(case: Case, found: Array | None, path: Path) -> None:
    """Draw sections through the mask's centre and beside it, patient upright, patient's right on the left.

    Parameters
    ----------
    case
        The case.
    found
        (K, J, I) booleans, None when it was refused.
    path
        PNG to write.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    ct, mask, other = _upright(case, found)
    both = mask if other is None else mask | other
    index = np.argwhere(mask)
    i, j, k = (math.ceil(MARGIN_MM / h) for h in _spacing(case))
    box = bounding_box(both, (k, j, i))
    figure, axes = plt.subplots(3, 3, figsize=(10.5, 10), dpi=70, layout="constrained")
    for plane in range(3):
        for column, share in enumerate((25.0, 50.0, 75.0)):
            at = int(np.percentile(index[:, plane], share))
            parts = [None if a is None else np.take(a, at, axis=plane)[_rest(box, plane)] for a in (ct, mask, other)]
            _panel(axes[plane, column], parts, _aspect(case, plane), f"{PLANES[plane]} {column + 1}")
    state = "" if found is not None else ": refused"
    figure.suptitle(f"{case.name}{state}. Green: mask given; red: from one click", fontsize=11)
    figure.canvas.draw()
    sheet = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    plt.close(figure)
    sheet.quantize(palette=_palette(), dither=Image.Dither.NONE).save(path, optimize=True)


def _palette() -> Image.Image:
    greys = np.repeat(np.linspace(0, 255, GREYS)[:, None], 3, axis=1)
    under = np.repeat(np.linspace(0, 255, UNDER)[:, None], 3, axis=1)
    over = [blend * np.array(colour) + (1 - blend) * under for colour in (MASK_RGB, FOUND_RGB) for blend in BLENDS]
    colours = np.rint(np.vstack([greys, *over])).astype(np.uint8)
    image = Image.new("P", (1, 1))
    image.putpalette(colours.tobytes())
    return image


def _upright(case: Case, found: Array | None) -> tuple[Array, Array, Array | None]:
    """Arrays with axes S downward, A to the back, R to the left."""
    order, flips = _axes(case)
    turned = [None if a is None else np.flip(np.transpose(a, order), flips) for a in (case.ct.array, case.mask, found)]
    assert turned[0] is not None
    assert turned[1] is not None
    return turned[0], turned[1], turned[2]


def _axes(case: Case) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which array axis runs along S, A and R, and which of the new axes must be flipped."""
    directions = case.ct.ijk_to_ras[:3, :3] / np.array(case.ct.spacing_mm)
    found = [int(np.abs(directions[ras]).argmax()) for ras in (2, 1, 0)]
    signs = [directions[ras, axis] for ras, axis in zip((2, 1, 0), found, strict=True)]
    flips = tuple(n for n, sign in enumerate(signs) if sign > 0)
    return tuple(2 - axis for axis in found), flips


def _spacing(case: Case) -> tuple[float, float, float]:
    order, _ = _axes(case)
    k, j, i = (case.ct.spacing_mm[2 - axis] for axis in order)
    return i, j, k


def _aspect(case: Case, plane: int) -> float:
    i, j, k = _spacing(case)
    return (j / i, k / i, k / j)[plane]


def _rest(box: tuple[slice, ...], plane: int) -> tuple[slice, ...]:
    return tuple(part for axis, part in enumerate(box) if axis != plane)


def _panel(axes: object, parts: list[Array | None], aspect: float, title: str) -> None:
    values, mask, found = parts
    show = axes  # matplotlib has no types
    show.imshow(values, cmap="gray", vmin=WINDOW_HU[0], vmax=WINDOW_HU[1], aspect=aspect, interpolation="nearest")  # type: ignore[attr-defined]
    for array, colour in ((mask, MASK_RGB), (found, FOUND_RGB)):
        if array is not None and array.any():
            show.contour(array, [0.5], colors=[np.array(colour) / 255.0], linewidths=1.3)  # type: ignore[attr-defined]
    show.set_title(title, fontsize=9)  # type: ignore[attr-defined]
    show.set_axis_off()  # type: ignore[attr-defined]
