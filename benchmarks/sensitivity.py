"""How much stiffness and strength of a real vertebra and a real femur depend on each choice.

``python -m benchmarks.sensitivity FOLDER --out FILE`` takes the reference cases spine_lidc0314 (T11) and hip_sts044
(fall) and writes tables: voxel size, mask half a voxel smaller and larger, 5 degrees of misalignment, cap thickness,
mirror image, rigid motion.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.bounding_box import bounding_box, crop
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.settings_arguments import settings_of
from BoneStrengthFEALib.cli.study_arguments import study_of
from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.settings import ModelSettings, Settings, SolverSettings
from BoneStrengthFEALib.site_bone import Bone, find_bone
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.site_sweep import linear_strength
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

VOXELS_MM = (0.75, 1.0, 1.5, 2.0, 3.0)
MOTION = pose((7.0, -5.0, 11.0), (14.3, -8.9, 5.1))
REFINE = 2
SOLVER = SolverSettings(tolerance=1e-7)


@dataclass(frozen=True)
class Subject:
    """A reference case and the choices that are varied on it."""

    name: str
    arguments: tuple[str, ...]
    reference_mm: float
    caps_mm: tuple[float, ...]


SUBJECTS = (
    Subject(
        "spine_lidc0314 T11, vertebra-compression",
        ("{0}/spine_lidc0314/ct.nii.gz", "--labels={0}/spine_lidc0314/vertebral_body_mask.nii.gz", "--label=1",
         "--level=T11", "--site=vertebra", "--tissues={0}/spine_lidc0314/tissue_rois.nii.gz",
         "--tissue-numbering=none", "--out=unused"),
        1.0, (1.0, 3.0, 5.0, 10.0),
    ),
    Subject(
        "hip_sts044, femur-fall",
        ("{0}/hip_sts044/dicom", "--labels={0}/hip_sts044/femur_right_mask.nii.gz", "--label=1", "--site=femur",
         "--side=right", "--tissues={0}/hip_sts044/tissue_rois.nii.gz", "--tissue-numbering=none", "--out=unused"),
        1.5, (5.0, 10.0, 15.0),
    ),
)  # fmt: skip


def main() -> None:
    """Run all variations, each line as soon as it is known."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with arguments.out.open("w", encoding="utf-8") as stream:
        for subject in SUBJECTS:
            for line in report(subject, arguments.folder):
                print(line, file=stream, flush=True)
        for line in rescanned():
            print(line, file=stream, flush=True)


def report(subject: Subject, folder: Path) -> Iterator[str]:
    """Lines of one case's table."""
    given = run_parser().parse_args([text.format(folder) for text in subject.arguments])
    study, settings = study_of(given), settings_of(given)
    _, density, _ = pipeline.calibrated(study, settings)
    bone = find_bone(study, study.targets[0], density, settings)
    usual = ModelSettings(voxel_mm=subject.reference_mm)
    base = measure(bone, usual)
    yield f"\n{subject.name}\n\n| what | k (N/mm) | F (N) | k | F |\n|---|---|---|---|---|"
    yield _row(f"reference, {subject.reference_mm:g} mm", base, base)
    for name, model, changed in variations(subject, bone, usual):
        yield _tried(name, lambda m=model, c=changed: measure(c, m), base)
    yield _tried(
        "mirror image", lambda: measure(_found(mirrored(study), mirrored_volume(density), settings), usual), base
    )
    yield _tried("rigid motion of the header", lambda: measure(_moved(study, density, settings), usual), base)


def variations(subject: Subject, bone: Bone, usual: ModelSettings) -> Iterator[tuple[str, ModelSettings, Bone]]:
    """Name, settings and bone of each variation."""
    for voxel in VOXELS_MM:
        yield f"voxel {voxel:g} mm", dataclasses.replace(usual, voxel_mm=voxel), bone
    half = 0.5 * float(np.median(bone.density.spacing_mm))
    fine = refined(bone)
    yield f"mask on voxels of 1/{REFINE}", usual, fine
    for sign, word in ((-1, "smaller"), (1, "larger")):
        yield f"mask {half:.2f} mm {word}", usual, grown(fine, sign * half)
    for axis, name in enumerate(("x", "y", "z")):
        for angle in (-5.0, 5.0):
            turned = np.array(bone.specimen.local_to_ras)
            turned[:3, :3] = turned[:3, :3] @ pose(tuple(angle * (a == axis) for a in range(3)))[:3, :3]
            specimen = dataclasses.replace(bone.specimen, local_to_ras=turned)
            yield f"frame turned {angle:+g} degrees about {name}", usual, dataclasses.replace(bone, specimen=specimen)
    for cap in subject.caps_mm:
        yield f"cap {cap:g} mm", dataclasses.replace(usual, cap_mm=cap), bone


def measure(bone: Bone, chosen: ModelSettings) -> tuple[float, float]:
    """Stiffness [N/mm] and linear strength [N] of a bone."""
    found = linear_strength(build_model(bone.specimen, bone.density, chosen), bone.specimen, chosen, SOLVER)
    return found.stiffness_n_per_mm, found.force_n


