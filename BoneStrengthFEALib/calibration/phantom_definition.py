"""Calibration phantoms as data: one JSON file per phantom, shipped or the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.volume import Quantity

SCHEMA = "bonestrengthfea-phantom/1"
KINDS = {"K2HPO4": Quantity.K2HPO4, "CAHA": Quantity.CAHA}
FITS = ("linear", "mindways")
SHAPES = ("cylinder", "bar", "insert")


@dataclass(frozen=True)
class Rod:
    """One rod.

    Parameters
    ----------
    name
        Name on the certificate.
    density_mg_cm3
        Equivalent density [mg/cm3].
    water_mg_cm3
        Water-equivalent density of a liquid rod [mg/cm3], else None.
    """

    name: str
    density_mg_cm3: float
    water_mg_cm3: float | None = None


@dataclass(frozen=True)
class Phantom:
    """A calibration phantom.

    Parameters
    ----------
    id, name, serial, certificate_date
        What it is; the date as YYYY-MM-DD or empty.
    kind
        Kind of density on the certificate.
    fit
        "linear" (density on HU) or "mindways" (HU less water-equivalent on density).
    rod_shape
        "cylinder", "bar" (square section) or "insert" (never searched, taken from labels).
    rod_diameter_mm, rod_spacing_mm
        Diameter (side of a bar) and distance between neighbours [mm].
    spacing_tolerance
        How far the true spacing may be from the stated one, as a share.
    slab_mm
        Width and height of the slab that holds the rods [mm].
    source
        Where the numbers come from.
    unverified
        Names of the fields not confirmed in a source.
    rods
        Rods from one end to the other.
    row_angle_deg
        Angle of the row against the side-to-side axis when the phantom lies straight [degrees].
    """

    id: str
    name: str
    serial: str
    certificate_date: str
    kind: Quantity
    fit: str
    rod_shape: str
    rod_diameter_mm: float
    rod_spacing_mm: float
    spacing_tolerance: float
    slab_mm: tuple[float, float]
    source: str
    unverified: tuple[str, ...]
    rods: tuple[Rod, ...]
    row_angle_deg: float = 0.0

    def __post_init__(self) -> None:
        """Check what a fit and a search need."""
        words = f"phantom {self.id or '(no id)'}"
        if self.fit not in FITS or self.rod_shape not in SHAPES:
            raise InputError(f"{words}: fit must be one of {FITS} and rod_shape one of {SHAPES}")
        if len(self.rods) < 2 or len({rod.name for rod in self.rods}) != len(self.rods):
            raise InputError(f"{words} needs at least two rods with different names")
        if len({rod.density_mg_cm3 for rod in self.rods}) < 2:
            raise InputError(f"{words} needs rods of different density")
        if self.fit == "mindways" and any(rod.water_mg_cm3 is None for rod in self.rods):
            raise InputError(f"{words}: each liquid rod needs water_mg_cm3 from its certificate")
        if min(self.rod_diameter_mm, self.rod_spacing_mm - self.rod_diameter_mm, *self.slab_mm) <= 0:
            raise InputError(f"{words}: rods need a diameter [mm] and a spacing larger than it")
        if not 0.0 <= self.spacing_tolerance <= 0.3:
            raise InputError(f"{words}: spacing_tolerance must lie between 0 and 0.3, got {self.spacing_tolerance}")


def shipped_phantoms() -> tuple[str, ...]:
    """Ids of the shipped phantoms.

    Returns
    -------
    Ids, sorted.
    """
    folder = resources.files(__package__).joinpath("phantoms")
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json")))


def load_phantom(id_or_path: str) -> Phantom:
    """Load a phantom definition.

    Parameters
    ----------
    id_or_path
        Id of a shipped phantom or path of a JSON file.

    Returns
    -------
    The phantom.

    Raises
    ------
    InputError
        When there is none or it is not valid.
    """
    if id_or_path in shipped_phantoms():
        text = resources.files(__package__).joinpath(f"phantoms/{id_or_path}.json").read_text(encoding="utf-8")
        return phantom_from_dict(json.loads(text))
    if not id_or_path.lower().endswith(".json"):
        raise InputError(
            f"no phantom {id_or_path!r}; choose one of {', '.join(shipped_phantoms())} or give a JSON file"
        )
    path = Path(id_or_path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the phantom definition {path.name}: {error}") from error
    return phantom_from_dict(data)


def phantom_from_dict(data: Mapping[str, Any]) -> Phantom:
    """Build a phantom from the content of its file.

    Parameters
    ----------
    data
        Dictionary of schema SCHEMA.

    Returns
    -------
    The phantom.

    Raises
    ------
    InputError
        When a field is missing, unknown or impossible.
    """
    if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
        raise InputError(f"a phantom definition has schema {SCHEMA!r}; start from a shipped one")
    try:
        kind = KINDS[data["density_kind"].upper()]
        rods = tuple(Rod(r["name"], float(r["density_mg_cm3"]), _optional(r.get("water_mg_cm3"))) for r in data["rods"])
        return Phantom(
            id=data["id"],
            name=data["name"],
            serial=data["serial"],
            certificate_date=data["certificate_date"],
            kind=kind,
            fit=data["fit"],
            rod_shape=data["rod_shape"],
            rod_diameter_mm=float(data["rod_diameter_mm"]),
            rod_spacing_mm=float(data["rod_spacing_mm"]),
            spacing_tolerance=float(data["spacing_tolerance"]),
            slab_mm=(float(data["slab"]["width_mm"]), float(data["slab"]["height_mm"])),
            source=data["source"],
            unverified=tuple(data["unverified"]),
            rods=rods,
            row_angle_deg=float(data.get("row_angle_deg", 0.0)),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"phantom definition: field {error} is missing or of the wrong type") from error


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)
