"""One file's header, read with bounds: the file, then meta group and transfer syntax, then what is needed."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from BoneStrengthFEALib.dicom_in.refusal import refuse

LARGEST_FILE = 4 << 30
PREAMBLE = 132
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
COMPRESSED = (RLELossless, JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless)
LOSSY = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.203",
)
"""JPEG baseline and extended, JPEG-LS near-lossless, JPEG 2000, HTJ2K."""
KEYWORDS = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "StudyDate", "StudyTime"),
    *("AccessionNumber", "ReferringPhysicianName", "StudyDescription", "SeriesDescription", "BodyPartExamined"),
    *("Manufacturer", "ManufacturerModelName", "StationName", "DeviceSerialNumber"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientAge", "PatientSize", "PatientWeight"),
    *("KVP", "SliceThickness", "ConvolutionKernel", "ReconstructionDiameter", "ContrastBolusAgent"),
    *("ContrastBolusRoute", "StudyInstanceUID", "SeriesInstanceUID", "StudyID", "FrameOfReferenceUID"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns", "NumberOfFrames"),
    *("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation"),
    *("PixelPaddingValue", "RescaleSlope", "RescaleIntercept", "RescaleType", "LossyImageCompression"),
)


@dataclass(frozen=True)
class Header:
    """A file that is DICOM, and what its header says.

    Parameters
    ----------
    path
        The file.
    data
        Elements of KEYWORDS that are there.
    transfer_syntax
        UID of the encoding.
    pixel_bytes
        Bytes from the start of PixelData's value to the end of the file; -1 without PixelData.
    """

    path: Path
    data: pydicom.Dataset
    transfer_syntax: str
    pixel_bytes: int

    @property
    def native(self) -> bool:
        """Whether pixel data are uncompressed."""
        return self.transfer_syntax in NATIVE

    def get(self, keyword: str) -> Any:
        """Value of an element, None when it is missing or empty."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = self.data.get(keyword)
        except Exception as error:
            # pydicom turns bytes into values on access, and damaged bytes into whatever exception fits them
            raise refuse("BAD_VALUE", keyword) from error
        return None if value is None or value == "" else value

    def text(self, keyword: str) -> str:
        """Text of an element, empty when it is missing; control characters are left out."""
        value = self.get(keyword)
        return "" if value is None else "".join(c for c in str(value) if c.isprintable())[:256]


def is_dicom(path: Path) -> bool:
    """Whether a file has a DICOM preamble.

    Parameters
    ----------
    path
        File.

    Returns
    -------
    True for 128 bytes followed by DICM.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(PREAMBLE)[128:] == b"DICM"
    except OSError:
        return False


def read_header(path: Path, keywords: tuple[str, ...] | None = KEYWORDS) -> Header:
    """Read a header; pixel data are never loaded.

    Parameters
    ----------
    path
        File with a DICOM preamble.
    keywords
        Elements to keep; None keeps all (for the functional groups of Enhanced CT).

    Returns
    -------
    The header.

    Raises
    ------
    RefusedError
        SYMLINK, TOO_LARGE, TRANSFER_SYNTAX, LOSSY or UNREADABLE.
    """
    if path.is_symlink():
        raise refuse("SYMLINK")
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise refuse("TOO_LARGE", f"{size / 2**30:.1f} GiB")
    syntax = _transfer_syntax(path)
    with path.open("rb") as stream, warnings.catch_warnings():
        # what is unusual in a header is judged below; pydicom's own words may quote values of the patient
        warnings.simplefilter("ignore")
        try:
            data = pydicom.dcmread(
                stream, stop_before_pixels=True, specific_tags=None if keywords is None else list(keywords)
            )
            pixel_bytes = _pixel_bytes(stream, size, syntax)
        except (RecursionError, MemoryError) as error:
            raise refuse("UNREADABLE", type(error).__name__) from error
        except Exception as error:
            raise refuse("UNREADABLE", type(error).__name__) from error
    return Header(path, data, syntax, pixel_bytes)


def _transfer_syntax(path: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            syntax = str(pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID)
    except (InvalidDicomError, AttributeError, ValueError, KeyError, OSError, EOFError) as error:
        raise refuse("TRANSFER_SYNTAX", "none") from error
    except Exception as error:
        raise refuse("UNREADABLE", type(error).__name__) from error
    if syntax in LOSSY:
        raise refuse("LOSSY", "lossy transfer syntax")
    # deflated data inflate without bound as soon as they are read
    if syntax == DeflatedExplicitVRLittleEndian or syntax not in (*NATIVE, *COMPRESSED):
        raise refuse("TRANSFER_SYNTAX")
    return syntax


def _pixel_bytes(stream: Any, size: int, syntax: str) -> int:
    start = stream.tell()
    tag = stream.read(8)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    group, element = (int.from_bytes(tag[n : n + 2], "big" if order == ">" else "little") for n in (0, 2))
    if (group, element) != (0x7FE0, 0x0010):
        return -1
    return int(size - start - (8 if syntax == ImplicitVRLittleEndian else 12))
