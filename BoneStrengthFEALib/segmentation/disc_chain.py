"""Which of many dark places along a canal are discs: a chain whose distances change slowly, by dynamic programming."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.volume import FloatArray

LEAST_SPACING_MM = 19
START_RANGE_MM, THORACIC_MM = (20.0, 46.0), 32.0
"""Distances that a chain may begin with; a disc nearer to that below it than the second may be thoracic."""
UNEVEN_COST_HU, UNSEEN_COST_HU = 400.0, 30.0
"""A distance a quarter off the usual costs 25 HU, less than the depth of any disc; a disc not seen costs the second."""
DRIFT, MOST_UNSEEN = 0.3, 2
"""Share by which the usual distance follows the last one; discs in a row that may be missing."""


@dataclass(frozen=True, eq=False)
class Merit:
    """How much each place along a canal is like a disc.

    Parameters
    ----------
    thoracic
        (S,) [HU] with thin discs between low bodies, with ribs beside them; -inf where there is none.
    lumbar
        (S,) [HU] with thick discs between high bodies, without pedicles beside them.
    """

    thoracic: FloatArray
    lumbar: FloatArray

    def at(self, place: int, gap_mm: float) -> float:
        """Merit of a place so far above the disc below."""
        lumbar = float(self.lumbar[place])
        return max(lumbar, float(self.thoracic[place])) if gap_mm < THORACIC_MM else lumbar


@dataclass(frozen=True)
class _Chain:
    merit: float
    places: tuple[int, ...]
    usual_mm: float

    def on(self, place: int, merit: Merit) -> _Chain | None:
        """The chain with one more place; None when that is too near or too far."""
        gap = float(place - self.places[-1])
        unseen = max(round(gap / self.usual_mm) - 1, 0)
        if gap < LEAST_SPACING_MM or unseen > MOST_UNSEEN:
            return None
        each = gap / (unseen + 1)
        cost = UNEVEN_COST_HU * (each / self.usual_mm - 1.0) ** 2 + UNSEEN_COST_HU * unseen
        usual = self.usual_mm + DRIFT * (each - self.usual_mm)
        return _Chain(self.merit + merit.at(place, each) - cost, (*self.places, place), usual)


def best_chain(merit: Merit) -> tuple[int, ...]:
    """Places of highest merit in a chain whose distances change slowly.

    Bodies grow from 20 mm in the upper thorax to 40 mm in the lumbar spine, so that the usual distance follows the
    chain.

    Parameters
    ----------
    merit
        Merit of each place, 1 mm apart.

    Returns
    -------
    Rising places; empty when none is like a disc.
    """
    peaks = [(one >= ndimage.maximum_filter1d(one, 7)) & (one > 0) for one in (merit.thoracic, merit.lumbar)]
    places = [int(n) for n in np.nonzero(peaks[0] | peaks[1])[0]]
    best = _Chain(0.0, (), 0.0)
    for usual in np.arange(*START_RANGE_MM, 2.0):
        ending: list[_Chain] = []
        for place in places:
            longer = [chain for before in ending if (chain := before.on(place, merit)) is not None]
            alone = _Chain(merit.at(place, float(usual)), (place,), float(usual))
            ending.append(max([alone, *longer], key=lambda chain: chain.merit))
        best = max([best, *ending], key=lambda chain: chain.merit)
    return best.places
