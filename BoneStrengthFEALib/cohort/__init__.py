"""Cohorts: a manifest of cases, run on Dask, resumable, gathered into one table and one report."""

from BoneStrengthFEALib.cohort.case import Case, CaseState, Outcome
from BoneStrengthFEALib.cohort.manifest import check_cases, read_rows

__all__ = ["Case", "CaseState", "Outcome", "check_cases", "read_rows"]
