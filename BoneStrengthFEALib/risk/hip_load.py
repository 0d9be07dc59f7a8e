"""Force on the hip in a sideways fall, and the ratio of load to strength."""

from __future__ import annotations

import math
from dataclasses import dataclass

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.results import RiskLine

STANDARD_GRAVITY = 9.80665
HIP_HEIGHT_RATIO = 0.51
"""Height of the falling hip over body height."""
EFFECTIVE_MASS_RATIO = 0.35
"""Mass that takes part in the impact over body mass."""
PELVIS_STIFFNESS_N_PER_M = {"F": 71060.0, "M": 90440.0}
SOFT_TISSUE_N_PER_MM = 71.0
"""Force that a millimetre of trochanteric soft tissue takes away."""
FALL_SOURCE = (
    "Robinovitch SN et al. (1991), J Biomech Eng 113:366; van den Kroonenberg AJ et al. (1995), J Biomech Eng "
    "117:309; Bouxsein ML et al. (2007), J Bone Miner Res 22:825; constants unverified"
)
LOAD_CAVEAT = (
    "The fall force is a model of one event with population constants (unverified). A ratio of 1 or more means that "
    "fracture is expected in that fall, not that it will happen."
)


@dataclass(frozen=True)
class Fall:
    """A sideways fall.

    Parameters
    ----------
    impact_velocity_m_per_s
        Velocity of the hip at impact [m/s].
    peak_force_n
        Force on the hip without soft tissue [N].
    attenuated_force_n
        Force left below the soft tissue, not less than 0 [N]; equal to the peak when its thickness is unknown.
    """

    impact_velocity_m_per_s: float
    peak_force_n: float
    attenuated_force_n: float


def sideways_fall(mass_kg: float, height_m: float, sex: str, soft_tissue_mm: float = 0.0) -> Fall:
    """Force on the greater trochanter: v = sqrt(2 g 0.51 H), F = v sqrt(0.35 M K), less 71 N per mm of soft tissue.

    Parameters
    ----------
    mass_kg
        Body mass [kg].
    height_m
        Body height [m].
    sex
        "F" or "M".
    soft_tissue_mm
        Thickness of the soft tissue over the trochanter [mm].

    Returns
    -------
    The fall.

    Raises
    ------
    InputError
        For numbers that are not of a person (a height in cm, for example).

    References
    ----------
    Robinovitch 1991, van den Kroonenberg 1995, Bouxsein 2007 (constants unverified).
    """
    require_person(mass_kg, height_m)
    if sex not in PELVIS_STIFFNESS_N_PER_M:
        raise InputError(f"the fall force needs the sex F or M, got {sex!r}")
    if not 0 <= soft_tissue_mm <= 300:
        raise InputError(f"soft tissue thickness must be 0 to 300 mm, got {soft_tissue_mm}")
    velocity = math.sqrt(2 * STANDARD_GRAVITY * HIP_HEIGHT_RATIO * height_m)
    peak = velocity * math.sqrt(EFFECTIVE_MASS_RATIO * mass_kg * PELVIS_STIFFNESS_N_PER_M[sex])
    return Fall(velocity, peak, max(peak - SOFT_TISSUE_N_PER_MM * soft_tissue_mm, 0.0))


def hip_load_to_strength(fall: Fall, strength_n: float) -> RiskLine:
    """Ratio of the fall force to the strength of the femur in a sideways fall.

    Parameters
    ----------
    fall
        The fall.
    strength_n
        Strength [N].

    Returns
    -------
    The line; "fracture expected in this fall" from 1 on.
    """
    return load_to_strength("hip load-to-strength", fall.attenuated_force_n, strength_n, FALL_SOURCE)


def load_to_strength(measure: str, load_n: float, strength_n: float, source: str) -> RiskLine:
    """Ratio of a load to a strength.

    Parameters
    ----------
    measure
        Name of the line.
    load_n, strength_n
        Load and strength [N].
    source
        Citation of the load.

    Returns
    -------
    The line, ratio with two decimals, classified as shown.

    Raises
    ------
    InputError
        When the strength is not positive.
    """
    if not strength_n > 0:
        raise InputError(f"{measure} needs a positive strength, got {strength_n} N")
    ratio = round(load_n / strength_n, 2)
    name = "fracture expected in this event" if ratio >= 1 else "load below strength"
    limits = f"load {load_n:.0f} N; ratio of 1 or more: load reaches strength"
    return RiskLine(measure, ratio, "1", name, limits, source, LOAD_CAVEAT)


def require_person(mass_kg: float, height_m: float) -> None:
    """Refuse numbers that are not a mass in kg and a height in m.

    Parameters
    ----------
    mass_kg, height_m
        Body mass [kg] and height [m].

    Raises
    ------
    InputError
        Outside 20 to 350 kg or 1.0 to 2.5 m.
    """
    if not 20 <= mass_kg <= 350:
        raise InputError(f"body mass must be 20 to 350 kg, got {mass_kg}")
    if not 1.0 <= height_m <= 2.5:
        raise InputError(f"body height must be 1.0 to 2.5 m, got {height_m}; give metres, not centimetres")
