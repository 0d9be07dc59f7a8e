"""Materials that do not depend on density: cement of caps and pots, bone tissue."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.errors import MaterialError


@dataclass(frozen=True)
class FixedMaterial:
    """One row of the table of materials with constant properties.

    Parameters
    ----------
    id
        Stable id.
    young_mpa, poisson
        Elastic constants [MPa], [-].
    compression_mpa, tension_mpa
        Yield stresses [MPa], or None.
    source
        Citation.
    unverified
        True when a number was not read in a source.
    """

    id: str
    young_mpa: float
    poisson: float
    compression_mpa: float | None
    tension_mpa: float | None
    source: str
    unverified: bool = False


FIXED_MATERIALS: tuple[FixedMaterial, ...] = (
    FixedMaterial("pmma", 2500.0, 0.3, 70.0, 70.0, "PMMA of Ogo, parosol-py; strengths of Bonelab/spineFE-benchmark"),
    FixedMaterial("pmma-4500", 4500.0, 0.3, None, None, "PMMA of the ciclope examples"),
    FixedMaterial(
        "cortical-tissue", 20000.0, 0.3, 134.0, 83.0, "Bayraktar HH et al. (2004), J Biomech 37:27, as coded in Ogo"
    ),
    FixedMaterial(
        "trabecular-tissue", 18000.0, 0.3, 134.0, 83.0, "Bayraktar HH et al. (2004), J Biomech 37:27, as coded in Ogo"
    ),
)
_BY_ID = {row.id: row for row in FIXED_MATERIALS}


def fixed_material(identifier: str) -> FixedMaterial:
    """Find a material by id.

    Parameters
    ----------
    identifier
        Id, for example ``pmma``.

    Returns
    -------
    The row.

    Raises
    ------
    MaterialError
        When there is none.
    """
    if identifier not in _BY_ID:
        raise MaterialError(f"no fixed material {identifier!r}; choose one of {', '.join(_BY_ID)}")
    return _BY_ID[identifier]
