"""The pictures as a secondary capture, for viewers that show neither PDF nor structured reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.dicom_out.origin import NAME, Origin, finish, mark_region
from BoneStrengthFEALib.report import sentences
from BoneStrengthFEALib.results import DISCLAIMER, StudyResults
from BoneStrengthFEALib.volume import Array

WIDTH, COLUMNS, GAP = 1200, 4, 8
STEP = (WIDTH - 32 + GAP) // COLUMNS
"""From one picture to the next [pixels]."""
TOP, NAME_HEIGHT = 88, 26
FONT = Path(__file__).parents[1] / "report" / "fonts" / "DejaVuSans.ttf"


def secondary_capture(origin: Origin, results: StudyResults, folder: Path, number: int) -> Any | None:
    """Put the pictures on one page with the result in words.

    Parameters
    ----------
    origin
        Source.
    results
        Results with the names of the pictures.
    folder
        Folder of the pictures.
    number
        Series number.

    Returns
    -------
    highdicom SCImage, or None when there are no pictures.
    """
    from highdicom.sc import SCImage

    page = picture_page(results, folder)
    if page is None:
        return None
    first = origin.images[0]
    data = SCImage(
        pixel_array=page,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=first.StudyInstanceUID,
        series_instance_uid=origin.uid("sc-series"),
        series_number=number,
        sop_instance_uid=origin.uid("sc"),
        instance_number=1,
        patient_orientation=("L", "P"),
        **origin.equipment(),
    )
    data.copy_patient_and_study_information(first)
    # a page of pictures has no orientation of its own
    data.PatientOrientation = None
    data.BurnedInAnnotation = "NO"
    data.SeriesDescription = f"{NAME}: pictures (research)"
    mark_region(data, [site for site in results.sites if site.pictures])
    return finish(data, origin)


def picture_page(results: StudyResults, folder: Path) -> Array | None:
    """Pictures and headline as one image.

    Parameters
    ----------
    results
        Results with the names of the pictures.
    folder
        Folder of the pictures.

    Returns
    -------
    (rows, columns, 3) bytes without identity, or None when there are no pictures.
    """
    from PIL import Image, ImageDraw, ImageFont

    rows = [(site, [folder / name for name in site.pictures.values()]) for site in results.sites if site.pictures]
    if not rows:
        return None
    heights = [NAME_HEIGHT + -(-len(paths) // COLUMNS) * STEP for _, paths in rows]
    page = Image.new("RGB", (WIDTH, TOP + sum(heights)), "black")
    draw = ImageDraw.Draw(page)
    large, small = ImageFont.truetype(str(FONT), 22), ImageFont.truetype(str(FONT), 15)
    line = sentences.headline(results)
    while draw.textlength(line, font=large) > WIDTH - 32 and large.size > 8:
        large = ImageFont.truetype(str(FONT), large.size - 1)
    draw.text((16, 14), line, font=large, fill="white")
    draw.text((16, 52), DISCLAIMER, font=small, fill="#ffb454")
    top = TOP
    for (site, paths), height in zip(rows, heights, strict=True):
        draw.text((16, top), site.name, font=small, fill="white")
        for n, path in enumerate(paths):
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            scale = (STEP - GAP) / max(picture.size)
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            place = (16 + n % COLUMNS * STEP, top + NAME_HEIGHT + n // COLUMNS * STEP)
            page.paste(picture.resize(size, Image.Resampling.LANCZOS), place)
        top += height
    return np.asarray(page, dtype=np.uint8)
