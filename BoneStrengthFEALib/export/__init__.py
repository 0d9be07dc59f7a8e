"""Models for other codes."""

from BoneStrengthFEALib.export.calculix import write_inp

__all__ = ["write_inp"]
