"""The table of strength criteria: constants as data, each with source, site and range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from BoneStrengthFEALib.errors import ModelError


class Rule(Enum):
    """How a criterion is computed."""

    STIFFNESS_TIMES_HEIGHT = "strain * stiffness * height"
    PISTOIA = "force at which a volume share exceeds an energy-equivalent strain"
    YIELD_STRAIN = "force at which principal strains reach a limit"
    YIELD_STRESS = "force at which principal stresses reach the element's yield stress"
    MAXIMUM = "largest force of the curve"
    AT_DEFORMATION = "force at a deformation"
    OFFSET = "crossing with the offset line of the initial stiffness"
    FIRST_PLASTIC = "force at the first yielded element"


NONLINEAR_RULES = (Rule.MAXIMUM, Rule.AT_DEFORMATION, Rule.OFFSET, Rule.FIRST_PLASTIC)


@dataclass(frozen=True)
class Criterion:
    """One row of the table.

    Parameters
    ----------
    id
        Stable id.
    rule
        How it is computed.
    constants
        Constants by name, unit in the name.
    site
        What it was published for.
    source
        Citation.
    valid
        Range or model it was established for.
    unverified
        True when a constant was not read in a source.
    """

    id: str
    rule: Rule
    constants: Mapping[str, float] = field(default_factory=dict)
    site: str = "any"
    source: str = ""
    valid: str = ""
    unverified: bool = False

    @property
    def nonlinear(self) -> bool:
        """Whether it needs a force-displacement curve."""
        return self.rule in NONLINEAR_RULES


_PISTOIA = "Pistoia W et al. (2002), Bone 30:842; algorithm as in n88tools"
CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "crawford2003",
        Rule.STIFFNESS_TIMES_HEIGHT,
        {"strain": 0.0068},
        "vertebra",
        "Crawford RP, Cann CE, Keaveny TM (2003), Bone 33:744; constant as in parosol-py and all 160 benchmark rows",
        "vertebral bodies in axial compression, linear voxel models of 1 mm",
    ),
    Criterion(
        "pistoia2002",
        Rule.PISTOIA,
        {"volume_percent": 2.0, "critical_strain": 0.007},
        "radius, tibia",
        _PISTOIA,
        "HR-pQCT of the first generation (82 um); not accurate on the second (Arias-Moreno 2019)",
    ),
    Criterion(
        "pistoia-7-1.1",
        Rule.PISTOIA,
        {"volume_percent": 7.0, "critical_strain": 0.011},
        "radius, tibia",
        _PISTOIA + " with the defaults of Ogo",
        "a pair fitted elsewhere; never a default here",
    ),
    Criterion(
        "first-yield-strain",
        Rule.YIELD_STRAIN,
        {"compression_strain": 0.0104, "tension_strain": 0.0073, "volume_percent": 0.0},
        "femur",
        "Limits of Bayraktar HH et al. (2004), J Biomech 37:27, as used by Schileo E et al. (2008), J Biomech 41:356",
        "first element; depends on the voxel size, limits quoted from memory",
        True,
    ),
    Criterion(
        "yield-strain-2pct",
        Rule.YIELD_STRAIN,
        {"compression_strain": 0.0104, "tension_strain": 0.0073, "volume_percent": 2.0},
        "femur",
        "Limits as first-yield-strain; volume share as Pistoia W et al. (2002), a combination of this project",
        "2 % of the bone beyond a limit: less dependent on single voxels; limits quoted from memory",
        True,
    ),
    Criterion(
        "first-yield-stress",
        Rule.YIELD_STRESS,
        {"volume_percent": 0.0},
        "any",
        "Largest principal stress over tensile, smallest over compressive yield stress of the material law",
        "first element; depends on the voxel size",
    ),
    Criterion(
        "yield-stress-2pct",
        Rule.YIELD_STRESS,
        {"volume_percent": 2.0},
        "any",
        "As first-yield-stress; volume share as Pistoia W et al. (2002), a combination of this project",
        "2 % of the bone beyond its yield stress",
    ),
    Criterion("maximum-force", Rule.MAXIMUM, {}, "any", "Definition", "curves with a peak or a plateau"),
    Criterion(
        "force-at-2pct",
        Rule.AT_DEFORMATION,
        {"deformation": 0.02},
        "vertebra",
        "Preset of parosol-py; about 1.9 to 2 % in the literature of vertebral models",
        "vertebral bodies in compression",
        True,
    ),
    Criterion(
        "force-at-4pct",
        Rule.AT_DEFORMATION,
        {"deformation": 0.04},
        "femur",
        "Preset of parosol-py for the sideways fall",
        "sideways fall, deformation of the head relative to the distance head to trochanter",
        True,
    ),
    Criterion(
        "offset-0.2pct",
        Rule.OFFSET,
        {"offset": 0.002},
        "any",
        "0.2 % offset, the general definition of a yield point",
        "curves with a linear start",
    ),
    Criterion("first-yield", Rule.FIRST_PLASTIC, {}, "any", "Definition", "lower bound; depends on the step size"),
)
_BY_ID = {row.id: row for row in CRITERIA}
_PAIR = re.compile(r"pistoia-(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")
DEFAULT_CRITERIA = {
    ("vertebra", "linear"): ("crawford2003",),
    ("femur", "linear"): ("pistoia2002", "yield-strain-2pct"),
    ("radius", "linear"): ("pistoia2002",),
    ("tibia", "linear"): ("pistoia2002",),
    ("vertebra", "nonlinear"): ("force-at-2pct", "maximum-force", "offset-0.2pct"),
    ("femur", "nonlinear"): ("force-at-4pct", "maximum-force", "offset-0.2pct"),
    ("radius", "nonlinear"): ("maximum-force", "offset-0.2pct"),
    ("tibia", "nonlinear"): ("maximum-force", "offset-0.2pct"),
}
"""Criteria by site and analysis when the settings name none; the first is the headline."""


def criterion(identifier: str) -> Criterion:
    """Find a criterion by id.

    Parameters
    ----------
    identifier
        Id, or ``pistoia-V-E`` for V percent of the volume and a critical strain of E percent.

    Returns
    -------
    The row.

    Raises
    ------
    ModelError
        When there is none; the text lists all.
    """
    if identifier in _BY_ID:
        return _BY_ID[identifier]
    pair = _PAIR.fullmatch(identifier)
    if pair is None or not 0 <= float(pair[1]) < 100 or float(pair[2]) == 0:
        raise ModelError(
            f"no strength criterion {identifier!r}; choose one of {', '.join(_BY_ID)} "
            "or pistoia-V-E (V percent of the volume, critical strain E percent)"
        )
    constants = {"volume_percent": float(pair[1]), "critical_strain": float(pair[2]) / 100}
    return Criterion(identifier, Rule.PISTOIA, constants, "user defined", _PISTOIA, "a pair chosen by the user")
