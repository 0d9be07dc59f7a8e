"""Bones from one click against the masks of the reference cases: overlap, distance, density, strength, pictures.

``python -m benchmarks.segmentation FOLDER --out FILE [--pictures FOLDER] [--only NAME] [--rescans] [--no-strength]``
takes the folder of reference cases. Seeds are the voxel nearest the mask's centre and ten random voxels of the mask,
none left out. ``--rescans`` repeats all with the patient turned, with more noise, and with voxels of 3 mm.
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
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Site
from BoneStrengthFEALib.errors import BoneStrengthError, RefusedError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.segmentation.isolate import isolate, label_map_of
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.settings import ModelSettings, Settings, SolverSettings
from BoneStrengthFEALib.site_bone import find_bone
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.site_sweep import linear_strength
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

RANDOM_SEEDS = 10
DENSITY_PER_HU, DENSITY_AT_0_HU = 0.8, 5.0
"""Nominal K2HPO4-equivalent density [mg/cm3]; the same for both masks, so only its linearity matters."""
VOXEL_MM = {Site.VERTEBRA: 1.5, Site.FEMUR: 2.0, Site.RADIUS: 1.0, Site.TIBIA: 1.5}
HEADER = (
    "| case | voxels (mm) | Dice: centre | median (least) of found | surface distance (mm) | volume | vBMD "
    "| strength, mask (N) | strength: centre | median (most) | refused | warned | CPU (s) |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, eq=False)
class Tried:
    """What one seed gave."""

    bone: IsolatedBone | None
    found: Array | None
    refusal: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """Agreement of one result with the mask."""

    dice: float
    distance_mm: float
    volume: float
    vbmd: float
    strength: float


def main() -> None:
    """Run the cases, each line as soon as it is known."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
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
    reasons = []
    for case in reference_cases(arguments.folder):
        if arguments.only not in case.name:
            continue
        for scan in (case, *(rescanned(case) if arguments.rescans else ())):
            tries = [try_seed(scan, seed) for seed in seeds(scan, arguments.seeds)]
            yield row(scan, tries, not arguments.no_strength)
            reasons += [f"- {scan.name}, seed {n}: {one.refusal}" for n, one in enumerate(tries) if one.refusal]
            if arguments.pictures:
                arguments.pictures.mkdir(parents=True, exist_ok=True)
                found = next((one.found for one in tries if one.found is not None), None)
                draw(scan, found, arguments.pictures / f"{scan.name.replace(' ', '_').replace(',', '')}.png")
    yield f"\nlargest memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"
    yield "\nrefusals\n" if reasons else "\nno refusals"
    yield from reasons


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


def compared(case: Case, found: Array, mask_strength: float) -> Measured:
    """Agreement of a result with the mask."""
    volume = found.sum() / case.mask.sum()
    values = case.ct.array
    vbmd = density(case, found, values) / density(case, case.mask, values) - 1.0
    force = strength(case, found) / mask_strength - 1.0 if mask_strength > 0 else np.nan
    dice = 2.0 * (found & case.mask).sum() / (found.sum() + case.mask.sum())
    return Measured(float(dice), surface_distance(case, found), float(volume), vbmd, force)


def density(case: Case, mask: Array, values: Array) -> float:
    """Mean nominal density of a mask [mg/cm3]."""
    return DENSITY_PER_HU * float(values[mask].mean()) + DENSITY_AT_0_HU


def surface_distance(case: Case, found: Array) -> float:
    """Mean distance of the two surfaces' voxels, both ways [mm]."""
    from scipy import ndimage

    sampling = case.ct.spacing_mm[::-1]
    rims = [m & ~ndimage.binary_erosion(m) for m in (found, case.mask)]
    away = [ndimage.distance_transform_edt(~rim, sampling=sampling) for rim in rims]
    return float(0.5 * (away[1][rims[0]].mean() + away[0][rims[1]].mean()))


def strength(case: Case, mask: Array) -> float:
    """Linear strength of the site's usual load case [N]; NaN when the bone cannot be modelled."""
    labels = LabelMap(case.ct.with_array(mask.astype(np.uint8), Quantity.LABEL), {1: case.label})
    target = Target(1, case.site, case.level, case.side)
    try:
        study = Study(case.ct, labels, (target,), Acquisition("reference"))
        values = (DENSITY_PER_HU * case.ct.array + DENSITY_AT_0_HU).astype(np.float32)
        bone = find_bone(study, target, case.ct.with_array(values, Quantity.K2HPO4), Settings())
        chosen = ModelSettings(voxel_mm=VOXEL_MM[case.site])
        model = build_model(bone.specimen, bone.density, chosen)
        return linear_strength(model, bone.specimen, chosen, SolverSettings(tolerance=1e-5)).force_n
    except BoneStrengthError as error:
        print(f"  strength of {case.name}: {error}")
        return float("nan")


def row(case: Case, tries: list[Tried], with_strength: bool) -> str:
    """One line of the table."""
    base = strength(case, case.mask) if with_strength else 0.0
    found = [compared(case, one.found, base) for one in tries if one.found is not None]
    centre = found[0] if tries[0].found is not None else None
    refused = sum(one.found is None for one in tries)
    warned = sum(one.bone is not None and len(one.bone.notes) > case.usual_notes for one in tries)
    voxels = " x ".join(f"{spacing:.2f}" for spacing in case.ct.spacing_mm)
    seconds = float(np.median([one.seconds for one in tries]))
    tail = f"{refused} of {len(tries)} | {warned} | {seconds:.1f} |"
    if not found:
        return f"| {case.name} | {voxels} | refused | | | | | {base:.0f} | | | {tail}"
    dice, distance, volume, vbmd, force = (
        np.array([getattr(one, name) for one in found])
        for name in ("dice", "distance_mm", "volume", "vbmd", "strength")
    )
    of_centre = ("refused", "refused") if centre is None else (f"{centre.dice:.3f}", f"{100 * centre.strength:+.1f} %")
    most = force[int(np.nanargmax(np.abs(force)))] if np.isfinite(force).any() else np.nan
    median = np.nanmedian(force) if np.isfinite(force).any() else np.nan
    return (
        f"| {case.name} | {voxels} | {of_centre[0]} | {np.median(dice):.3f} ({dice.min():.3f}) "
        f"| {np.median(distance):.2f} | {np.median(volume):.2f} | {100 * np.median(vbmd):+.1f} % | {base:.0f} "
        f"| {of_centre[1]} | {100 * median:+.1f} % ({100 * most:+.1f} %) | {tail}"
    )


if __name__ == "__main__":
    main()
