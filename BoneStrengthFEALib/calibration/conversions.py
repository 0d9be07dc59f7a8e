"""Conversions between density kinds: one row per published equation, factors as printed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume


@dataclass(frozen=True)
class Conversion:
    """A published linear relation between two kinds of density, both in mg/cm3.

    Parameters
    ----------
    id
        Stable id.
    source_kind, target_kind
        Kinds of density.
    slope
        Dimensionless.
    intercept_mg_cm3
        Intercept [mg/cm3].
    valid_mg_cm3
        Range of the input the relation was measured over [mg/cm3].
    source
        Citation.
    unverified
        True when the primary source was not read.
    note
        What a reader must know.
    """

    id: str
    source_kind: Quantity
    target_kind: Quantity
    slope: float
    intercept_mg_cm3: float
    valid_mg_cm3: tuple[float, float]
    source: str
    unverified: bool
    note: str = ""

    def forward(self, density_mg_cm3: FloatArray | float) -> FloatArray:
        """Convert.

        Parameters
        ----------
        density_mg_cm3
            (...) of the source kind [mg/cm3].

        Returns
        -------
        (...) of the target kind [mg/cm3].
        """
        return self.slope * np.asarray(density_mg_cm3, dtype=np.float64) + self.intercept_mg_cm3

    def backward(self, density_mg_cm3: FloatArray | float) -> FloatArray:
        """Convert back.

        Parameters
        ----------
        density_mg_cm3
            (...) of the target kind [mg/cm3].

        Returns
        -------
        (...) of the source kind [mg/cm3].
        """
        return (np.asarray(density_mg_cm3, dtype=np.float64) - self.intercept_mg_cm3) / self.slope


K, HA, ASH, APP = Quantity.K2HPO4, Quantity.CAHA, Quantity.ASH, Quantity.APPARENT
# 1/0.6 is written as a quotient so that the published factor stays visible
CONVERSIONS: tuple[Conversion, ...] = (
    Conversion(
        "faulkner1993-k2hpo4-caha",
        K,
        HA,
        1.15,
        -7.32,
        (0.0, 400.0),
        "Faulkner KG et al. (1993), Osteoporos Int 3:36, as quoted in github.com/araex/mitk-gem issue 52",
        True,
        "Empirical, energy dependent: the slope K2HPO4/CaHA runs from 0.86 at 80 kVp to 0.81 at 140 kVp "
        "(Goodsitt 1992, Bone Miner 19:145, abstract).",
    ),
    Conversion(
        "keyak1994-k2hpo4-ash",
        K,
        ASH,
        1.06,
        38.9,
        (0.0, 1200.0),
        "Keyak JH et al. (1994), as used by Ogo and parosol-py",
        True,
    ),
    Conversion(
        "les1994-k2hpo4-ash",
        K,
        ASH,
        1.22,
        52.3,
        (0.0, 1200.0),
        "Les CM et al. (1994) as tabulated in Knowles NK et al. (2016), J Exp Orthop 3:36, Table 1 (PMC5234499)",
        False,
    ),
    Conversion(
        "kaneko2004-caha-ash",
        HA,
        ASH,
        0.839,
        69.8,
        (0.0, 1200.0),
        "Kaneko TS et al. (2004), as used by Ogo",
        True,
    ),
    Conversion(
        "schileo2008-caha-ash",
        HA,
        ASH,
        1 / 1.14,
        90 / 1.14,
        (0.0, 1400.0),
        "Schileo E et al. (2008), J Biomech 41:2483: ash = (CaHA + 0.09) / 1.14 in g/cm3",
        True,
        "Takes CaHA-equivalent density (often mistaken for a K2HPO4 relation).",
    ),
    Conversion(
        "schileo2008-ash-apparent",
        ASH,
        APP,
        1 / 0.6,
        0.0,
        (0.0, 1200.0),
        "Schileo E et al. (2008), J Biomech 41:2483; Knowles NK et al. (2016), Tab. 1 (PMC5234499): ash/apparent = 0.6",
        False,
    ),
)
_BY_ID = {row.id: row for row in CONVERSIONS}


def conversion(identifier: str) -> Conversion:
    """Find a conversion by id.

    Parameters
    ----------
    identifier
        Id, for example ``keyak1994-k2hpo4-ash``.

    Returns
    -------
    The row.

    Raises
    ------
    CalibrationError
        When there is none; the text lists all.
    """
    if identifier not in _BY_ID:
        raise CalibrationError(f"no density conversion {identifier!r}; choose one of {', '.join(sorted(_BY_ID))}")
    return _BY_ID[identifier]


def convert(density: Volume, identifier: str) -> Volume:
    """Convert a density volume.

    Parameters
    ----------
    density
        (K, J, I) volume [mg/cm3] of the conversion's source kind.
    identifier
        Id of the conversion.

    Returns
    -------
    (K, J, I) volume of the target kind.

    Raises
    ------
    CalibrationError
        When the volume holds another kind.
    """
    row = conversion(identifier)
    if density.quantity is not row.source_kind:
        raise CalibrationError(
            f"conversion {row.id} takes {row.source_kind.value}, this volume holds {density.quantity.value}"
        )
    return density.with_array(row.forward(density.array).astype(density.array.dtype), row.target_kind)
