"""Shewhart control of a scanner's stored calibrations: whether slope and intercept are still what they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.calibration.scanner import same_scanner, same_voltage
from BoneStrengthFEALib.calibration.store import StoredCalibration
from BoneStrengthFEALib.volume import FloatArray

D2 = 1.128
"""Mean range of two normal values over their standard deviation."""
BASELINE = 20
"""The first scans set the limits."""
FEWEST = 5
"""Scans before limits are stated."""
RUN = 8
"""Scans on one side of the centre that tell of a shift (Western Electric rule 4)."""
SOURCE = (
    "individuals control chart, limits at 3 moving-range standard deviations (d2 = 1.128): NIST/SEMATECH e-Handbook of "
    "Statistical Methods, section 6.3.2.2; run of 8 on one side: section 6.3.2"
)
SERIES = (("hu_per_mg_cm3", "slope (HU per mg/cm³)"), ("hu_at_zero", "intercept (HU at 0 mg/cm³)"))
"""Numbers of a calibration that are followed, and their titles."""


@dataclass(frozen=True, eq=False)
class ControlChart:
    """One number over time.

    Parameters
    ----------
    name, title
        Name in the calibration's numbers and in words.
    values
        (n,) in the order of the scans.
    centre, sigma
        Mean and moving-range standard deviation of the baseline; None before FEWEST scans.
    """

    name: str
    title: str
    values: FloatArray
    centre: float | None
    sigma: float | None

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lower and upper control limit."""
        if self.centre is None or self.sigma is None:
            return None
        return self.centre - 3 * self.sigma, self.centre + 3 * self.sigma

    def signals(self) -> list[str]:
        """What each scan signals.

        Returns
        -------
        n texts: empty, "outside limits" or "shifted".
        """
        texts = [""] * len(self.values)
        if self.limits is None or self.centre is None:
            return texts
        side = np.sign(self.values - self.centre)
        for n, value in enumerate(self.values):
            if not self.limits[0] <= value <= self.limits[1]:
                texts[n] = "outside limits"
            elif n + 1 >= RUN and abs(side[n + 1 - RUN : n + 1].sum()) == RUN:
                texts[n] = "shifted"
        return texts


def control_chart(values: Sequence[float], name: str = "", title: str = "") -> ControlChart:
    """Control limits of a series.

    Parameters
    ----------
    values
        (n,) in time order.
    name, title
        What it is.

    Returns
    -------
    The chart; limits rest on the first BASELINE values.
    """
    series = np.asarray(values, dtype=np.float64)
    base = series[:BASELINE]
    if base.size < FEWEST:
        return ControlChart(name, title, series, None, None)
    centre = float(base.mean())
    # equal values would leave limits narrower than the rounding of their mean
    sigma = max(float(np.abs(np.diff(base)).mean() / D2), 1e-12 * abs(centre))
    return ControlChart(name, title, series, centre, sigma)


def charts_of(entries: Sequence[StoredCalibration]) -> tuple[ControlChart, ...]:
    """Charts of slope and intercept.

    Parameters
    ----------
    entries
        Entries of one scanner and protocol, by day.

    Returns
    -------
    One chart per number that all entries have.
    """
    return tuple(
        control_chart([entry.calibration.numbers[name] for entry in entries], name, title)
        for name, title in SERIES
        if all(name in entry.calibration.numbers for entry in entries)
    )


def alike(entry: StoredCalibration, entries: Sequence[StoredCalibration]) -> list[StoredCalibration]:
    """Entries whose calibrations may be compared.

    Parameters
    ----------
    entry
        One entry.
    entries
        All entries.

    Returns
    -------
    Entries of the same scanner, voltage, kernel class, phantom and density, by day; the entry itself is among them.
    """
    one = entry.scanner
    return [
        other
        for other in entries
        if other.id == entry.id
        or (
            same_scanner(one, other.scanner) is not False
            and same_voltage(one, other.scanner) is not False
            and one.kernel_class == other.scanner.kernel_class
            and other.phantom == entry.phantom
            and other.calibration.quantity is entry.calibration.quantity
        )
    ]


def groups(entries: Sequence[StoredCalibration]) -> list[list[StoredCalibration]]:
    """Entries by scanner and protocol.

    Parameters
    ----------
    entries
        All entries.

    Returns
    -------
    Groups of entries that are alike, each by day.
    """
    found: list[list[StoredCalibration]] = []
    for entry in entries:
        if not any(entry in group for group in found):
            found.append(alike(entry, entries))
    return found
