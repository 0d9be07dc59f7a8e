"""Labels of any origin as one DICOM segmentation of the study of their CT."""

from __future__ import annotations

import datetime
import hashlib
import warnings
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy.names import recognise
from BoneStrengthFEALib.dicom_out.origin import origin_from
from BoneStrengthFEALib.dicom_out.segmentation import Maker, segmentation_of
from BoneStrengthFEALib.dicom_out.write import save
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.results import SiteResult

SERIES_NUMBER = 1006
MOST_SEGMENTS = 255


def write_label_segmentation(labels: LabelMap, acquisition: Acquisition, path: Path, maker: Maker) -> None:
    """Write a DICOM SEG; segments are numbered from 1 in the order of the label values and keep their names.

    Parameters
    ----------
    labels
        Labels on the grid of the CT.
    acquisition
        Of the CT, read from DICOM.
    path
        Target.
    maker
        Who made the labels.

    Raises
    ------
    InputError
        When the CT is not DICOM, or there is no label, or there are more than 255.
    DependencyError
        Without highdicom.
    OutputError
        When it cannot be written; nothing half-written stays.
    """
    values = labels.values()
    if not 1 <= len(values) <= MOST_SEGMENTS:
        raise InputError(f"a DICOM SEG is written of 1 to {MOST_SEGMENTS} labels, the label map holds {len(values)}")
    number_of = np.zeros(max(values) + 1, dtype=np.uint8)
    number_of[list(values)] = np.arange(1, len(values) + 1)
    pixels = number_of[labels.volume.array]
    digest = hashlib.sha256(np.packbits(pixels > 0).tobytes() + pixels[pixels > 0].tobytes()).hexdigest()
    sites = [_site(value, labels.names.get(value, f"label_{value}")) for value in values]
    with warnings.catch_warnings():
        # the library's warnings quote values of the patient
        warnings.simplefilter("ignore")
        origin = origin_from(acquisition, [digest], datetime.datetime.now(datetime.timezone.utc))
        save(segmentation_of(origin, sites, pixels, SERIES_NUMBER, maker), path)


def _site(value: int, name: str) -> SiteResult:
    site, level, side = recognise(name)
    return SiteResult(name, site.value if site else "", level, side.value, value)
