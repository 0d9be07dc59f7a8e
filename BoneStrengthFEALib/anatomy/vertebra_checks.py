"""What the heights of a vertebral body say: fused with a neighbour, fractured, unlike its neighbours.

References
----------
[1] Genant, Wu, van Kuijk, Nevitt (1993) J Bone Miner Res 8:1137, doi:10.1002/jbmr.5650080915: height lost by about
    20 % (mild), 25 % (moderate), 40 % (severe). Quoted from memory: unverified.
"""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.anatomy.endplates import Heights
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import FloatArray

TALLEST = 1.35
"""A body is at most about as high as deep; two bodies with the disc between them are not."""


@dataclass(frozen=True)
class HeightRule:
    """A verdict on a ratio of heights.

    Parameters
    ----------
    code
        Code of the check.
    warn_below, refuse_below
        Limits of the ratio.
    what
        The ratio in words.
    action
        What to do.
    """

    code: str
    warn_below: float
    refuse_below: float
    what: str
    action: str


HEIGHT_RULES = {
    "own": HeightRule(
        "SUSPECTED_FRACTURE", 0.80, 0.60,
        "lowest ratio of anterior and middle to posterior, and of middle to anterior height",
        "the body is deformed: look for a fracture and rather analyse another vertebra",
    ),
    "neighbours": HeightRule(
        "LOWER_THAN_NEIGHBOURS", 0.80, 0.60,
        "lowest height over the mean height of the neighbours",
        "the body is lower than its neighbours: look for a fracture and rather analyse another vertebra",
    ),
}  # fmt: skip
"""Limits [1]: below the first a mild, below the second a severe loss of height is possible."""


def shape_lines(size: Heights) -> list[QualityLine]:
    """Lines on one body alone.

    Parameters
    ----------
    size
        Its heights.

    Returns
    -------
    FUSED_BONES and SUSPECTED_FRACTURE.
    """
    share = size.mean_mm / size.depth_mm
    fused = QualityLine(
        "FUSED_BONES",
        Outcome.REFUSE if share > TALLEST else Outcome.PASS,
        f"height {share:.2f} of the depth",
        f"at most {TALLEST:g}",
        "the label seems to hold more than one vertebra: give each its own label",
    )
    return [fused, _line(HEIGHT_RULES["own"], size.least_ratio())]


def neighbour_line(least_mm: float, neighbours_mm: list[float]) -> QualityLine | None:
    """Compare a body with the ones above and below.

    Parameters
    ----------
    least_mm
        Lowest of its three heights.
    neighbours_mm
        Mean heights of its neighbours.

    Returns
    -------
    The line, None without neighbours.
    """
    if not neighbours_mm:
        return None
    return _line(HEIGHT_RULES["neighbours"], least_mm / (sum(neighbours_mm) / len(neighbours_mm)))


def orientation_line(axes: FloatArray) -> QualityLine:
    """Compare the way a vertebra stands with the patient's axes in the header.

    Parameters
    ----------
    axes
        (3, 3) right, anterior, superior as columns, RAS.

    Returns
    -------
    A line that warns when front or top of the bone point the other way.
    """
    front, top = float(axes[1, 1]), float(axes[2, 2])
    return QualityLine(
        "BONE_ORIENTATION",
        Outcome.PASS if min(front, top) > 0.0 else Outcome.WARN,
        f"cosine of its front with the patient's {front:.2f}, of its top {top:.2f}",
        "both above 0",
        "by its shape the bone lies the other way round: check the orientation of the image and of the label",
    )


def _line(rule: HeightRule, ratio: float) -> QualityLine:
    verdict = Outcome.PASS
    if ratio < rule.warn_below:
        verdict = Outcome.REFUSE if ratio < rule.refuse_below else Outcome.WARN
    expected = f"at least {rule.warn_below:.2f}; refused below {rule.refuse_below:.2f}"
    return QualityLine(rule.code, verdict, f"{ratio:.2f}, {rule.what}", expected, rule.action)
