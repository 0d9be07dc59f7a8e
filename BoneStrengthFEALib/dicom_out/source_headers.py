"""Headers of the source images as result objects can carry them: what scanners and de-identifiers broke is mended."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom import config
from pydicom.charset import python_encoding
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)
IDENTITY = frozenset(("PatientName", "PatientID", "IssuerOfPatientID", "AccessionNumber", "ReferringPhysicianName"))
"""Copied as they are, valid or not: a changed one would belong to somebody else."""
STUDY = ("StudyDate", "StudyTime", "StudyID", "StudyDescription", "BodyPartExamined", "TimezoneOffsetFromUTC")
PATIENT_GROUP = 0x0010
SEXES = ("M", "F", "O")
UNICODE = "ISO_IR 192"
RARE = "GBK"
"""In the standard, but unknown to older programs."""
LONGEST = {"SH": 16, "LO": 64}
TEXTS = ("PN", "LO", "SH", "ST", "LT", "UC", "UT")


def source_headers(files: Sequence[str]) -> tuple[pydicom.Dataset, ...]:
    """Read the headers and mend what would make every object invalid.

    Parameters
    ----------
    files
        Source images in the order of the volume's slices.

    Returns
    -------
    Headers without pixel data, in Unicode, with all attributes that must be there, and valid but for identity.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = tuple(pydicom.dcmread(Path(path), stop_before_pixels=True) for path in files)
        for image in images:
            _mend(image)
        _mend_thickness(images)
    return images


def restore_letters(made: pydicom.Dataset, file: str) -> None:
    """Give an object the character set of its source, and the source's own bytes where the text is the same.

    Parameters
    ----------
    made
        Object in Unicode; changed.
    file
        Source image.
    """
    source = pydicom.dcmread(Path(file), stop_before_pixels=True)
    declared = source.get("SpecificCharacterSet")
    if not _is_sound(declared):
        return
    made.SpecificCharacterSet = copy.copy(declared)
    for element in list(made):
        if element.VR in TEXTS and element.tag in source and str(source[element.tag].value) == str(element.value):
            made[element.tag] = copy.copy(source[element.tag])


def _is_sound(declared: object) -> bool:
    """Whether a character set is one the standard allows; with code extensions the first may be left empty."""
    values = [str(value) for value in declared] if isinstance(declared, MultiValue) else [str(declared or "")]
    extended = [value.startswith("ISO 2022") for value in values]
    if len(values) == 1:
        return bool(values[0]) and values[0] in python_encoding and not extended[0] and values[0] != RARE
    return all(value in python_encoding for value in values) and all(extended[1:]) and (extended[0] or not values[0])


def _mend(image: pydicom.Dataset) -> None:
    image.decode()
    image.SpecificCharacterSet = UNICODE
    for keyword in MAY_BE_EMPTY:
        if keyword not in image:
            # de-identifiers leave them out; the standard wants them, empty if need be
            setattr(image, keyword, "")
    if image.PatientSex not in SEXES:
        image.PatientSex = ""
    patient = [element.keyword for element in image.group_dataset(PATIENT_GROUP)]
    for keyword in (*patient, *STUDY):
        if keyword and keyword in image and keyword not in IDENTITY:
            _mend_value(image, keyword)


def _mend_thickness(images: Sequence[pydicom.Dataset]) -> None:
    """Where no thickness is told, objects on the voxels of the images have that of the voxels."""
    missing = [image for image in images if not image.get("SliceThickness")]
    if missing and len(images) > 1:
        step = np.subtract(images[1].ImagePositionPatient, images[0].ImagePositionPatient)
        for image in missing:
            image.SliceThickness = f"{np.linalg.norm(step):.6g}"


def _mend_value(image: pydicom.Dataset, keyword: str) -> None:
    """Keep a valid value; write dates and times as the standard has them, cut long texts, leave out what is left."""
    element = image[keyword]
    if element.VR == "SQ" or element.is_empty or _is_valid(element.VR, element.value):
        return
    text = str(element.value)
    if element.VR in ("DA", "TM"):
        text = "".join(letter for letter in text if letter.isdecimal())
    text = text.strip().upper() if element.VR == "CS" else text[: LONGEST.get(element.VR, len(text))]
    if _is_valid(element.VR, text):
        element.value = text
    elif keyword in MAY_BE_EMPTY:
        element.value = ""
    else:
        del image[keyword]


def _is_valid(vr: str, value: object) -> bool:
    values = value if isinstance(value, MultiValue) else [value]
    try:
        for one in values:
            validate_value(vr, str(one) if vr in ("DS", "IS") else one, config.RAISE)
    except (ValueError, TypeError):
        return False
    return True
