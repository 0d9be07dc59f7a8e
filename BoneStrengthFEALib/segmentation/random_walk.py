"""Parting of bones that touch: a random walk between markers that gaps of joints hold up."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage, sparse

from BoneStrengthFEALib.volume import Array, FloatArray

REACHES = (1, 2)
"""Steps to both sides at which the sides of a gap are looked for."""
GAP_COST = 20.0
"""Conductance falls by exp(-20 d) in a gap of depth d, 1 when it is as dark as soft tissue."""
LEAST_CONDUCTANCE = 1e-3
TOLERANCE, MOST_ITERATIONS = 1e-3, 400


def conductance(values: FloatArray, soft_hu: float) -> FloatArray:
    """How easily a walker passes: gaps between two brighter sides hold it up.

    Parameters
    ----------
    values
        (K, J, I) HU, noise removed.
    soft_hu
        HU of soft tissue.

    Returns
    -------
    (K, J, I) 0.001 to 1: exp(-20 d), d the depth of the gap per height of its lower side over soft tissue.
    """
    above = np.clip(values - soft_hu, 1.0, None).astype(np.float32)
    depth = np.zeros_like(above)
    reach = max(REACHES)
    padded = np.pad(above, reach, mode="edge")

    def moved(step: tuple[int, ...]) -> FloatArray:
        return padded[tuple(slice(reach + s, reach + s + n) for s, n in zip(step, above.shape, strict=True))]

    for direction in itertools.product((-1, 0, 1), repeat=3):
        if direction <= (0, 0, 0):
            continue
        for far in REACHES:
            step = tuple(far * d for d in direction)
            lower = np.minimum(moved(step), moved(tuple(-s for s in step)))
            np.maximum(depth, 1.0 - above / lower, out=depth)
    return np.maximum(np.exp(-GAP_COST * depth), LEAST_CONDUCTANCE).astype(np.float32)


def walk(passes: FloatArray, mask: Array, fixed: FloatArray, first_axis: float = 1.0) -> FloatArray:
    """Expected number of the marker that a random walker meets first.

    Between two markers n and n + 1 it is n plus the probability of meeting the second, so one solution parts a whole
    chain of bones that only touch their neighbours.

    Parameters
    ----------
    passes
        (K, J, I) conductance.
    mask
        (K, J, I) booleans: where walkers may go.
    fixed
        (K, J, I) number of the marker, NaN where there is none.
    first_axis
        How much more easily walkers pass along the first axis.

    Returns
    -------
    (K, J, I) float32; NaN outside the mask and where no marker can be reached.

    References
    ----------
    Grady L (2006), Random walks for image segmentation, IEEE Trans Pattern Anal Mach Intell 28:1768.
    """
    marked = np.isfinite(fixed) & mask
    pieces, _ = ndimage.label(mask)
    with_marker = np.unique(pieces[marked])
    inside = mask & np.isin(pieces, with_marker[with_marker > 0])
    free = inside & ~marked
    result = np.where(marked, fixed, np.nan).astype(np.float32)
    if free.any():
        result[free] = _solved(*_system(passes, inside, free, fixed, first_axis))
    return result


def _system(
    passes: FloatArray, inside: Array, free: Array, fixed: FloatArray, first_axis: float
) -> tuple[sparse.csr_array, FloatArray]:
    """Laplacian of the free voxels, and what flows in from the markers."""
    count = int(free.sum())
    number = np.full(free.shape, -1, dtype=np.int64)
    number[free] = np.arange(count)
    diagonal, inflow = np.full(count, 1e-9), np.zeros(count)
    rows, columns, weights = [], [], []
    for axis in range(3):
        lying = np.moveaxis(inside, axis, 0)
        both = lying[:-1] & lying[1:]
        a, b, c, f = (np.moveaxis(part, axis, 0) for part in (number, number, passes, fixed))
        for one, other, value in ((a[:-1][both], b[1:][both], f[1:][both]), (b[1:][both], a[:-1][both], f[:-1][both])):
            weight = (first_axis if axis == 0 else 1.0) * np.sqrt(c[:-1][both] * c[1:][both]).astype(np.float64)
            mine = one >= 0
            diagonal += np.bincount(one[mine], weight[mine], count)
            at_marker = mine & (other < 0)
            inflow += np.bincount(one[at_marker], (weight * value)[at_marker], count)
            linked = mine & (other >= 0)
            rows.append(one[linked])
            columns.append(other[linked])
            weights.append(-weight[linked])
    everything = np.arange(count)
    entries = (np.concatenate([*rows, everything]), np.concatenate([*columns, everything]))
    matrix = sparse.csr_array((np.concatenate([*weights, diagonal]), entries), shape=(count, count))
    return matrix, inflow


def _solved(matrix: sparse.csr_array, inflow: FloatArray) -> FloatArray:
    """Conjugate gradients, scaled by the diagonal: a decision between two numbers needs no more than a percent."""
    scale = 1.0 / matrix.diagonal()
    found = np.zeros_like(inflow)
    rest = np.array(inflow)
    along = scale * rest
    energy = float(rest @ along)
    end = TOLERANCE**2 * energy
    for _ in range(MOST_ITERATIONS):
        if energy <= end:
            break
        pushed = matrix @ along
        step = energy / float(along @ pushed)
        found += step * along
        rest -= step * pushed
        scaled = scale * rest
        energy, before = float(rest @ scaled), energy
        along = scaled + (energy / before) * along
    return found.astype(np.float32)
