"""Phantom composites: rods found and densities recovered in phantoms laid into real CT at random.

``python -m benchmarks.phantoms FOLDER --count 200 --out ROWS.jsonl`` takes every CT image of the folder's cases (NIfTI
or DICOM) and writes a row per composite as soon as it is known. Tilt goes up to 5 degrees in any direction. Four kinds:
whole; cut (one or two end rods outside the field of view, three or more left that reach 150 mg/cm3): must be found. Few
(less than that) and sliding (a rod leaves the view along the tilt) may be refused but never be wrong without a refusal.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.calibration.axial_stack import axial_stack
from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import Phantom, load_phantom, shipped_phantoms
from BoneStrengthFEALib.calibration.phantom_reach import REACH_MG_CM3
from BoneStrengthFEALib.calibration.rod_pattern import CORE
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.volume import Quantity, Volume

DENSITIES = (50.0, 100.0, 200.0, 400.0, 800.0)
IMAGES = ("hip_sts044/dicom", "spine_lidc0314/ct.nii.gz", "spine_totalseg/example_ct.nii.gz", "tibia_sts049/ct.nii.gz")
KINDS = {"whole": 0.7, "cut": 0.2, "few": 0.05, "sliding": 0.05}


@dataclass(frozen=True)
class Row:
    """What became of one composite.

    Parameters
    ----------
    kind, phantom, image
        Kind of composite, id of the phantom, name of the CT.
    outcome
        "found", or the code of the error or of the first refusing check.
    off_mg_cm3, uncertainty_mg_cm3
        Error and its stated standard uncertainty at DENSITIES; empty when no calibration was made.
    reach_mg_cm3
        Density of the densest rod in view.
    warnings
        Checks that warned.
    seconds
        Of the calibration.
    """

    kind: str
    phantom: str
    image: str
    outcome: str
    off_mg_cm3: tuple[float, ...] = ()
    uncertainty_mg_cm3: tuple[float, ...] = ()
    reach_mg_cm3: float = 0.0
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    def shares(self) -> np.ndarray:
        """Errors as shares of their limits, 2 mg/cm3 or 2 %, up to the densest rod in view."""
        limits = np.maximum(2.0, 0.02 * np.array(DENSITIES))
        return np.where(np.array(DENSITIES) <= self.reach_mg_cm3, np.abs(self.off_mg_cm3) / limits, np.nan)


def main() -> None:
    """Run the composites, each row as soon as it is known, and print a summary."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    scans = {name: read_image(arguments.folder / name) for name in IMAGES}
    rows: list[Row] = []
    with arguments.out.open("w", encoding="utf-8") as stream:
        for row in composites(scans, arguments.count, np.random.default_rng(arguments.seed)):
            rows.append(row)
            print(json.dumps(dataclasses.asdict(row)), file=stream, flush=True)
            print(f"{len(rows)}/{arguments.count} {row.kind} {row.phantom}: {row.outcome}", file=sys.stderr, flush=True)
    for line in summary(rows):
        print(line)


def composites(scans: dict[str, Volume], count: int, dice: np.random.Generator) -> Iterator[Row]:
    """Random composites, one after the other."""
    phantoms = [p for p in map(load_phantom, shipped_phantoms()) if p.rod_shape != "insert"]
    made = 0
    while made < count:
        name = IMAGES[dice.integers(len(IMAGES))]
        phantom = phantoms[dice.integers(len(phantoms))]
        kind = str(dice.choice(list(KINDS), p=list(KINDS.values())))
        placed = placement(scans[name], phantom, dice, kind)
        if placed is not None:
            made += 1
            yield tried(Row(kind, phantom.id, name, ""), with_phantom(scans[name], phantom, placed), phantom, placed)


def tried(row: Row, composite: Volume, phantom: Phantom, placed: Placement) -> Row:
    """Calibrate one composite and compare with what was laid into it."""
    began = time.perf_counter()
    try:
        result = calibrate_phantom(composite, None, phantom)
    except CalibrationError as error:
        return dataclasses.replace(row, outcome=error.code)
    seconds = time.perf_counter() - began
    hu = placed.sigma * np.array(DENSITIES) + placed.beta
    refused = result.quality.refused
    stated = result.standard_uncertainty(hu)
    return dataclasses.replace(
        row,
        outcome=refused[0].check if refused else "found",
        off_mg_cm3=tuple(np.round(result.density(hu) - DENSITIES, 2).tolist()),
        uncertainty_mg_cm3=() if stated is None else tuple(np.round(stated, 2).tolist()),
        reach_mg_cm3=max(point.reference for point in result.points),
        warnings=tuple(line.check for line in result.quality.warnings),
        seconds=round(seconds, 2),
    )


