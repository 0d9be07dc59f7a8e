"""What a phantom fit reaches: the densities of the rods in view, and HU at zero density."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import Array

REACH_MG_CM3 = 150.0
"""Trabecular bone of spine and hip lies below; a cut phantom whose rods end lower would be extrapolated to it."""
OFFSET_WARN_HU, OFFSET_REFUSE_HU = 20.0, 40.0
"""Seen: -10 (Mindways), +34 (QRM, 0 mg resin rod). A row read one rod further is 50 HU off or more. This project's
choice, `unverified`."""

FEWEST_IN_VIEW = 3
"""Two rods fit a line however they are off, so that nothing tells which rods of a cut phantom they are."""
MANY_WARNINGS = 3
"""Warnings, that of the missing rods among them."""


def require_rods_in_view(phantom: Phantom, present: Array) -> None:
    """Refuse a cut phantom of which too few rods were found.

    Parameters
    ----------
    phantom
        Definition.
    present
        (n,) booleans, which rods are in view.

    Raises
    ------
    CalibrationError
        FEW_RODS when rods are missing and fewer than FEWEST_IN_VIEW are left.
    """
    if not np.all(present) and np.sum(present) < FEWEST_IN_VIEW:
        raise CalibrationError(
            f"{int(np.sum(present))} of {present.size} rods of {phantom.name} lie in view, too few to tell "
            f"which they are: at least {FEWEST_IN_VIEW} are needed. Reconstruct the scan with the whole phantom in "
            "view, or label the rods",
            code="FEW_RODS",
        )


def reach_line(phantom: Phantom, present: Array) -> QualityLine:
    """Judge how dense the densest rod in view is.

    Parameters
    ----------
    phantom
        Definition.
    present
        (n,) booleans, which rods are in view.

    Returns
    -------
    PHANTOM_REACH; refuses only when rods are missing.
    """
    top = max(rod.density_mg_cm3 for rod, there in zip(phantom.rods, present, strict=True) if there)
    short = top < REACH_MG_CM3 and not np.all(present)
    return QualityLine(
        "PHANTOM_REACH",
        Outcome.REFUSE if short else Outcome.PASS,
        f"rods in view reach {top:g} mg/cm3",
        f"at least {REACH_MG_CM3:g} mg/cm3 when rods are out of view",
        "bone would be extrapolated: reconstruct the scan with the whole phantom in view",
    )


def offset_line(beta: float) -> QualityLine:
    """Judge HU at zero density.

    Parameters
    ----------
    beta
        HU at zero density.

    Returns
    -------
    PHANTOM_OFFSET.
    """
    size = abs(beta)
    outcome = Outcome.PASS if size <= OFFSET_WARN_HU else Outcome.WARN
    return QualityLine(
        "PHANTOM_OFFSET",
        outcome if size <= OFFSET_REFUSE_HU else Outcome.REFUSE,
        f"{beta:+.1f} HU at zero density",
        f"within {OFFSET_WARN_HU:g} HU of zero, never beyond {OFFSET_REFUSE_HU:g}",
        "the rods are read in the wrong place or order, or the scanner's water is off",
    )


def doubt_lines(lines: list[QualityLine], present: Array) -> list[QualityLine]:
    """Refuse a cut phantom about which several checks warn at once: its rods are likely something else.

    Parameters
    ----------
    lines
        Lines of all other checks.
    present
        (n,) booleans, which rods are in view.

    Returns
    -------
    PHANTOM_DOUBT, or nothing.
    """
    warned = [line.check for line in lines if line.outcome is Outcome.WARN]
    if np.all(present) or len(warned) < MANY_WARNINGS:
        return []
    return [
        QualityLine(
            "PHANTOM_DOUBT",
            Outcome.REFUSE,
            f"rods out of view, and warnings of {', '.join(warned)}",
            f"fewer than {MANY_WARNINGS} warnings when rods are out of view",
            "reconstruct the scan with the whole phantom in view, or label the rods",
        )
    ]
