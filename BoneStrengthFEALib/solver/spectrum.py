"""The largest eigenvalue of D^-1 K, which the Chebyshev smoother needs.

References
----------
[1] Saad (2003), Iterative Methods for Sparse Linear Systems, 2nd ed., algorithm 6.15 (Lanczos).
[2] Wathen (1987), Realistic eigenvalue bounds for the Galerkin mass matrix, IMA J. Numer. Anal. 7:449.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from BoneStrengthFEALib.solver import vector_kernels as vk
from BoneStrengthFEALib.solver.element import brick_stiffness
from BoneStrengthFEALib.solver.operator import ElementOperator
from BoneStrengthFEALib.solver.teamwork import run_over, sum_over
from BoneStrengthFEALib.volume import FloatArray

ALL_BASES = 3
LANCZOS_STEPS = 10
"""Lanczos steps."""


def element_bound(
    coefficients: FloatArray, elasticities: list[FloatArray], spacing_mm: tuple[float, float, float]
) -> float:
    """Bound that holds for any mesh: the largest eigenvalue of a single element [2].

    Parameters
    ----------
    coefficients
        (q, m) stiffness factors; q = 3: lambda, mu, orthotropic; q = 1: multiples of one stiffness.
    elasticities
        q (6, 6) stiffness bases.
    spacing_mm
        Element size [mm].

    Returns
    -------
    max over elements of lambda_max(D_e^-1 K_e), dimensionless.
    """
    materials: list[FloatArray] = []
    isotropic = coefficients[1] > 0 if len(coefficients) == ALL_BASES else np.zeros(0, bool)
    if isotropic.any():
        ratio = float((coefficients[0, isotropic] / coefficients[1, isotropic]).max())
        materials.append(ratio * elasticities[0] + elasticities[1])
    if coefficients[-1].any():
        materials.append(elasticities[-1])
    bound = 0.0
    for material in materials:
        stiffness = brick_stiffness(material, spacing_mm)
        root = 1.0 / np.sqrt(np.diag(stiffness))
        bound = max(bound, float(np.linalg.eigvalsh(root[:, None] * stiffness * root)[-1]))
    return bound


def largest_eigenvalue(operator: ElementOperator, inverse_diagonal: FloatArray) -> float:
    """Estimate by Lanczos [1] on D^-1/2 K D^-1/2, a lower bound.

    Parameters
    ----------
    operator
        K.
    inverse_diagonal
        (n, 4) float32 inverse diagonal; zero where held.

    Returns
    -------
    Estimate, dimensionless.
    """
    # the start is random (all frequencies), its seed fixed for repeatable results
    root = np.sqrt(inverse_diagonal)
    v = np.random.default_rng(20_01).random(root.shape, np.float32)
    v -= np.float32(0.5)
    v *= root > 0
    w, f, scaled = np.zeros_like(v), np.zeros_like(v), np.empty_like(v)
    team = operator.team
    factor = 1.0 / max(float(np.sqrt(sum_over(team, vk.lanczos_part, v, v, np.float32(0)))), 1e-30)
    beta, diagonal, off = 0.0, [], []
    for _ in range(LANCZOS_STEPS):
        run_over(team, vk.lanczos_next, v, scaled, root, np.float32(factor))
        operator.add_rows(scaled, f)
        alpha = sum_over(team, vk.lanczos_product, w, v, f, root, np.float32(beta))
        beta = float(np.sqrt(sum_over(team, vk.lanczos_part, w, v, np.float32(alpha))))
        diagonal.append(alpha)
        off.append(beta)
        if beta < 1e-6:
            break
        v, w, factor = w, v, 1.0 / beta
    return max(float(eigvalsh_tridiagonal(np.array(diagonal), np.array(off[:-1]))[-1]), 1e-6)
