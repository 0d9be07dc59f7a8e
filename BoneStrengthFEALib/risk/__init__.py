"""Fracture risk: published classes, load-to-strength, relative risk; every line with source and caveat."""

from BoneStrengthFEALib.risk.classification import classify, overall
from BoneStrengthFEALib.risk.hip_load import Fall, hip_load_to_strength, sideways_fall
from BoneStrengthFEALib.risk.relative_risk import RISKS_PER_SD, relative_risk
from BoneStrengthFEALib.risk.spine_load import bent_lift_force, spine_load_to_strength

__all__ = [
    "RISKS_PER_SD",
    "Fall",
    "bent_lift_force",
    "classify",
    "hip_load_to_strength",
    "overall",
    "relative_risk",
    "sideways_fall",
    "spine_load_to_strength",
]
