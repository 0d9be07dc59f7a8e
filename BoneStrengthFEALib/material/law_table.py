"""The table of material laws; coefficients as printed, density in g/cm3 of the kind each row names."""

from __future__ import annotations

from BoneStrengthFEALib.errors import MaterialError
from BoneStrengthFEALib.material.law import (
    Curve,
    Factor,
    MaterialLaw,
    Piece,
    PostYield,
    YieldStrain,
    constant,
    linear,
    power,
)
from BoneStrengthFEALib.volume import Quantity

K2HPO4, CAHA, ASH, APPARENT = Quantity.K2HPO4, Quantity.CAHA, Quantity.ASH, Quantity.APPARENT

KOPPERDAHL_2002 = "Kopperdahl DL, Morgan EF, Keaveny TM (2002), J Orthop Res 20:801"
MORGAN_2003 = "Morgan EF, Bayraktar HH, Keaveny TM (2003), J Biomech 36:897, doi:10.1016/S0021-9290(03)00071-X"
KELLER_1994 = "Keller TS (1994), J Biomech 27:1159"
MORGAN_RANGE = "the density range is quoted from memory"
SIDE_ARTEFACT = Factor(1.28, "side-artefact factor for whole-bone models, Un, Bevill, Keaveny 2006 (unverified)")
YIELD_FACTOR = Factor(1.2, "factor between 57.4464 and 1.28 * 37.4 in the parosol-py spine preset (unexplained there)")
# Quasi-static tests of Carter and Hayes ran down to 0.001 1/s; 0.01 1/s is the rate the models here assume.
CARTER_HAYES_RATE = Factor(0.01**0.06, "strain rate 0.01 1/s to the power 0.06")

FEMORAL_NECK = power(6850.0, 1.49)
TROCHANTER = power(15010.0, 2.18)

VERTEBRA_LAWS: tuple[MaterialLaw, ...] = (
    MaterialLaw(
        "V1", "vertebra", K2HPO4, power(2980.0, 1.05), power(37.4, 1.39), None, 0.3, None, KOPPERDAHL_2002, False,
        "The density range of the specimens was not read; cortical voxels are an extrapolation.",
    ),
    MaterialLaw(
        "V1-lin", "vertebra", K2HPO4, linear(-34.7, 3230.0), linear(-0.75, 24.9), None, 0.3, None, KOPPERDAHL_2002,
        True, "The yield line is quoted from memory; below 10.7 mg/cm3 the modulus is clipped.",
    ),
    MaterialLaw(
        "V1x1.28", "vertebra, nonlinear whole bone", K2HPO4, power(2980.0, 1.05, SIDE_ARTEFACT),
        power(37.4, 1.39, SIDE_ARTEFACT, YIELD_FACTOR), power(37.4, 1.39, SIDE_ARTEFACT, YIELD_FACTOR), 0.3, None,
        KOPPERDAHL_2002 + "; factors of the parosol-py spine preset (3814.4 rho^1.05, 57.4464 rho^1.39)", True,
        "The origin of the factors 1.28 and 1.2 was not read.",
    ),
    MaterialLaw(
        "V2", "vertebra", APPARENT, power(4730.0, 1.56), None, None, 0.3, (0.11, 0.35),
        MORGAN_2003 + ", as in Biomedical Engineering Handbook Table 9.4", True,
        f"Takes apparent density, not QCT density (as some codes feed it); {MORGAN_RANGE}.",
    ),
    MaterialLaw(
        "V3", "vertebra", ASH, power(1890.0, 1.92), power(284.0, 2.27), None, 0.3, None,
        KELLER_1994 + ", as in PMC6069821 Table 1", False,
        "Best of several laws in a stance femur study of elderly donors (PMC5732520).",
    ),
)  # fmt: skip

