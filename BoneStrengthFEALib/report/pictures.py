"""Pictures of a bone: slices of the CT with outlines, cuts through the model with strain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from BoneStrengthFEALib.anatomy import AlignedSpecimen, Site, Specimen
from BoneStrengthFEALib.report.picture_parts import FONT_SIZE, INK, PAPER, SIDE, annotated, heat, scaled
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

FIELD_MM = {Site.VERTEBRA: 96.0, Site.FEMUR: 168.0, Site.RADIUS: 64.0, Site.TIBIA: 84.0}
"""Edge of the square that a picture shows [mm]."""
OTHER_FIELD_MM = 96.0
WINDOW_HU = (-250.0, 750.0)
"""Bone window."""
COLOURS = {1: (255, 170, 40), 2: (90, 180, 255)}
"""Outline of region 1 (what is analysed) and 2."""
ROI_COLOUR = (120, 230, 130)
"""Outline of the region of a density measure."""
FAILED = ((225, 130, 50), (80, 170, 240))
"""Elements failed in compression and in tension."""


@dataclass(frozen=True)
class View:
    """A cut through the local frame.

    Parameters
    ----------
    name
        "axial", "coronal" or "sagittal".
    right, down
        Local axis that points right and down in the picture: index 0..2 and sign.
    letters
        Orientation letters left, right, top, bottom.
    """

    name: str
    right: tuple[int, int]
    down: tuple[int, int]
    letters: tuple[str, str, str, str]


# radiological convention: the patient's right is at the left of the picture
VIEWS = (
    View("axial", (0, -1), (1, -1), ("R", "L", "A", "P")),
    View("coronal", (0, -1), (2, -1), ("R", "L", "S", "I")),
    View("sagittal", (1, -1), (2, -1), ("A", "P", "S", "I")),
)


def slice_pictures(ct: Volume, specimen: Specimen, roi: Array | None = None) -> dict[str, Image.Image]:
    """Three cuts of the CT through the middle of the specimen, along its own axes.

    Parameters
    ----------
    ct
        CT [HU] whose voxels the specimen's grid is a part of.
    specimen
        Specimen; its regions are outlined.
    roi
        (K, J, I) region of a density measure on the specimen's grid, outlined too; None for none.

    Returns
    -------
    View name to picture.
    """
    grid = specimen.regions.grid
    k, j, i = np.rint(ct.grid.to_ijk(grid.to_ras(np.zeros(3))))[::-1].astype(int)
    near = ct.cropped((k, j, i), (k + grid.shape[0], j + grid.shape[1], i + grid.shape[2]))
    return {view.name: _slice(near, specimen, view, roi) for view in VIEWS}


def _slice_letters(specimen: Specimen, view: View) -> tuple[str, ...]:
    # x of a limb follows the shape of its section, not the patient
    if specimen.site not in (Site.RADIUS, Site.TIBIA):
        return view.letters
    return ("", "", "", "") if view.name == "axial" else ("", "", "prox", "dist")


def _slice(ct: Volume, specimen: Specimen, view: View, roi: Array | None) -> Image.Image:
    pixel = pixel_mm(specimen)
    offsets = (np.arange(SIDE) + 0.5 - SIDE / 2) * pixel
    local = np.zeros((SIDE, SIDE, 3))
    frame = specimen.local_to_ras
    local += _middle(specimen)
    local[..., view.right[0]] += view.right[1] * offsets[None, :]
    local[..., view.down[0]] += view.down[1] * offsets[:, None]
    places = ct.grid.to_ijk(local @ frame[:3, :3].T + frame[:3, 3])[..., ::-1]
    places = np.moveaxis(places, -1, 0)
    grey = ndimage.map_coordinates(ct.array.astype(np.float32), places, order=1, mode="constant", cval=-1000.0)
    scaled = np.clip((grey - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0]), 0, 1) * 255
    pixels = np.repeat(scaled[..., None], 3, axis=2).astype(np.uint8)
    shown = [(specimen.regions.array == value, colour) for value, colour in COLOURS.items()]
    shown += [] if roi is None else [(roi, ROI_COLOUR)]
    for mask, colour in shown:
        soft = ndimage.map_coordinates(mask.astype(np.float32), places, order=1, mode="constant")
        pixels[_outline(soft >= 0.5)] = colour
    return annotated(Image.fromarray(pixels), _slice_letters(specimen, view), pixel)


def pixel_mm(specimen: Specimen) -> float:
    """Size of a pixel of a bone's pictures.

    Parameters
    ----------
    specimen
        Bone.

    Returns
    -------
    Size [mm].
    """
    return FIELD_MM.get(specimen.site, OTHER_FIELD_MM) / SIDE


def _middle(specimen: Specimen) -> FloatArray:
    """Middle of the analysed region in the local frame [mm]."""
    ras = specimen.regions.grid.to_ras(np.argwhere(specimen.regions.array == 1)[:, ::-1].mean(axis=0))
    frame = specimen.local_to_ras
    return np.asarray((ras - frame[:3, 3]) @ frame[:3, :3])


def model_letters(specimen: Specimen, view: View) -> tuple[str, ...]:
    """Orientation letters of a model's picture.

    Parameters
    ----------
    specimen
        Bone.
    view
        Cut.

    Returns
    -------
    Left, right, top, bottom.
    """
    # the axes of other models than the vertebra's are those of the load
    if specimen.site in (Site.RADIUS, Site.TIBIA):
        return _slice_letters(specimen, view)
    return view.letters if specimen.site is Site.VERTEBRA else ("", "", "", "")


def _outline(mask: Array) -> Array:
    return np.asarray(ndimage.binary_dilation(mask, iterations=1) & ~ndimage.binary_erosion(mask, iterations=1))


def strain_pictures(
    aligned: AlignedSpecimen, elements: Array, values: FloatArray, region: Array
) -> dict[str, Image.Image]:
    """Mid-sagittal and mid-coronal cuts through the model, coloured by a value per element.

    Parameters
    ----------
    aligned
        Specimen; its voxel size scales the pictures.
    elements
        (K, J, I) bool, elements that have a value.
    values
        (n,) value per element, in C order; here the effective strain [%] at the failure load.
    region
        (K, J, I) bool, bone; cement is drawn grey.

    Returns
    -------
    "strain_sagittal", "strain_coronal".
    """
    field = np.full(elements.shape, np.nan)
    field[elements] = values
    bone_index = np.argwhere(region & elements)
    middle = bone_index.mean(axis=0).round().astype(int)
    top = float(np.nanpercentile(field[region & elements], 99.0))
    voxel = aligned.density.spacing_mm[0]
    cuts = {
        "strain_sagittal": (VIEWS[2], field[::-1, ::-1, middle[2]], region[::-1, ::-1, middle[2]]),
        "strain_coronal": (VIEWS[1], field[::-1, middle[1], ::-1], region[::-1, middle[1], ::-1]),
    }
    scale = (top, voxel / pixel_mm(aligned.specimen))
    return {
        name: _with_scale(
            annotated(_field_picture(cut, bone, scale), model_letters(aligned.specimen, view), voxel / scale[1]), top
        )
        for name, (view, cut, bone) in cuts.items()
    }


def failed_pictures(
    aligned: AlignedSpecimen, compression: Array, tension: Array, bone: Array
) -> dict[str, Image.Image]:
    """Mid-sagittal and mid-coronal cuts with the elements that yield at the largest force.

    Parameters
    ----------
    aligned
        Specimen; its voxel size scales the pictures.
    compression, tension
        (K, J, I) bool, elements that failed in compression and in tension.
    bone
        (K, J, I) bool, bone elements.

    Returns
    -------
    "failed_sagittal", "failed_coronal".
    """
    middle = np.argwhere(bone).mean(axis=0).round().astype(int)
    pixels = np.zeros((*bone.shape, 3), dtype=np.uint8)
    pixels[...] = PAPER
    for mask, colour in ((bone, (120, 124, 130)), (compression & bone, FAILED[0]), (tension & bone, FAILED[1])):
        pixels[mask] = colour
    pixel = pixel_mm(aligned.specimen)
    factor = aligned.density.spacing_mm[0] / pixel
    cuts = {
        "failed_sagittal": (VIEWS[2], pixels[::-1, ::-1, middle[2]]),
        "failed_coronal": (VIEWS[1], pixels[::-1, middle[1], ::-1]),
    }
    return {
        name: _with_legend(annotated(scaled(cut, factor), model_letters(aligned.specimen, view), pixel))
        for name, (view, cut) in cuts.items()
    }


def _with_legend(image: Image.Image) -> Image.Image:
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE - 4)
    for n, (words, colour) in enumerate(zip(("compression", "tension"), FAILED, strict=True)):
        y = image.height - 52 + 20 * n
        draw.rectangle([image.width - 130, y, image.width - 118, y + 12], fill=colour)
        draw.text((image.width - 112, y - 3), words, fill=INK, font=font)
    return image


def _field_picture(cut: FloatArray, bone: Array, scale: tuple[float, float]) -> Image.Image:
    top, factor = scale
    pixels = np.zeros((*cut.shape, 3), dtype=np.uint8)
    pixels[...] = PAPER
    pixels[np.isfinite(cut) & ~bone] = (120, 124, 130)
    inside = np.isfinite(cut) & bone
    pixels[inside] = heat(cut[inside] / max(top, 1e-12))
    return scaled(pixels, factor)


def _with_scale(image: Image.Image, top: float) -> Image.Image:
    draw = ImageDraw.Draw(image)
    width, height = 120, 10
    left, upper = image.width - width - 16, image.height - 48
    ramp = heat(np.linspace(0, 1, width))
    for x in range(width):
        draw.line([(left + x, upper), (left + x, upper + height)], fill=tuple(int(c) for c in ramp[x]))
    font = ImageFont.load_default(FONT_SIZE - 4)
    draw.text((left, upper + height + 2), "0", fill=INK, font=font)
    draw.text((left + width, upper + height + 2), f"{top:.2g} %", fill=INK, font=font, anchor="ra")
    draw.text((left + width, upper - 4), "effective strain", fill=INK, font=font, anchor="rd")
    return image
