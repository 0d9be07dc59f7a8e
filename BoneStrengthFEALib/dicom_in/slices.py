"""Slices: one per single-frame image or per frame of an Enhanced CT, each checked by itself."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from BoneStrengthFEALib.dicom_in.header import Header, read_header
from BoneStrengthFEALib.dicom_in.refusal import refuse
from BoneStrengthFEALib.volume import FloatArray

CT = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""Enhanced CT, Legacy Converted Enhanced CT."""
MATRIX = (16, 4096)
MOST_FRAMES = 20000
UNIT_TOLERANCE = 1e-3
UID = re.compile(r"[0-9]+(\.[0-9]+)*")
MONO = re.compile(r"\bVMI\b|mono.{0,12}\bkev\b|\b\d{2,3}\s?kev\b|monoenerg|\bmono\s?[+e]", re.IGNORECASE)
"""Virtual monoenergetic images in series descriptions and image types."""


@dataclass(frozen=True, eq=False)
class Slice:
    """Geometry and scale of one image plane.

    Parameters
    ----------
    header
        The file it lies in.
    frame
        Frame number from 0.
    position
        (3,) centre of the first voxel, LPS [mm].
    orientation
        (2, 3) unit directions of increasing column and row index, LPS.
    spacing
        Distance between rows, between columns [mm].
    slope, intercept
        HU = slope * stored + intercept.
    """

    header: Header
    frame: int
    position: FloatArray
    orientation: FloatArray
    spacing: tuple[float, float]
    slope: float
    intercept: float

    @property
    def normal(self) -> FloatArray:
        """Unit normal of the plane, LPS."""
        return np.cross(self.orientation[0], self.orientation[1])


def check_identity(header: Header) -> None:
    """Refuse what is no CT or cannot be identified.

    Parameters
    ----------
    header
        Header.

    Raises
    ------
    RefusedError
        BAD_UID or NOT_CT.
    """
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "SOPClassUID"):
        _check_uid(header.text(keyword))
    if header.get("FrameOfReferenceUID") is not None:
        _check_uid(header.text("FrameOfReferenceUID"))
    if header.text("Modality") != "CT" or header.text("SOPClassUID") not in (CT, *ENHANCED_CT):
        raise refuse("NOT_CT")


def is_localizer(header: Header) -> bool:
    """Whether an image is a scout view.

    Parameters
    ----------
    header
        Header.

    Returns
    -------
    True when its image type says so.
    """
    return "LOCALIZER" in image_type(header)


def image_type(header: Header) -> list[str]:
    """Image type.

    Parameters
    ----------
    header
        Header.

    Returns
    -------
    Upper-case values.
    """
    value = header.get("ImageType")
    values = [value] if isinstance(value, str) else list(value or ())
    return [str(part).upper() for part in values]


def slices_of(header: Header) -> list[Slice]:
    """Check one file and list its planes.

    Parameters
    ----------
    header
        Header of a CT image.

    Returns
    -------
    One slice, or one per frame of an Enhanced CT.

    Raises
    ------
    RefusedError
        With the code of what is wrong.
    """
    _check_pixels(header)
    if header.text("SOPClassUID") in ENHANCED_CT:
        return _enhanced(header)
    if int(header.get("NumberOfFrames") or 1) != 1:
        raise refuse("MULTIFRAME", f"{header.text('NumberOfFrames')} frames")
    _check_scale_type(header.text("RescaleType"), header)
    return [_plane(header, 0, header.get)]


def _check_uid(text: str) -> None:
    if len(text) > 64 or not UID.fullmatch(text):
        raise refuse("BAD_UID")


def _check_pixels(header: Header) -> None:
    rows, columns = (_integer(header, keyword) for keyword in ("Rows", "Columns"))
    if not all(MATRIX[0] <= n <= MATRIX[1] for n in (rows, columns)):
        raise refuse("MATRIX", f"{rows} x {columns}")
    if _integer(header, "BitsAllocated") != 16 or not 8 < int(header.get("BitsStored") or 16) <= 16:
        raise refuse("BITS", f"{header.text('BitsAllocated')} bits")
    if int(header.get("SamplesPerPixel") or 1) != 1 or header.text("PhotometricInterpretation") != "MONOCHROME2":
        raise refuse("PHOTOMETRIC", header.text("PhotometricInterpretation"))
    if header.text("LossyImageCompression") == "01":
        raise refuse("LOSSY", "Lossy Image Compression 01")
    frames = int(header.get("NumberOfFrames") or 1)
    if not 1 <= frames <= MOST_FRAMES:
        raise refuse("MULTIFRAME", f"{frames} frames")
    if header.pixel_bytes <= 0:
        raise refuse("NO_PIXELS")
    needed = rows * columns * 2 * frames
    if header.native and header.pixel_bytes < needed:
        raise refuse("TRUNCATED", f"{header.pixel_bytes} of {needed} bytes")


