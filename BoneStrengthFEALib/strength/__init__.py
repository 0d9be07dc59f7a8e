"""Strength criteria: from a solution to a failure load."""

from BoneStrengthFEALib.strength.criterion_table import CRITERIA, DEFAULT_CRITERIA, Criterion, Rule, criterion
from BoneStrengthFEALib.strength.curve_criteria import evaluate_curve
from BoneStrengthFEALib.strength.element_fields import ElementFields, element_fields
from BoneStrengthFEALib.strength.linear_criteria import Loading, evaluate

__all__ = [
    "CRITERIA",
    "DEFAULT_CRITERIA",
    "Criterion",
    "ElementFields",
    "Loading",
    "Rule",
    "criterion",
    "element_fields",
    "evaluate",
    "evaluate_curve",
]