def summary(rows: list[Row]) -> Iterator[str]:
    """Lines of the summary."""
    found = [row for row in rows if row.outcome == "found"]
    for kind in KINDS:
        made, accepted = (sum(r.kind == kind for r in some) for some in (rows, found))
        yield f"{kind}: {made} made, {accepted} found and accepted"
    yield f"not found or refused: {[(r.kind, r.phantom, r.outcome) for r in rows if r.outcome != 'found']}"
    shares = np.array([row.shares() for row in found])
    stated = np.array([row.uncertainty_mg_cm3 for row in found])
    off = np.array([row.off_mg_cm3 for row in found])
    for n, density in enumerate(DENSITIES):
        inside = np.isfinite(shares[:, n])
        rms = [float(np.sqrt((v[inside, n] ** 2).mean())) for v in (off, stated)]
        column = shares[inside, n]
        yield (
            f"{density:g} mg/cm3, {inside.sum()} composites, error over its limit (2 mg/cm3 or 2 %): median "
            f"{np.median(column):.2f}, 99 % {np.percentile(column, 99):.2f}, largest {column.max():.2f}; root mean "
            f"square of error and of stated uncertainty {rms[0]:.2f}, {rms[1]:.2f} mg/cm3"
        )
    wrong = [row for row in found if np.nanmax(row.shares()) > 1]
    yield f"beyond the limit up to the densest rod, without refusal: {len(wrong)}"
    for row in wrong:
        yield f"  {row.kind} {row.phantom} {row.off_mg_cm3} +- {row.uncertainty_mg_cm3}, warned: {row.warnings}"
    yield f"{np.median([row.seconds for row in found]):.1f} s each"


def read_image(path: Path) -> Volume:
    """CT of a folder or file."""
    return read_folder(path).ct if path.is_dir() else read_volume(path, Quantity.HU)


def placement(scan: Volume, phantom: Phantom, dice: np.random.Generator, kind: str) -> Placement | None:
    """A random place of a phantom in a scan, or None when it does not fit."""
    stack = axial_stack(scan)
    count, rows, columns = stack.slices.shape
    height, width = rows * stack.spacing_mm[1], columns * stack.spacing_mm[2]
    steep, towards = dice.uniform(0, 5), dice.uniform(0, 2 * np.pi)
    # the angle between rods and table, split into its two directions
    tangents = np.tan(np.radians(steep)) * np.array([np.sin(towards), np.cos(towards)])
    sway = np.abs(tangents) * count * stack.spacing_mm[0] / 2
    edge = phantom.slab_mm[1] / 2 + sway[0] + 4.0
    if 2 * edge > height:
        return None
    across = _across(phantom, width, float(sway[1]), dice, kind)
    if across is None:
        return None
    tilt = np.degrees(np.arctan(tangents))
    room = kind == "whole" and width - phantom.slab_mm[0] - 2 * sway[1] > 48
    return Placement(
        (float(height - edge if dice.random() < 0.7 else edge), across),
        sigma=dice.uniform(1.15, 1.5),
        beta=dice.uniform(-15, 15),
        reverse=bool(dice.random() < 0.5),
        angle_deg=dice.uniform(-6, 6) if room else 0.0,
        tilt_deg=(float(tilt[0]), float(tilt[1])),
        noise_hu=dice.uniform(3, 25),
        blur_mm=dice.uniform(0.3, 1.0),
        cupping_hu=dice.uniform(0, 3),
        seed=int(dice.integers(1 << 30)),
    )


def _across(phantom: Phantom, width: float, sway: float, dice: np.random.Generator, kind: str) -> float | None:
    """Column coordinate of the row's middle [mm]."""
    count, spacing, radius = len(phantom.rods), phantom.rod_spacing_mm, 0.5 * phantom.rod_diameter_mm
    if kind == "whole":
        free = width / 2 - phantom.slab_mm[0] / 2 - sway - 4.0
        return None if free < 0 else float(width / 2 + dice.uniform(-free, free))
    lost = int(dice.integers(1, 3))
    # the definition's rods may lie either way: both ends count as lost
    tops = [max(r.density_mg_cm3 for r in part) for part in (phantom.rods[lost:], phantom.rods[:-lost]) if part]
    usable = count - lost >= 3 and min(tops, default=0.0) >= REACH_MG_CM3
    if (kind == "cut" and not usable) or (kind == "few" and usable) or count == lost:
        return None
    # from the right edge: the last rod in view ends before it, the core of the next lies across it
    low, high = width + sway - CORE * radius - spacing, width - radius - sway - 2.0
    if kind == "sliding":
        # a rod is in view at one end of the scan and not at the other
        low, high = width - CORE * radius - sway, width - CORE * radius + sway
        if sway < 4.0:
            return None
    if low > high:
        return None
    kept = dice.uniform(low, high)
    middle = kept - (count - 1 - lost - 0.5 * (count - 1)) * spacing
    if middle - 0.5 * (count - 1) * spacing - radius - sway < 4.0:
        return None
    return float(middle if dice.random() < 0.5 else width - middle)


if __name__ == "__main__":
    main()
