"""One bone isolated from a CT, with what is in doubt about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.errors import GeometryError, InputError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import FloatArray, require_same_grid

UNKNOWN_LEVEL = "the level is unknown: name it, since classes and checks depend on it"


@dataclass(frozen=True, eq=False)
class IsolatedBone:
    """A bone found from a point inside it.

    Parameters
    ----------
    labels
        The whole bone as one value on a box of the CT's grid, named so that the pipeline recognises it.
    confidence
        (K, J, I) on the same grid: 1 where bone or not is certain, towards 0 where the boundary is in doubt.
    site, level, side
        What the bone is; level "" is unknown.
    parts
        Body and posterior elements of a vertebra on the same grid, None for other bones.
    notes
        What a reader must know: priors used, joint spaces not resolved, places to check.
    """

    labels: LabelMap
    confidence: FloatArray
    site: Site
    level: str = ""
    side: Side = Side.NONE
    parts: LabelMap | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that everything lies on one grid and that there is one bone."""
        confidence = np.array(self.confidence, dtype=np.float32)
        if confidence.shape != self.labels.volume.array.shape:
            raise GeometryError(f"confidence {confidence.shape} and labels {self.labels.volume.array.shape} differ")
        if not (confidence.min() >= 0 and confidence.max() <= 1):
            raise InputError(f"confidence runs from {confidence.min():g} to {confidence.max():g}; 0 to 1 expected")
        if len(self.labels.values()) != 1:
            raise InputError(f"an isolated bone is one label, found {list(self.labels.values())}")
        if self.parts is not None:
            require_same_grid(self.labels.volume, self.parts.volume, "the bone and its parts")
        confidence.setflags(write=False)
        object.__setattr__(self, "confidence", confidence)
