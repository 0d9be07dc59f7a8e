"""Image volumes with a physical meaning: array, place in space, and what the numbers are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.errors import GeometryError, InputError

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]

GEOMETRY_TOLERANCE_MM = 1e-2
"""Largest displacement of any grid corner for two grids to count as the same (Slicer uses 0.01 mm)."""


class Quantity(Enum):
    """What the numbers of a volume are; the four densities are different quantities."""

    HU = "HU"
    LABEL = "label"
    K2HPO4 = "K2HPO4-equivalent density"
    CAHA = "CaHA-equivalent density"
    ASH = "ash density"
    APPARENT = "apparent density"

    @property
    def is_density(self) -> bool:
        """Whether the numbers are one of the four densities."""
        return self not in (Quantity.HU, Quantity.LABEL)

    @property
    def unit(self) -> str:
        """Unit of the numbers."""
        return "mg/cm3" if self.is_density else {"HU": "HU", "label": ""}[self.value]


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of voxel centres in space.

    Parameters
    ----------
    shape
        (K, J, I) number of voxels.
    ijk_to_ras
        (4, 4) affine from voxel indices (i, j, k) to RAS coordinates [mm] of voxel centres.
    """

    shape: tuple[int, int, int]
    ijk_to_ras: FloatArray

    def __post_init__(self) -> None:
        """Check shape and affine, freeze the affine."""
        affine = np.array(self.ijk_to_ras, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.allclose(affine[3], (0, 0, 0, 1)):
            raise GeometryError(f"ijk_to_ras must be a finite (4, 4) affine ending in 0 0 0 1, got\n{affine}")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise GeometryError("the voxel axes lie in one plane or a spacing is zero; check the image header")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise GeometryError(f"a grid needs three dimensions of at least one voxel, got shape {self.shape}")
        affine.setflags(write=False)
        object.__setattr__(self, "ijk_to_ras", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along i, j, k [mm]."""
        i, j, k = np.linalg.norm(self.ijk_to_ras[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel [mm3]."""
        return float(abs(np.linalg.det(self.ijk_to_ras[:3, :3])))

    def to_ras(self, ijk: FloatArray) -> FloatArray:
        """Map voxel indices to space.

        Parameters
        ----------
        ijk
            (..., 3) indices in the order i, j, k; fractions allowed.

        Returns
        -------
        (..., 3) RAS coordinates [mm].
        """
        return np.asarray(ijk) @ self.ijk_to_ras[:3, :3].T + self.ijk_to_ras[:3, 3]

    def to_ijk(self, ras: FloatArray) -> FloatArray:
        """Map points in space to voxel indices.

        Parameters
        ----------
        ras
            (..., 3) RAS coordinates [mm].

        Returns
        -------
        (..., 3) fractional indices in the order i, j, k.
        """
        inverse = np.linalg.inv(self.ijk_to_ras)
        return np.asarray(ras) @ inverse[:3, :3].T + inverse[:3, 3]

    def corners_ras(self) -> FloatArray:
        """Outermost voxel centres of the grid.

        Returns
        -------
        (8, 3) RAS coordinates [mm].
        """
        k, j, i = (np.array((0, n - 1), dtype=np.float64) for n in self.shape)
        ijk = np.stack(np.meshgrid(i, j, k, indexing="ij"), axis=-1).reshape(-1, 3)
        return self.to_ras(ijk)

    def matches(self, other: Grid) -> bool:
        """Tell whether two grids are the same within GEOMETRY_TOLERANCE_MM.

        Parameters
        ----------
        other
            Grid to compare with.

        Returns
        -------
        True for equal shape and corners.
        """
        if self.shape != other.shape:
            return False
        return bool(np.abs(self.corners_ras() - other.corners_ras()).max() <= GEOMETRY_TOLERANCE_MM)


@dataclass(frozen=True, eq=False)
class Volume:
    """An image volume.

    Parameters
    ----------
    array
        (K, J, I) numbers; made read-only. Labels are integers.
    ijk_to_ras
        (4, 4) affine from voxel indices (i, j, k) to RAS [mm].
    quantity
        What the numbers are.
    """

    array: Array
    ijk_to_ras: FloatArray
    quantity: Quantity

    def __post_init__(self) -> None:
        """Check that the volume is what it says, freeze it."""
        array = np.asarray(self.array)
        if array.ndim != 3:
            raise InputError(
                f"a volume has three dimensions, got {array.ndim}; give one 3-D image, not a series over time"
            )
        if self.quantity is Quantity.LABEL:
            if not np.issubdtype(array.dtype, np.integer):
                raise InputError(f"a label map holds integers, got {array.dtype}; save it as an integer image")
        elif not np.issubdtype(array.dtype, np.number) or np.issubdtype(array.dtype, np.complexfloating):
            raise InputError(f"a {self.quantity.value} volume holds real numbers, got {array.dtype}")
        elif np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            bad = int(np.size(array) - np.isfinite(array).sum())
            raise InputError(f"{bad} voxels are NaN or infinite; repair or crop the image before measuring on it")
        grid = Grid(array.shape, self.ijk_to_ras)
        view = array.view()
        view.setflags(write=False)
        object.__setattr__(self, "array", view)
        object.__setattr__(self, "ijk_to_ras", grid.ijk_to_ras)

    @property
    def grid(self) -> Grid:
        """The volume's grid."""
        return Grid(self.array.shape, self.ijk_to_ras)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along i, j, k [mm]."""
        return self.grid.spacing_mm

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel [mm3]."""
        return self.grid.voxel_volume_mm3

    def with_array(self, array: Array, quantity: Quantity | None = None) -> Volume:
        """Put other numbers on the same grid.

        Parameters
        ----------
        array
            (K, J, I) numbers.
        quantity
            What they are; as before when left out.

        Returns
        -------
        The new volume.
        """
        if array.shape != self.array.shape:
            raise GeometryError(f"expected an array of shape {self.array.shape}, got {array.shape}")
        return Volume(array, self.ijk_to_ras, quantity or self.quantity)

    def cropped(self, lower_kji: tuple[int, int, int], upper_kji: tuple[int, int, int]) -> Volume:
        """Cut out a box of voxels.

        Parameters
        ----------
        lower_kji
            First voxel (k, j, i).
        upper_kji
            One past the last voxel (k, j, i).

        Returns
        -------
        The box, at the same place in space.
        """
        box = tuple(slice(a, b) for a, b in zip(lower_kji, upper_kji, strict=True))
        affine = np.array(self.ijk_to_ras)
        affine[:3, 3] = self.grid.to_ras(np.array(lower_kji[::-1], dtype=np.float64))
        return Volume(self.array[box], affine, self.quantity)


def require_same_grid(first: Volume, second: Volume, what: str) -> None:
    """Refuse two volumes that do not share one grid.

    Parameters
    ----------
    first, second
        Volumes to compare.
    what
        The two in words, for the error text: "the CT and the label map".

    Raises
    ------
    GeometryError
        When shape or corners differ.
    """
    if first.grid.matches(second.grid):
        return
    raise GeometryError(
        f"{what} lie on different grids: shape {first.array.shape} with spacing "
        f"{_rounded(first.spacing_mm)} mm against {second.array.shape} with {_rounded(second.spacing_mm)} mm; "
        "resample the labels onto the CT (nearest neighbour) or export them with the CT as reference"
    )


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(v, 4) for v in values)
