"""Models for other codes."""

from BoneStrengthFEALib.export.calculix import write_inp
from BoneStrengthFEALib.export.vtu import write_vtu

__all__ = ["write_inp", "write_vtu"]
