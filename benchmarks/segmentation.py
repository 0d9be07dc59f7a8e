"""Bones from one click against the masks of the reference cases: overlap, distance, density, strength, pictures.

``python -m benchmarks.segmentation FOLDER --out FILE [--pictures FOLDER] [--only NAME] [--rescans] [--no-strength]``
takes the folder of reference cases. Seeds are the voxel nearest the mask's centre and ten random voxels of the mask,
none left out. ``--rescans`` repeats all with the patient turned, with more noise, and with voxels of 3 mm.
``--kept FOLDER`` keeps each seed's score and each strength: a run that was broken off goes on from there, and
strengths are computed once per mask. Remove its ``scores`` when the code has changed.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.segmentation_cases import Case, reference_cases, rescanned
from benchmarks.segmentation_pictures import draw
from benchmarks.segmentation_scores import HEADER, Score, Scored, kept, medians, read_score, row, score, strength
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.segmentation.isolate import isolate, label_map_of
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

RANDOM_SEEDS = 10


@dataclass(frozen=True, eq=False)
class Tried:
    """What one seed gave."""

    bone: IsolatedBone | None
    found: Array | None
    refusal: str
    seconds: float


def main() -> None:
    """Run the cases, each line as soon as it is known."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kept", type=Path, help="folder to keep scores and strengths in")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--rescans", action="store_true", help="also turned, noisy and coarse")
    parser.add_argument("--seeds", type=int, default=RANDOM_SEEDS)
    parser.add_argument("--no-strength", action="store_true")
    arguments = parser.parse_args()
    with arguments.out.open("w", encoding="utf-8") as stream:
        for line in _lines(arguments):
            print(line, file=stream, flush=True)
            print(line, flush=True)


def _lines(arguments: argparse.Namespace) -> Iterator[str]:
    yield HEADER
    scans = []
    for case in reference_cases(arguments.folder):
        if arguments.only not in case.name:
            continue
        for scan in (case, *(rescanned(case) if arguments.rescans else ())):
            scans.append(_scored(scan, arguments))
            yield row(scans[-1], scan.usual_notes)
    yield from ("", *medians(scans))
    yield f"\nlargest memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    reasons = [
        f"- {scan.name}, seed {n}: {one.refusal}" for scan in scans for n, one in enumerate(scan.scores) if one.refusal
    ]
    yield from (("\nrefusals\n", *reasons) if reasons else ("\nno refusals",))


def _scored(scan: Case, arguments: argparse.Namespace) -> Scored:
    name = scan.name.replace(" ", "_").replace(",", "")
    forces = arguments.kept / "strengths" if arguments.kept else None

    def force(mask: Array) -> float:
        return float("nan") if arguments.no_strength else strength(scan, mask, forces)

    base = force(scan.mask)

    def scored(number: int, seed: FloatArray) -> Score:
        path = arguments.kept / "scores" / f"{name}_{number}.json" if arguments.kept else None
        if path is not None and path.exists():
            return read_score(path)
        tried = try_seed(scan, seed)
        if arguments.pictures and number == 0:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            draw(scan, tried.found, arguments.pictures / f"{name}.png")
        one = Score(tried.seconds, tried.refusal)
        if tried.bone is not None and tried.found is not None:
            one = score(scan, tried.found, tried.seconds, tried.bone.notes, (force(tried.found), base))
        return one if path is None else kept(one, path)

    scores = tuple(scored(number, seed) for number, seed in enumerate(seeds(scan, arguments.seeds)))
    return Scored(scan.name, scan.ct.spacing_mm, base, scores)


def seeds(case: Case, count: int) -> list[FloatArray]:
    """The voxel nearest the mask's centre and random voxels [RAS mm]."""
    index = np.argwhere(case.seeded)
    middle = int(np.linalg.norm((index - index.mean(axis=0)) * case.ct.spacing_mm[::-1], axis=1).argmin())
    places = [middle, *np.random.default_rng(20).integers(len(index), size=count)]
    return [np.asarray(case.ct.grid.to_ras(index[n][::-1].astype(np.float64))) for n in places]


def try_seed(case: Case, seed: FloatArray) -> Tried:
    """Isolate the bone at a seed."""
    begin = time.process_time()
    try:
        bone = isolate(case.ct, seed, case.site)
    except RefusedError as error:
        return Tried(None, None, f"{error.code}: {error}", time.process_time() - begin)
    seconds = time.process_time() - begin
    found = np.asarray(label_map_of((bone,), case.ct).volume.array) > 0
    if case.body_only:
        assert bone.parts is not None
        found = whole(bone.parts.volume, case.ct) == 1
    return Tried(bone, case.comparable(found), "", seconds)


def whole(part: Volume, ct: Volume) -> Array:
    """A box of labels on the CT's grid."""
    values = np.zeros(ct.array.shape, dtype=np.uint8)
    first = np.rint(ct.grid.to_ijk(part.ijk_to_ras[:3, 3])).astype(int)[::-1]
    values[tuple(slice(int(a), int(a) + n) for a, n in zip(first, part.array.shape, strict=True))] = part.array
    return values


if __name__ == "__main__":
    main()
