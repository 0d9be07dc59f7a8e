"""Yield surface and flow curve of every element: a smooth Drucker-Prager surface with its own two yield stresses.

f = A sqrt(q^2 + (r e)^2) + B tr(sigma) - r sigma_c, with q the von Mises stress, e = ROUNDING * sigma_t, and
r = Y / sigma_c the hardening ratio. A and B are such that uniaxial compression yields at sigma_c and uniaxial tension
at sigma_t exactly; equal stresses give B = 0 and the von Mises surface exactly. The hyperbola of width e rounds the
apex; its r is that of the step's start, which keeps the tangent symmetric.

References
----------
[1] Drucker DC, Prager W (1952), Q. Appl. Math. 10:157 (the cone).
[2] Abbo AJ, Sloan SW (1995), Comput. Struct. 54:427 (hyperbolic rounding of an apex).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.solver.mesh import Mesh
from BoneStrengthFEALib.volume import FloatArray

ROUNDING = 0.05
STEEPEST = 0.5
"""Steepest softening as a share of Young's modulus: a steeper one would snap back within an element."""
G, K, SIGMA_C, A, B, ROUND, RATE, HARDENING, ONSET, RESIDUAL = range(10)
"""Columns of the table of element parameters."""


@dataclass(frozen=True, eq=False)
class ElementMaterial:
    """Parameters of every element of a mesh.

    Parameters
    ----------
    table
        (m, 10) columns G, K, SIGMA_C, A, B, ROUND (e), RATE (plastic strain in uniaxial compression per multiplier),
        HARDENING, ONSET, RESIDUAL; SIGMA_C is infinite where an element stays elastic.
    clipped
        Number of elements whose softening was less steep than asked for.
    """

    table: FloatArray
    clipped: int


def element_material(model: FeModel, mesh: Mesh, reference_size_mm: float | None = None) -> ElementMaterial:
    """Collect the parameters of a model.

    Parameters
    ----------
    model
        Isotropic model with yield stresses.
    mesh
        Its mesh.
    reference_size_mm
        Element size the softening slope was measured with [mm]: the slope is scaled by size / reference, so that the
        energy dissipated per area stays (crack band, Bazant ZP, Oh BH (1983), Mater. Struct. 16:155); None keeps it.

    Returns
    -------
    The parameters.

    Raises
    ------
    ModelError
        When the model has no yield stresses, an impossible one, or orthotropic elements.
    """
    stress = model.yield_stress
    if stress is None:
        raise ModelError("a nonlinear analysis needs yield stresses; choose a material law that has them")
    if model.orthotropy is not None:
        raise ModelError("plasticity is isotropic here; choose an isotropic material or a linear analysis")
    where = tuple(mesh.elements.T)

    def at(values: float | FloatArray) -> FloatArray:
        return np.asarray(np.broadcast_to(np.asarray(values, dtype=np.float64), model.grid.shape)[where])

    young, poisson = at(model.young_mpa), at(model.poisson)
    compression, tension = at(stress.compression_mpa), at(stress.tension_mpa)
    elastic = ~(np.isfinite(compression) & np.isfinite(tension))
    if ((compression <= 0) | (tension <= 0))[~elastic].any():
        raise ModelError("yield stresses must be positive")
    table = np.zeros((young.size, 10))
    table[:, G], table[:, K] = young / (2 * (1 + poisson)), young / (3 * (1 - 2 * poisson))
    table[:, SIGMA_C] = np.where(elastic, np.inf, compression)
    plastic = ~elastic
    a, b, rounding, rate = surface(compression[plastic], tension[plastic])
    for column, values in ((A, a), (B, b), (ROUND, rounding), (RATE, rate)):
        table[plastic, column] = values
    hardening, clipped = _regularised(at(stress.hardening_mpa), young, model, reference_size_mm)
    table[:, HARDENING] = np.where(elastic, 0.0, hardening)
    table[:, ONSET], table[:, RESIDUAL] = at(stress.onset_strain), np.minimum(at(stress.residual_mpa), compression)
    return ElementMaterial(table, int((clipped & plastic).sum()))


def surface(compression: FloatArray, tension: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Constants of the surface.

    Parameters
    ----------
    compression, tension
        (m,) yield stresses [MPa].

    Returns
    -------
    A, B, e [MPa] and the axial plastic strain per multiplier in uniaxial compression, each (m,).
    """
    # von Mises has no apex
    rounding = np.where(compression == tension, 0.0, ROUNDING * tension)
    rc, rt = np.hypot(compression, rounding), np.hypot(tension, rounding)
    # A rc - B sigma_c = sigma_c and A rt + B sigma_t = sigma_c
    determinant = rc * tension + rt * compression
    a = (compression * tension + compression * compression) / determinant
    b = (rc * compression - rt * compression) / determinant
    return a, b, rounding, a * compression / rc - b


def _regularised(
    hardening: FloatArray, young: FloatArray, model: FeModel, reference_size_mm: float | None
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    size = float(np.prod(model.spacing_mm)) ** (1 / 3)
    scale = 1.0 if reference_size_mm is None else size / reference_size_mm
    wanted = np.where(hardening < 0, hardening * scale, hardening)
    least = -STEEPEST * young
    return np.maximum(wanted, least), np.asarray(wanted < least)
