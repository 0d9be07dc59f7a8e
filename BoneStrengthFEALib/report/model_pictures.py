"""Pictures of a finite-element model: moduli, layers added to the bone, and the sets that hold and move it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from BoneStrengthFEALib.anatomy import AlignedSpecimen
from BoneStrengthFEALib.fe_model import NodalForce, Prescribed, RigidPlaten
from BoneStrengthFEALib.load_case import LoadedModel
from BoneStrengthFEALib.report.picture_parts import FONT_SIZE, INK, PAPER, annotated, heat, scaled
from BoneStrengthFEALib.report.pictures import VIEWS, View, model_letters, pixel_mm
from BoneStrengthFEALib.volume import Array

FINE = 4
"""Pixels along an element before the picture is scaled; a node is one of them and its neighbours."""
LEGEND = (76, 72)
"""Width and height of the legend of colours [pixels]."""
LAYER, MOVED, HELD = (120, 124, 130), (255, 120, 60), (90, 190, 255)


def model_pictures(aligned: AlignedSpecimen, loaded: LoadedModel) -> dict[str, Image.Image]:
    """Mid-sagittal and mid-coronal cuts through the model; nodes of its sets are projected onto the cut.

    Parameters
    ----------
    aligned
        Specimen; its voxel size scales the pictures.
    loaded
        The model.

    Returns
    -------
    "model_sagittal", "model_coronal".
    """
    young = np.asarray(loaded.model.young_mpa, dtype=np.float64)
    middle = np.argwhere(loaded.bone).mean(axis=0).round().astype(int)
    top = float(np.percentile(young[loaded.bone], 99.0))
    moved, held = _nodes(loaded)
    made = {}
    for name, view, axis in (("model_sagittal", VIEWS[2], 2), ("model_coronal", VIEWS[1], 1)):
        cut, bone = (np.take(values, middle[axis], axis=axis) for values in (young, loaded.bone))
        pixels = np.zeros((*cut.shape, 3), dtype=np.uint8)
        pixels[...] = PAPER
        pixels[(cut > 0) & ~bone] = LAYER
        pixels[bone] = heat(cut[bone] / max(top, 1e-9))
        fine = np.kron(pixels, np.ones((FINE, FINE, 1), dtype=np.uint8))
        for nodes, colour in ((held, HELD), (moved, MOVED)):
            _dots(fine, np.asarray(nodes.any(axis=axis)), colour)
        made[name] = _finished(aligned, view, fine[::-1, ::-1], top)
    return made


def _nodes(loaded: LoadedModel) -> tuple[Array, Array]:
    model = loaded.model
    moved, held = (np.zeros(model.node_shape, dtype=bool) for _ in range(2))
    conditions: list[Prescribed | RigidPlaten | NodalForce] = [*model.prescribed, *model.platens, *model.forces]
    for condition in conditions:
        target = moved if condition.name == loaded.loaded_set else held
        target.reshape(-1)[np.asarray(condition.nodes)] = True
    return moved, held


def _dots(pixels: Array, nodes: Array, colour: tuple[int, int, int]) -> None:
    row, column = (index * FINE for index in np.nonzero(nodes))
    for dy in range(-2, 2):
        for dx in range(-2, 2):
            pixels[np.clip(row + dy, 0, pixels.shape[0] - 1), np.clip(column + dx, 0, pixels.shape[1] - 1)] = colour


def _emptier_corner(image: Image.Image) -> int:
    """Left end of a legend at the top [pixels]: at the left, or at the right when the model reaches into the left."""
    upper = np.asarray(image)[: LEGEND[1]]
    drawn = [(corner != PAPER).any(axis=2).sum() for corner in (upper[:, : LEGEND[0]], upper[:, -LEGEND[0] :])]
    return 12 if drawn[0] <= drawn[1] else image.width - LEGEND[0]


def _finished(aligned: AlignedSpecimen, view: View, pixels: Array, top: float) -> Image.Image:
    pixel = pixel_mm(aligned.specimen)
    factor = aligned.density.spacing_mm[0] / pixel / FINE
    image = annotated(scaled(pixels, factor), model_letters(aligned.specimen, view), pixel)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE - 4)
    edge = _emptier_corner(image)
    for n, (words, colour) in enumerate((("moved", MOVED), ("held", HELD), ("layer", LAYER))):
        y = 12 + 20 * n
        draw.rectangle([edge, y, edge + 12, y + 12], fill=colour)
        draw.text((edge + 18, y - 3), words, fill=INK, font=font, stroke_width=2, stroke_fill=PAPER)
    left, upper = image.width - 136, image.height - 48
    for x, colour_ in enumerate(heat(np.linspace(0, 1, 120))):
        draw.line([(left + x, upper), (left + x, upper + 10)], fill=tuple(int(c) for c in colour_))
    draw.text((left, upper + 12), "0", fill=INK, font=font)
    draw.text((left + 120, upper + 12), f"{top / 1000:.2g} GPa", fill=INK, font=font, anchor="ra")
    draw.text((left + 120, upper - 4), "Young's modulus", fill=INK, font=font, anchor="rd")
    return image
