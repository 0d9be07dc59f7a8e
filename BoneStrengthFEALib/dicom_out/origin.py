"""What all objects of one result share: source images, identifiers, equipment."""

from __future__ import annotations

import uuid
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom

from BoneStrengthFEALib.errors import DependencyError, InputError
from BoneStrengthFEALib.results import StudyResults
from BoneStrengthFEALib.version import __version__

NAMESPACE = uuid.UUID("6f0f3c0e-9f6b-5d1a-8d0e-5a1f7f3f2c11")
NAME = "BoneStrengthFEA"
SERIAL = "1"
MAY_BE_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName", "PositionReferenceIndicator"),
)


@dataclass(frozen=True, eq=False)
class Origin:
    """Source of a result.

    Parameters
    ----------
    images
        Headers of the source images in the order of the volume's slices, without pixel data.
    key
        What decides the identifiers: series, settings, inputs, software.
    """

    images: tuple[pydicom.Dataset, ...]
    key: str

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
    require_highdicom()
    files = results.acquisition.files
    if results.acquisition.source != "dicom" or not files:
        raise InputError(
            "DICOM objects need a CT that was read from DICOM; give the DICOM folder instead of an image file"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = tuple(pydicom.dcmread(Path(path), stop_before_pixels=True) for path in files)
    for image in images:
        for keyword in MAY_BE_EMPTY:
            if keyword not in image:
                # de-identifiers leave them out; the standard wants them, empty if need be
                setattr(image, keyword, "")
    if len(images) < 2:
        raise InputError("DICOM objects of Enhanced CT are not supported yet; export the series as single frames")
    hashes = [value for name, value in sorted(results.provenance.items()) if name.endswith("sha256")]
    return Origin(images, "|".join([str(images[0].SeriesInstanceUID), __version__, *hashes]))


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


def finish(dataset: pydicom.Dataset, origin: Origin, side: str = "") -> pydicom.Dataset:
    """Copy what viewers and validators expect from the source, and mark the object as research.

    Parameters
    ----------
    dataset
        Object.
    origin
        Source.
    side
        "left" or "right" for a paired bone, else empty.

    Returns
    -------
    The object.
    """
    source = origin.images[0]
    for keyword in ("BodyPartExamined", "IssuerOfPatientID", "PatientAge", "PatientSize", "PatientWeight"):
        if source.get(keyword) not in (None, "") and keyword not in dataset:
            setattr(dataset, keyword, source.get(keyword))
    if side and "ImageLaterality" not in dataset and "Laterality" not in dataset:
        dataset.Laterality = side[0].upper()
    dataset.SeriesDescription = dataset.get("SeriesDescription") or f"{NAME} (research)"
    return dataset
