"""Load cases: small declared objects that turn a specimen and its material map into a model."""

from BoneStrengthFEALib.load_case.record import LoadCase, LoadedModel
from BoneStrengthFEALib.load_case.registry import DEFAULT_VOXEL_MM, LOAD_CASES, build, load_case

__all__ = ["DEFAULT_VOXEL_MM", "LOAD_CASES", "LoadCase", "LoadedModel", "build", "load_case"]
