"""Relative risk of fracture per standard deviation of strength, where a study published it."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.results import RiskLine

RELATIVE_CAVEAT = (
    "Relative to the mean of the given reference, model based; the study measured strength with another model, and "
    "no 5- or 10-year probability follows from it."
)


@dataclass(frozen=True)
class RiskPerSd:
    """One published gradient of risk.

    Parameters
    ----------
    id
        Stable id.
    measure
        "hip strength" or "spine strength".
    sex
        "F" or "M".
    kind
        "odds ratio" or "hazard ratio".
    per_sd, low, high
        Ratio per standard deviation of lower strength and its 95 % confidence limits.
    source
        Citation.
    """

    id: str
    measure: str
    sex: str
    kind: str
    per_sd: float
    low: float
    high: float
    source: str


_KOPPERDAHL = "Kopperdahl DL et al. (2014), J Bone Miner Res 29:570 (AGES, incident fractures)"
RISKS_PER_SD: tuple[RiskPerSd, ...] = (
    RiskPerSd("kopperdahl2014-spine-f", "spine strength", "F", "odds ratio", 2.8, 1.8, 4.3, _KOPPERDAHL),
    RiskPerSd("kopperdahl2014-spine-m", "spine strength", "M", "odds ratio", 2.2, 1.5, 3.2, _KOPPERDAHL),
    RiskPerSd("kopperdahl2014-hip-f", "hip strength", "F", "odds ratio", 4.2, 2.6, 6.9, _KOPPERDAHL),
    RiskPerSd("kopperdahl2014-hip-m", "hip strength", "M", "odds ratio", 3.5, 2.3, 5.3, _KOPPERDAHL),
    RiskPerSd(
        "orwoll2009-hip-m", "hip strength", "M", "hazard ratio", 13.1, 3.9, 43.5,
        "Orwoll ES et al. (2009), J Bone Miner Res 24:475 (MrOS, hip fracture)",
    ),
    RiskPerSd(
        "wang2012-spine-m", "spine strength", "M", "hazard ratio", 7.2, 3.6, 14.1,
        "Wang X et al. (2012), J Bone Miner Res 27:808 (MrOS, vertebral fracture)",
    ),
)  # fmt: skip


def relative_risk(row_id: str, strength_n: float, reference_mean_n: float, reference_sd_n: float) -> RiskLine:
    """Ratio to the risk at the reference mean: ratio per SD to the power of the SDs below that mean.

    Parameters
    ----------
    row_id
        Id of a row of RISKS_PER_SD.
    strength_n
        Strength [N].
    reference_mean_n, reference_sd_n
        Mean and standard deviation of the same strength, by the same model, in a reference group [N].

    Returns
    -------
    The line; the confidence limits of the study stand in the limits.

    Raises
    ------
    InputError
        For an unknown row or a standard deviation that is not positive.
    """
    rows = {row.id: row for row in RISKS_PER_SD}
    if row_id not in rows:
        raise InputError(f"no risk gradient {row_id!r}; choose one of {', '.join(rows)}")
    if not reference_sd_n > 0:
        raise InputError(f"the reference standard deviation must be positive, got {reference_sd_n} N")
    row = rows[row_id]
    below = (reference_mean_n - strength_n) / reference_sd_n
    first, second = sorted((row.low**below, row.high**below))
    return RiskLine(
        f"relative risk by {row.measure}",
        round(row.per_sd**below, 2),
        "1",
        f"{row.kind} against the reference mean",
        f"{below:.2f} SD below the reference mean; 95 % limits of the study {first:.2f} to {second:.2f}",
        row.source,
        RELATIVE_CAVEAT,
    )
