"""Transverse isotropy of trabecular bone about the model's z axis, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.errors import MaterialError
from BoneStrengthFEALib.volume import FloatArray


@dataclass(frozen=True)
class TransverseIsotropy:
    """Elastic ratios to the Young's modulus along z.

    Parameters
    ----------
    id
        Stable id.
    transverse_ratio
        E_x / E_z = E_y / E_z.
    poisson_xy, poisson_xz
        Strain ratio -eps_y/eps_x and -eps_z/eps_x under stress along x.
    shear_xy_ratio, shear_xz_ratio
        G_xy / E_z and G_xz / E_z = G_yz / E_z.
    source
        Citation.
    unverified
        True when the numbers were not read in the source.
    """

    id: str
    transverse_ratio: float
    poisson_xy: float
    poisson_xz: float
    shear_xy_ratio: float
    shear_xz_ratio: float
    source: str
    unverified: bool


ANISOTROPIES: tuple[TransverseIsotropy, ...] = (
    TransverseIsotropy(
        "crawford2003-transverse",
        0.333,
        0.381,
        0.104,
        0.121,
        0.157,
        "Crawford RP, Cann CE, Keaveny TM (2003), Bone 33:744, after Ulrich D et al. (1999); quoted from memory",
        True,
    ),
)


def anisotropy(identifier: str) -> TransverseIsotropy:
    """Find a row by id.

    Parameters
    ----------
    identifier
        Id, for example ``crawford2003-transverse``.

    Returns
    -------
    The row.

    Raises
    ------
    MaterialError
        When there is none.
    """
    for row in ANISOTROPIES:
        if row.id == identifier:
            return row
    raise MaterialError(f"no anisotropy {identifier!r}; choose one of {', '.join(r.id for r in ANISOTROPIES)}")


def unit_stiffness(row: TransverseIsotropy) -> FloatArray:
    """Stiffness for E_z = 1 MPa.

    Parameters
    ----------
    row
        Elastic ratios.

    Returns
    -------
    (6, 6) stiffness [MPa], order xx yy zz yz xz xy, engineering shear strains.

    Raises
    ------
    MaterialError
        When the ratios give no positive strain energy.
    """
    e = row.transverse_ratio
    compliance = np.diag([1 / e, 1 / e, 1.0, 1 / row.shear_xz_ratio, 1 / row.shear_xz_ratio, 1 / row.shear_xy_ratio])
    compliance[0, 1] = compliance[1, 0] = -row.poisson_xy / e
    compliance[:2, 2] = compliance[2, :2] = -row.poisson_xz / e
    if np.linalg.eigvalsh(compliance).min() <= 0:
        raise MaterialError(f"anisotropy {row.id} has no positive strain energy; check its ratios")
    stiffness = np.linalg.inv(compliance)
    # exact zeros where symmetry demands them: the solver checks the pattern
    stiffness[compliance == 0] = 0.0
    return np.asarray((stiffness + stiffness.T) / 2)
