"""What all objects of one result share: source images, identifiers, equipment."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pydicom

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.dicom_out.source_headers import restore_letters, source_headers
from BoneStrengthFEALib.errors import DependencyError, InputError
from BoneStrengthFEALib.results import SiteResult, StudyResults
from BoneStrengthFEALib.version import __version__

NAMESPACE = uuid.UUID("6f0f3c0e-9f6b-5d1a-8d0e-5a1f7f3f2c11")
NAME = "BoneStrengthFEA"
ANALYSED_SERIES = f"{NAME}: analysed bone"
"""Series descriptions of segmentations that are results begin so."""
PAIRED = {"femur": "HIP", "radius": "WRIST", "tibia": "ANKLE"}
"""Body part examined of bones that have a side."""
SERIAL = "1"


@dataclass(frozen=True, eq=False)
class Origin:
    """Source of a result.

    Parameters
    ----------
    images
        Headers of the source images in the order of the volume's slices, without pixel data; see source_headers.
    key
        What decides the identifiers: series, settings, inputs, software.
    file
        First of the images.
    made
        When the results were made, in the time zone of the source.
    """

    images: tuple[pydicom.Dataset, ...]
    key: str
    file: str
    made: datetime.datetime

    def uid(self, role: str) -> str:
        """Identifier of an object: the same for the same inputs, settings and software.

        Parameters
        ----------
        role
            Which object.

        Returns
        -------
        UID under 2.25.
        """
        return f"2.25.{uuid.uuid5(NAMESPACE, f'{self.key}|{role}').int}"

    def equipment(self) -> dict[str, Any]:
        """Keyword arguments that name the software.

        Returns
        -------
        Arguments of highdicom's constructors.
        """
        return {
            "manufacturer": NAME,
            "manufacturer_model_name": NAME,
            "software_versions": __version__,
            "device_serial_number": SERIAL,
        }


def origin_of(results: StudyResults) -> Origin:
    """Read the headers of the source series.

    Parameters
    ----------
    results
        Results of a DICOM study whose files are still there.

    Returns
    -------
    The origin.

    Raises
    ------
    InputError
        When the study is not DICOM, or is an Enhanced CT.
    DependencyError
        Without highdicom.
    """
    hashes = [value for name, value in sorted(results.provenance.items()) if name.endswith("sha256")]
    return origin_from(results.acquisition, hashes, datetime.datetime.fromisoformat(results.provenance["utc"]))


def origin_from(acquisition: Acquisition, hashes: Sequence[str], made: datetime.datetime) -> Origin:
    """Read the headers of the source series.

    Parameters
    ----------
    acquisition
        Of a DICOM series whose files are still there.
    hashes
        What decides the identifiers beside series and software.
    made
        When the results were made, with a time zone.

    Returns
    -------
    The origin.

    Raises
    ------
    InputError
        When the series is not DICOM, or is an Enhanced CT.
    DependencyError
        Without highdicom.
    """
    require_highdicom()
    require_source_images(acquisition)
    images = source_headers(acquisition.files)
    key = "|".join([str(images[0].SeriesInstanceUID), __version__, *hashes])
    origin = Origin(images, key, str(acquisition.files[0]), _there(made, images[0]))
    frames = {str(image.get("FrameOfReferenceUID") or "") for image in images}
    if len(frames) > 1 or "" in frames:
        # objects on the voxels of the images need one; the images' own coordinates are meant
        for image in images:
            image.FrameOfReferenceUID = origin.uid("frame")
    return origin


def require_source_images(acquisition: Acquisition) -> None:
    """Refuse a scan whose objects could not name their source.

    Parameters
    ----------
    acquisition
        Of the scan.

    Raises
    ------
    InputError
        When it is not DICOM, or is an Enhanced CT.
    """
    if acquisition.source != "dicom" or not acquisition.files:
        raise InputError(
            "DICOM objects need a CT that was read from DICOM; give the DICOM folder instead of an image file"
        )
    if len(acquisition.files) < 2:
        raise InputError("DICOM objects of Enhanced CT are not supported yet; export the series as single frames")


def _there(made: datetime.datetime, image: pydicom.Dataset) -> datetime.datetime:
    """A time where the images were made; in this machine's time zone when they do not tell."""
    offset = str(image.get("TimezoneOffsetFromUTC") or "")
    return made.astimezone(datetime.datetime.strptime(offset, "%z").tzinfo if offset else None)


def require_highdicom() -> None:
    """Check that highdicom is there.

    Raises
    ------
    DependencyError
        When it is not.
    """
    try:
        import highdicom  # noqa: F401
    except ImportError as error:
        raise DependencyError("DICOM objects need the package highdicom; install 'bone-strength-fea[all]'") from error


def finish(dataset: pydicom.Dataset, origin: Origin) -> pydicom.Dataset:
    """Copy what viewers and validators expect from the source, and mark the object as research.

    Parameters
    ----------
    dataset
        Object.
    origin
        Source.

    Returns
    -------
    The object.
    """
    source = origin.images[0]
    for keyword in (
        *("IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight", "EthnicGroup", "TimezoneOffsetFromUTC"),
    ):
        if source.get(keyword) not in (None, "") and keyword not in dataset:
            setattr(dataset, keyword, source.get(keyword))
    day, clock = origin.made.strftime("%Y%m%d"), origin.made.strftime("%H%M%S")
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = day, clock
    dataset.ContentDate, dataset.ContentTime = day, clock
    dataset.SeriesDescription = dataset.get("SeriesDescription") or f"{NAME} (research)"
    # not every highdicom sets it
    dataset.SpecificCharacterSet = source.SpecificCharacterSet
    restore_letters(dataset, origin.file)
    return dataset


def mark_region(dataset: pydicom.Dataset, sites: Sequence[SiteResult]) -> None:
    """Name the part of the body, and the side of a picture's; a picture of a paired part without a side is invalid.

    Parameters
    ----------
    dataset
        Image object; changed.
    sites
        Bones it shows.
    """
    kinds, sides = {site.site for site in sites}, {site.side for site in sites if site.side}
    known = PAIRED.get(next(iter(kinds))) if len(kinds) == 1 else None
    if known and len(sides) == 1:
        dataset.BodyPartExamined = known
        if dataset.Modality == "OT":
            # segments and frames name their sides themselves
            dataset.Laterality = next(iter(sides))[0].upper()
    elif kinds == {"vertebra"}:
        parts = {site.level[:1] for site in sites}
        dataset.BodyPartExamined = f"{next(iter(parts))}SPINE" if parts in ({"T"}, {"L"}) else "SPINE"
    else:
        dataset.BodyPartExamined = "PELVIS" if kinds == {"femur"} else "WHOLEBODY"
