"""Phantom composites: rods found and densities recovered in phantoms laid into real CT at random.

``python -m benchmarks.phantoms FOLDER --count 200`` takes every CT image of the folder's cases (NIfTI or DICOM). Tilt
goes up to 5 degrees in any direction. Four kinds: whole; cut (one or two end rods outside the field of view, three or
more left that reach 150 mg/cm3): must be found. Few (less than that) and sliding (a rod leaves the view along the
tilt) may be refused but never be wrong without a refusal.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.calibration.axial_stack import axial_stack
from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import Phantom, load_phantom, shipped_phantoms
from BoneStrengthFEALib.calibration.phantom_reach import REACH_MG_CM3
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.rod_pattern import CORE
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.volume import Quantity, Volume

DENSITIES = (50.0, 100.0, 200.0, 400.0, 800.0)
IMAGES = ("hip_sts044/dicom", "spine_lidc0314/ct.nii.gz", "spine_totalseg/example_ct.nii.gz", "tibia_sts049/ct.nii.gz")
KINDS = {"whole": 0.7, "cut": 0.2, "few": 0.05, "sliding": 0.05}


def main() -> None:
    """Run the composites and print a summary."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2024)
    arguments = parser.parse_args()
    scans = [read_image(arguments.folder / name) for name in IMAGES]
    phantoms = [p for p in map(load_phantom, shipped_phantoms()) if p.rod_shape != "insert"]
    dice = np.random.default_rng(arguments.seed)
    made, found, missed, wrong = Counter[str](), Counter[str](), [], []
    errors: list[list[float]] = []
    seconds: list[float] = []
    while made.total() < arguments.count:
        scan, phantom = scans[dice.integers(len(scans))], phantoms[dice.integers(len(phantoms))]
        kind = str(dice.choice(list(KINDS), p=list(KINDS.values())))
        placed = placement(scan, phantom, dice, kind)
        if placed is None:
            continue
        made[kind] += 1
        composite = with_phantom(scan, phantom, placed)
        began = time.perf_counter()
        try:
            result = calibrate_phantom(composite, None, phantom)
        except CalibrationError as error:
            missed.append((kind, phantom.id, error.code))
            continue
        seconds.append(time.perf_counter() - began)
        off, share, top = _errors(result, placed)
        if result.quality.refused:
            missed.append((kind, phantom.id, result.quality.refused[0].check))
            continue
        found[kind] += 1
        errors.append(share)
        if max(e for e, r in zip(share, DENSITIES, strict=True) if r <= top) > 1:
            wrong.append((kind, phantom.id, off, [line.check for line in result.quality.warnings]))
    for kind in KINDS:
        print(f"{kind}: {made[kind]} made, {found[kind]} found and accepted")
    print(f"not found or refused: {missed}")
    _print_errors(np.array(errors))
    print(f"beyond the limit up to the densest rod, without refusal: {len(wrong)} {wrong}")
    print(f"{np.median(seconds):.1f} s each")


def _errors(result: Calibration, placed: Placement) -> tuple[list[float], list[float], float]:
    """Errors at DENSITIES [mg/cm3], as shares of their limits, and the density of the densest rod in view."""
    off = [float(result.density(placed.sigma * r + placed.beta)) - r for r in DENSITIES]
    share = [abs(e) / max(2.0, 0.02 * r) for e, r in zip(off, DENSITIES, strict=True)]
    return [round(e, 1) for e in off], share, max(point.reference for point in result.points)


def _print_errors(shares: np.ndarray) -> None:
    for density, column in zip(DENSITIES, shares.T, strict=True):
        print(
            f"{density:g} mg/cm3, error over its limit (2 mg/cm3 or 2 %): median {np.median(column):.2f}, 99 % "
            f"{np.percentile(column, 99):.2f}, largest {column.max():.2f}"
        )


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
