"""From a label map to a specimen: which bone, where its axes are, which parts are loaded."""

from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen

__all__ = ["Side", "Site", "Specimen"]
