"""Calibration phantoms as data: one JSON file per phantom, shipped or the user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.calibration.definition_fields import Fields, read_definition
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.volume import Quantity

SCHEMA = "bonestrengthfea-phantom/1"
KINDS = {"K2HPO4": Quantity.K2HPO4, "CAHA": Quantity.CAHA}
FITS = ("linear", "mindways")
SHAPES = ("cylinder", "bar", "insert")
FIELDS = (
    "schema", "id", "name", "serial", "certificate_date", "density_kind", "fit", "rod_shape", "rod_diameter_mm",
    "rod_spacing_mm", "spacing_tolerance", "slab", "source", "unverified", "rods", "row_angle_deg",
)  # fmt: skip
LOWEST_MG_CM3 = {Quantity.K2HPO4: -200.0, Quantity.CAHA: -20.0}
"""Rods of plastic or fat are negative on the scale of K2HPO4 in water (Mindways: -53); hydroxyapatite is added to a
resin that counts as zero, and a certificate may say a little less."""


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
        "cylinder", "bar" (square section) or "insert" (behind one another along the table).
    rod_diameter_mm, rod_spacing_mm
        Diameter (side of a bar) and distance between neighbours; that of inserts is along the table [mm].
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
        """Check what fields must be together."""
        names = [rod.name for rod in self.rods]
        densities = {rod.density_mg_cm3 for rod in self.rods}
        length = (len(self.rods) - 1) * self.rod_spacing_mm + self.rod_diameter_mm
        size = max(length, self.rod_diameter_mm), self.rod_diameter_mm
        liquid = self.fit == "mindways"
        _require(len(self.rods) >= 2, "rods", f"{len(self.rods)} rods", "at least two")
        _require(len(set(names)) == len(names), "rods", f"the names {', '.join(names)}", "a name of its own for each")
        _require(len(densities) > 1, "rods", "rods of one density", "at least two densities")
        _require(
            not liquid or self.kind is Quantity.K2HPO4, "density_kind", self.kind.value, "K2HPO4 with fit mindways"
        )
        for rod in self.rods:
            given = rod.water_mg_cm3 is not None
            _require(
                given or not liquid, f"water_mg_cm3 of rod {rod.name}", "none", "the certificate's with fit mindways"
            )
            _require(
                rod.density_mg_cm3 >= LOWEST_MG_CM3[self.kind],
                f"density_mg_cm3 of rod {rod.name}",
                f"{rod.density_mg_cm3:g}",
                f"at least {LOWEST_MG_CM3[self.kind]:g} mg/cm3 of {self.kind.value}",
            )
        _require(
            self.rod_spacing_mm > self.rod_diameter_mm,
            "rod_spacing_mm",
            f"{self.rod_spacing_mm:g} mm",
            f"more than the diameter of {self.rod_diameter_mm:g} mm, or rods overlap",
        )
        _require(
            size[0] <= self.slab_mm[0] and size[1] <= self.slab_mm[1],
            "slab",
            f"{self.slab_mm[0]:g} x {self.slab_mm[1]:g} mm",
            f"at least {size[0]:g} x {size[1]:g} mm, which the rods take",
        )


def _require(right: bool, field: str, found: str, expected: str) -> None:
    if not right:
        raise InputError(f"field {field}: found {found}, expected {expected}")


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
    return phantom_from_dict(read_definition(path), path.name)


def phantom_from_dict(data: Any, where: str = "phantom definition") -> Phantom:
    """Build a phantom from the content of its file.

    Parameters
    ----------
    data
        Dictionary of schema SCHEMA.
    where
        Name of the file, for the error text.

    Returns
    -------
    The phantom.

    Raises
    ------
    InputError
        When a field is missing, unknown or impossible: file, field, what was found and what was expected.
    """
    fields = Fields(data, where, FIELDS)
    fields.choice("schema", (SCHEMA,))
    slab = fields.table("slab", ("width_mm", "height_mm"))
    listed = fields.items("rods", "a list of rods with name and density_mg_cm3")
    noted = fields.items("unverified", "a list of the names of fields not confirmed in a source")
    try:
        return Phantom(
            id=fields.text("id"),
            name=fields.text("name"),
            serial=fields.text("serial", filled=False),
            certificate_date=fields.day("certificate_date"),
            kind=KINDS[fields.choice("density_kind", tuple(KINDS))],
            fit=fields.choice("fit", FITS),
            rod_shape=fields.choice("rod_shape", SHAPES),
            rod_diameter_mm=fields.number("rod_diameter_mm", (1.0, 200.0), "mm"),
            rod_spacing_mm=fields.number("rod_spacing_mm", (1.0, 500.0), "mm"),
            spacing_tolerance=fields.number("spacing_tolerance", (0.0, 0.3)),
            slab_mm=(slab.number("width_mm", (1.0, 1000.0), "mm"), slab.number("height_mm", (1.0, 1000.0), "mm")),
            source=fields.text("source"),
            unverified=tuple(str(name) for name in noted),
            rods=tuple(_rod(rod, f"{where}, rod {n + 1}") for n, rod in enumerate(listed)),
            row_angle_deg=fields.number("row_angle_deg", (-90.0, 90.0), "degrees", default=0.0),
        )
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(where) else f"{where}, {text}") from error


def _rod(data: Any, where: str) -> Rod:
    fields = Fields(data, where, ("name", "density_mg_cm3", "water_mg_cm3"))
    water = None
    if isinstance(data, Mapping) and data.get("water_mg_cm3") is not None:
        water = fields.number("water_mg_cm3", (500.0, 2000.0), "mg/cm3")
    return Rod(fields.text("name"), fields.number("density_mg_cm3", (-500.0, 3200.0), "mg/cm3"), water)