FEMUR_LAWS: tuple[MaterialLaw, ...] = (
    MaterialLaw(
        "F1-FN", "femoral neck", APPARENT, FEMORAL_NECK, YieldStrain(0.0085), None, 0.3, (0.26, 0.75),
        MORGAN_2003 + "; yield strain 0.85 % as in parosol-py", True, f"{MORGAN_RANGE}.",
    ),
    MaterialLaw(
        "F1-GT", "greater trochanter", APPARENT, TROCHANTER, YieldStrain(0.0070), YieldStrain(0.0061), 0.3,
        (0.14, 0.28), MORGAN_2003 + "; yield strains 0.70 % and 0.61 % as in parosol-py", True, f"{MORGAN_RANGE}.",
    ),
    MaterialLaw(
        "F1-pw", "proximal femur", APPARENT, Curve((Piece(15010.0, 2.18, 0.0, 0.280), Piece(6850.0, 1.49))),
        Curve((Piece(85.5, 2.26, 0.0, 0.355), Piece(38.5, 1.48))),
        Curve((Piece(50.1, 2.04, 0.0, 0.355), Piece(22.6, 1.26))), 0.3, (0.14, 0.75),
        MORGAN_2003 + " and Morgan EF, Keaveny TM (2001), J Biomech 34:569, as quoted by a DXA-FE study", True,
        f"The modulus jumps up by 10 % at 0.280 g/cm3 where the pieces meet; {MORGAN_RANGE}.",
    ),
    MaterialLaw(
        "F1-FNx1.28", "femoral neck, nonlinear", APPARENT, power(6850.0, 1.49, SIDE_ARTEFACT), YieldStrain(0.0085),
        None, 0.3, (0.26, 0.75), MORGAN_2003 + "; factor of the parosol-py hip preset (8768 rho^1.49)", True,
        f"Takes apparent density; ash density must be divided by 0.6 first. {MORGAN_RANGE}.",
    ),
    MaterialLaw(
        "F1-GTx1.28", "greater trochanter, nonlinear", APPARENT, power(15010.0, 2.18, SIDE_ARTEFACT),
        YieldStrain(0.0070), YieldStrain(0.0061), 0.3, (0.14, 0.28),
        MORGAN_2003 + "; factor of the parosol-py hip preset (19212.8 rho^2.18)", True, f"{MORGAN_RANGE}.",
    ),
    MaterialLaw(
        "F2", "proximal femur", ASH, power(14664.0, 1.49), None, None, 0.3, None,
        "Cong A et al. (2011), Med Eng Phys 33:164; Dragomir-Daescu D et al. (2011), Ann Biomed Eng 39:742", False,
        "The same as 6850 (ash/0.6)^1.49 within 0.02 %.",
    ),
    MaterialLaw(
        "F3", "femur", ASH, power(10500.0, 2.29), power(117.0, 1.93), None, 0.3, None,
        KELLER_1994 + "; Knowles NK et al. (2016), J Exp Orthop 3:36, Table 1 (PMC5234499)", True,
        "PMC6069821 prints another exponent for the modulus; 2.29 is what two sources print.",
    ),
    MaterialLaw(
        "F4", "proximal femur", ASH,
        Curve((Piece(0.0, 1.0, 0.001, 0.0), Piece(33900.0, 2.20, 0.0, 0.27), Piece(5307.0, 1.0, 469.0, 0.6),
               Piece(10200.0, 2.01))),
        Curve((Piece(0.0, 1.0, 1e20, 0.2), Piece(137.0, 1.88, 0.0, 0.317), Piece(114.0, 1.72))), None, 0.4, None,
        "Keyak JH et al. (1998), J Biomech 31:125, as in PMC6069821 Table 1", True,
        "Poisson's ratio 0.4 is quoted from memory; below 0.2 g/cm3 an element does not yield (1e20 MPa).",
    ),
    MaterialLaw(
        "F5", "proximal femur", ASH, power(14900.0, 1.86), power(102.0, 1.80), power(102.0, 1.80), 0.4, None,
        "Keyak JH et al. (2005), Clin Orthop Relat Res 437:219", True,
        "All coefficients are quoted from memory, as is the element size of 3 mm they were measured for.",
        PostYield(linear(0.00189, 0.0241), power(2080.0, 1.45), power(43.1, 1.81), 3.0),
    ),
    MaterialLaw(
        "F6", "bone of several sites", APPARENT, power(3790.0, 3.0, CARTER_HAYES_RATE),
        power(68.0, 2.0, CARTER_HAYES_RATE), None, 0.3, None,
        "Carter DR, Hayes WC (1977), J Bone Joint Surg Am 59:954", True,
        "Coefficients are quoted from memory; the strain rate is a choice.",
    ),
)  # fmt: skip

