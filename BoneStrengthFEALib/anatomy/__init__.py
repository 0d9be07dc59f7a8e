"""From a label map to a specimen: which bone, where its axes are, which parts are loaded."""

from BoneStrengthFEALib.anatomy.align import AlignedSpecimen, resample
from BoneStrengthFEALib.anatomy.prepare import identify, prepare
from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen

__all__ = ["AlignedSpecimen", "Side", "Site", "Specimen", "identify", "prepare", "resample"]
