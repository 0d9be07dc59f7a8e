"""The gate: a series is admitted with warnings, or refused with a code, from its headers alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from BoneStrengthFEALib.acquisition import Acquisition, Sex, Subject
from BoneStrengthFEALib.dicom_in.geometry import ordered, spacing_mm
from BoneStrengthFEALib.dicom_in.header import Header, is_dicom, read_header
from BoneStrengthFEALib.dicom_in.refusal import SENTENCES, refuse
from BoneStrengthFEALib.dicom_in.slices import (
    Slice,
    check_identity,
    image_type,
    is_localizer,
    is_virtual_mono,
    slices_of,
)
from BoneStrengthFEALib.errors import BoneStrengthError, RefusedError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport

T = TypeVar("T")
AGE = re.compile(r"(\d{1,3})([DWMY])")
YEARS = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1.0}


@dataclass(frozen=True, eq=False)
class Admitted:
    """A series that may be decoded.

    Parameters
    ----------
    slices
        Planes in order along their normal.
    acquisition
        Facts of the series.
    quality
        Checks that passed or warn.
    """

    slices: tuple[Slice, ...]
    acquisition: Acquisition
    quality: QualityReport


def admit(paths: Sequence[Path]) -> Admitted:
    """Judge the files of one series.

    Parameters
    ----------
    paths
        Files; those that are not DICOM are left out with a warning.

    Returns
    -------
    The admitted series.

    Raises
    ------
    RefusedError
        With the code of the first thing that is wrong.
    """
    return guarded(_admit, paths)


def guarded(function: Callable[..., T], *arguments: Any) -> T:
    """Call something that reads foreign data: nothing but our own errors comes out.

    Parameters
    ----------
    function
        Reader.
    arguments
        Its arguments.

    Returns
    -------
    Its result.

    Raises
    ------
    RefusedError
        UNREADABLE for whatever a damaged header made the reader raise.
    """
    try:
        return function(*arguments)
    except BoneStrengthError:
        raise
    except (Exception, RecursionError) as error:
        raise refuse("UNREADABLE", type(error).__name__) from error


def _admit(paths: Sequence[Path]) -> Admitted:
    if any(path.is_symlink() for path in paths):
        raise refuse("SYMLINK")
    files = [path for path in paths if is_dicom(path)]
    if not files:
        raise refuse("NO_DICOM", f"{len(paths)} files")
    headers = [read_header(path) for path in files]
    for header in headers:
        check_identity(header)
    _check_one_series(headers)
    images = [header for header in headers if not is_localizer(header)]
    if not images:
        raise refuse("NOT_CT", "localizers only")
    planes = ordered([plane for header in images for plane in slices_of(header)])
    lines = [
        _line("OTHER_FILES", len(paths) - len(files), "files that are not DICOM", "they were left out"),
        _line("LOCALIZER", len(headers) - len(images), "localizer images", "they were left out"),
        *_frame_lines(images),
        *_series_lines(images[0], planes),
    ]
    return Admitted(tuple(planes), acquisition_of(images[0], planes), QualityReport(tuple(lines)))


def _check_one_series(headers: Sequence[Header]) -> None:
    for keyword, code in (
        ("PatientID", "MIXED_PATIENT"),
        ("StudyInstanceUID", "MIXED_SERIES"),
        ("SeriesInstanceUID", "MIXED_SERIES"),
    ):
        values = {h.text(keyword) for h in headers}
        if len(values) > 1:
            raise refuse(code, f"{len(values)} of them")
    images = [header for header in headers if not is_localizer(header)]
    count = _frames_of_reference(images)
    # anonymised series are known in which each image has its own; a mixture of acquisitions has fewer
    if count > 1 and not 2 < count == len(images):
        raise refuse("MIXED_FRAME_OF_REFERENCE", f"{count} of them")
    if len({h.text("SOPInstanceUID") for h in headers}) < len(headers):
        raise refuse("DUPLICATE_INSTANCE")


def _frame_lines(images: Sequence[Header]) -> list[QualityLine]:
    count = _frames_of_reference(images)
    if count <= 1:
        return []
    return [
        QualityLine(
            "FRAME_OF_REFERENCE",
            Outcome.WARN,
            f"{count} frames of reference, one an image",
            "one frame of reference",
            "evenly spaced images of one series were taken to share one, as anonymised series do not always say; check "
            "in the pictures that they fit",
        )
    ]


def _frames_of_reference(images: Sequence[Header]) -> int:
    return len({header.text("FrameOfReferenceUID") for header in images})


def _series_lines(header: Header, planes: Sequence[Slice]) -> list[QualityLine]:
    mono = is_virtual_mono(header)
    scales = {(plane.slope, plane.intercept) for plane in planes}
    derived = image_type(header)[:1] == ["DERIVED"]
    distance = spacing_mm(planes)
    return [
        QualityLine(
            "VIRTUAL_MONO",
            Outcome.REFUSE if mono else Outcome.PASS,
            "virtual monoenergetic or modified HU" if mono else "polyenergetic",
            "polyenergetic",
            SENTENCES["VIRTUAL_MONO"],
        ),
        QualityLine(
            "DERIVED",
            Outcome.WARN if derived else Outcome.PASS,
            "DERIVED" if derived else "ORIGINAL",
            "ORIGINAL",
            "the images were computed from others (reformatted, filtered): prefer the original series",
        ),
        _line("RESCALE_VARIES", len(scales) - 1, "further rescale pairs in the series", "each slice uses its own"),
        QualityLine("SLICE_SPACING", Outcome.PASS, f"{len(planes)} slices, {distance:.3f} mm apart", "even, no gap"),
    ]


def _line(code: str, count: int, what: str, action: str) -> QualityLine:
    return QualityLine(code, Outcome.WARN if count else Outcome.PASS, f"{count} {what}", f"0 {what}", action)


def acquisition_of(header: Header, planes: Sequence[Slice]) -> Acquisition:
    """Facts of a series.

    Parameters
    ----------
    header
        Header of any of its images.
    planes
        Planes in order.

    Returns
    -------
    The acquisition.
    """
    text = header.text
    shared = _frames_of_reference([plane.header for plane in planes]) == 1
    return Acquisition(
        source="dicom",
        kvp=_number(header, "KVP"),
        slice_thickness_mm=_number(header, "SliceThickness"),
        kernel=text("ConvolutionKernel").strip("[]'"),
        contrast_agent=text("ContrastBolusAgent"),
        reconstruction_diameter_mm=_number(header, "ReconstructionDiameter"),
        manufacturer=text("Manufacturer"),
        model=text("ManufacturerModelName"),
        station=text("StationName"),
        serial=text("DeviceSerialNumber"),
        study_date=text("StudyDate"),
        study_time=text("StudyTime"),
        study_uid=text("StudyInstanceUID"),
        series_uid=text("SeriesInstanceUID"),
        frame_of_reference_uid=text("FrameOfReferenceUID") if shared else "",
        accession_number=text("AccessionNumber"),
        study_id=text("StudyID"),
        study_description=text("StudyDescription"),
        series_description=text("SeriesDescription"),
        referring_physician=text("ReferringPhysicianName"),
        body_part=text("BodyPartExamined"),
        subject=_subject(header),
        files=tuple(dict.fromkeys(str(plane.header.path) for plane in planes)),
    )


def _subject(header: Header) -> Subject:
    sex = header.text("PatientSex").upper()
    return Subject(
        name=header.text("PatientName"),
        patient_id=header.text("PatientID"),
        birth_date=header.text("PatientBirthDate"),
        sex=Sex(sex) if sex in {s.value for s in Sex} else Sex.UNKNOWN,
        age_years=_age(header),
        height_m=_plausible(_number(header, "PatientSize"), 0.3, 2.6),
        weight_kg=_plausible(_number(header, "PatientWeight"), 2.0, 400.0),
    )


def _age(header: Header) -> float | None:
    born, seen = header.text("PatientBirthDate"), header.text("StudyDate")
    if len(born) == len(seen) == 8 and (born + seen).isdecimal():
        years = (int(seen[:4]) - int(born[:4])) - (seen[4:] < born[4:])
        return _plausible(float(years), 0.0, 125.0)
    match = AGE.fullmatch(header.text("PatientAge"))
    return int(match[1]) * YEARS[match[2]] if match else None


def _number(header: Header, keyword: str) -> float | None:
    try:
        value = header.get(keyword)
        return None if value is None else float(value)
    except (RefusedError, TypeError, ValueError):
        # descriptive numbers are not worth a refusal; the quality profile says when one is unknown
        return None


def _plausible(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low <= value <= high else None
