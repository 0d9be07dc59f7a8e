"""Peak memory of ``segment`` on a scan of 512 x 512 x 600 voxels: one click, a box, no click.

``python -m benchmarks.scan_memory FOLDER`` takes the folder of reference cases. A trunk of soft tissue is drawn on
int16 voxels of 0.78 x 0.78 x 1 mm; the spine of spine_totalseg, resampled, takes the place of its middle. Each command
runs in a process of its own, whose peak resident memory the system reports.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

SHAPE, SPACING = (600, 512, 512), (0.78, 0.78, 1.0)
FIRST_SLICE = 150
L3 = 29


def large_scan(case: Volume) -> Volume:
    """Put a case into the middle of a trunk."""
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = case.ijk_to_ras[:3, 3] - np.array([20.0, 40.0, FIRST_SLICE]) * SPACING
    j, i = np.ogrid[: SHAPE[1], : SHAPE[2]]
    trunk = np.where(((j - 256) / 190.0) ** 2 + ((i - 256) / 240.0) ** 2 < 1, 40, -1000).astype(np.int16)
    values = np.repeat(trunk[None], SHAPE[0], axis=0)
    relation = np.linalg.inv(case.ijk_to_ras) @ affine
    for k in range(SHAPE[0]):
        _fill(values[k], case, relation, k)
    return Volume(values, affine, Quantity.HU)


def _fill(plane: FloatArray, case: Volume, relation: FloatArray, k: int) -> None:
    j, i = np.meshgrid(np.arange(SHAPE[1]), np.arange(SHAPE[2]), indexing="ij")
    ijk = np.stack([i, j, np.full_like(i, k)], axis=-1) @ relation[:3, :3].T + relation[:3, 3]
    inside = ((ijk >= 0) & (ijk <= np.array(case.array.shape[::-1]) - 1)).all(axis=-1)
    if inside.any():
        plane[inside] = ndimage.map_coordinates(case.array, ijk[inside].T[::-1], output=np.float32, order=1)


def peak(arguments: list[str]) -> tuple[int, float, float]:
    """Run ``segment``: exit code, peak memory [GB], seconds."""
    started = time.perf_counter()
    words = [sys.executable, "-m", "BoneStrengthFEALib.cli", "segment", *arguments]
    process = subprocess.Popen(words)
    _, status, usage = os.wait4(process.pid, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 1024**2, time.perf_counter() - started


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    folder = parser.parse_args().folder / "spine_totalseg"
    only = parser.parse_args().only
    case = read_volume(folder / "example_ct.nii.gz", Quantity.HU)
    mask = read_volume(folder / "example_ct_vertebrae.nii.gz", Quantity.LABEL)
    places = mask.grid.to_ras(np.argwhere(mask.array == L3)[:, ::-1].astype(float))
    point = places[np.linalg.norm(places - places.mean(axis=0), axis=1).argmin()]
    box = [*(places.min(axis=0) - 8), *(places.max(axis=0) + 8)]
    asked = {
        "point": ["--point=" + ",".join(f"{v:.1f}" for v in point)],
        "box": ["--box=" + ",".join(f"{v:.1f}" for v in box)],
        "auto": ["--auto"],
    }
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_volume(large_scan(case), place / "ct.nii.gz")
        for title, words in asked.items():
            if only in title:
                call = [str(place / "ct.nii.gz"), *words, "--out", str(place / f"{title}.seg.nrrd")]
                code, memory, seconds = peak(call)
                print(f"| {title} | {code} | {memory:.2f} GB | {seconds:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
