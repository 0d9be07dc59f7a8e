"""Codes of the objects: standard ones where they exist, the private scheme 99BONEFEA where none does."""

from __future__ import annotations

from typing import Any

from BoneStrengthFEALib.measure_codes import SCHEME, short_code

SCHEME_NAME = "BoneStrengthFEA private codes"
ORGANISATION = "BoneStrengthFEA contributors"
VERTEBRAE = {
    "T1": "64864005",
    "T2": "53733008",
    "T3": "1626008",
    "T4": "73071006",
    "T5": "56401006",
    "T6": "45296009",
    "T7": "62487009",
    "T8": "11068009",
    "T9": "82687006",
    "T10": "7610001",
    "T11": "12989004",
    "T12": "23215003",
    "L1": "66794005",
    "L2": "14293000",
    "L3": "36470004",
    "L4": "11994002",
    "L5": "49668003",
}
"""SNOMED CT codes of vertebrae, as in pydicom's tables of DICOM concepts."""
VERTEBRA, PROXIMAL_FEMUR, RADIUS, TIBIA = "51282000", "310651003", "62413002", "12611008"
STRUCTURE = ("91723000", "Anatomical Structure")
SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}
UNITS = {"1": "no units", "g/cm2": "g/cm2", "mg/cm3": "mg/cm3", "N": "N", "N/mm": "N/mm"}


def snomed(value: str, meaning: str) -> Any:
    """SNOMED CT concept.

    Parameters
    ----------
    value, meaning
        Code and its meaning.

    Returns
    -------
    highdicom CodedConcept.
    """
    return _coded(value, "SCT", meaning)


def private(identifier: str, meaning: str) -> Any:
    """Concept of the private scheme.

    Parameters
    ----------
    identifier
        Id of a measure, for example ``trabecular_vbmd``.
    meaning
        Words.

    Returns
    -------
    highdicom CodedConcept; codes are at most 16 characters.
    """
    return _coded(short_code(identifier), SCHEME, meaning[:64])


def unit(text: str) -> Any:
    """UCUM unit.

    Parameters
    ----------
    text
        Unit of a measure.

    Returns
    -------
    highdicom CodedConcept.
    """
    return _coded(text, "UCUM", UNITS.get(text, text))


def anatomy(site: str, level: str, side: str) -> tuple[Any, Any | None]:
    """Anatomic region of a bone.

    Parameters
    ----------
    site, level, side
        As in SiteResult; no site is a structure of unknown kind.

    Returns
    -------
    Region and laterality; the latter None at the spine.
    """
    if not site:
        return snomed(*STRUCTURE), None
    if site == "vertebra":
        known = VERTEBRAE.get(level)
        return snomed(known, f"{level} vertebra") if known else snomed(VERTEBRA, "Vertebra"), None
    value, meaning = {
        "femur": (PROXIMAL_FEMUR, "Proximal femur"),
        "radius": (RADIUS, "Radius"),
        "tibia": (TIBIA, "Tibia"),
    }[site]
    return snomed(value, meaning), snomed(*SIDES[side]) if side in SIDES else None


def _coded(value: str, scheme: str, meaning: str) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value, scheme, meaning)
