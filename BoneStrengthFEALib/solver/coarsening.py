"""Coarse levels: boxes of 2x2x2 elements, split where the bone inside is not connected.

Two trabeculae in one coarse box are two coarse elements, and coarse elements share a coarse node only where a fine
node they share needs it, so that coarse corrections never glue bone across a marrow gap.

References
----------
[1] Dick, Georgii, Westermann (2011), A hexahedral multigrid approach for simulating cuts in deformable objects,
    IEEE Trans. Vis. Comput. Graph. 17:1663, doi:10.1109/TVCG.2010.268 (composite elements, split coarse cells).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.solver.compiling import compiled
from BoneStrengthFEALib.solver.row_kernels import CORNER, COUNT
from BoneStrengthFEALib.volume import FloatArray

MANY_LAYERS = 32_000
"""Below it layers are sorted as 16-bit numbers, which takes one pass."""


SHARE_EXPONENT = 0.8
"""A coarse box of which the share s holds elements has the mean modulus of these times s to this power: a bit more
than the average over the box, which is too soft where single voxels carry the load (tried from 0.4 to 1.5)."""


@dataclass(frozen=True, eq=False)
class CoarseLevel:
    """One coarse level and the way to it from the finer one.

    Parameters
    ----------
    elements
        (m, 3) positions (k, j, i) of coarse boxes; a box may appear more than once.
    corners
        (m, 8) int32 coarse nodes.
    coefficients
        (q, m) averaged stiffness factors.
    node_count
        Number of coarse nodes.
    parents
        (n,) coarse element that each fine node is interpolated in.
    places
        (n,) uint8 position x + 3 y + 9 z, each 0..2, of the fine node in that element.
    """

    elements: npt.NDArray[np.int32]
    corners: npt.NDArray[np.int32]
    coefficients: FloatArray
    node_count: int
    parents: npt.NDArray[np.int32]
    places: npt.NDArray[np.uint8]


def coarsen(
    elements: npt.NDArray[np.int32],
    corners: npt.NDArray[np.int32],
    coefficients: FloatArray,
    node_count: int,
) -> CoarseLevel:
    """Build the next coarser level.

    Parameters
    ----------
    elements
        (m, 3) positions (k, j, i).
    corners
        (m, 8) nodes.
    coefficients
        (q, m) stiffness factors.
    node_count
        Number of nodes.

    Returns
    -------
    The coarse level.
    """
    boxes = elements >> 1
    extent = boxes.max(axis=0).astype(np.int64) + 1
    keys = (boxes[:, 0] * extent[1] + boxes[:, 1]) * extent[2] + boxes[:, 2]
    order = np.argsort(keys, kind="stable")
    starts = np.append(np.flatnonzero(np.diff(keys[order], prepend=-1)), len(elements))
    parent_of = np.empty(len(elements), dtype=np.int32)
    count = _split_boxes(order, starts, corners, parent_of)
    first = np.empty(count, dtype=np.int64)
    first[parent_of[::-1]] = np.arange(len(elements) - 1, -1, -1)
    coarse_elements = boxes[first]
    share = np.bincount(parent_of, minlength=count) / 8.0
    scale = share ** (SHARE_EXPONENT - 1.0) / 8.0
    averaged = np.stack([np.bincount(parent_of, c, count) * scale for c in coefficients]).astype(coefficients.dtype)
    parents, places = np.full(node_count, -1, dtype=np.int32), np.zeros(node_count, dtype=np.uint8)
    roots = np.arange(8 * count, dtype=np.int32)
    _join_corners((order, starts), elements, corners, parent_of, parents, places, roots)
    coarse_corners = np.empty((count, 8), dtype=np.int32)
    nodes = _number_roots(roots, coarse_corners)
    _sort_by_layer(coarse_elements, coarse_corners, nodes)
    return CoarseLevel(coarse_elements, coarse_corners, averaged, nodes, parents, places)


def _sort_by_layer(elements: npt.NDArray[np.int32], corners: npt.NDArray[np.int32], count: int) -> None:
    """Number nodes layer by layer: slabs of nodes then restrict to slabs of coarse nodes."""
    layer = np.empty(count, dtype=np.int16 if elements[:, 0].max() < MANY_LAYERS else np.int32)
    for a in range(8):
        layer[corners[:, a]] = elements[:, 0] + (a >> 2)
    order = np.argsort(layer, kind="stable")
    number = np.empty(count, dtype=np.int32)
    number[order] = np.arange(count, dtype=np.int32)
    corners[...] = number[corners]


@compiled
def _split_boxes(order: Any, starts: Any, corners: Any, parent_of: Any) -> int:
    """Give each connected group of elements in a box a number of its own; returns how many there are."""
    count = 0
    group = np.zeros(64, np.int64)
    for box in range(starts.size - 1):
        first, size = starts[box], starts[box + 1] - starts[box]
        for a in range(size):
            group[a] = a
        for a in range(size):
            for b in range(a + 1, size):
                if group[a] != group[b] and _share_node(corners, order[first + a], order[first + b]):
                    old, new = max(group[a], group[b]), min(group[a], group[b])
                    for c in range(size):
                        if group[c] == old:
                            group[c] = new
        for a in range(size):
            if group[a] == a:
                parent_of[order[first + a]] = count
                count += 1
            else:
                parent_of[order[first + a]] = parent_of[order[first + group[a]]]
    return count


@compiled
def _share_node(corners: Any, e: int, g: int) -> bool:
    for a in range(8):
        for b in range(8):
            if corners[e, a] == corners[g, b]:
                return True
    return False


@compiled
def _join_corners(
    groups: Any, elements: Any, corners: Any, parent_of: Any, parents: Any, places: Any, roots: Any
) -> None:
    """Give each fine node a parent and a place in it; join the corners of coarse elements that share a fine node."""
    order, starts = groups
    # nodes of each coarse element by place, so that a node is looked at once for each coarse element it touches
    nodes = np.full((64, 27), -1, np.int32)
    for box in range(starts.size - 1):
        base, count = parent_of[order[starts[box]]], 0
        for e in order[starts[box] : starts[box + 1]]:
            group = parent_of[e] - base
            count = max(count, group + 1)
            k, j, i = elements[e, 0] & 1, elements[e, 1] & 1, elements[e, 2] & 1
            for a in range(8):
                place, n = i + (a & 1) + 3 * (j + ((a >> 1) & 1)) + 9 * (k + (a >> 2)), corners[e, a]
                if nodes[group, place] < 0:
                    nodes[group, place] = n
                elif nodes[group, place] != n:
                    # split elements of one position have nodes of their own there
                    _enter(n, base + group, place, parents, places, roots)
        for group in range(count):
            for place in range(27):
                if nodes[group, place] >= 0:
                    _enter(nodes[group, place], base + group, place, parents, places, roots)
                    nodes[group, place] = -1


@compiled
def _enter(n: int, box: int, place: int, parents: Any, places: Any, roots: Any) -> None:
    """Make a coarse element the parent of a node, or join the corners that it and the parent interpolate it from."""
    other = parents[n]
    if other < 0:
        parents[n] = box
        places[n] = place
    elif other != box:
        # corners of both are in the same geometric order
        for t in range(COUNT[place]):
            a, b = 8 * box + CORNER[place, t], 8 * other + CORNER[places[n], t]
            if roots[a] != roots[b]:
                ra, rb = _root(roots, a), _root(roots, b)
                roots[max(ra, rb)] = min(ra, rb)


@compiled
def _root(roots: Any, a: int) -> int:
    while roots[a] != a:
        roots[a] = roots[roots[a]]
        a = roots[a]
    return a


@compiled
def _number_roots(roots: Any, corners: Any) -> int:
    """Number joined corners in the order they are met; returns how many there are."""
    count = 0
    numbers = np.full(roots.size, -1, np.int32)
    for c in range(roots.size):
        r = _root(roots, c)
        if numbers[r] < 0:
            numbers[r] = count
            count += 1
        corners[c // 8, c % 8] = numbers[r]
    return count
