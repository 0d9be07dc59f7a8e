"""Bone mineral density measures of a specimen."""

from BoneStrengthFEALib.bmd.measure import measure

__all__ = ["measure"]
