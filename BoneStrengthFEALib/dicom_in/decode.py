"""Pixels of an admitted series as one volume in HU, each image checked against its header."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRBigEndian, RLELossless

from BoneStrengthFEALib.dicom_in.gate import Admitted, guarded
from BoneStrengthFEALib.dicom_in.geometry import ijk_to_ras
from BoneStrengthFEALib.dicom_in.header import Header
from BoneStrengthFEALib.dicom_in.refusal import refuse
from BoneStrengthFEALib.dicom_in.slices import Slice
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.volume import Array, Quantity, Volume

PADDING_HU = -1024.0
"""Padding outside the reconstruction circle becomes air of the usual lowest value."""
JPEG_STARTS = (b"\xff\xd8", b"\xff\x4f")
"""First bytes of JPEG and JPEG-LS, and of JPEG 2000."""


def decode(series: Admitted, callback: ProgressCallback = no_progress) -> Volume:
    """Decode a series.

    Parameters
    ----------
    series
        What the gate admitted.
    callback
        Progress; may raise to cancel.

    Returns
    -------
    (K, J, I) volume [HU]; int16 when every rescale is by whole numbers and fits, else float32.

    Raises
    ------
    RefusedError
        DECODE or TRUNCATED.
    """
    planes = series.slices
    first = planes[0].header
    shape = (len(planes), int(first.get("Rows")), int(first.get("Columns")))
    volume = np.empty(shape, dtype=np.int16 if _whole(planes) else np.float32)
    frames: tuple[Path | None, Array | None] = (None, None)
    for k, plane in enumerate(planes):
        if frames[0] != plane.header.path:
            frames = (plane.header.path, guarded(_stored, plane.header))
        assert frames[1] is not None
        volume[k] = _hu(frames[1][plane.frame], plane)
        callback("reading DICOM", (k + 1) / len(planes))
    return Volume(volume, ijk_to_ras(planes), Quantity.HU)


def _whole(planes: Sequence[Slice]) -> bool:
    for plane in planes:
        bits, signed = int(plane.header.get("BitsStored") or 16), bool(plane.header.get("PixelRepresentation"))
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        if not (plane.slope == 1.0 and float(plane.intercept).is_integer()):
            return False
        if low + plane.intercept < -32768 or high + plane.intercept > 32767:
            return False
    return True


def _hu(stored: Array, plane: Slice) -> Array:
    hu = stored.astype(np.float32) * np.float32(plane.slope) + np.float32(plane.intercept)
    padding = plane.header.get("PixelPaddingValue")
    if padding is not None:
        # scanners pad below air; a "padding value" that real tissue has as well is no padding
        value = _as_stored(int(padding), plane.header)
        if value * plane.slope + plane.intercept < -900.0:
            hu[stored == value] = PADDING_HU
    return hu


def _as_stored(value: int, header: Header) -> int:
    # the element's VR may be US for signed pixels
    return value - 65536 if header.get("PixelRepresentation") and value > 32767 else value


def _stored(header: Header) -> Array:
    rows, columns = int(header.get("Rows")), int(header.get("Columns"))
    frames = int(header.get("NumberOfFrames") or 1)
    if header.native or header.transfer_syntax == RLELossless:
        values = _by_pydicom(header, frames)
    else:
        values = _by_itk(header, frames)
    if values.size != frames * rows * columns:
        raise refuse("DECODE", f"{values.size} values for {frames} x {rows} x {columns}")
    return _within_bits(values.reshape(frames, rows, columns), header)


def _by_pydicom(header: Header, frames: int) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pydicom.dcmread(header.path)
        if not header.native:
            try:
                return np.asarray(data.pixel_array)
            except Exception as error:
                raise refuse("DECODE", type(error).__name__) from error
        content = data.PixelData
    size = int(header.get("Rows")) * int(header.get("Columns")) * frames
    if len(content) < 2 * size:
        raise refuse("TRUNCATED", f"{len(content)} of {2 * size} bytes")
    order = ">" if header.transfer_syntax == ExplicitVRBigEndian else "<"
    kind = "i2" if header.get("PixelRepresentation") else "u2"
    return np.frombuffer(content, dtype=order + kind, count=size).astype(kind)


def _by_itk(header: Header, frames: int) -> Array:
    """JPEG families, by ITK's GDCM, after a look at the first bytes: it crashes on data that are something else."""
    import SimpleITK as sitk

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = pydicom.dcmread(header.path).PixelData
        streams = list(generate_frames(content, number_of_frames=frames))
    if len(streams) != frames or not all(stream[:2] in JPEG_STARTS for stream in streams):
        raise refuse("DECODE", "no JPEG stream")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(header.path))
    reader.SetImageIO("GDCMImageIO")
    try:
        image = sitk.GetArrayFromImage(reader.Execute()).astype(np.float64)
    except RuntimeError as error:
        raise refuse("DECODE", "GDCM") from error
    if frames > 1:
        raise refuse("DECODE", "compressed Enhanced CT")
    # GDCM has applied the rescale already
    slope, intercept = float(header.get("RescaleSlope")), float(header.get("RescaleIntercept"))
    return np.rint((image - intercept) / slope).astype(np.int32)


def _within_bits(values: Array, header: Header) -> Array:
    bits, signed = int(header.get("BitsStored") or 16), bool(header.get("PixelRepresentation"))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    if values.min() >= low and values.max() <= high:
        return values
    # overlays of old scanners live in the unused high bits
    cut = values.astype(np.int32) & ((1 << bits) - 1)
    return np.where(cut > high, cut - (1 << bits), cut) if signed else cut
