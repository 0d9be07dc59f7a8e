"""Agreement of isolated bones with given masks, as table, medians and files that a broken run goes on from."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.segmentation_cases import Case
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Site
from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.settings import ModelSettings, Settings, SolverSettings
from BoneStrengthFEALib.site_bone import find_bone
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.site_sweep import linear_strength
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Array, Quantity

DENSITY_PER_HU, DENSITY_AT_0_HU = 0.8, 5.0
"""Nominal K2HPO4-equivalent density [mg/cm3]; the same for both masks, so only its linearity matters."""
VOXEL_MM = {Site.VERTEBRA: 1.5, Site.FEMUR: 2.0, Site.RADIUS: 1.0, Site.TIBIA: 1.5}
FINE_MM = 1.5
"""Scans whose largest voxel size is at most this are fine, others are of about 3 mm."""
SOFT_HU, LEAST_BONE_HU = 45.0, 150.0
RIM_MM, SMOOTH_MM = 2.0, 1.0
"""How deep a mask's rim may be trimmed and how far off its cortex may lie; noise is smoothed out of the cortex."""
HEADER = (
    "| case | voxels (mm) | Dice: centre | median (least) | mask trimmed | more, less (HU) "
    "| surface distance (mm) | volume | vBMD | strength, mask (N) | strength: centre | median (most) "
    "| refused | warned | CPU (s) |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)
MEDIANS_HEADER = (
    "| scans | number | Dice: centre seeds | Dice: all seeds | strength change: centre | strength change: all seeds |\n"
    "|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Score:
    """Agreement of what one seed gave with the mask; a refusal scores Dice 0 and an infinite change of strength."""

    seconds: float
    refusal: str = ""
    notes: tuple[str, ...] = ()
    dice: float = 0.0
    dice_trimmed: float = 0.0
    more_hu: float = float("nan")
    less_hu: float = float("nan")
    distance_mm: float = float("nan")
    volume: float = float("nan")
    vbmd: float = float("nan")
    strength: float = float("inf")


@dataclass(frozen=True)
class Scored:
    """Scores of one scan: of the mask's centre first, then of the random seeds."""

    name: str
    spacing_mm: tuple[float, ...]
    mask_strength: float
    scores: tuple[Score, ...]

    @property
    def fine(self) -> bool:
        """Whether the scan has voxels of at most 1.5 mm."""
        return max(self.spacing_mm) <= FINE_MM


def kept(one: Score, path: Path) -> Score:
    """Write a score as JSON, whole or not at all, and hand it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, dataclasses.asdict(one))
    return one


def read_score(path: Path) -> Score:
    """Read what ``kept`` wrote."""
    fields = json.loads(path.read_text(encoding="utf-8"))
    return Score(**{**fields, "notes": tuple(fields["notes"])})


def score(case: Case, found: Array, seconds: float, notes: tuple[str, ...], forces: tuple[float, float]) -> Score:
    """Agreement of a result with the mask.

    Parameters
    ----------
    case
        The case.
    found
        (K, J, I) booleans.
    seconds
        CPU time of the isolation.
    notes
        Notes of the result.
    forces
        Strength of the result and of the mask [N].

    Returns
    -------
    The score.
    """
    values = case.ct.array
    trimmed = _dice(found, trimmed_mask(case))
    more, less = (float(values[part].mean()) for part in (found & ~case.mask, case.mask & ~found))
    vbmd = density(case, found) / density(case, case.mask) - 1.0
    change = forces[0] / forces[1] - 1.0
    volume = float(found.sum() / case.mask.sum())
    agreement = (_dice(found, case.mask), trimmed, more, less)
    return Score(seconds, "", notes, *agreement, surface_distance(case, found), volume, vbmd, change)


def _dice(found: Array, mask: Array) -> float:
    return float(2.0 * (found & mask).sum() / (found.sum() + mask.sum()))


def trimmed_mask(case: Case) -> Array:
    """The mask without what lies outside the middle of the bone's edge.

    Taken away is what can be reached from outside through voxels, at most 2 mm deep in the mask, darker than halfway
    from soft tissue (45 HU) to the highest HU within 2 mm, or than 150 HU. The result's own outline follows a rule of
    the same kind, so this flatters it. Where voxels are larger than 2 mm nothing is taken away.

    Parameters
    ----------
    case
        The case.

    Returns
    -------
    (K, J, I) booleans.
    """
    box = bounding_box(case.mask, (4, 4, 4))
    mask, values = case.mask[box], case.ct.array[box].astype(np.float32)
    spacing = np.array(case.ct.spacing_mm[::-1])
    even = ndimage.gaussian_filter(values, SMOOTH_MM / spacing)
    peak = ndimage.maximum_filter(even, 2 * np.rint(RIM_MM / spacing).astype(int) + 1)
    dark = values < np.maximum(0.5 * (SOFT_HU + peak), LEAST_BONE_HU)
    rim = mask & dark & (ndimage.distance_transform_edt(mask, sampling=spacing) <= RIM_MM)
    kept = np.zeros_like(case.mask)
    kept[box] = mask & ~ndimage.binary_propagation(~mask, mask=~mask | rim)
    return kept


def density(case: Case, mask: Array) -> float:
    """Mean nominal density of a mask [mg/cm3]."""
    return DENSITY_PER_HU * float(case.ct.array[mask].mean()) + DENSITY_AT_0_HU


def surface_distance(case: Case, found: Array) -> float:
    """Mean distance of the two surfaces' voxels, both ways [mm]."""
    sampling = case.ct.spacing_mm[::-1]
    rims = [m & ~ndimage.binary_erosion(m) for m in (found, case.mask)]
    away = [ndimage.distance_transform_edt(~rim, sampling=sampling) for rim in rims]
    return float(0.5 * (away[1][rims[0]].mean() + away[0][rims[1]].mean()))


def strength(case: Case, mask: Array, folder: Path | None) -> float:
    """Linear strength of the site's usual load case [N]; NaN when the bone cannot be modelled.

    Parameters
    ----------
    case
        The case.
    mask
        (K, J, I) booleans.
    folder
        Folder of strengths computed before, by the bytes of scan and mask.

    Returns
    -------
    The strength.
    """
    if folder is None:
        return _strength(case, mask)
    content = hashlib.sha256(np.packbits(mask).tobytes())
    content.update(np.ascontiguousarray(case.ct.array).tobytes())
    content.update(repr((case.label, VOXEL_MM[case.site], case.ct.ijk_to_ras.tolist())).encode())
    path = folder / f"{content.hexdigest()[:24]}.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, _strength(case, mask))
    return float(json.loads(path.read_text(encoding="utf-8")))


def _strength(case: Case, mask: Array) -> float:
    labels = LabelMap(case.ct.with_array(mask.astype(np.uint8), Quantity.LABEL), {1: case.label})
    target = Target(1, case.site, case.level, case.side)
    try:
        study = Study(case.ct, labels, (target,), Acquisition("reference"))
        values = (DENSITY_PER_HU * case.ct.array + DENSITY_AT_0_HU).astype(np.float32)
        bone = find_bone(study, target, case.ct.with_array(values, Quantity.K2HPO4), Settings())
        chosen = ModelSettings(voxel_mm=VOXEL_MM[case.site])
        model = build_model(bone.specimen, bone.density, chosen)
        return linear_strength(model, bone.specimen, chosen, SolverSettings(tolerance=1e-5, threads=1)).force_n
    except BoneStrengthError as error:
        print(f"  strength of {case.name}: {error}")
        return float("nan")


def row(scan: Scored, usual_notes: int) -> str:
    """One line of the table; medians over the seeds that found a bone, with the worst of them."""
    found = [one for one in scan.scores if not one.refusal]
    refused = len(scan.scores) - len(found)
    warned = sum(len(one.notes) > usual_notes for one in found)
    head = f"| {scan.name} | {' x '.join(f'{h:.2f}' for h in scan.spacing_mm)}"
    tail = f"{refused} of {len(scan.scores)} | {warned} | {np.median([one.seconds for one in scan.scores]):.1f} |"
    if not found:
        return f"{head} | refused | | | | | | | {scan.mask_strength:.0f} | | | {tail}"
    dice, trimmed, more, less, distance, volume, vbmd, force = (
        np.array([getattr(one, name) for one in found])
        for name in ("dice", "dice_trimmed", "more_hu", "less_hu", "distance_mm", "volume", "vbmd", "strength")
    )
    centre = scan.scores[0]
    of_centre = ("refused",) * 2 if centre.refusal else (f"{centre.dice:.3f}", f"{100 * centre.strength:+.1f} %")
    most = force[int(np.nan_to_num(np.abs(force), nan=np.inf).argmax())]
    return (
        f"{head} | {of_centre[0]} | {np.median(dice):.3f} ({dice.min():.3f}) "
        f"| {np.median(trimmed):.3f} | {np.median(more):.0f}, {np.median(less):.0f} | {np.median(distance):.2f} "
        f"| {np.median(volume):.2f} | {100 * np.median(vbmd):+.1f} % | {scan.mask_strength:.0f} "
        f"| {of_centre[1]} | {100 * np.median(force):+.1f} % ({100 * most:+.1f} %) | {tail}"
    )


def medians(scans: list[Scored]) -> list[str]:
    """Medians over scans and over scans and seeds; refusals and bones that cannot be modelled count as failures."""
    groups = (
        ("voxels up to 1.5 mm", [scan for scan in scans if scan.fine]),
        ("one side of 3 mm or more", [scan for scan in scans if not scan.fine]),
        ("all", scans),
    )
    lines = [MEDIANS_HEADER]
    for name, group in groups:
        if not group:
            continue
        centre = [scan.scores[0] for scan in group]
        every = [one for scan in group for one in scan.scores]
        dice = [float(np.median([one.dice for one in some])) for some in (centre, every)]
        change = [float(np.median([_failed_or_change(one) for one in some])) for some in (centre, every)]
        lines.append(
            f"| {name} | {len(group)} | {dice[0]:.3f} | {dice[1]:.3f} | {100 * change[0]:.1f} % "
            f"| {100 * change[1]:.1f} % |"
        )
    return lines


def _failed_or_change(one: Score) -> float:
    return float(np.nan_to_num(abs(one.strength), nan=np.inf))


def _write(path: Path, content: object) -> None:
    new = path.with_suffix(".part")
    new.write_text(json.dumps(content, indent=1), encoding="utf-8")
    new.replace(path)
