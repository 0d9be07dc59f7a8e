"""Compact numbering: only nodes that belong to an element, in lexicographic order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.fe_model import FeModel, NodeIds, Prescribed, RigidPlaten
from BoneStrengthFEALib.solver.element import CORNERS

ALL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)
"""Elements that share a corner hang together mechanically."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Elements and nodes of a model without the empty voxels.

    Parameters
    ----------
    elements
        (m, 3) int32 element positions (k, j, i), lexicographic.
    corners
        (m, 8) int32 compact node index of corner a = x + 2 y + 4 z.
    nodes
        (n,) int64 node ids of the compact nodes, ascending.
    node_shape
        (K+1, J+1, I+1).
    layer_starts
        (L+1,) first element of each occupied layer of equal k, and the end.
    """

    elements: npt.NDArray[np.int32]
    corners: npt.NDArray[np.int32]
    nodes: NodeIds
    node_shape: tuple[int, int, int]
    layer_starts: npt.NDArray[np.int64]

    @property
    def node_positions(self) -> npt.NDArray[np.int32]:
        """(n, 3) positions (k, j, i) of the nodes."""
        return np.stack(np.unravel_index(self.nodes, self.node_shape), axis=1).astype(np.int32)

    def compact(self, node_ids: NodeIds) -> NodeIds:
        """Compact indices of node ids that belong to an element.

        Parameters
        ----------
        node_ids
            (q,) node ids.

        Returns
        -------
        (p,) compact indices, p <= q, without those that belong to no element.
        """
        where, belongs = self.find(node_ids)
        return where[belongs]

    def find(self, node_ids: NodeIds) -> tuple[NodeIds, npt.NDArray[np.bool_]]:
        """Compact indices of node ids, and which of them belong to an element.

        Parameters
        ----------
        node_ids
            (q,) node ids.

        Returns
        -------
        (q,) compact indices, without meaning where the (q,) bool is False.
        """
        where = np.minimum(np.searchsorted(self.nodes, node_ids), self.nodes.size - 1)
        return where, self.nodes[where] == node_ids


def build_mesh(mask: npt.NDArray[np.bool_]) -> Mesh:
    """Number the nodes of a voxel mask.

    Parameters
    ----------
    mask
        (K, J, I) True where an element is.

    Returns
    -------
    The mesh.
    """
    elements = np.argwhere(mask).astype(np.int32)
    shape = (mask.shape[0] + 1, mask.shape[1] + 1, mask.shape[2] + 1)
    windows = [tuple(slice(o, o + n) for o, n in zip(corner[::-1], mask.shape, strict=True)) for corner in CORNERS]
    occupied = np.zeros(shape, dtype=bool)
    for window in windows:
        occupied[window] |= mask
    nodes = np.flatnonzero(occupied)
    index = np.cumsum(occupied, dtype=np.int32).reshape(shape)
    index -= 1
    corners = np.empty((len(elements), 8), np.int32)
    for a, window in enumerate(windows):
        corners[:, a] = index[window][mask]
    starts = np.flatnonzero(np.diff(elements[:, 0], prepend=-1))
    return Mesh(elements, corners, nodes, shape, np.append(starts, len(elements)))


def supported_elements(model: FeModel) -> tuple[npt.NDArray[np.bool_], int]:
    """Elements of the pieces that are held or moved by something.

    Parameters
    ----------
    model
        Model.

    Returns
    -------
    (K, J, I) mask and the number of elements left out.

    Raises
    ------
    ModelError
        When nothing is held.
    """
    elements = model.elements
    pieces, count = ndimage.label(elements, structure=ALL_NEIGHBOURS)
    held = np.zeros(count + 1, dtype=bool)
    conditions: list[Prescribed | RigidPlaten] = [*model.prescribed, *model.platens]
    for condition in conditions:
        held[_pieces_at(pieces, condition.nodes, model.node_shape)] = True
    held[0] = False
    if not held.any():
        raise ModelError("no element touches a held or moved node; the model would float away")
    kept = held[pieces]
    return kept, int(elements.sum() - kept.sum())


def _pieces_at(pieces: npt.NDArray[np.int32], nodes: NodeIds, shape: tuple[int, int, int]) -> npt.NDArray[np.int32]:
    padded = np.pad(pieces, 1)
    k, j, i = np.unravel_index(np.asarray(nodes), shape)
    around = [padded[k + z, j + y, i + x] for x, y, z in CORNERS]
    return np.unique(np.concatenate(around))
