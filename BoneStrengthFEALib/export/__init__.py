"""Models for other codes."""

from BoneStrengthFEALib.export.calculix import write_inp
from BoneStrengthFEALib.export.febio import write_feb
from BoneStrengthFEALib.export.model_files import FORMATS, write_model
from BoneStrengthFEALib.export.vtu import write_vtu

__all__ = ["FORMATS", "write_feb", "write_inp", "write_model", "write_vtu"]
