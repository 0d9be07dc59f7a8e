"""The element operator of one level: K u without a matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from BoneStrengthFEALib.solver.column_kernels import add_diagonal, apply_columns
from BoneStrengthFEALib.solver.columns import Columns, Ranges, pack
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.solver.element import brick_stiffness
from BoneStrengthFEALib.volume import Array, FloatArray

SERIAL_BELOW = 20_000
"""Below so many elements handing work to threads costs more than it saves."""


@dataclass(frozen=True, eq=False)
class Bricks:
    """Equal boxes with a stiffness of their own each.

    Parameters
    ----------
    corners
        (m, 8) int32 node of each corner.
    layers
        (m,) position along the axis that threads share out; elements are sorted by it.
    coefficients
        (q, m) float32 or float64 factors of the stiffness bases, q = 3 or, for multiples of one stiffness, 1.
    node_count
        Number of nodes.
    """

    corners: npt.NDArray[np.int32]
    layers: npt.NDArray[np.int32]
    coefficients: FloatArray
    node_count: int


class ElementOperator:
    """K u and the diagonal of K.

    Parameters
    ----------
    bricks
        Elements.
    blocks
        (q, 8, 6) mirror blocks of the stiffness bases, divided by 8.
    team
        Threads.
    columns
        The elements in columns, when they are known already.
    """

    def __init__(self, bricks: Bricks, blocks: FloatArray, team: Team, columns: Columns | None = None) -> None:
        self.bricks = bricks
        self.team = team
        self.blocks = blocks
        self._phases = two_colours(bricks.layers, team.threads)
        self.columns = columns or pack(bricks.corners, self._phases)
        self._stiffness: dict[type, tuple[FloatArray, FloatArray]] = {}

    def apply(self, u: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Multiply by the stiffness.

        Parameters
        ----------
        u
            (n, 3) float64 displacements.
        out
            (n, 3) float64 that the forces are written to; a new array when left out.

        Returns
        -------
        (n, 3) forces.
        """
        f = np.empty_like(u) if out is None else out
        f[...] = 0.0
        self._add(u, f, np.float64)
        return f

    def add_rows(self, u: FloatArray, f: FloatArray) -> None:
        """Add K u to f, both padded to four float32 numbers per node: the fastest way.

        Parameters
        ----------
        u, f
            (n, 4) float32, contiguous; the fourth number is neither read nor changed in effect.
        """
        self._add(u, f, np.float32)

    def stiffness(self, kind: type) -> tuple[FloatArray, FloatArray]:
        """Factors behind the columns and blocks, kept for the next call.

        Parameters
        ----------
        kind
            np.float32 or np.float64.

        Returns
        -------
        (q, c) factors; (q, 8, 6) mirror blocks, (8, 6) when q = 1.
        """
        if kind not in self._stiffness:
            blocks = self.blocks if len(self.blocks) > 1 else self.blocks[0]
            factors = self.columns.factors(self.bricks.coefficients, kind)
            self._stiffness[kind] = factors, np.ascontiguousarray(blocks, kind)
        return self._stiffness[kind]

    def _add(self, u: FloatArray, f: FloatArray, kind: type) -> None:
        fixed = (u, f, self.columns.starts, self.columns.in_line, *self.stiffness(kind))
        for phase in self.columns.phases:
            self.team.run(apply_columns, [(*fixed, first, last) for first, last in phase])

    def diagonal(self) -> FloatArray:
        """Diagonal of the stiffness.

        Returns
        -------
        (n, 3) float64.
        """
        # with normalised transforms every corner holds the mean of the transformed diagonal; blocks are divided by 8
        per_basis = np.ascontiguousarray(self.blocks[:, :, :3].sum(axis=1))
        out = np.zeros((self.bricks.node_count, 3))
        fixed = (out, self.bricks.corners, self.bricks.coefficients, per_basis)
        for phase in self._phases:
            self.team.run(add_diagonal, [(*fixed, first, last) for first, last in phase])
        return out


class AssembledOperator:
    """The same operator as a sparse matrix, for machines without numba and for the coarsest level.

    Parameters
    ----------
    bricks
        Elements.
    elasticities
        (6, 6) material stiffness bases, one per row of the coefficients.
    spacing_mm
        Element size (dx, dy, dz) [mm].
    """

    def __init__(self, bricks: Bricks, elasticities: list[Array], spacing_mm: tuple[float, float, float]) -> None:
        matrices = np.stack([brick_stiffness(e, spacing_mm).ravel() for e in elasticities])
        dofs = (3 * bricks.corners[:, :, None].astype(np.int64) + np.arange(3)).reshape(-1, 24)
        size = 3 * bricks.node_count
        values = bricks.coefficients.T.astype(np.float64) @ matrices
        rows, columns = np.repeat(dofs, 24, axis=1), np.tile(dofs, (1, 24))
        self.matrix = sparse.coo_matrix((values.ravel(), (rows.ravel(), columns.ravel())), (size, size)).tocsr()

    def apply(self, u: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Multiply by the stiffness.

        Parameters
        ----------
        u
            (n, 3) displacements.
        out
            (n, 3) that the forces are written to; a new array when left out.

        Returns
        -------
        (n, 3) forces.
        """
        f = np.asarray(self.matrix @ u.ravel()).reshape(u.shape)
        if out is None:
            return f
        out[...] = f
        return out

    def diagonal(self) -> FloatArray:
        """Diagonal of the stiffness.

        Returns
        -------
        (n, 3).
        """
        return np.asarray(self.matrix.diagonal()).reshape(-1, 3)


def two_colours(layers: npt.NDArray[np.int32], threads: int) -> Ranges:
    """Cut elements into slabs that threads can add to without meeting.

    Parameters
    ----------
    layers
        (m,) layer of each element, ascending.
    threads
        Threads.

    Returns
    -------
    Phases of ranges (first, last): slabs have at least two layers, so those of one phase share no node.
    """
    size = layers.size
    if threads == 1 or size < SERIAL_BELOW:
        return [[(0, size)]]
    targets = np.linspace(0, size, 2 * threads + 1)[1:-1]
    cuts = [0]
    for target in targets:
        layer = layers[int(target)]
        cut = int(np.searchsorted(layers, layer, side="left"))
        if cut > cuts[-1] and layer - layers[cuts[-1]] >= 2:
            cuts.append(cut)
    cuts.append(size)
    slabs = list(zip(cuts[:-1], cuts[1:], strict=True))
    return [slabs[0::2], slabs[1::2]] if len(slabs) > 1 else [slabs]
