"""Whether the numbers of a CT are HU, told by what every body holds: air around it and soft tissue in it."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import FloatArray, Volume

BIN_HU = 10.0
AIR = (-1150.0, -920.0)
"""Inflated lung and its substitutes in phantoms begin above."""
AIR_EXPECTED = (-1040.0, -960.0)
"""Air is -1000 HU by definition; scanners keep it within a few tens."""
FEWEST = 0.01
"""Share of voxels that a peak needs to be judged."""
TISSUE = (-600.0, 400.0)
"""Between lung and bone."""
TISSUE_EXPECTED = (-160.0, 130.0)
"""From fat (-120 to -60 HU) to muscle, blood and organs with contrast medium."""
TISSUE_IMPOSSIBLE = -250.0
"""No tissue of which a body has much lies between lung and this."""
SAMPLE = 500_000
FLANK = 4
"""Bins on both sides that must hold less than a peak."""


def scale_lines(ct: Volume) -> tuple[QualityLine, ...]:
    """Check where air and soft tissue lie.

    Parameters
    ----------
    ct
        CT [HU].

    Returns
    -------
    One line for soft tissue; before it one for air when the image holds air that is not padding.
    """
    step = max(1, round((ct.array.size / SAMPLE) ** (1 / 3)))
    values = ct.array[::step, ::step, ::step].ravel().astype(np.float64)
    # the lowest value is where scanners clip or pad
    values = values[values > values.min()] if values.size else values
    air = _peak(values, *AIR)
    lines = [] if air is None else [_air_line(air)]
    tissue = _peak(values, *TISSUE)
    return (*lines, _tissue_line(tissue))


def _peak(values: FloatArray, low: float, high: float) -> float | None:
    beyond = FLANK * BIN_HU
    bins = round((high - low) / BIN_HU) + 2 * FLANK
    counts, edges = np.histogram(values, bins=bins, range=(low - beyond, high + beyond))
    if values.size == 0 or counts[FLANK:-FLANK].sum() < FEWEST * values.size:
        return None
    # neighbours count too, so that noise does not choose the bin
    smooth = np.convolve(counts, (1, 2, 3, 2, 1), mode="same")
    place = FLANK + int(np.argmax(smooth[FLANK:-FLANK]))
    # the flank of a peak that lies outside is no peak
    if smooth[place] < smooth[place - FLANK : place + FLANK + 1].max():
        return None
    return float(edges[place] + BIN_HU / 2)


def _air_line(air: float) -> QualityLine:
    good = AIR_EXPECTED[0] <= air <= AIR_EXPECTED[1]
    return QualityLine(
        "HU_AIR",
        Outcome.PASS if good else Outcome.WARN,
        f"air at {air:.0f} HU",
        f"{AIR_EXPECTED[0]:.0f} to {AIR_EXPECTED[1]:.0f} HU",
        "the scanner is out of calibration, or the image was rescaled: look at air in the image, prefer a phantom",
    )


def _tissue_line(tissue: float | None) -> QualityLine:
    words = "" if tissue is None else f"most soft tissue at {tissue:.0f} HU"
    outcome = Outcome.PASS
    if tissue is None or not TISSUE_EXPECTED[0] <= tissue <= TISSUE_EXPECTED[1]:
        outcome = Outcome.REFUSE if tissue is not None and tissue < TISSUE_IMPOSSIBLE else Outcome.WARN
    return QualityLine(
        "HU_SCALE",
        outcome,
        words or "hardly any soft tissue",
        f"{TISSUE_EXPECTED[0]:.0f} to {TISSUE_EXPECTED[1]:.0f} HU",
        "the rescale in the header may be wrong: look at fat (about -100 HU) and muscle (about 50 HU) in the image",
    )