def _check_scale_type(rescale_type: str, header: Header) -> None:
    kind = rescale_type.upper().strip()
    # modified HU are for the gate, where the user may declare them
    if kind not in ("", "HU", "HU_MOD") and not is_virtual_mono(header):
        raise refuse("NOT_HU", kind)


def is_virtual_mono(header: Header) -> bool:
    """Whether an image is virtual monoenergetic or holds modified HU.

    Parameters
    ----------
    header
        Header.

    Returns
    -------
    True when rescale type, image type or description say so.
    """
    words = " ".join((*image_type(header)[2:], header.text("SeriesDescription")))
    return header.text("RescaleType").upper().strip() == "HU_MOD" or MONO.search(words) is not None


def _plane(header: Header, frame: int, get: Callable[[str], Any]) -> Slice:
    position = _numbers(get, "ImagePositionPatient", 3)
    directions = _numbers(get, "ImageOrientationPatient", 6).reshape(2, 3)
    lengths = np.linalg.norm(directions, axis=1)
    if np.abs(lengths - 1).max() > UNIT_TOLERANCE or abs(directions[0] @ directions[1]) > UNIT_TOLERANCE:
        raise refuse("BAD_ORIENTATION")
    spacing = _numbers(get, "PixelSpacing", 2)
    if spacing.min() <= 0 or spacing.max() > 20:
        raise refuse("BAD_VALUE", "PixelSpacing")
    slope, intercept = (float(_numbers(get, keyword, 1)[0]) for keyword in ("RescaleSlope", "RescaleIntercept"))
    if slope <= 0:
        raise refuse("BAD_VALUE", "RescaleSlope")
    return Slice(
        header,
        frame,
        position,
        directions / lengths[:, None],
        (float(spacing[0]), float(spacing[1])),
        slope,
        intercept,
    )


def _enhanced(header: Header) -> list[Slice]:
    """Planes of an Enhanced CT; its functional groups are read only now that all else holds."""
    whole = read_header(header.path, None)
    try:
        shared = whole.data.get("SharedFunctionalGroupsSequence") or [None]
        frames = whole.data.get("PerFrameFunctionalGroupsSequence") or []
        count = int(header.get("NumberOfFrames") or 1)
        if len(frames) != count:
            raise refuse("BAD_VALUE", f"{len(frames)} functional groups for {count} frames")
        planes = []
        for number, group in enumerate(frames):
            get = _group_lookup(group, shared[0])
            _check_scale_type(str(get("RescaleType") or ""), header)
            planes.append(_plane(header, number, get))
    except (RecursionError, AttributeError, TypeError, IndexError, KeyError) as error:
        raise refuse("UNREADABLE", type(error).__name__) from error
    return planes


GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
}


def _group_lookup(frame: Any, shared: Any) -> Callable[[str], Any]:
    def get(keyword: str) -> Any:
        for group in (frame, shared):
            items = group.get(GROUPS[keyword]) if group is not None else None
            if items and items[0].get(keyword) is not None:
                return items[0].get(keyword)
        return None

    return get


def _integer(header: Header, keyword: str) -> int:
    value = header.get(keyword)
    if value is None:
        raise refuse(f"MISSING_{keyword.upper()}")
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise refuse("BAD_VALUE", keyword) from error


def _numbers(get: Callable[[str], Any], keyword: str, count: int) -> FloatArray:
    value = get(keyword)
    if value is None:
        raise refuse(f"MISSING_{keyword.upper()}")
    try:
        parts: Sequence[Any] = [value] if count == 1 and not hasattr(value, "__len__") else list(value)
        numbers = np.array([float(part) for part in parts])
    except (TypeError, ValueError) as error:
        raise refuse("BAD_VALUE", keyword) from error
    if numbers.shape != (count,) or not all(math.isfinite(n) for n in numbers):
        raise refuse("BAD_VALUE", keyword)
    return numbers
