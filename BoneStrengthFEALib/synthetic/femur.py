"""A proximal femur of simple solids with known axes, in any pose, side and voxel size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

SOFT_TISSUE_HU, FAT_HU = 40.0, -100.0
RIM_MM = 12.0


@dataclass(frozen=True)
class SyntheticFemur:
    """Spherical head, tapering neck, shaft, greater and lesser trochanter.

    Local frame of a right femur: origin in the head's centre, x lateral, y anterior, z proximal along the shaft; the
    neck's axis lies in the plane y = 0. A left femur is its mirror image in x.

    Parameters
    ----------
    head_mm
        Radius of the head.
    neck_mm
        Radius of the neck at its narrowest.
    neck_shaft_deg
        Angle between neck and shaft.
    shaft_mm
        Half-axes of the shaft along x and y.
    shaft_x_mm, shaft_y_mm
        Where the shaft's axis passes.
    distal_mm
        Depth of the lower end below the head's centre.
    lesser_mm
        Depth of the lesser trochanter below the head's centre.
    cortex_mm
        Thickness of the shell.
    core_hu, shell_hu
        HU inside and in the shell.
    """

    head_mm: float = 24.0
    neck_mm: float = 15.5
    neck_shaft_deg: float = 127.0
    shaft_mm: tuple[float, float] = (15.0, 14.0)
    shaft_x_mm: float = 42.0
    shaft_y_mm: float = -4.0
    distal_mm: float = 125.0
    lesser_mm: float = 62.0
    cortex_mm: float = 3.0
    core_hu: float = 140.0
    shell_hu: float = 900.0

    @property
    def neck_axis(self) -> FloatArray:
        """(3,) unit vector from the head's centre along the neck, right femur."""
        angle = np.radians(180.0 - self.neck_shaft_deg)
        return np.array((np.sin(angle), 0.0, -np.cos(angle)))

    def landmarks(self, local_to_ras: FloatArray, left: bool = False) -> dict[str, FloatArray]:
        """True landmarks of a posed femur.

        Parameters
        ----------
        local_to_ras
            (4, 4) pose.
        left
            Whether it is a left femur.

        Returns
        -------
        "head_centre" (3,) and unit vectors "neck", "proximal", "anterior" in RAS.
        """
        mirror = np.diag((-1.0 if left else 1.0, 1.0, 1.0))
        turn = local_to_ras[:3, :3] @ mirror
        return {
            "head_centre": local_to_ras[:3, 3],
            "neck": turn @ self.neck_axis,
            "proximal": turn @ np.array((0.0, 0.0, 1.0)),
            "anterior": turn @ np.array((0.0, 1.0, 0.0)),
        }

    def bone(self, local: FloatArray, peel_mm: float = 0.0) -> Array:
        """Tell which points lie in a right femur.

        Parameters
        ----------
        local
            (..., 3) points in the local frame [mm].
        peel_mm
            Thickness taken off everywhere.

        Returns
        -------
        (...) booleans.
        """
        x, y, z = np.moveaxis(local, -1, 0)
        head = (x**2 + y**2 + z**2) <= (self.head_mm - peel_mm) ** 2
        a, b = self.shaft_mm[0] - peel_mm, self.shaft_mm[1] - peel_mm
        dx, dy = x - self.shaft_x_mm, y - self.shaft_y_mm
        shaft = ((dx / a) ** 2 + (dy / b) ** 2 <= 1.0) & (z >= -self.distal_mm) & (z <= -34.0)
        great = _ellipsoid(local, (self.shaft_x_mm + 6.0, self.shaft_y_mm - 4.0, -20.0), (17.0, 19.0, 27.0), peel_mm)
        lesser = _ellipsoid(local, (self.shaft_x_mm - 10.0, self.shaft_y_mm - 11.0, -self.lesser_mm), (7.0, 8.0, 12.0),
                            peel_mm)  # fmt: skip
        return np.asarray(head | self._neck(local, peel_mm) | shaft | great | lesser)

    def _neck(self, local: FloatArray, peel_mm: float) -> Array:
        along = local @ self.neck_axis
        away = np.linalg.norm(local - along[..., None] * self.neck_axis, axis=-1)
        narrowest, end = 1.35 * self.head_mm, self.shaft_x_mm / self.neck_axis[0] + 2.0
        wide = self.neck_mm + 5.0 * ((along - narrowest) / 18.0) ** 2
        return np.asarray((along >= 0) & (along <= end) & (away <= np.minimum(wide, 21.0) - peel_mm))

    def scan(
        self, local_to_ras: FloatArray, spacing_mm: tuple[float, float, float], left: bool = False
    ) -> tuple[Volume, LabelMap]:
        """Put the femur into a scan with axes along i = L, j = P, k = S.

        Parameters
        ----------
        local_to_ras
            (4, 4) rigid pose of the local frame [mm].
        spacing_mm
            Voxel size along i, j, k [mm].
        left
            Whether it is a left femur.

        Returns
        -------
        CT [HU] and label map with value 1 named "femur_right" or "femur_left".
        """
        mirror = np.array((-1.0 if left else 1.0, 1.0, 1.0))
        low, high = np.array((-28.0, -28.0, -self.distal_mm - 2)), np.array((68.0, 28.0, 28.0))
        corners = np.array([[(low, high)[b][a] for a, b in enumerate(bits)] for bits in np.ndindex(2, 2, 2)])
        posed = (corners * mirror) @ local_to_ras[:3, :3].T + local_to_ras[:3, 3]
        first, last = posed.min(axis=0) - RIM_MM, posed.max(axis=0) + RIM_MM
        count = np.ceil((last - first) / spacing_mm).astype(int)
        affine = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
        affine[:3, 3] = (last[0], last[1], first[2])
        k, j, i = np.indices(tuple(count[::-1]), dtype=np.float64)
        ras = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
        local = ((ras - local_to_ras[:3, 3]) @ local_to_ras[:3, :3]) * mirror
        bone = self.bone(local)
        hu = np.where(bone, self.shell_hu, SOFT_TISSUE_HU)
        hu = np.where(self.bone(local, self.cortex_mm), self.core_hu, hu)
        hu[:, :2], hu[:, -2:] = FAT_HU, FAT_HU
        ct = Volume(hu.astype(np.float32), affine, Quantity.HU)
        labels = ct.with_array(bone.astype(np.uint8), Quantity.LABEL)
        return ct, LabelMap(labels, {1: "femur_left" if left else "femur_right"})


def _ellipsoid(
    local: FloatArray, centre: tuple[float, float, float], half: tuple[float, float, float], peel_mm: float
) -> Array:
    scaled = (local - np.array(centre)) / (np.array(half) - peel_mm)
    return np.asarray((scaled**2).sum(axis=-1) <= 1.0)
