"""The bundled finite-element solver for voxel models."""

from BoneStrengthFEALib.solver.linear import solve_linear
from BoneStrengthFEALib.solver.solution import Solution, SolverOptions

__all__ = ["Solution", "SolverOptions", "solve_linear"]
