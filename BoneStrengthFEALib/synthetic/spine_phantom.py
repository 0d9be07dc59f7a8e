"""Digital European Spine Phantom: three vertebrae whose density measures are known exactly.

The nominal densities of the trabecular compartments, 50, 100 and 200 mg/cm3 of hydroxyapatite, are those of the QRM-ESP
(vendor's pages; validation of asynchronous QCT on it: PMC5524691), as is the rise of cortical thickness with density
(Kalender 1995, Eur J Radiol 20:83, abstract). The phantom's drawings were not read: the thicknesses, the cortical
density (800 mg/cm3, which the vendor's forearm phantom of the same family has) and the outline are ours. The outline
is two half circles joined by straight sides, because its inner offsets are known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.synthetic.antialiased import PIECE_MM, render, volumes
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

CORTEX_MG_CM3 = 800.0
OUTSIDE, CORE, CORTEX = 0, 1, 2


@dataclass(frozen=True)
class PhantomVertebra:
    """One vertebra; local frame: x right, y anterior, z superior, origin in the middle of the body.

    Parameters
    ----------
    level
        "L1" ... "L3".
    core_mg_cm3
        Density of the trabecular compartment, CaHA.
    wall_mm, endplate_mm
        Thickness of the lateral wall and of each endplate.
    straight_mm, radius_mm, height_mm
        Body: half-length of the straight sides, radius of the half circles, height.
    canal_mm
        Radius of the canal.
    """

    level: str
    core_mg_cm3: float
    wall_mm: float
    endplate_mm: float
    straight_mm: float = 6.0
    radius_mm: float = 16.0
    height_mm: float = 25.0
    canal_mm: float = 9.0

    def exact(self, peel_mm: float = 3.0) -> dict[str, float]:
        """Measures by their definitions.

        Parameters
        ----------
        peel_mm
            Depth of the cortical compartment.

        Returns
        -------
        Measure id to value, in the unit of the measure.
        """
        whole, deep = self._volume(0.0, 0.0), self._volume(peel_mm, peel_mm)
        core = self._volume(self.wall_mm, self.endplate_mm)
        mass = core * self.core_mg_cm3 + (whole - core) * CORTEX_MG_CM3
        return {
            "trabecular_ellipse_vbmd": self.core_mg_cm3,
            "integral_vbmd": mass / whole,
            "trabecular_vbmd": self.core_mg_cm3,
            "cortical_vbmd": (mass - deep * self.core_mg_cm3) / (whole - deep),
            "bmc": mass / 1000.0,
            "volume": whole / 1000.0,
        }

    def _volume(self, side_mm: float, end_mm: float) -> float:
        r = self.radius_mm - side_mm
        return (np.pi * r**2 + 4 * self.straight_mm * r) * (self.height_mm - 2 * end_mm)

    def tissue(self, local: FloatArray) -> Array:
        """Tissue at points.

        Parameters
        ----------
        local
            (..., 3) local points [mm].

        Returns
        -------
        (...) OUTSIDE, CORE or CORTEX.
        """
        body = self.body_tissue(local)
        x, y, z = np.moveaxis(local, -1, 0)
        back = y + self.radius_mm + 0.8 * self.canal_mm
        radius = np.hypot(x, back)
        arch = (radius >= self.canal_mm) & (radius <= self.canal_mm + 5.0) & (np.abs(z - 3.0) <= 7.0)
        behind = -back - self.canal_mm
        spinous = (np.abs(x) <= 3.0) & (behind >= 0.0) & (behind <= 25.0) & (np.abs(z) <= 8.0)
        posterior = (arch | spinous) & (radius > self.canal_mm) & (body == OUTSIDE)
        return np.where(posterior, CORTEX, body)

    def body_tissue(self, local: FloatArray) -> Array:
        """Tissue of the body alone.

        Parameters
        ----------
        local
            (..., 3) local points [mm].

        Returns
        -------
        (...) OUTSIDE, CORE or CORTEX.
        """
        x, y, z = np.moveaxis(local, -1, 0)
        away = np.hypot(np.maximum(np.abs(x) - self.straight_mm, 0.0), y)
        body = (away <= self.radius_mm) & (np.abs(z) <= self.height_mm / 2)
        core = (away <= self.radius_mm - self.wall_mm) & (np.abs(z) <= self.height_mm / 2 - self.endplate_mm)
        return np.where(body, np.where(core, CORE, CORTEX), OUTSIDE)

    def scan(
        self, local_to_ras: FloatArray, spacing_mm: tuple[float, float, float], piece_mm: float = PIECE_MM
    ) -> tuple[Volume, LabelMap, LabelMap]:
        """Put the vertebra into water as voxels with partial volume.

        Parameters
        ----------
        local_to_ras
            (4, 4) pose.
        spacing_mm
            Voxel size along i, j, k [mm].
        piece_mm
            Edge of the pieces a voxel is sampled in.

        Returns
        -------
        CaHA density [mg/cm3], label map with value 1 named by the level, label map of the body.
        """
        wide = self.straight_mm + self.radius_mm
        rear = self.radius_mm + 1.8 * self.canal_mm + 25.0
        box = (np.array((-wide, -rear, -self.height_mm / 2)), np.array((wide, self.radius_mm, self.height_mm / 2)))
        densities = np.array((0.0, self.core_mg_cm3, CORTEX_MG_CM3))
        where = (box, local_to_ras, spacing_mm, piece_mm)
        density, label = volumes(*render(self.tissue, densities, *where), Quantity.CAHA)
        _, body = volumes(*render(self.body_tissue, densities, *where), Quantity.CAHA)
        return density, LabelMap(label, {1: f"vertebrae_{self.level}"}), LabelMap(body, {1: "vertebrae_body"})


VERTEBRAE = (
    PhantomVertebra("L1", 50.0, 0.5, 0.5),
    PhantomVertebra("L2", 100.0, 1.0, 1.0),
    PhantomVertebra("L3", 200.0, 1.5, 1.5),
)
