"""Marrow of vertebrae: what their bone encloses."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.volume import Array

ENCLOSED_STEPS, LEAST_DIRECTIONS = 8, 20
"""Marrow of a process meets bone so near in at least so many of 26 directions."""


def fill_marrow(number: Array, count: int, canal: Array) -> Array:
    """Fill what each vertebra encloses, in space, in a section or in most directions.

    Parameters
    ----------
    number
        (S, A, R) uint8: number of the vertebra, 0 none.
    count
        Number of vertebrae.
    canal
        (A, R) booleans: middle of the canal, which is not filled.

    Returns
    -------
    (S, A, R) uint8.
    """
    filled = np.array(number, dtype=np.uint8)
    for n in range(1, count + 1):
        if not (number == n).any():
            continue
        box = bounding_box(number == n)
        one, in_canal = number[box] == n, canal[box[1:]]
        whole = ndimage.binary_fill_holes(one)
        for section, into in zip(one, whole, strict=True):
            holes = ndimage.binary_fill_holes(section) & ~section
            pieces, _ = ndimage.label(holes)
            into |= holes & ~np.isin(pieces, np.unique(pieces[in_canal & (pieces > 0)]))
        whole |= _enclosed(one) & ~in_canal
        filled[box][whole & (number[box] == 0)] = n
    return filled


def _enclosed(bone: Array) -> Array:
    """Where bone is met in most directions: marrow of processes whose thin cortex is seen in part only."""
    padded = np.pad(bone, ENCLOSED_STEPS)
    met = np.zeros(bone.shape, dtype=np.uint8)
    for direction in itertools.product((-1, 0, 1), repeat=3):
        far = round(ENCLOSED_STEPS / max(float(np.linalg.norm(direction)), 1.0))
        starts = [[ENCLOSED_STEPS + step * d for d in direction] for step in range(1, far + 1)]
        boxes = [tuple(slice(a, a + n) for a, n in zip(start, bone.shape, strict=True)) for start in starts]
        if any(direction):
            met += np.any([padded[box] for box in boxes], axis=0)
    return np.asarray(met >= LEAST_DIRECTIONS)
