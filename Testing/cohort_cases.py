"""Small cohorts on disk: synthetic vertebrae in several poses, noise levels and voxel sizes, and a turned real one."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Quantity, Volume

FAST = "model.voxel_mm=2.5;solver.tolerance=1e-6;calibration.method=given-linear;calibration.slope_mg_cm3_per_hu=0.8;\
calibration.intercept_mg_cm3=5;calibration.density_kind=K2HPO4"
SPACINGS = ((1.5, 1.5, 2.0), (2.0, 2.0, 2.0), (1.2, 1.3, 3.0))


def write_cohort(folder: Path, count: int, real: int = 0) -> Path:
    """Write a manifest of synthetic cases, of which the last ``real`` are cut from the demo CT instead."""
    rows = []
    for n in range(count):
        ct, labels = _real(n) if n >= count - real else _synthetic(n)
        name = f"case{n:03d}"
        write_volume(ct, folder / f"{name}_ct.nii.gz")
        write_volume(labels.volume, folder / f"{name}_labels.nii.gz")
        rows.append(
            {
                "case": name,
                "subject": f"s{n // 2}",
                "time": str(n % 2),
                "ct": f"{name}_ct.nii.gz",
                "labels": f"{name}_labels.nii.gz",
                "label": "1",
                "site": "vertebra",
                "level": "L2",
                "sex": "FM"[n // 2 % 2],
                "age": str(50 + n // 2 % 35),
                "set": FAST,
            }
        )
    return write_manifest(folder / "manifest.csv", rows)


def write_manifest(path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _synthetic(n: int) -> tuple[Volume, LabelMap]:
    turn = ((n * 7 % 31) - 15.0, (n * 5 % 21) - 10.0, (n * 11 % 25) - 12.0)
    bone = SyntheticVertebra(core_hu=130.0 + 3.0 * (n % 40))
    ct, labels = bone.scan(pose(turn, (3.0 * n, -7.0, 11.0)), SPACINGS[n % len(SPACINGS)])
    noise = np.random.default_rng(4001 + n).normal(0.0, 5.0 * (n % 5), ct.array.shape)
    return ct.with_array((ct.array + noise).astype(np.float32), Quantity.HU), labels


def _real(n: int) -> tuple[Volume, LabelMap]:
    study = demo_study(("L2",))
    value = study.labels.value_of("vertebrae_L2")
    angle = (n * 13 % 29) - 14.0
    hu = ndimage.rotate(study.ct.array, angle, axes=(1, 2), reshape=False, order=1, mode="nearest")
    mask = ndimage.rotate(study.labels.volume.array == value, angle, axes=(1, 2), reshape=False, order=0)
    noise = np.random.default_rng(9001 + n).normal(0.0, 4.0 * (n % 3), hu.shape)
    ct = study.ct.with_array((hu + noise).astype(np.float32), Quantity.HU)
    return ct, LabelMap(ct.with_array(mask.astype(np.uint8), Quantity.LABEL), {1: "vertebrae_L2"})