LIMB_LAWS: tuple[MaterialLaw, ...] = (
    MaterialLaw(
        "P1", "proximal tibia", APPARENT, power(15490.0, 1.93), None, None, 0.3, (0.09, 0.41), MORGAN_2003, True,
        f"{MORGAN_RANGE}.",
    ),
    MaterialLaw(
        "H1", "radius, tibia: HR-pQCT 82 um, homogeneous", None, constant(6829.0), None, None, 0.3, None,
        "Bonelab/faim defaults for XtremeCT, and the parosol-py preset", False,
    ),
    MaterialLaw(
        "H2", "radius, tibia: HR-pQCT 60.7 um, homogeneous", None, constant(8748.0), None, None, 0.3, None,
        "Bonelab/faim defaults for XtremeCT II, and the parosol-py preset", True,
        "The origin (Whittier DE et al. 2020, Osteoporos Int 31:1607) was not read.",
    ),
    MaterialLaw(
        "H3", "radius, tibia: HR-pQCT density scaled", CAHA,
        Curve((Piece(25.0 * 1000.0, 1.0, -5830.0),)), None, None, 0.3, None,
        "Mulder L et al. (2007), as coded in public micro-FE tools: 25 BMD - 5830 with BMD in mg HA/cm3", True,
        "The primary source was not read; the floor of 2 MPa of the code is replaced by the floor of the map.",
    ),
    MaterialLaw(
        "H4", "trabecular bone: micro-CT, homogeneous", None, constant(10000.0), None, None, 0.3, None,
        "MultiSim XCT2FE default", False,
    ),
)  # fmt: skip

LAWS: tuple[MaterialLaw, ...] = VERTEBRA_LAWS + FEMUR_LAWS + LIMB_LAWS
_BY_ID = {row.id: row for row in LAWS}
DEFAULT_LAW = {"vertebra": "V1", "femur": "F2", "radius": "F2", "tibia": "F2"}
"""Law of each site when the settings name none. P1 was measured on cancellous bone of the proximal tibia only: it gives
cortex of 1.2 g/cm3 ash 59 GPa; F2 gives 19 GPa, the modulus of cortical tissue, and is used for both limbs."""
YIELDING_LAW = {"femur": "F1-pw"}
"""Law of a nonlinear analysis where the usual one has no yield stress."""


def usual_law(site: str, nonlinear: bool) -> MaterialLaw:
    """Law of a site when the settings name none.

    Parameters
    ----------
    site
        Site.
    nonlinear
        Whether yield stresses are needed.

    Returns
    -------
    The row.
    """
    return law(YIELDING_LAW.get(site, DEFAULT_LAW[site]) if nonlinear else DEFAULT_LAW[site])


def law(identifier: str) -> MaterialLaw:
    """Find a law by id.

    Parameters
    ----------
    identifier
        Id, for example ``V1``.

    Returns
    -------
    The row.

    Raises
    ------
    MaterialError
        When there is none; the text lists all.
    """
    if identifier not in _BY_ID:
        raise MaterialError(f"no material law {identifier!r}; choose one of {', '.join(_BY_ID)}")
    return _BY_ID[identifier]
