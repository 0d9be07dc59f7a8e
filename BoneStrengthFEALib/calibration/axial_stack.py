"""A CT as a stack of axial slices with in-plane millimetres, whatever the order its axes are stored in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.volume import Array, FloatArray, Volume


@dataclass(frozen=True, eq=False)
class AxialStack:
    """Axial slices.

    Parameters
    ----------
    slices
        (n, rows, columns) view of the array; rows run front to back, columns side to side.
    spacing_mm
        Distance of slices, rows and columns [mm].
    """

    slices: Array
    spacing_mm: tuple[float, float, float]

    def chunk(self, start: int, stop: int) -> FloatArray:
        """Mean of neighbouring slices.

        Parameters
        ----------
        start, stop
            First slice and one past the last.

        Returns
        -------
        (rows, columns) mean.
        """
        return np.asarray(self.slices[start:stop].mean(axis=0, dtype=np.float64))

    def in_plane_mm(self) -> tuple[FloatArray, FloatArray]:
        """Coordinates of rows and columns.

        Returns
        -------
        (rows,) and (columns,) from the first voxel centre [mm].
        """
        _, rows, columns = self.slices.shape
        return np.arange(rows) * self.spacing_mm[1], np.arange(columns) * self.spacing_mm[2]


def axial_stack(ct: Volume) -> AxialStack:
    """Reorder a volume.

    Parameters
    ----------
    ct
        (K, J, I) volume.

    Returns
    -------
    The stack: first axis closest to superior, second closest to anterior.
    """
    order = axial_order(ct)
    spacing = tuple(ct.spacing_mm[2 - axis] for axis in order)
    return AxialStack(np.transpose(ct.array, order), (spacing[0], spacing[1], spacing[2]))


def axial_order(ct: Volume) -> tuple[int, ...]:
    """Array axes in the order slices, rows, columns, as axial_stack transposes.

    Parameters
    ----------
    ct
        (K, J, I) volume.

    Returns
    -------
    Three array axes.
    """
    cosines = np.abs(ct.ijk_to_ras[:3, :3] / np.array(ct.spacing_mm))
    along = int(np.argmax(cosines[2]))
    rest = [axis for axis in range(3) if axis != along]
    rows = max(rest, key=lambda axis: float(cosines[1, axis]))
    columns = next(axis for axis in rest if axis != rows)
    return 2 - along, 2 - rows, 2 - columns
