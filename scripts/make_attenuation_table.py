"""Write BoneStrengthFEALib/calibration/data/mass_attenuation.json from xraydb and the mass fractions."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import xraydb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
DATA = Path(__file__).resolve().parents[1] / "BoneStrengthFEALib" / "calibration" / "data"


def composition(entry: dict) -> dict[str, float]:
    if "mass_fractions" in entry:
        return entry["mass_fractions"]
    atoms = {symbol: float(count or 1) for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", entry["formula"])}
    masses = {symbol: count * xraydb.atomic_mass(symbol) for symbol, count in atoms.items()}
    return {symbol: mass / sum(masses.values()) for symbol, mass in masses.items()}


def main() -> None:
    materials = json.loads((DATA / "materials.json").read_text(encoding="utf-8"))["materials"]
    energies = np.arange(20.0, 200.5, 0.5)
    table = {
        name: sum(w * xraydb.mu_elam(symbol, 1000 * energies) for symbol, w in composition(entry).items())
        for name, entry in materials.items()
    }
    lines = [f'  "{name}": {json.dumps([round(float(v), 6) for v in values])}' for name, values in table.items()]
    head = (
        f'{{\n"source": "xraydb {xraydb.__version__} (public domain; Elam tables), mixtures from materials.json",\n'
        f'"unit": "cm2/g",\n"first_kev": {energies[0]},\n"step_kev": 0.5,\n"mass_attenuation": {{\n'
    )
    (DATA / "mass_attenuation.json").write_text(head + ",\n".join(lines) + "\n}\n}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
