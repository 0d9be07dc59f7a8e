"""Nonlinear failure: small-strain plasticity on the voxel model, Newton-Krylov on the elastic multigrid."""

from BoneStrengthFEALib.plasticity.loading import solve_nonlinear
from BoneStrengthFEALib.plasticity.options import NonlinearOptions
from BoneStrengthFEALib.plasticity.record import NonlinearSolution

__all__ = ["NonlinearOptions", "NonlinearSolution", "solve_nonlinear"]
