"""A distal radius or tibia of simple shape with known axes, in any pose, side and voxel size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

SOFT_TISSUE_HU, FAT_HU = 40.0, -100.0
RIM_MM = 10.0
TAPER = 0.25
"""How much narrower the egg-shaped section is at its end than in its middle."""


@dataclass(frozen=True)
class SyntheticLimb:
    """Egg-shaped shaft that flares toward a hollow joint surface, with a process beside the joint.

    Local frame: origin in the middle of the joint surface on the axis, z proximal, x along the larger axis toward
    the narrower end of the section, y = z x x on a right limb. A left limb is its mirror image in y.

    Parameters
    ----------
    name
        "tibia" or "radius".
    shaft_mm, end_mm
        Half-axes of the section in the shaft and at the joint, along x and y.
    flare_mm
        Height over which the flare fades by a factor e.
    length_mm
        Height of the upper end above the joint.
    process_mm
        How far malleolus or styloid reaches beyond the joint.
    cortex_mm
        Thickness of the shell.
    core_hu, shell_hu
        HU inside and in the shell.
    """

    name: str = "tibia"
    shaft_mm: tuple[float, float] = (14.0, 10.5)
    end_mm: tuple[float, float] = (25.0, 19.0)
    flare_mm: float = 18.0
    length_mm: float = 95.0
    process_mm: float = 10.0
    cortex_mm: float = 2.5
    core_hu: float = 160.0
    shell_hu: float = 950.0

    def bone(self, local: FloatArray, peel_mm: float = 0.0) -> Array:
        """Tell which points lie in a right limb.

        Parameters
        ----------
        local
            (..., 3) points in the local frame [mm].
        peel_mm
            Thickness taken off sideways and at the joint.

        Returns
        -------
        (...) booleans.
        """
        x, y, z = np.moveaxis(local, -1, 0)
        share = np.exp(-np.maximum(z, 0.0) / self.flare_mm)
        a, b = (s + (e - s) * share for s, e in zip(self.shaft_mm, self.end_mm, strict=True))
        # the centroid of the egg lies a quarter of its taper beside the middle: put it on the axis
        u = (x - a * TAPER / 4) / (a - peel_mm)
        half = (b * (1 - TAPER * u) - peel_mm) * np.sqrt(np.maximum(1 - u**2, 0.0))
        section = (np.abs(u) <= 1) & (np.abs(y) <= half)
        hollow = 2.5 * (1 - np.minimum((x / 20.0) ** 2 + (y / 15.0) ** 2, 1.0))
        shaft = section & (z >= hollow - 2.5 / 2 + peel_mm) & (z <= self.length_mm)
        aside = np.hypot((x + self.end_mm[0] - 7.0) / 6.0, (y - 3.0) / 8.0) <= 1 - peel_mm / 6.0
        process = aside & (z <= 4.0) & (z >= -self.process_mm + peel_mm) & (np.abs(u) <= 1.2)
        return np.asarray(shaft | process)

    def scan(
        self, local_to_ras: FloatArray, spacing_mm: tuple[float, float, float], left: bool = False
    ) -> tuple[Volume, LabelMap]:
        """Put the limb into a scan with axes along i = L, j = P, k = S.

        Parameters
        ----------
        local_to_ras
            (4, 4) rigid pose of the local frame [mm].
        spacing_mm
            Voxel size along i, j, k [mm].
        left
            Whether it is a left limb.

        Returns
        -------
        CT [HU] and label map with value 1 named for example "tibia_right".
        """
        mirror = np.array((1.0, -1.0 if left else 1.0, 1.0))
        low = np.array((-32.0, -26.0, -self.process_mm - 2))
        high = np.array((32.0, 26.0, self.length_mm + 2))
        corners = np.array([[(low, high)[b][a] for a, b in enumerate(bits)] for bits in np.ndindex(2, 2, 2)])
        posed = corners @ local_to_ras[:3, :3].T + local_to_ras[:3, 3]
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
        return ct, LabelMap(labels, {1: f"{self.name}_{'left' if left else 'right'}"})


def synthetic_radius() -> SyntheticLimb:
    """Make a distal radius.

    Returns
    -------
    Limb of the size of an adult's radius.
    """
    return SyntheticLimb("radius", (7.5, 6.0), (15.0, 10.0), 14.0, 75.0, 8.0, 1.8)
