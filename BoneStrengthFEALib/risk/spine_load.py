"""Compression of a lumbar vertebra when lifting with a bent trunk, by static equilibrium."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.results import RiskLine
from BoneStrengthFEALib.risk.hip_load import STANDARD_GRAVITY, load_to_strength, require_person

SPINE_SOURCE = (
    "Static equilibrium at L3 after Schultz AB, Andersson GBJ (1981), Spine 6:76; segment fractions and muscle arm "
    "unverified; not VirtuOst's load, which is not public"
)


@dataclass(frozen=True)
class BentLift:
    """Fractions of body mass and height, and the muscle arm, of the equilibrium at L3.

    Parameters
    ----------
    trunk_mass_ratio, trunk_arm_ratio
        Upper trunk with head: mass over body mass, horizontal arm over body height.
    arms_mass_ratio, arms_arm_ratio
        Both arms and what they hold.
    muscle_arm_m
        Arm of the back muscles [m].
    """

    trunk_mass_ratio: float = 0.37
    trunk_arm_ratio: float = 0.19
    arms_mass_ratio: float = 0.10
    arms_arm_ratio: float = 0.29
    muscle_arm_m: float = 0.06


def bent_lift_force(mass_kg: float, height_m: float, held_kg: float = 10.0, body: BentLift | None = None) -> float:
    """Muscle force, and so compression, at L3: trunk flexed by 90 degrees, arms hanging, a mass in the hands.

    Parameters
    ----------
    mass_kg
        Body mass [kg].
    height_m
        Body height [m].
    held_kg
        Mass in the hands [kg].
    body
        Segment fractions.

    Returns
    -------
    Compression [N].

    Raises
    ------
    InputError
        For numbers that are not of a person.

    References
    ----------
    Schultz and Andersson 1981 (fractions unverified).
    """
    require_person(mass_kg, height_m)
    if not 0 <= held_kg <= 100:
        raise InputError(f"the held mass must be 0 to 100 kg, got {held_kg}")
    body = body or BentLift()
    trunk = body.trunk_mass_ratio * mass_kg * body.trunk_arm_ratio * height_m
    arms = (body.arms_mass_ratio * mass_kg + held_kg) * body.arms_arm_ratio * height_m
    return STANDARD_GRAVITY * (trunk + arms) / body.muscle_arm_m


def spine_load_to_strength(mass_kg: float, height_m: float, strength_n: float, held_kg: float = 10.0) -> RiskLine:
    """Ratio of the bent-lift compression to the strength of a lumbar vertebra.

    Parameters
    ----------
    mass_kg, height_m
        Body mass [kg] and height [m].
    strength_n
        Strength [N].
    held_kg
        Mass in the hands [kg].

    Returns
    -------
    The line.
    """
    force = bent_lift_force(mass_kg, height_m, held_kg)
    return load_to_strength("spine load-to-strength", force, strength_n, SPINE_SOURCE)
