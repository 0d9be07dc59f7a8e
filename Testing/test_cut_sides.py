"""Where bone leaves the image, in words."""

from __future__ import annotations

import re

import numpy as np
import pytest

from BoneStrengthFEALib.segmentation.cut_sides import above_the_point, of_the_image
from BoneStrengthFEALib.volume import Quantity, Volume

REACH = (np.array((40.0, 40.0, 30.0)), np.array((40.0, 40.0, 90.0)))
POINT = np.array((30.0, 30.0, 30.0))


def bar(first: int, last: int) -> Volume:
    """Upright bar of bone, 18 mm thick, between two slices of an image from S 0 to 238 mm."""
    array = np.full((120, 40, 40), 45, dtype=np.int16)
    array[first:last, 12:30, 12:30] = 900
    return Volume(array, np.diag([1.5, 1.5, 2.0, 1.0]), Quantity.HU)


@pytest.mark.parametrize(
    ("ct", "words"),
    [
        (bar(0, 30), "ends 2[6-9] mm above it without such a ball"),
        (bar(0, 120), "goes on for more than [89][0-9] mm above it"),
        (
            bar(0, 120).cropped((0, 0, 0), (40, 40, 40)),
            "cut by the superior edge of the image, 4[5-9] mm above the point",
        ),
        (bar(0, 120).cropped((0, 0, 0), (40, 40, 25)), "cut by the (right|superior) and (right|superior) edges"),
    ],
)
def test_what_is_above_a_point(ct: Volume, words: str) -> None:
    assert re.search(words, above_the_point(ct, POINT, REACH))


def test_sides_of_an_image_that_cut_bone() -> None:
    assert of_the_image(bar(20, 60)) == ""
    assert of_the_image(bar(0, 60)) == "bone is cut by the inferior edge of the image"
    assert of_the_image(bar(0, 120)) == "bone is cut by the inferior and superior edges of the image"
