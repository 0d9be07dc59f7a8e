"""What a solver returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from BoneStrengthFEALib.fe_model import NodeIds
from BoneStrengthFEALib.volume import FloatArray


@dataclass(frozen=True)
class SolverOptions:
    """How to solve.

    Parameters
    ----------
    tolerance
        Stop when the true residual of the free components is below tolerance times the initial one.
    max_iterations
        Give up after so many.
    threads
        Number of threads; 0 takes all cores given to this process.
    backend
        "auto" (numba when installed), "numba" or "numpy".
    memory_limit_bytes
        Refuse models whose estimate is above it; 0 takes what the machine has free.
    """

    tolerance: float = 1e-8
    max_iterations: int = 2000
    threads: int = 0
    backend: str = "auto"
    memory_limit_bytes: int = 0


@dataclass(frozen=True, eq=False)
class Solution:
    """Displacements and reactions of a solved model.

    Parameters
    ----------
    nodes
        (n,) ids of the nodes that belong to an element, ascending.
    displacement_mm
        (n, 3) displacement of these nodes [mm].
    reactions_n
        Name of each prescribed set and platen to (3,) total reaction force on the model [N].
    platen_motion
        Name of each platen to (3,): u0 [mm], t1, t2 [rad].
    relative_residuals
        Residual history, first to last, relative to the initial one.
    energy_n_mm
        Total strain energy [N mm].
    removed_elements
        Elements not connected to any support, left out of the solution.
    numbers
        Record for provenance: iterations, dofs, elements, seconds_setup, seconds_solve, memory_estimate_bytes, threads.
    backend
        "numba" or "numpy".
    """

    nodes: NodeIds
    displacement_mm: FloatArray
    reactions_n: Mapping[str, FloatArray]
    platen_motion: Mapping[str, FloatArray]
    relative_residuals: tuple[float, ...]
    energy_n_mm: float
    removed_elements: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    backend: str = ""

    def displacement_on_grid(self, node_shape: tuple[int, int, int]) -> FloatArray:
        """Displacements on the full node grid.

        Parameters
        ----------
        node_shape
            (K+1, J+1, I+1).

        Returns
        -------
        (K+1, J+1, I+1, 3) displacement [mm]; NaN where there is no node.
        """
        full = np.full((int(np.prod(node_shape)), 3), np.nan)
        full[self.nodes] = self.displacement_mm
        return full.reshape(*node_shape, 3)
