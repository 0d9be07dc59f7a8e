"""DICOM RT Structure Sets as label maps on a CT's grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.errors import GeometryError, InputError
from BoneStrengthFEALib.image_files import LPS_TO_RAS
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Quantity, Volume

RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
PLANE_TOLERANCE = 0.1
"""Of a slice: a contour lies in one slice when its points differ by less."""


def read_rtstruct(path: Path, grid: Grid) -> LabelMap:
    """Rasterise the closed contours of a structure set.

    A voxel belongs to a structure when its centre lies inside an odd number of the contours of its slice, so that
    contours inside contours are holes. Where structures overlap, the smaller one is kept: an outline of the body
    encloses every bone.

    Parameters
    ----------
    path
        DICOM file.
    grid
        Grid of the CT it was drawn on.

    Returns
    -------
    Labels with ROI numbers as values and ROI names.

    Raises
    ------
    InputError
        When it is no structure set, damaged, or without closed contours.
    GeometryError
        When contours do not lie in the slices of the grid.
    """
    from pydicom import dcmread

    try:
        data = dcmread(path)
        if str(data.get("SOPClassUID", "")) != RTSTRUCT_CLASS:
            raise InputError(f"{path.name} is no RT Structure Set")
        names = {int(roi.ROINumber): str(roi.ROIName) for roi in data.StructureSetROISequence}
        drawn = {int(roi.ReferencedROINumber): _contours(roi) for roi in data.ROIContourSequence}
    except InputError:
        raise
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, OSError) as error:
        raise InputError(f"{path.name} cannot be read as an RT Structure Set: damaged ({error})") from error
    # one mask at a time: those of all structures together fill the memory
    sizes = {n: int(np.count_nonzero(_mask(drawn[n], grid, names.get(n, str(n))))) for n in drawn}
    sizes = {number: size for number, size in sizes.items() if size}
    if not sizes:
        raise InputError(f"{path.name} holds no closed contour in the CT's slices; choose the structure set of this CT")
    values = np.zeros(grid.shape, dtype=np.uint16)
    for number in sorted(sizes, key=lambda n: -sizes[n]):
        values[_mask(drawn[number], grid, names.get(number, str(number)))] = number
    return LabelMap(Volume(values, grid.ijk_to_ras, Quantity.LABEL), {n: names.get(n, str(n)) for n in sizes})


def _contours(roi: Any) -> list[FloatArray]:
    found = []
    for contour in roi.get("ContourSequence", ()):
        if contour.get("ContourGeometricType") != "CLOSED_PLANAR":
            continue
        points = np.array([float(value) for value in contour.ContourData]).reshape(-1, 3)
        found.append(points @ LPS_TO_RAS[:3, :3].T)
    return found


def _mask(contours: list[FloatArray], grid: Grid, name: str) -> Array:
    mask = np.zeros(grid.shape, dtype=bool)
    for points in contours:
        ijk = grid.to_ijk(points)
        place = float(ijk[:, 2].mean())
        if np.abs(ijk[:, 2] - place).max() > PLANE_TOLERANCE or abs(place - round(place)) > PLANE_TOLERANCE:
            raise GeometryError(
                f"a contour of {name} does not lie in one slice of the CT; choose the series it was drawn on"
            )
        if 0 <= round(place) < grid.shape[0]:
            mask[round(place)] ^= inside_polygon(ijk[:, :2], (grid.shape[1], grid.shape[2]))
    return mask


def inside_polygon(corners: FloatArray, shape: tuple[int, int]) -> Array:
    """Pixels whose centres lie inside a closed polygon, by the even-odd rule.

    Parameters
    ----------
    corners
        (N, 2) columns and rows, in pixels.
    shape
        Rows and columns.

    Returns
    -------
    (rows, columns) booleans.
    """
    inside = np.zeros(shape, dtype=bool)
    columns = np.arange(shape[1])
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        low, high = sorted((y0, y1))
        rows = np.arange(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), shape[0]))
        crossing = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
        inside[rows] ^= columns[None, :] > crossing[:, None]
    return inside
