"""Label maps in files, with their names: one image, a folder of masks, nnU-Net, 3D Slicer segmentations.

Names come from the file itself when it carries any (Slicer's .seg.nrrd, DICOM), else from the numbering the user names,
else from a record beside it that ``segment`` wrote, else from a dataset.json beside it (nnU-Net).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.dicom_in.header import is_dicom
from BoneStrengthFEALib.errors import GeometryError, InputError
from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import label_names
from BoneStrengthFEALib.segmentation.dicom_seg import read_dicom_seg
from BoneStrengthFEALib.segmentation.label_record import read_record
from BoneStrengthFEALib.segmentation.rtstruct import RTSTRUCT_CLASS, read_rtstruct
from BoneStrengthFEALib.segmentation.slicer_files import SUFFIX, read_seg_nrrd, write_seg_nrrd
from BoneStrengthFEALib.volume import Grid, Quantity

MASK_SUFFIX = ".nii.gz"
"""Suffix of the masks TotalSegmentator writes, one per structure."""


def read_labels(path: Path, numbering: str = "none", grid: Grid | None = None) -> LabelMap:
    """Read a label map from any known kind of file.

    Parameters
    ----------
    path
        Image file, .seg.nrrd file, DICOM SEG, RT Structure Set, or a folder of 0/1 masks named by structure (as
        TotalSegmentator).
    numbering
        What the values mean when neither the file nor a dataset.json beside it tells.
    grid
        Grid of the CT; contours of an RT Structure Set are rasterised on it.

    Returns
    -------
    Labels on their own grid, with names where known.

    Raises
    ------
    InputError
        When it cannot be read, or holds no label map.
    GeometryError
        When the masks of a folder lie on different grids.
    """
    if path.is_dir():
        return _read_masks(path)
    if path.name.lower().endswith(SUFFIX):
        return read_seg_nrrd(path)
    if path.is_file() and is_dicom(path):
        return _read_dicom(path, grid)
    names = label_names(numbering) or read_record(path).names or _nnunet_names(path.parent / "dataset.json")
    return LabelMap(read_volume(path, Quantity.LABEL), names)


def _read_dicom(path: Path, grid: Grid | None) -> LabelMap:
    from pydicom import dcmread

    try:
        kind = str(dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"]).get("SOPClassUID", ""))
    except Exception as error:
        raise InputError(f"{path.name} cannot be read as DICOM: damaged ({error})") from error
    if kind != RTSTRUCT_CLASS:
        return read_dicom_seg(path)
    if grid is None:
        raise InputError(f"{path.name} holds contours; they need the CT they were drawn on")
    return read_rtstruct(path, grid)


def write_labels(labels: LabelMap, path: Path) -> None:
    """Write a label map; .seg.nrrd keeps names and terminology, other formats keep numbers only.

    Parameters
    ----------
    labels
        Label map.
    path
        Target; its suffix chooses the format.

    Raises
    ------
    InputError
        On an unknown suffix.
    OutputError
        When it cannot be written; nothing half-written stays.
    """
    if path.name.lower().endswith(SUFFIX):
        write_seg_nrrd(labels, path)
    else:
        write_volume(labels.volume, path)


def _read_masks(folder: Path) -> LabelMap:
    files = sorted(file for file in folder.iterdir() if file.name.lower().endswith(MASK_SUFFIX))
    if not files:
        raise InputError(f"{folder.name} holds no masks; expected one {MASK_SUFFIX} file per structure")
    first = read_volume(files[0], Quantity.LABEL)
    joined = np.zeros(first.array.shape, np.uint16)
    names: dict[int, str] = {}
    for value, file in enumerate(files, start=1):
        mask = read_volume(file, Quantity.LABEL)
        if not mask.grid.matches(first.grid):
            raise GeometryError(f"{file.name} and {files[0].name} lie on different grids; export all masks on one grid")
        found = mask.array != 0
        if (joined[found] != 0).any():
            other = names[int(joined[found].max())]
            raise InputError(f"mask {file.name} overlaps {other}; a label map holds one label a voxel: remove one")
        joined[found] = value
        names[value] = file.name[: -len(MASK_SUFFIX)]
    return LabelMap(first.with_array(joined), names)


def _nnunet_names(path: Path) -> dict[int, str]:
    if not path.is_file():
        return {}
    try:
        labels = dict(json.loads(path.read_text(encoding="utf-8"))["labels"])
        # version 1 writes {"1": "femur"}, version 2 {"femur": 1}
        pairs = [(k, v) if str(k).isdecimal() else (v, k) for k, v in labels.items()]
        return {int(value): str(name) for value, name in pairs if int(value) != 0}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            'dataset.json beside the labels has no usable table "labels" of names and single values (regions are '
            "not supported); mend it, or name the numbering"
        ) from error
