"""One bone (or the part of it that is loaded), isolated, named, and with a local frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.quality import QualityReport
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume


class Site(Enum):
    """Skeletal site."""

    VERTEBRA = "vertebra"
    FEMUR = "femur"
    RADIUS = "radius"
    TIBIA = "tibia"


class Side(Enum):
    """Side of a paired bone."""

    LEFT = "left"
    RIGHT = "right"
    NONE = ""


ORTHONORMAL_TOLERANCE = 1e-6
"""How far the axes of a frame may be from orthonormal."""


@dataclass(frozen=True, eq=False)
class Specimen:
    """A bone ready to be measured and modelled.

    Parameters
    ----------
    site, level, side
        What it is; level is "T4" to "L5" for vertebrae and empty otherwise.
    regions
        (K, J, I) label volume on the scan's grid; 0 is outside the specimen.
    region_names
        Label value to region name, for example ``{1: "body"}``.
    local_to_ras
        (4, 4) rigid transform from the local frame [mm] to RAS [mm]; axes by site, see the site's module.
    landmarks
        Name to (3,) RAS position [mm].
    quality
        Checks made on the way.
    measurements
        Sizes and angles by name, unit in the name, for example "neck_shaft_angle_deg".
    """

    site: Site
    level: str
    side: Side
    regions: Volume
    region_names: Mapping[int, str]
    local_to_ras: FloatArray
    landmarks: Mapping[str, FloatArray] = field(default_factory=dict)
    quality: QualityReport = QualityReport()
    measurements: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check labels and frame, freeze the frame."""
        if self.regions.quantity is not Quantity.LABEL:
            raise AnatomyError(f"regions are labels, got {self.regions.quantity.value}")
        frame = np.array(self.local_to_ras, dtype=np.float64)
        axes = frame[:3, :3]
        if frame.shape != (4, 4) or np.abs(axes.T @ axes - np.eye(3)).max() > ORTHONORMAL_TOLERANCE:
            raise AnatomyError("local_to_ras must be a rigid (4, 4) transform with orthonormal axes")
        if np.linalg.det(axes) < 0:
            raise AnatomyError("the local frame is left-handed; axes must be right-handed")
        frame.setflags(write=False)
        object.__setattr__(self, "local_to_ras", frame)

    @property
    def name(self) -> str:
        """Short name for tables: "L1", "left femur"."""
        return self.level or f"{self.side.value} {self.site.value}".strip()
