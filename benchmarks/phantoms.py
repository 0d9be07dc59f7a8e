"""Phantom composites: rods found and densities recovered in phantoms laid into real CT at random.

``python -m benchmarks.phantoms FOLDER --count 200`` takes every CT image of the folder's cases (NIfTI or DICOM).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.calibration.axial_stack import axial_stack
from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import Phantom, load_phantom, shipped_phantoms
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.volume import Quantity, Volume

DENSITIES = (50.0, 100.0, 200.0)
IMAGES = ("hip_sts044/dicom", "spine_lidc0314/ct.nii.gz", "spine_totalseg/example_ct.nii.gz", "tibia_sts049/ct.nii.gz")


def main() -> None:
    """Run the composites and print a summary."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    arguments = parser.parse_args()
    scans = [_read(arguments.folder / name) for name in IMAGES]
    phantoms = [p for p in map(load_phantom, shipped_phantoms()) if p.rod_shape != "insert"]
    dice = np.random.default_rng(2024)
    errors, seconds, wrong, missed = [], [], [], []
    while len(errors) + len(missed) < arguments.count:
        scan, phantom = scans[dice.integers(len(scans))], phantoms[dice.integers(len(phantoms))]
        placement = _placement(scan, phantom, dice)
        if placement is None:
            continue
        began = time.perf_counter()
        composite = with_phantom(scan, phantom, placement)
        try:
            found = calibrate_phantom(composite, None, phantom)
        except CalibrationError as error:
            missed.append((phantom.id, error.code))
            continue
        seconds.append(time.perf_counter() - began)
        off = [float(found.density(placement.sigma * r + placement.beta)) - r for r in DENSITIES]
        errors.append(max(abs(e) / max(2.0, 0.02 * r) for e, r in zip(off, DENSITIES, strict=True)))
        if errors[-1] > 1 and not found.quality.refused:
            wrong.append((phantom.id, [round(e, 1) for e in off]))
    print(f"{arguments.count} composites: {len(errors)} found, {len(missed)} not found {missed}")
    print(
        f"error over its limit (2 mg/cm3 or 2 %): median {np.median(errors):.2f}, 99 % {np.percentile(errors, 99):.2f}"
    )
    print(f"beyond the limit without refusal: {len(wrong)} {wrong}; {np.median(seconds):.1f} s each")


def _read(path: Path) -> Volume:
    return read_folder(path).ct if path.is_dir() else read_volume(path, Quantity.HU)


def _placement(scan: Volume, phantom: Phantom, dice: np.random.Generator) -> Placement | None:
    stack = axial_stack(scan)
    count, rows, columns = stack.slices.shape
    height, width = rows * stack.spacing_mm[1], columns * stack.spacing_mm[2]
    tilt = dice.uniform(-4, 4, 2)
    sway = np.tan(np.radians(np.abs(tilt))) * count * stack.spacing_mm[0] / 2 + 4.0
    free = width / 2 - phantom.slab_mm[0] / 2 - sway[1]
    if free < 0 or phantom.slab_mm[1] + 2 * sway[0] > height:
        return None
    edge = phantom.slab_mm[1] / 2 + sway[0]
    middle = height - edge if dice.random() < 0.7 else edge
    return Placement(
        (float(middle), float(width / 2 + dice.uniform(-free, free))),
        sigma=dice.uniform(1.15, 1.5),
        beta=dice.uniform(-15, 15),
        reverse=bool(dice.random() < 0.5),
        angle_deg=dice.uniform(-6, 6) if free > 20 else 0.0,
        tilt_deg=(float(tilt[0]), float(tilt[1])),
        noise_hu=dice.uniform(3, 25),
        blur_mm=dice.uniform(0.3, 1.0),
        cupping_hu=dice.uniform(0, 3),
        seed=int(dice.integers(1 << 30)),
    )


if __name__ == "__main__":
    main()
