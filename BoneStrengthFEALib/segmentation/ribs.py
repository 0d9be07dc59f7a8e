"""Ribs of a thoracic vertebra, parted at their joints."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.segmentation.random_walk import conductance, walk
from BoneStrengthFEALib.segmentation.straight_spine import StraightSpine
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.volume import Array, FloatArray

RIB_SIDE_MM, MIDDLE_SIDE_MM, INNER_STEPS = 48.0, 12.0, 3
"""Transverse processes end nearer to the midline than ribs go; joints of ribs lie farther from it than the second."""
GAP_CONDUCTANCE, LEAST_GAP_SHARE = 0.1, 0.5
"""A cut lies in joints when a walker hardly passes more than half of it: the end of a long process is no rib."""


def without_ribs(spine: StraightSpine, levels: TissueLevels, bone: Array, body: Array) -> Array:
    """Take the ribs off a vertebra where their joints are seen.

    Parameters
    ----------
    spine
        Straightened spine.
    levels
        Levels.
    bone
        (S, A, R) booleans: the vertebra with what touches it.
    body
        (S, A, R) booleans: inside the surface of its body.

    Returns
    -------
    (S, A, R) booleans; a rib whose joints are not seen stays.

    References
    ----------
    Grady L (2006), Random walks for image segmentation, IEEE Trans Pattern Anal Mach Intell 28:1768.
    """
    side = np.abs(spine.planes[1])
    far = bone & (side > RIB_SIDE_MM)
    if not far.any():
        return bone
    fixed = np.full(bone.shape, np.nan, dtype=np.float32)
    fixed[bone & (ndimage.binary_erosion(body, iterations=INNER_STEPS) | (side < MIDDLE_SIDE_MM))] = 0.0
    fixed[far] = 1.0
    passes = conductance(ndimage.gaussian_filter(spine.values, levels.blur_steps), levels.soft_hu)
    pieces, count = ndimage.label(walk(passes, bone, fixed) > 0.5)
    kept = np.array(bone)
    for n in range(1, count + 1):
        if _gap_share(pieces == n, bone, passes) > LEAST_GAP_SHARE:
            kept &= pieces != n
    return kept


def _gap_share(piece: Array, bone: Array, passes: FloatArray) -> float:
    """Share of the faces between a piece and the rest of the bone that a walker hardly passes."""
    found = []
    for axis in range(3):
        a, b = (np.moveaxis(part, axis, 0) for part in (piece, bone))
        c = np.moveaxis(passes, axis, 0)
        cut = b[:-1] & b[1:] & (a[:-1] != a[1:])
        found.append(np.sqrt(c[:-1][cut] * c[1:][cut]) < GAP_CONDUCTANCE)
    faces = np.concatenate(found)
    return float(faces.mean()) if faces.size else 0.0
