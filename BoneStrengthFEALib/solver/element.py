"""Stiffness of an 8-node brick and its block form under the three mirror reflections.

Corner a = x + 2 y + 4 z with x, y, z in {0, 1}::

        6--------7
       /|       /|        z  y
      4--------5 |        | /
      | |      | |        |/
      | 2------|-3        +--- x
      |/       |/
      0--------1

An element whose material axes lie along x, y, z has a stiffness that commutes with the reflections of its box. In
the basis of the 8-point Walsh-Hadamard transform of each displacement component it falls apart into eight symmetric
3x3 blocks. Block t (bits: parity along x, y, z) couples component c of parity t xor (1 << c), c = 0, 1, 2.

References
----------
[1] Zienkiewicz, Taylor, Zhu, The Finite Element Method, 7th ed., section 6 (trilinear brick, 2x2x2 Gauss points).
[2] Fino, Algazi (1976), Unified matrix treatment of the fast Walsh-Hadamard transform, IEEE Trans. Comput. 25:1142.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from BoneStrengthFEALib.volume import FloatArray

CORNERS = np.array([[(a >> axis) & 1 for axis in range(3)] for a in range(8)])
"""(8, 3) corner a to its (x, y, z) in {0, 1}."""

HADAMARD = np.array([[(-1.0) ** bin(p & a).count("1") for a in range(8)] for p in range(8)]) / np.sqrt(8.0)
"""(8, 8) orthonormal, symmetric Walsh-Hadamard matrix: parity p, corner a."""

GAUSS = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3.0)
"""(2,) Gauss points on [0, 1]."""

BLOCK_ENTRIES = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
"""Order in which the six numbers of a symmetric 3x3 block are stored."""


def lame_basis() -> tuple[FloatArray, FloatArray]:
    """Stiffness matrices that multiply the two Lame parameters.

    Returns
    -------
    Two (6, 6) matrices, order xx yy zz yz xz xy with engineering shear: C = lambda * first + mu * second.
    """
    volumetric, deviatoric = np.zeros((6, 6)), np.diag([2.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    volumetric[:3, :3] = 1.0
    return volumetric, deviatoric


def strain_displacement(point: FloatArray, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Strains at a point of the brick from its corner displacements.

    Parameters
    ----------
    point
        (3,) local coordinates in [0, 1] along x, y, z.
    spacing_mm
        Element size (dx, dy, dz) [mm].

    Returns
    -------
    (6, 24) matrix B; columns ordered corner by corner, x y z within a corner; rows xx yy zz yz xz xy.
    """
    factors = np.where(CORNERS == 1, point, 1.0 - np.asarray(point))
    slopes = np.where(CORNERS == 1, 1.0, -1.0) / np.asarray(spacing_mm)
    b = np.zeros((6, 8, 3))
    for axis in range(3):
        others = [c for c in range(3) if c != axis]
        gradient = slopes[:, axis] * factors[:, others[0]] * factors[:, others[1]]
        b[axis, :, axis] = gradient
        for row, (c, d) in ((3, (1, 2)), (4, (0, 2)), (5, (0, 1))):
            if axis in (c, d):
                b[row, :, d if axis == c else c] = gradient
    return b.reshape(6, 24)


def brick_stiffness(elasticity: FloatArray, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Stiffness of the brick, fully integrated.

    Parameters
    ----------
    elasticity
        (6, 6) material stiffness [MPa], order xx yy zz yz xz xy, engineering shear.
    spacing_mm
        Element size (dx, dy, dz) [mm].

    Returns
    -------
    (24, 24) stiffness [N/mm], corner by corner.
    """
    weight = float(np.prod(spacing_mm)) / 8.0
    stiffness = np.zeros((24, 24))
    for b in _at_gauss_points(spacing_mm):
        stiffness += weight * b.T @ elasticity @ b
    return stiffness


@lru_cache(maxsize=64)
def _at_gauss_points(spacing_mm: tuple[float, float, float]) -> list[FloatArray]:
    return [strain_displacement(np.array((x, y, z)), spacing_mm) for x in GAUSS for y in GAUSS for z in GAUSS]


def mirror_blocks(elasticity: FloatArray, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Stiffness in the basis of the Walsh-Hadamard transform.

    Parameters
    ----------
    elasticity
        (6, 6) axis-aligned orthotropic material stiffness [MPa].
    spacing_mm
        Element size (dx, dy, dz) [mm].

    Returns
    -------
    (8, 6) entries of the blocks, in the order of BLOCK_ENTRIES [N/mm].
    """
    return mirror_blocks_of(brick_stiffness(elasticity, spacing_mm))


def mirror_blocks_of(stiffness: FloatArray) -> FloatArray:
    """Blocks of a brick stiffness that commutes with the reflections of its box.

    Parameters
    ----------
    stiffness
        (24, 24), corner by corner [N/mm].

    Returns
    -------
    (8, 6) entries of the blocks, in the order of BLOCK_ENTRIES [N/mm].
    """
    transformed = np.einsum("pa,acbd,qb->pcqd", HADAMARD, stiffness.reshape(8, 3, 8, 3), HADAMARD)
    return np.array([[transformed[t ^ (1 << c), c, t ^ (1 << d), d] for c, d in BLOCK_ENTRIES] for t in range(8)])


def lame_parameters(young: FloatArray, poisson: float | FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lame parameters of an isotropic material.

    Parameters
    ----------
    young
        (...) Young's modulus [MPa].
    poisson
        () or (...) Poisson's ratio.

    Returns
    -------
    lambda and mu, each (...) [MPa].
    """
    nu = np.asarray(poisson)
    return young * nu / ((1 + nu) * (1 - 2 * nu)), young / (2 * (1 + nu))
