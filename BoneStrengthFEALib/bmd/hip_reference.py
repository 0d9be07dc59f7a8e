"""Reference values of hip areal density, T- and Z-scores and the classes of the World Health Organization."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.table_files import read_table, table_to

SHIPPED = Path(__file__).parent / "references" / "hip.json"
SCHEMA = "bonestrengthfea-hip-references/1"
WHO_SOURCE = "WHO Technical Report Series 843 (1994): T <= -2.5 osteoporosis, T < -1 low bone mass"
WHO_FROM_YEARS = 50.0
"""The classes are for women after menopause and men from this age (RACGP guideline on osteoporosis, quoting ISCD)."""
Z_SETS = {"F": "nhanes2005-female", "M": "nhanes2005-male"}
"""Sets for Z-scores by sex when the settings name none."""


@dataclass(frozen=True)
class ReferenceRow:
    """Density of one region at one age.

    Parameters
    ----------
    region
        "femoral_neck", "trochanter", "intertrochanter" or "total_hip".
    ages
        First and last year of age, both included.
    mean_g_cm2, sd_g_cm2
        Mean and standard deviation [g/cm2].
    source
        Citation.
    unverified
        Whether the numbers were not confirmed in their source.
    young
        Whether T-scores refer to this row.
    """

    region: str
    ages: tuple[float, ...]
    mean_g_cm2: float
    sd_g_cm2: float
    source: str
    unverified: bool = True
    young: bool = False

    def __post_init__(self) -> None:
        """Check the numbers."""
        if len(self.ages) != 2 or self.ages[0] > self.ages[1]:
            raise InputError(f"ages of a reference row are first and last year, got {self.ages}")
        if not (self.mean_g_cm2 > 0 and self.sd_g_cm2 > 0):
            raise InputError(f"mean and SD of {self.region} must be positive, got {self.mean_g_cm2}, {self.sd_g_cm2}")

    def score(self, abmd_g_cm2: float) -> float:
        """Distance from the mean in standard deviations.

        Parameters
        ----------
        abmd_g_cm2
            Areal density [g/cm2].

        Returns
        -------
        The score.
        """
        return (abmd_g_cm2 - self.mean_g_cm2) / self.sd_g_cm2


@dataclass(frozen=True)
class ReferenceSet:
    """Reference values of one population.

    Parameters
    ----------
    id, name
        Stable id, and words.
    sex
        "F" or "M".
    rows
        Its rows.
    """

    id: str
    name: str
    sex: str
    rows: tuple[ReferenceRow, ...]

    def young(self, region: str) -> ReferenceRow | None:
        """Row that T-scores refer to.

        Parameters
        ----------
        region
            Region.

        Returns
        -------
        The row, or None.
        """
        return next((row for row in self.rows if row.young and row.region == region), None)

    def at_age(self, region: str, age_years: float) -> ReferenceRow | None:
        """Row that Z-scores refer to.

        Parameters
        ----------
        region
            Region.
        age_years
            Age.

        Returns
        -------
        The row, or None where the set ends.
        """
        year = math.floor(age_years)
        return next((r for r in self.rows if r.region == region and r.ages[0] <= year <= r.ages[1]), None)


def reference_set(identifier: str) -> ReferenceSet:
    """Find a reference set.

    Parameters
    ----------
    identifier
        Id of a shipped set, or path of a file of the same schema that holds one set.

    Returns
    -------
    The set.

    Raises
    ------
    InputError
        When there is none.
    """
    shipped = _read(SHIPPED)
    for known in shipped:
        if known.id == identifier:
            return known
    path = Path(identifier)
    if path.suffix.lower() in (".json", ".toml") and path.is_file():
        given = _read(path)
        if len(given) == 1:
            return given[0]
        raise InputError(f"{path.name} holds {len(given)} reference sets, expected one")
    names = ", ".join(known.id for known in shipped)
    raise InputError(f"no hip reference set {identifier!r}; known: {names}, or the path of a JSON file with one set")


def who_class(t_score: float, age_years: float | None = None) -> str:
    """Class of a hip T-score.

    Parameters
    ----------
    t_score
        T-score; it is compared with one decimal, as it is reported.
    age_years
        Age, or None when unknown.

    Returns
    -------
    "osteoporosis", "low bone mass" or "normal"; empty below the age the classes are for.

    Examples
    --------
    >>> who_class(-2.54), who_class(-2.44), who_class(-1.0), who_class(-3.0, 31.0)
    ('osteoporosis', 'low bone mass', 'normal', '')
    """
    if age_years is not None and age_years < WHO_FROM_YEARS:
        return ""
    shown = round(t_score, 1)
    if shown <= -2.5:
        return "osteoporosis"
    return "low bone mass" if shown < -1.0 else "normal"


@functools.lru_cache(maxsize=8)
def _read(path: Path) -> tuple[ReferenceSet, ...]:
    data = read_table(path)
    if data.get("schema") != SCHEMA or not isinstance(data.get("sets"), list):
        raise InputError(f"{path.name} holds no hip references; its schema must be {SCHEMA} with a list of sets")
    return tuple(_set(entry, path.name) for entry in data["sets"])


def _set(entry: dict[str, object], where: str) -> ReferenceSet:
    listed = entry.get("rows")
    if not isinstance(listed, list):
        raise InputError(f"{where}: a reference set needs a list of rows")
    rows = tuple(table_to(ReferenceRow, row, f"{where} rows") for row in listed)
    plain = table_to(ReferenceSet, {**entry, "rows": ()}, where)
    return ReferenceSet(plain.id, plain.name, plain.sex, rows)
