"""NIfTI, NRRD and MetaImage files to volumes and back, through SimpleITK.

SimpleITK works in LPS; this module is one of the two places where LPS exists.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from BoneStrengthFEALib.atomic_files import replacing
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
NIFTI_FLOATS = {16: "f4", 64: "f8"}
"""NIfTI-1 datatype codes of floating-point images."""
NIFTI_BLOCK = 1 << 22
"""Bytes read at a time; a multiple of every number's size."""
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_volume(path: Path, quantity: Quantity) -> Volume:
    """Read an image file.

    Parameters
    ----------
    path
        NIfTI, NRRD or MetaImage file.
    quantity
        What its numbers are.

    Returns
    -------
    The volume; any axis order and direction is kept as stored.

    Raises
    ------
    InputError
        When the file is missing, unreadable, not three-dimensional, or not of this quantity.
    """
    image = read_image(path)
    array = sitk.GetArrayFromImage(image)
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if image.GetDimension() not in (3, 4) or array.ndim != 3 or image.GetNumberOfComponentsPerPixel() > 1:
        raise InputError(f"{path.name} has shape {array.shape}; expected one scalar 3-D image")
    if quantity is Quantity.LABEL:
        array = _as_labels(array, path)
    return Volume(array, ijk_to_ras_of(image), quantity)


def read_image(path: Path) -> sitk.Image:
    """Read a file with SimpleITK, with words for people when it fails.

    Parameters
    ----------
    path
        Image file.

    Returns
    -------
    The image.

    Raises
    ------
    InputError
        When the file is missing or unreadable.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist or is not a file; give a NIfTI, NRRD or MetaImage file")
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError(f"{path.name} is none of {', '.join(SUFFIXES)}; convert it or give the DICOM folder")
    try:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            require_sound_nifti(path)
        return sitk.ReadImage(str(path))
    except (RuntimeError, OSError, EOFError, zlib.error, struct.error) as error:
        raise InputError(f"{path.name} cannot be read as an image; it is damaged or cut short") from error


def require_sound_nifti(path: Path) -> None:
    """Refuse a NIfTI-1 file that is cut short or holds NaN; ITK reads both as zeros without a word.

    Parameters
    ----------
    path
        .nii or .nii.gz file.

    Raises
    ------
    OSError, EOFError, zlib.error, struct.error
        When the file is cut short or its compressed stream is damaged.
    InputError
        When a floating-point image holds NaN or infinity.

    References
    ----------
    NIfTI-1.1 data format, header fields dim (offset 40), datatype (70), bitpix (72), vox_offset (108).
    """
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        header = stream.read(348)
        order = "<" if struct.unpack_from("<i", header)[0] == 348 else ">"
        rank, *sizes = struct.unpack_from(f"{order}8h", header, 40)
        kind, bits = struct.unpack_from(f"{order}2h", header, 70)
        (start,) = struct.unpack_from(f"{order}f", header, 108)
        stream.read(int(start) - len(header))
        missing = math.prod(sizes[:rank]) * bits // 8
        number = NIFTI_FLOATS.get(kind)
        while missing > 0:
            block = stream.read(min(missing, NIFTI_BLOCK))
            if not block:
                raise EOFError(f"{missing} bytes are missing")
            missing -= len(block)
            if number and not np.isfinite(np.frombuffer(block, order + number, len(block) // int(number[1]))).all():
                raise InputError(f"{path.name} holds NaN or infinity; repair or crop the image before measuring on it")


def write_volume(volume: Volume, path: Path, compress: bool = True) -> None:
    """Write an image file atomically.

    Parameters
    ----------
    volume
        Volume.
    path
        Target; its suffix chooses the format.
    compress
        False for files that are read at once and thrown away: compressing takes a hundred times longer than writing.

    Raises
    ------
    InputError
        On an unknown suffix.
    OutputError
        When it cannot be written; nothing half-written stays.
    """
    if not path.name.lower().endswith(SUFFIXES) or path.suffix.lower() in (".nhdr", ".mhd"):
        raise InputError(f"cannot write {path.name}: choose .nii, .nii.gz, .nrrd or .mha")
    array = volume.array
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    with replacing(path) as temporary:
        try:
            sitk.WriteImage(image_of(volume.with_array(array)), str(temporary), useCompression=compress)
        except RuntimeError as error:
            raise OSError(str(error).splitlines()[-1]) from error


def image_of(volume: Volume) -> sitk.Image:
    """Turn a volume into a SimpleITK image.

    Parameters
    ----------
    volume
        Volume with orthogonal axes.

    Returns
    -------
    Image in LPS.
    """
    lps = LPS_TO_RAS @ volume.ijk_to_ras
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array))
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def ijk_to_ras_of(image: sitk.Image) -> FloatArray:
    """Affine of a SimpleITK image.

    Parameters
    ----------
    image
        Image of three or four dimensions (only the first three count).

    Returns
    -------
    (4, 4) ijk to RAS [mm].
    """
    dimension = image.GetDimension()
    direction = np.array(image.GetDirection()).reshape(dimension, dimension)[:3, :3]
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(image.GetSpacing()[:3])
    affine[:3, 3] = image.GetOrigin()[:3]
    return LPS_TO_RAS @ affine


def _as_labels(array: Array, path: Path) -> Array:
    if np.issubdtype(array.dtype, np.integer):
        return array
    if not np.isfinite(array).all() or not np.array_equal(array, np.round(array)):
        raise InputError(f"{path.name} holds fractions or NaN and is no label map; give integer labels")
    return array.astype(np.int32)
