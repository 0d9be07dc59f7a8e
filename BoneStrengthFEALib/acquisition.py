"""What is known about how an image was taken and of whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Sex(Enum):
    """Sex as DICOM (0010,0040) states it; thresholds are by sex."""

    FEMALE = "F"
    MALE = "M"
    OTHER = "O"
    UNKNOWN = ""


@dataclass(frozen=True)
class Subject:
    """The person examined; identity fields stay out of logs and file names.

    Parameters
    ----------
    name
        DICOM person name, for the report only.
    patient_id
        Patient ID, for the report only.
    birth_date
        YYYYMMDD or empty.
    sex
        Sex.
    age_years
        Age at the examination [years].
    height_m
        Standing height [m].
    weight_kg
        Body mass [kg].
    """

    name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    sex: Sex = Sex.UNKNOWN
    age_years: float | None = None
    height_m: float | None = None
    weight_kg: float | None = None


@dataclass(frozen=True)
class Acquisition:
    """Facts of one CT series that later steps, the report and the result objects need.

    Parameters
    ----------
    source
        "dicom", "nifti", "nrrd", "metaimage", "slicer" or "synthetic".
    kvp
        Tube voltage [kV].
    slice_thickness_mm
        Nominal thickness [mm]; the spacing is in the volume's grid.
    kernel
        Convolution kernel as the scanner names it.
    contrast_agent
        Text of (0018,0010) or empty.
    reconstruction_diameter_mm
        Reconstruction diameter [mm].
    manufacturer, model, station, serial
        The scanner.
    study_date, study_time
        YYYYMMDD, HHMMSS.
    study_uid, series_uid, frame_of_reference_uid
        DICOM UIDs; empty when the source is not DICOM.
    accession_number, study_id, study_description, series_description, referring_physician
        Copied into results for the clinician.
    body_part
        (0018,0015).
    subject
        The person.
    files
        Paths of the instances in slice order; empty when the source is not DICOM.
    """

    source: str
    kvp: float | None = None
    slice_thickness_mm: float | None = None
    kernel: str = ""
    contrast_agent: str = ""
    reconstruction_diameter_mm: float | None = None
    manufacturer: str = ""
    model: str = ""
    station: str = ""
    serial: str = ""
    study_date: str = ""
    study_time: str = ""
    study_uid: str = ""
    series_uid: str = ""
    frame_of_reference_uid: str = ""
    accession_number: str = ""
    study_id: str = ""
    study_description: str = ""
    series_description: str = ""
    referring_physician: str = ""
    body_part: str = ""
    subject: Subject = Subject()
    files: tuple[str, ...] = ()
