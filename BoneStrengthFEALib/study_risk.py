"""Risk class of an examination from the strengths and densities of its bones."""

from __future__ import annotations

from BoneStrengthFEALib import bmd, risk
from BoneStrengthFEALib.anatomy import Site
from BoneStrengthFEALib.results import RiskLine, SiteResult
from BoneStrengthFEALib.volume import Quantity

HEADLINE_LEVELS = ("L1", "L2", "L3", "T12")
"""The spine's class rests on the strength of one vertebra, the first of these that was analysed."""
HIP_SCORES = ("femoral_neck_t_score", "total_hip_t_score")


def overall_risk(sites: list[SiteResult], quantity: Quantity) -> RiskLine | None:
    """Risk class of the examination: at spine and hip one strength and one density each, as the published rule has it.

    Parameters
    ----------
    sites
        Results of all bones.
    quantity
        Kind of density; CaHA-equivalent density is brought to the K2HPO4 scale of the classes.

    Returns
    -------
    The class, or None when nothing can be classified.

    References
    ----------
    Keaveny 2020, Table 1.
    """
    return risk.overall([*_spine_lines(sites, quantity), *_hip_lines(sites)])


def _spine_lines(sites: list[SiteResult], quantity: Quantity) -> list[RiskLine]:
    by_level = {site.level: site for site in sites}
    headline = next((by_level[level] for level in HEADLINE_LEVELS if level in by_level and by_level[level].risk), None)
    lines = [line for line in (headline.risk if headline else ()) if line.measure == "spine strength"]
    mean = bmd.spine_mean({level: site.bmd for level, site in by_level.items()}, quantity)
    # the density classes are on the K2HPO4 scale
    value = None if mean is None else bmd.on_k2hpo4_scale(mean.value, quantity)
    if value is not None:
        lines.append(risk.classify("spine vBMD", value))
    return lines


def _hip_lines(sites: list[SiteResult]) -> list[RiskLine]:
    """Weaker hip and lowest T-score; a score without a WHO class (below 50 years) counts for none here either."""
    hips = [site for site in sites if site.site == Site.FEMUR.value]
    strengths = [line for hip in hips for line in hip.risk if line.measure == "hip strength"]
    scores = [m.value for hip in hips for m in hip.bmd if m.id in HIP_SCORES and m.classification]
    lines = [min(strengths, key=lambda line: line.value)] if strengths else []
    return [*lines, risk.classify("hip T-score", min(scores))] if scores else lines
