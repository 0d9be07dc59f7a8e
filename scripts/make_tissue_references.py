"""Write calibration/data/tissue_references.json: K2HPO4-equivalent tissue densities by tube voltage.

Spectra come from spekpy; they are hardened by water and weighted with energy as an energy-integrating detector does.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import spekpy
import xraydb
from make_attenuation_table import composition

DATA = Path(__file__).resolve().parents[1] / "BoneStrengthFEALib" / "calibration" / "data"
VOLTAGES = (70, 80, 90, 100, 110, 120, 130, 140, 150)
WATER_CM = 25.0
ALUMINIUM_MM = 7.0
ANODE_DEG = 8.0
MINDWAYS_SLOPE, MINDWAYS_INTERCEPT = 0.2174, 999.6


def attenuation(entry: dict, energies_kev: np.ndarray) -> np.ndarray:
    return sum(w * xraydb.mu_elam(element, 1000 * energies_kev) for element, w in composition(entry).items())


def references(kvp: int, entries: dict) -> tuple[dict[str, float], float]:
    spectrum = spekpy.Spek(kvp=kvp, th=ANODE_DEG, dk=0.5).filter("Al", ALUMINIUM_MM)
    energies, fluence = (np.asarray(a) for a in spectrum.get_spectrum())
    keep = energies > 15
    energies, fluence = energies[keep], fluence[keep]
    water = attenuation(entries["water"], energies)
    weight = fluence * energies * np.exp(-water * WATER_CM)

    def ratio(entry: dict) -> float:
        return float((weight * attenuation(entry, energies)).sum() / (weight * water).sum())

    # a liquid K2HPO4 phantom reads HU = 1000 (ratio of attenuation) - 1000; Mindways' constants remove its water part
    slope = ratio(entries["k2hpo4"]) - MINDWAYS_SLOPE
    intercept = -1000.0 + MINDWAYS_INTERCEPT
    out = {}
    for name in ("air", "adipose", "muscle", "blood"):
        hu = 1000.0 * (entries[name]["density_g_cm3"] * ratio(entries[name]) - 1.0)
        out[name] = round((hu - intercept) / slope, 2)
    return out, slope


def main() -> None:
    entries = json.loads((DATA / "materials.json").read_text(encoding="utf-8"))["materials"]
    rows = json.loads((DATA / "tissue_densities.json").read_text(encoding="utf-8"))["tissues"]
    entries = {**entries, **rows}
    sets = []
    for kvp in VOLTAGES:
        densities, slope = references(kvp, entries)
        row = {
            "id": f"air-fat-muscle-{kvp}kv",
            "kvp": kvp,
            "hu_per_mg_cm3": round(slope, 4),
            "k2hpo4_mg_cm3": densities,
        }
        sets.append(row)
    data = {
        "source": "computed by scripts/make_tissue_references.py: "
        f"spekpy {spekpy.__version__}, anode {ANODE_DEG:g} deg, "
        f"{ALUMINIUM_MM:g} mm Al, {WATER_CM:g} cm water, energy-integrating detector; xraydb attenuation",
        "unverified": True,
        "sets": sets,
    }
    text = json.dumps(data, indent=1) + "\n"
    (DATA / "tissue_references.json").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
