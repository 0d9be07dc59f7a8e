"""Published classes of strength and density, as data."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.errors import InputError

KEAVENY_2020 = "Keaveny TM et al. (2020), Osteoporos Int 31:1025, Table 1 (PMC7237403)"
CAVEAT = (
    "These cut-offs were established with VirtuOst strengths and their calibration; this strength comes from a "
    "different model. Research use."
)
DENSITY_CAVEAT = "Cut-offs are on the scale of K2HPO4-based spine QCT; other density scales shift them."
T_SCORE_CAVEAT = "CT-equivalent T-score; not a DXA measurement unless it was cross-calibrated."


@dataclass(frozen=True)
class CutOff:
    """One row of the classification table.

    Parameters
    ----------
    measure
        "hip strength", "spine strength", "hip T-score" or "spine vBMD".
    sex
        "F", "M", or empty for both.
    unit
        Unit of the limits.
    low_limit, normal_limit
        Values at the two boundaries.
    low_limit_is_worst
        Whether a value at low_limit belongs to the worst class.
    normal_limit_is_normal
        Whether a value at normal_limit belongs to the best class.
    classes
        Names, worst to best.
    decimals
        Decimals a value is rounded to before it is compared and shown.
    caveat
        What the reader must know.
    """

    measure: str
    sex: str
    unit: str
    low_limit: float
    normal_limit: float
    low_limit_is_worst: bool
    normal_limit_is_normal: bool
    classes: tuple[str, str, str]
    decimals: int
    caveat: str
    source: str = KEAVENY_2020

    def classify(self, value: float) -> tuple[float, str]:
        """Round and classify.

        Parameters
        ----------
        value
            The number in the row's unit.

        Returns
        -------
        The rounded number and its class.
        """
        shown = round(float(value), self.decimals)
        if shown < self.low_limit or (shown == self.low_limit and self.low_limit_is_worst):
            return shown, self.classes[0]
        if shown > self.normal_limit or (shown == self.normal_limit and self.normal_limit_is_normal):
            return shown, self.classes[2]
        return shown, self.classes[1]

    @property
    def limits(self) -> str:
        """Class limits in words."""
        worst = "<=" if self.low_limit_is_worst else "<"
        best = ">=" if self.normal_limit_is_normal else ">"
        return (
            f"{self.classes[0]} {worst} {self.low_limit:g} {self.unit}, "
            f"{self.classes[2]} {best} {self.normal_limit:g} {self.unit}, {self.classes[1]} between"
        ).replace(" ,", ",")


_STRENGTH = ("fragile", "low strength", "normal strength")
_BMD = ("osteoporosis", "low bone mass", "normal bone mass")
CUT_OFFS: tuple[CutOff, ...] = (
    CutOff("hip strength", "F", "N", 3000, 4000, True, True, _STRENGTH, 0, CAVEAT),
    CutOff("hip strength", "M", "N", 3500, 5000, True, True, _STRENGTH, 0, CAVEAT),
    CutOff("spine strength", "F", "N", 4500, 6000, True, True, _STRENGTH, 0, CAVEAT),
    CutOff("spine strength", "M", "N", 6500, 8500, True, True, _STRENGTH, 0, CAVEAT),
    CutOff("hip T-score", "", "", -2.5, -1.0, True, True, _BMD, 1, T_SCORE_CAVEAT),
    CutOff("spine vBMD", "", "mg/cm3", 80, 120, False, False, _BMD, 1, DENSITY_CAVEAT),
)


def cut_off(measure: str, sex: str) -> CutOff:
    """Find the row for a measure and a sex.

    Parameters
    ----------
    measure
        Name of the measure.
    sex
        "F" or "M"; not needed where the limits are the same for both.

    Returns
    -------
    The row.

    Raises
    ------
    InputError
        When there is none; strengths need a sex.
    """
    rows = [row for row in CUT_OFFS if row.measure == measure]
    if not rows:
        raise InputError(f"no cut-offs for {measure!r}; choose one of {sorted({r.measure for r in CUT_OFFS})}")
    for row in rows:
        if row.sex in ("", sex):
            return row
    raise InputError(f"classifying {measure} needs the sex F or M, got {sex!r}; give it with the examination")
