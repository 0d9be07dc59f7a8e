"""Where the HU of a tissue may lie before an internal calibration warns, leaves it out or refuses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from BoneStrengthFEALib.calibration.tissue_samples import TissueSample
from BoneStrengthFEALib.quality import Outcome, QualityLine


@dataclass(frozen=True)
class TissueWindow:
    """Accepted range of one tissue's mean.

    Parameters
    ----------
    tissue
        Name.
    expected_hu
        Range that passes [HU].
    limit_hu
        Range outside which the sample is something else [HU].
    optional
        Whether a sample beyond the limit is left out (True) or refuses the calibration (False).
    reason
        What it is likely to be when it lies beyond the limit.
    """

    tissue: str
    expected_hu: tuple[float, float]
    limit_hu: tuple[float, float]
    optional: bool
    reason: str


# expected_hu: windows of Michalski 2020 as printed by its public implementation; limit_hu: this project's choice,
# see docs/decisions.md
WINDOWS = {
    row.tissue: row
    for row in (
        TissueWindow("adipose", (-130, -70), (-160, -40), False, "brown fat, oedema or a mixed region"),
        TissueWindow("air", (-1030, -980), (-1060, -900), False, "lung, table foam or padding"),
        TissueWindow("blood", (-20, 60), (-20, 80), True, "contrast agent or calcified wall"),
        TissueWindow("muscle", (-5, 65), (-20, 90), False, "contrast agent, tumour or fatty atrophy"),
        TissueWindow("cortical_bone", (950, 1450), (950, 1450), True, "thin cortex blurred by the scan, or metal"),
    )
}


def check_windows(samples: Iterable[TissueSample]) -> tuple[list[TissueSample], list[QualityLine]]:
    """Judge samples.

    Parameters
    ----------
    samples
        Samples.

    Returns
    -------
    Samples to use, and one line per sample with code TISSUE_WINDOW.
    """
    used, lines = [], []
    for sample in samples:
        window = WINDOWS[sample.tissue]
        found = f"{sample.tissue} {sample.mean:.0f} HU ({sample.hu.size} voxels, {sample.origin})"
        expected = f"{window.expected_hu[0]:.0f} to {window.expected_hu[1]:.0f} HU"
        outcome, action = Outcome.PASS, ""
        inside = window.limit_hu[0] <= sample.mean <= window.limit_hu[1]
        if not inside:
            outcome = Outcome.WARN if window.optional else Outcome.REFUSE
            action = f"{'Left out' if window.optional else 'Check the sample'}: {window.reason} is likely."
        elif not window.expected_hu[0] <= sample.mean <= window.expected_hu[1]:
            outcome, action = Outcome.WARN, f"Used; look at its histogram: {window.reason} is possible."
        if inside or not window.optional:
            used.append(sample)
        lines.append(QualityLine("TISSUE_WINDOW", outcome, found, expected, action))
    return used, lines
