"""A vertebra of simple solids with known axes, volume and density, in any pose and voxel size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

SOFT_TISSUE_HU, FAT_HU = 40.0, -100.0


@dataclass(frozen=True)
class SyntheticVertebra:
    """Elliptic body with concave sides, arch around a canal, spinous and transverse processes.

    Parameters
    ----------
    half_width_mm, half_depth_mm, height_mm
        Body: half-axes of its cross-section and height [mm].
    waist
        Share by which the cross-section is narrower at mid-height.
    canal_mm
        Radius of the spinal canal [mm].
    core_hu, shell_hu
        HU of the body's inside and of its 1.5 mm shell.
    """

    half_width_mm: float = 22.0
    half_depth_mm: float = 16.0
    height_mm: float = 27.0
    waist: float = 0.06
    canal_mm: float = 9.0
    core_hu: float = 160.0
    shell_hu: float = 420.0

    def body_volume_mm3(self) -> float:
        """Volume of the body.

        Returns
        -------
        Volume [mm3]: pi a b h times the mean of (1 - waist (1 - (2 z / h)^2))^2 over the height.
        """
        w = self.waist
        mean = 1 - 2 * w * 2 / 3 + w * w * 8 / 15
        return float(np.pi * self.half_width_mm * self.half_depth_mm * self.height_mm * mean)

    def body(self, local: FloatArray) -> Array:
        """Tell which points lie in the body.

        Parameters
        ----------
        local
            (..., 3) points in the local frame: x right, y anterior, z superior, origin in the body's centre [mm].

        Returns
        -------
        (...) booleans.
        """
        return self._body(local, 0.0)

    def _body(self, local: FloatArray, peel_mm: float) -> Array:
        x, y, z = np.moveaxis(local, -1, 0)
        narrow = 1.0 - self.waist * (1.0 - (2.0 * z / self.height_mm) ** 2)
        a, b = self.half_width_mm * narrow - peel_mm, self.half_depth_mm * narrow - peel_mm
        return np.asarray(((x / a) ** 2 + (y / b) ** 2 <= 1.0) & (np.abs(z) <= self.height_mm / 2 - peel_mm))

    def posterior(self, local: FloatArray) -> Array:
        """Tell which points lie in the posterior elements.

        Parameters
        ----------
        local
            (..., 3) points in the local frame [mm].

        Returns
        -------
        (...) booleans.
        """
        x, y, z = np.moveaxis(local, -1, 0)
        back = -self.half_depth_mm - 0.8 * self.canal_mm
        radius = np.hypot(x, y - back)
        ring = (radius >= self.canal_mm) & (radius <= self.canal_mm + 5.0) & (np.abs(z - 4.0) <= 7.0)
        behind = back - self.canal_mm
        spinous = (np.abs(x) <= 3.0) & (y <= behind) & (y >= behind - 28.0) & (np.abs(z + 1.0) <= 8.0)
        sideways = (np.abs(y - back) <= 4.0) & (np.abs(z - 4.0) <= 4.0)
        transverse = sideways & (np.abs(x) >= self.canal_mm) & (np.abs(x) <= 38.0)
        return np.asarray((ring | spinous | transverse) & ~self.body(local) & (radius > self.canal_mm))

    def scan(self, local_to_ras: FloatArray, spacing_mm: tuple[float, float, float]) -> tuple[Volume, LabelMap]:
        """Put the vertebra into a scan with axes along i = L, j = P, k = S.

        Parameters
        ----------
        local_to_ras
            (4, 4) rigid pose of the local frame [mm].
        spacing_mm
            Voxel size along i, j, k [mm].

        Returns
        -------
        CT [HU] and label map with value 1 named "vertebrae_L2".
        """
        half = np.array((60.0, 80.0, 45.0))
        count = np.ceil(2 * half / spacing_mm).astype(int)
        affine = np.diag([-spacing_mm[0], -spacing_mm[1], spacing_mm[2], 1.0])
        corner = np.array((half[0], half[1] - 20.0, -half[2]))
        affine[:3, 3] = local_to_ras[:3, 3] + corner
        k, j, i = np.indices(tuple(count[::-1]), dtype=np.float64)
        ras = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
        local = (ras - local_to_ras[:3, 3]) @ local_to_ras[:3, :3]
        body, posterior = self.body(local), self.posterior(local)
        hu = np.where(
            np.hypot(ras[..., 0] - local_to_ras[0, 3], ras[..., 1] - local_to_ras[1, 3]) > 55.0, FAT_HU, SOFT_TISSUE_HU
        )
        hu = np.where(posterior | body, self.shell_hu, hu)
        hu = np.where(self._body(local, 1.5), self.core_hu, hu)
        ct = Volume(hu.astype(np.float32), affine, Quantity.HU)
        labels = ct.with_array((body | posterior).astype(np.uint8), Quantity.LABEL)
        return ct, LabelMap(labels, {1: "vertebrae_L2"})


def pose(
    angles_deg: tuple[float, float, float], centre_ras: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> FloatArray:
    """Rigid pose from rotations about x, then y, then z.

    Parameters
    ----------
    angles_deg
        Rotations about the RAS axes [degrees].
    centre_ras
        Place of the origin [mm].

    Returns
    -------
    (4, 4) transform.
    """
    matrix = np.eye(4)
    for axis, angle in enumerate(np.radians(angles_deg)):
        turn = np.eye(4)
        p, q = ((1, 2), (2, 0), (0, 1))[axis]
        turn[p, p] = turn[q, q] = np.cos(angle)
        turn[q, p], turn[p, q] = np.sin(angle), -np.sin(angle)
        matrix = turn @ matrix
    matrix[:3, 3] = centre_ras
    return matrix
