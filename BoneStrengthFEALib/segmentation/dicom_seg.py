"""DICOM SEG objects as label maps.

DICOM lives in LPS and in (slice, row, column); both are turned here, as the file format demands.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from BoneStrengthFEALib.errors import DependencyError, InputError
from BoneStrengthFEALib.image_files import LPS_TO_RAS
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Quantity, Volume

SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation Storage and Label Map Segmentation Storage."""


def read_dicom_seg(path: Path) -> LabelMap:
    """Read a DICOM SEG.

    Parameters
    ----------
    path
        DICOM file.

    Returns
    -------
    Labels with segment numbers as values and segment labels as names, on the SEG's own grid (slices without any
    segment at its ends are absent).

    Raises
    ------
    InputError
        When it is no SEG, damaged, holds probabilities, or its segments overlap.
    DependencyError
        When highdicom is missing.
    """
    try:
        import highdicom as hd
        from pydicom import dcmread
    except ImportError as error:
        raise DependencyError("reading DICOM SEG needs the package highdicom; install it") from error
    try:
        data = dcmread(path)
        kind = str(data.get("SOPClassUID", ""))
        if kind not in SEG_CLASSES or data.get("SegmentationType") == "FRACTIONAL":
            raise InputError(
                f"{path.name} is no DICOM SEG of binary segments; give a Segmentation object, not an image or "
                "probabilities"
            )
        segmentation = hd.seg.Segmentation.from_dataset(data, copy=False)
        volume = segmentation.get_volume(combine_segments=True)
        names = {n: _name(segmentation, n) for n in segmentation.segment_numbers}
    except InputError:
        raise
    except (ValueError, RuntimeError, KeyError, AttributeError, RecursionError, OSError) as error:
        raise InputError(
            f"{path.name} cannot be used as labels: damaged, not on one regular grid, or its segments overlap ({error})"
        ) from error
    affine = LPS_TO_RAS @ np.asarray(volume.affine)[:, [2, 1, 0, 3]]
    return LabelMap(Volume(np.asarray(volume.array).astype(np.uint16), affine, Quantity.LABEL), names)


def _name(segmentation: object, number: int) -> str:
    return str(segmentation.get_segment_description(number).segment_label)  # type: ignore[attr-defined]