def rescanned() -> Iterator[str]:
    """The synthetic bones scanned in other poses, other voxels and as mirror image: nothing is shared but the bone."""
    poses = (pose((0, 0, 0)), pose((12, -9, 20)), pose((-20, 8, 10)), pose((5, 14, -15)))
    for name, voxel, scans in (
        ("synthetic vertebra", 1.0, [_vertebra(p, s) for s in ((1.0, 1.0, 1.0), (0.8, 0.8, 2.5)) for p in poses]),
        ("synthetic femur", 1.5, [_femur(p, s) for s in ((1.0, 1.0, 1.0), (0.9, 0.9, 2.5)) for p in poses]),
    ):
        base = measure(scans[0], ModelSettings(voxel_mm=voxel))
        yield f"\n{name} scanned again\n\n| what | k (N/mm) | F (N) | k | F |\n|---|---|---|---|---|"
        named = [(f"pose {n % 4}, {'isotropic 1 mm' if n < 4 else '2.5 mm slices'}", s) for n, s in enumerate(scans)]
        if name.endswith("femur"):
            named.append(("left femur", _femur(poses[0], (1.0, 1.0, 1.0), True)))
        for label, scan in named:
            yield _tried(label, lambda b=scan, v=voxel: measure(b, ModelSettings(voxel_mm=v)), base)


def _vertebra(place: FloatArray, spacing: tuple[float, float, float]) -> Bone:
    return _bone(*SyntheticVertebra().scan(place, spacing), Target(1))


def _femur(place: FloatArray, spacing: tuple[float, float, float], left: bool = False) -> Bone:
    target = Target(1, Site.FEMUR, "", Side.LEFT if left else Side.RIGHT)
    return _bone(*SyntheticFemur().scan(place, spacing, left), target)


def _bone(ct: Volume, labels: LabelMap, target: Target) -> Bone:
    study = Study(ct, labels, (target,), Acquisition("synthetic"))
    density = ct.with_array((0.8 * ct.array + 5.0).astype(np.float32), Quantity.K2HPO4)
    return find_bone(study, target, density, Settings())


def refined(bone: Bone) -> Bone:
    """The same bone on finer voxels, for changes smaller than a voxel."""
    regions = bone.specimen.regions
    box = bounding_box(np.asarray(regions.array > 0), (4, 4, 4))
    small, density = crop(regions, box), crop(bone.density, box)
    affine = np.array(small.ijk_to_ras)
    affine[:3, :3] /= REFINE
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, (REFINE - 1) / 2)
    labels = small.array
    for axis in range(3):
        labels = np.repeat(labels, REFINE, axis)
    places = [(np.arange(n * REFINE) - (REFINE - 1) / 2) / REFINE for n in density.array.shape]
    grid = np.meshgrid(*places, indexing="ij")
    values = ndimage.map_coordinates(density.array.astype(np.float32), grid, order=1, mode="nearest")
    specimen = dataclasses.replace(bone.specimen, regions=Volume(labels, affine, regions.quantity))
    return dataclasses.replace(bone, specimen=specimen, density=Volume(values, affine, density.quantity))


def grown(bone: Bone, by_mm: float) -> Bone:
    """The bone with its surface moved outward."""
    regions = bone.specimen.regions
    inside = regions.array > 0
    sampling = regions.spacing_mm[::-1]
    away, nearest = ndimage.distance_transform_edt(~inside, sampling, return_indices=True)
    depth = ndimage.distance_transform_edt(inside, sampling)
    # distances count from voxel centres: the surface lies half a voxel before the first one
    rim = 0.5 * min(sampling)
    kept = np.where(inside, -(depth - rim), away - rim) <= by_mm
    labels = np.where(kept, regions.array[tuple(nearest)], 0).astype(np.uint8)
    return dataclasses.replace(bone, specimen=dataclasses.replace(bone.specimen, regions=regions.with_array(labels)))


def mirrored_volume(volume: Volume) -> Volume:
    """The volume seen in a mirror at the sagittal plane; columns are reversed so that the grid stays right-handed."""
    affine = np.array(volume.ijk_to_ras)
    affine[:3, 3] += affine[:3, 0] * (volume.array.shape[2] - 1)
    affine[:3, 0] *= -1
    affine[0] *= -1
    return Volume(np.ascontiguousarray(volume.array[:, :, ::-1]), affine, volume.quantity)


def mirrored(study: Study) -> Study:
    """The examination in a mirror: left becomes right."""
    sides = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
    targets = tuple(dataclasses.replace(t, side=sides.get(t.side, t.side)) for t in study.targets)  # type: ignore[arg-type]
    return _changed(dataclasses.replace(study, targets=targets), mirrored_volume)


def _changed(study: Study, change: Callable[[Volume], Volume]) -> Study:
    labels = LabelMap(change(study.labels.volume), study.labels.names)
    return dataclasses.replace(study, ct=change(study.ct), labels=labels, tissues=None, parts=None)


def _moved(study: Study, density: Volume, settings: Settings) -> Bone:
    def move(volume: Volume) -> Volume:
        return Volume(volume.array, _rigid(volume.ijk_to_ras), volume.quantity)

    return _found(_changed(study, move), move(density), settings)


def _rigid(affine: FloatArray) -> FloatArray:
    return np.asarray(MOTION @ affine)


def _found(study: Study, density: Volume, settings: Settings) -> Bone:
    return find_bone(study, study.targets[0], density, settings)


def _tried(name: str, run: Callable[[], tuple[float, float]], base: tuple[float, float]) -> str:
    try:
        return _row(name, run(), base)
    except BoneStrengthError as error:
        return f"| {name} | {error.code}: {error} | | | |"


def _row(name: str, values: tuple[float, float], base: tuple[float, float]) -> str:
    share = [100.0 * (v / b - 1.0) for v, b in zip(values, base, strict=True)]
    return f"| {name} | {values[0]:.0f} | {values[1]:.0f} | {share[0]:+.2f} % | {share[1]:+.2f} % |"


if __name__ == "__main__":
    main()
