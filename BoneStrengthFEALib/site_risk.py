"""Risk lines of one bone, from its strength, its load case and the person."""

from __future__ import annotations

from BoneStrengthFEALib import risk
from BoneStrengthFEALib.acquisition import Sex, Subject
from BoneStrengthFEALib.anatomy import Site, Specimen
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.results import RiskLine
from BoneStrengthFEALib.strength_record import Strength

CLASSIFIED_LEVELS = ("T12", "L1", "L2", "L3")
"""Levels the published spine cut-offs were made for (one complete body of T12 to L3, K113725)."""


def site_risk(
    specimen: Specimen,
    measures: tuple[Measure, ...],
    strengths: tuple[Strength, ...],
    subject: Subject,
    load_case_id: str,
) -> tuple[RiskLine, ...]:
    """Classify what published cut-offs and load models allow.

    Parameters
    ----------
    specimen
        The bone.
    measures
        Its density measures.
    strengths
        Its failure loads; the first counts.
    subject
        The person.
    load_case_id
        Load case of the strengths.

    Returns
    -------
    Lines; none where nothing was published for the case.
    """
    if not strengths:
        return ()
    if specimen.site is Site.FEMUR:
        return _hip_risk(strengths[0].force_n, subject, load_case_id)
    if specimen.site is not Site.VERTEBRA:
        return ()
    lines = []
    force = strengths[0].force_n
    if specimen.level in CLASSIFIED_LEVELS and subject.sex in (Sex.FEMALE, Sex.MALE):
        lines.append(risk.classify("spine strength", force, subject.sex.value))
    if subject.weight_kg and subject.height_m and specimen.level in CLASSIFIED_LEVELS:
        lines.append(risk.spine_load_to_strength(subject.weight_kg, subject.height_m, force))
    return tuple(lines)


def _hip_risk(force_n: float, subject: Subject, load_case_id: str) -> tuple[RiskLine, ...]:
    if not load_case_id.startswith("femur-fall") or subject.sex not in (Sex.FEMALE, Sex.MALE):
        return ()
    lines = [risk.classify("hip strength", force_n, subject.sex.value)]
    if subject.weight_kg and subject.height_m:
        fall = risk.sideways_fall(subject.weight_kg, subject.height_m, subject.sex.value)
        lines.append(risk.hip_load_to_strength(fall, force_n))
    return tuple(lines)
