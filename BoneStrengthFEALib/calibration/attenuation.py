"""Mass attenuation coefficients of tissues and reference materials, from the shipped table."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np

from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.volume import FloatArray


@dataclass(frozen=True, eq=False)
class AttenuationTable:
    """Mass attenuation against photon energy.

    Parameters
    ----------
    energies_kev
        (n,) photon energies [keV], ascending, evenly spaced.
    mass_attenuation
        Material to (n,) mass attenuation coefficients [cm2/g].
    source
        Where the numbers come from.
    """

    energies_kev: FloatArray
    mass_attenuation: Mapping[str, FloatArray]
    source: str

    def of(self, material: str) -> FloatArray:
        """Coefficients of one material.

        Parameters
        ----------
        material
            Name in the table, for example ``blood``.

        Returns
        -------
        (n,) [cm2/g].

        Raises
        ------
        CalibrationError
            When the table does not know the material.
        """
        if material not in self.mass_attenuation:
            known = ", ".join(sorted(self.mass_attenuation))
            raise CalibrationError(f"no attenuation data for {material!r}; the table holds {known}")
        return self.mass_attenuation[material]

    def at(self, material: str, energy_kev: float) -> float:
        """Coefficient of one material at one energy.

        Parameters
        ----------
        material
            Name in the table.
        energy_kev
            Photon energy [keV] inside the table.

        Returns
        -------
        [cm2/g], linear between entries 0.5 keV apart.
        """
        return float(np.interp(energy_kev, self.energies_kev, self.of(material)))


@functools.lru_cache(maxsize=1)
def attenuation_table() -> AttenuationTable:
    """Read the shipped table.

    Returns
    -------
    Table from 20 to 200 keV in steps of 0.5 keV, evaluated from xraydb without interpolation.

    References
    ----------
    Elam WT, Ravel BD, Sieber JR (2002), Radiat Phys Chem 63:121-128 (tables in xraydb, public domain).
    """
    text = resources.files(__package__).joinpath("data/mass_attenuation.json").read_text(encoding="utf-8")
    data = json.loads(text)
    table = {name: np.array(values) for name, values in data["mass_attenuation"].items()}
    count = len(next(iter(table.values())))
    energies = data["first_kev"] + data["step_kev"] * np.arange(count)
    return AttenuationTable(energies, table, data["source"])


NODES_KEV = (20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0)
"""Energies of the NIST tables in this range."""


@functools.lru_cache(maxsize=1)
def node_table() -> AttenuationTable:
    """Table as Michalski 2020 uses it: values at the NIST energies, straight lines between them.

    Returns
    -------
    The shipped table with every energy between NODES_KEV interpolated linearly. This keeps the published method's
    numbers; evaluating each energy directly would lower the fitted energy by about 1 keV and change densities by
    less than 1 %.
    """
    full = attenuation_table()
    table = {
        name: np.interp(full.energies_kev, NODES_KEV, np.interp(NODES_KEV, full.energies_kev, values))
        for name, values in full.mass_attenuation.items()
    }
    return AttenuationTable(full.energies_kev, table, full.source)
