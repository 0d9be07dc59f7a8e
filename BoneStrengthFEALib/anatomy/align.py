"""Resample a specimen once, straight into its local frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Specimen
from BoneStrengthFEALib.bounding_box import bounding_box, crop
from BoneStrengthFEALib.errors import AnatomyError, InputError
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Quantity, Volume, require_same_grid

MARGIN_MM = 3.0
"""Empty rim around the bone."""
VOXEL_LIMITS_MM = (0.02, 10.0)
"""Element sizes that make sense, from micro-CT to the coarsest clinical scan."""


@dataclass(frozen=True, eq=False)
class AlignedSpecimen:
    """A specimen on an isotropic grid whose axes are those of the local frame.

    Parameters
    ----------
    specimen
        Where it comes from.
    density
        (K, J, I) density [mg/cm3].
    regions
        (K, J, I) labels, 0 outside.
    """

    specimen: Specimen
    density: Volume
    regions: Volume

    def mask(self, name: str) -> Array:
        """Voxels of one region.

        Parameters
        ----------
        name
            Region name, for example "body".

        Returns
        -------
        (K, J, I) booleans.
        """
        values = [value for value, known in self.specimen.region_names.items() if known == name]
        return np.isin(self.regions.array, values)


def resample(
    density: Volume,
    specimen: Specimen,
    voxel_mm: float,
    keep: tuple[str, ...] = (),
    frame: FloatArray | None = None,
) -> AlignedSpecimen:
    """Resample density and regions into the local frame.

    Parameters
    ----------
    density
        Density [mg/cm3] on the specimen's grid.
    specimen
        Specimen.
    voxel_mm
        Edge of the cubic voxels [mm].
    keep
        Region names to keep; all when empty.
    frame
        (4, 4) axes of the new grid to RAS; the specimen's own when left out.

    Returns
    -------
    Density by linear interpolation (no overshoot), regions by their signed distance, so that thick slices do not
    leave steps in the surface.

    Raises
    ------
    InputError
        When the voxel size makes no sense.
    AnatomyError
        When nothing is left of a kept region.
    """
    if not VOXEL_LIMITS_MM[0] <= voxel_mm <= VOXEL_LIMITS_MM[1]:
        raise InputError(
            f"voxel size must lie between {VOXEL_LIMITS_MM[0]} and {VOXEL_LIMITS_MM[1]} mm, got {voxel_mm}"
        )
    require_same_grid(density, specimen.regions, "the density and the specimen")
    names = {v: n for v, n in specimen.region_names.items() if not keep or n in keep}
    wanted = np.isin(specimen.regions.array, list(names))
    if not wanted.any():
        raise AnatomyError(f"{specimen.name} has no voxel in {', '.join(names.values()) or 'any region'}")
    grid = _local_grid(specimen, wanted, voxel_mm, specimen.local_to_ras if frame is None else frame)
    # a rim of two voxels keeps interpolation at the surface inside the crop
    box = bounding_box(wanted, (2, 2, 2))
    cropped = crop(density, box)
    places = _places(grid, cropped)
    values = ndimage.map_coordinates(cropped.array.astype(np.float32), places, order=1, mode="nearest")
    regions = _regions(crop(specimen.regions, box), sorted(names), places)
    return AlignedSpecimen(
        specimen,
        Volume(values.reshape(grid.shape), grid.ijk_to_ras, density.quantity),
        Volume(regions.reshape(grid.shape), grid.ijk_to_ras, Quantity.LABEL),
    )


def _local_grid(specimen: Specimen, mask: Array, voxel_mm: float, frame: FloatArray) -> Grid:
    ras = specimen.regions.grid.to_ras(np.argwhere(mask)[:, ::-1].astype(np.float64))
    local = (ras - frame[:3, 3]) @ frame[:3, :3]
    half = 0.5 * max(specimen.regions.spacing_mm)
    # centred on the origin of the frame, so that a rigid motion of the scan moves the grid with the bone
    low = np.floor((local.min(axis=0) - half - MARGIN_MM) / voxel_mm)
    high = np.ceil((local.max(axis=0) + half + MARGIN_MM) / voxel_mm)
    count = (high - low).astype(int) + 1
    affine = np.array(frame)
    affine[:3, :3] *= voxel_mm
    affine[:3, 3] = frame[:3, 3] + frame[:3, :3] @ (low * voxel_mm)
    return Grid((int(count[2]), int(count[1]), int(count[0])), affine)


def _places(grid: Grid, source: Volume) -> FloatArray:
    k, j, i = np.indices(grid.shape, dtype=np.float64)
    ijk = source.grid.to_ijk(grid.to_ras(np.stack([i, j, k], axis=-1).reshape(-1, 3)))
    return np.ascontiguousarray(ijk[:, ::-1].T)


def _regions(labels: Volume, values: list[int], places: FloatArray) -> Array:
    sampling = labels.spacing_mm[::-1]
    whole = _depth(np.isin(labels.array, values), sampling, places) > 0
    out = np.zeros(places.shape[1], dtype=np.uint8)
    depths = np.stack([_depth(labels.array == value, sampling, places) for value in values])
    # the union decides what is bone, the deepest region decides which, so that seams leave no gap
    out[whole] = np.asarray(values, dtype=np.uint8)[depths[:, whole].argmax(axis=0)]
    return out


def _depth(mask: Array, sampling: tuple[float, ...], places: FloatArray) -> FloatArray:
    padded = np.pad(mask, 1)
    inside = ndimage.distance_transform_edt(padded, sampling)
    outside = ndimage.distance_transform_edt(~padded, sampling) if mask.any() else np.full(padded.shape, 1e3)
    return np.asarray(ndimage.map_coordinates(inside - outside, places + 1.0, order=1, mode="nearest"))
