"""From a density volume to moduli and strengths of every voxel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.errors import MaterialError
from BoneStrengthFEALib.fe_model import Orthotropy, YieldStress
from BoneStrengthFEALib.material.anisotropy import anisotropy, unit_stiffness
from BoneStrengthFEALib.material.law import MaterialLaw
from BoneStrengthFEALib.material.law_table import law
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import FloatArray, Grid, Quantity, Volume, require_same_grid

YOUNG_FLOOR_MPA = 0.1
"""Smallest modulus of a voxel inside the bone: marrow and fat keep the model connected without carrying load."""
YIELD_FLOOR_MPA = 0.001
"""Smallest yield stress: the modulus floor at 1 % strain. Numerical, so that no element yields at zero load."""
FLOORED_WARNING = 0.30
OUT_OF_RANGE_WARNING = 0.05
MG_PER_G = 1000.0


@dataclass(frozen=True, eq=False)
class MaterialMap:
    """Moduli and strengths per voxel.

    Parameters
    ----------
    grid
        Grid of the voxels.
    young_mpa
        (K, J, I) Young's modulus [MPa]; 0 outside the bone.
    poisson
        Poisson's ratio.
    law_id
        Law the map was made with.
    compression_mpa, tension_mpa
        (K, J, I) yield stresses [MPa], infinite outside the bone, or None when the law has none.
    floored_fraction
        Fraction of bone voxels raised to YOUNG_FLOOR_MPA.
    out_of_range_fraction
        Fraction of bone voxels outside the law's density range; 0 when the law states none.
    unverified
        Whether the law (or the anisotropy) holds an unverified number.
    orthotropy
        Anisotropy of the bone, or None for an isotropic map.
    hardening_mpa, residual_mpa, onset_strain
        (K, J, I) softening of a law that has one, see YieldStress; otherwise None.
    quality
        Checks made on the way.
    source
        Citation of the law.
    """

    grid: Grid
    young_mpa: FloatArray
    poisson: float
    law_id: str
    compression_mpa: FloatArray | None
    tension_mpa: FloatArray | None
    floored_fraction: float
    out_of_range_fraction: float
    unverified: bool
    orthotropy: Orthotropy | None = None
    hardening_mpa: FloatArray | None = None
    residual_mpa: FloatArray | None = None
    onset_strain: FloatArray | None = None
    quality: tuple[QualityLine, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        """Check shapes and values, freeze the arrays."""
        for name in ("young_mpa", "compression_mpa", "tension_mpa", "hardening_mpa", "residual_mpa", "onset_strain"):
            array = getattr(self, name)
            if array is None:
                continue
            if array.shape != self.grid.shape:
                raise MaterialError(f"{name} has shape {array.shape}, the grid {self.grid.shape}")
            array.setflags(write=False)
        if not np.isfinite(self.young_mpa).all() or (self.young_mpa < 0).any():
            raise MaterialError("Young's moduli must be finite and not negative")

    def yield_stress(self) -> YieldStress | None:
        """Post-elastic behaviour for a nonlinear model.

        Returns
        -------
        The yield stresses; a direction the law does not give takes the other's value. None without any.
        """
        compression = self.tension_mpa if self.compression_mpa is None else self.compression_mpa
        tension = self.compression_mpa if self.tension_mpa is None else self.tension_mpa
        if compression is None or tension is None:
            return None
        if self.hardening_mpa is None or self.residual_mpa is None or self.onset_strain is None:
            return YieldStress(compression, tension)
        return YieldStress(compression, tension, self.hardening_mpa, self.residual_mpa, self.onset_strain)


def map_density(density: Volume, regions: Volume, law_id: str, anisotropy_id: str = "") -> MaterialMap:
    """Give each voxel of the bone its modulus and strengths.

    Parameters
    ----------
    density
        (K, J, I) density [mg/cm3] of the kind the law takes; nothing is converted here.
    regions
        (K, J, I) labels on the same grid; every voxel above 0 is bone.
    law_id
        Id of the material law.
    anisotropy_id
        Id of a transverse isotropy about the grid's k axis; empty for isotropic bone.

    Returns
    -------
    The map.

    Raises
    ------
    MaterialError
        When the density is of another kind or the bone is empty.
    GeometryError
        When the grids differ.

    References
    ----------
    See the row of the law table.
    """
    row = law(law_id)
    row.require(density.quantity)
    require_same_grid(density, regions, "the density and the regions")
    if regions.quantity is not Quantity.LABEL:
        raise MaterialError(f"regions are labels, got {regions.quantity.value}")
    inside = np.asarray(regions.array > 0)
    if not inside.any():
        raise MaterialError("no voxel of the density volume belongs to the bone; check the regions")
    rho = density.array[inside] / MG_PER_G
    young = row.young_mpa(rho)
    floored = float(np.mean(young < YOUNG_FLOOR_MPA))
    outside = _outside(row, rho)
    law_row = anisotropy(anisotropy_id) if anisotropy_id else None
    return MaterialMap(
        density.grid,
        _spread(np.maximum(young, YOUNG_FLOOR_MPA), inside, 0.0),
        row.poisson,
        row.id,
        _strength(row, "compression", rho, inside),
        _strength(row, "tension", rho, inside),
        floored,
        outside,
        row.unverified or bool(law_row and law_row.unverified),
        Orthotropy(unit_stiffness(law_row), inside) if law_row else None,
        *_softening(row, rho, inside),
        quality=_lines(row, floored, outside),
        source=row.source,
    )


def _spread(values: FloatArray, inside: npt.NDArray[np.bool_], background: float) -> FloatArray:
    full = np.full(inside.shape, background)
    full[inside] = values
    return full


def _outside(row: MaterialLaw, rho: FloatArray) -> float:
    if row.valid_g_cm3 is None:
        return 0.0
    low, high = row.valid_g_cm3
    return float(np.mean((rho < low) | (rho > high)))


def _strength(row: MaterialLaw, sign: str, rho: FloatArray, inside: npt.NDArray[np.bool_]) -> FloatArray | None:
    stress = row.strength_mpa(sign, rho)
    return None if stress is None else _spread(np.maximum(stress, YIELD_FLOOR_MPA), inside, np.inf)


def _softening(
    row: MaterialLaw, rho: FloatArray, inside: npt.NDArray[np.bool_]
) -> tuple[FloatArray | None, FloatArray | None, FloatArray | None]:
    if row.post_yield is None:
        return None, None, None
    young = np.maximum(row.young_mpa(rho), YOUNG_FLOOR_MPA)
    slope = row.post_yield.slope_mpa(rho)
    # slope is against total strain; against plastic strain 1/H = 1/E_t - 1/E with E_t = -slope
    hardening = -slope * young / (young + slope)
    onset = row.post_yield.plateau_strain(rho)
    # no residual above the first yield stress, which the floor could otherwise invert
    stress = row.strength_mpa("compression", rho)
    residual = row.post_yield.residual_mpa(rho)
    if stress is not None:
        residual = np.minimum(residual, np.maximum(stress, YIELD_FLOOR_MPA))
    return _spread(hardening, inside, 0.0), _spread(residual, inside, 0.0), _spread(onset, inside, 0.0)


def _lines(row: MaterialLaw, floored: float, outside: float) -> tuple[QualityLine, ...]:
    limit = "not stated in what was read"
    if row.valid_g_cm3 is not None:
        limit = f"{row.valid_g_cm3[0] * MG_PER_G:.0f} to {row.valid_g_cm3[1] * MG_PER_G:.0f} mg/cm3"
    return (
        QualityLine(
            "FLOORED_VOXELS",
            Outcome.WARN if floored > FLOORED_WARNING else Outcome.PASS,
            f"{100 * floored:.1f} % of bone voxels raised to {YOUNG_FLOOR_MPA} MPa",
            f"at most {100 * FLOORED_WARNING:.0f} %",
            "check calibration and mask: much of the bone has the density of fat",
        ),
        QualityLine(
            "LAW_RANGE",
            Outcome.WARN if outside > OUT_OF_RANGE_WARNING else Outcome.PASS,
            f"{100 * outside:.1f} % of bone voxels outside the range of law {row.id} ({limit})",
            f"at most {100 * OUT_OF_RANGE_WARNING:.0f} %",
            "the law is extrapolated there, usually in the cortex; compare with another law of the site",
        ),
    )
