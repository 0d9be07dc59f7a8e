"""Samples of tissue for an internal calibration, from labels or found in the image."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.calibration.tissue_search import find_air, find_fat, find_muscle
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Array, Volume

TISSUE_NAMES: dict[str, tuple[str, ...]] = {
    "air": (r"(outside_|background_)?air",),
    "adipose": (r"subcutaneous_fat", r"adipose.*", r"fat", r"torso_fat"),
    "blood": (r"(thoracic_|abdominal_)?aorta", r"blood"),
    "muscle": (
        r"skeletal_muscle",
        r"muscle",
        r"autochthon(_left|_right)?",
        r"gluteus_\w+",
        r"iliopsoas(_left|_right)?",
        r"psoas\w*",
        r"paraspinal_muscle",
        r"(left_|right_)?(erector_spinae|iliopsoas|gluteus_\w+)_muscle",
    ),
    "cortical_bone": (r"cortical(_bone)?", r"cortex"),
}
"""Label names of TotalSegmentator (also as its extension for 3D Slicer writes them: "left iliopsoas muscle"), TPTBox,
Ogo and plain English, as whole-name patterns in lower case."""
BONE_NAMES = r"((left|right|[ctls]\d+)_)?(vertebrae?|femur|hip|sacrum|radius|tibia|bone)([_ ].*)?"
MINIMUM_VOXELS = 50
SEARCH_MM = 2.0
"""Tissue is looked for on every n-th voxel, so that voxels are not closer than this, unless the scan is coarser."""
HISTOGRAM_BIN_HU = 5.0
TRIM_SIGMAS = 3.0
BONE_SKIP, BONE_TAKE = 50, 899
"""Michalski 2020: of the bone voxels in falling order leave the first 50 out and average the next 899."""
METAL_HU, METAL_VOXELS = 2000.0, 5
"""A bone with so many voxels above so many HU holds metal and gives no cortical sample."""


@dataclass(frozen=True, eq=False)
class TissueSample:
    """Voxels of one tissue.

    Parameters
    ----------
    tissue
        Name as in the attenuation table.
    origin
        Where the sample comes from, in words.
    hu
        (n,) values of the voxels kept [HU].
    """

    tissue: str
    origin: str
    hu: Array

    @property
    def mean(self) -> float:
        """Mean [HU]."""
        return float(self.hu.mean())

    @property
    def sd(self) -> float:
        """Standard deviation [HU]."""
        return float(self.hu.std())

    def histogram(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Bin edges [HU] and counts.

        Returns
        -------
        (n + 1,) edges in steps of HISTOGRAM_BIN_HU and (n,) counts.
        """
        low = np.floor(self.hu.min() / HISTOGRAM_BIN_HU) * HISTOGRAM_BIN_HU
        edges = np.arange(low, self.hu.max() + 2 * HISTOGRAM_BIN_HU, HISTOGRAM_BIN_HU)
        counts, _ = np.histogram(self.hu, edges)
        return tuple(edges.tolist()), tuple(counts.tolist())


def collect_samples(ct: Volume, labels: LabelMap | None) -> dict[str, TissueSample]:
    """Sample every tissue that a label names or that can be found in the image.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    labels
        Label map on the same grid, or None.

    Returns
    -------
    Tissue to sample; a tissue that is neither labelled nor found is missing. Blood and cortical bone come from labels
    only.
    """
    samples = {}
    for tissue in TISSUE_NAMES:
        sample = _from_label(ct, labels, tissue) if labels is not None else None
        if sample is None:
            sample = _found(ct, labels, tissue)
        if sample is not None:
            samples[tissue] = sample
    return samples


def label_values(labels: LabelMap, patterns: tuple[str, ...]) -> list[int]:
    """Values whose names match.

    Parameters
    ----------
    labels
        Label map with names.
    patterns
        Regular expressions for the whole lower-case name.

    Returns
    -------
    Values, ascending.
    """
    joined = re.compile("|".join(f"(?:{p})" for p in patterns))
    return sorted(v for v, name in labels.names.items() if joined.fullmatch(name.strip().lower().replace(" ", "_")))


def bone_mask(labels: LabelMap | None) -> Array | None:
    """Voxels of all labels named as bones.

    Parameters
    ----------
    labels
        Label map or None.

    Returns
    -------
    (K, J, I) booleans, or None when no bone is named.
    """
    values = label_values(labels, (BONE_NAMES,)) if labels is not None else []
    mask = np.isin(labels.volume.array, values) if labels is not None and values else None
    return mask if mask is not None and mask.any() else None


def _from_label(ct: Volume, labels: LabelMap, tissue: str) -> TissueSample | None:
    values = label_values(labels, TISSUE_NAMES[tissue])
    mask = np.isin(labels.volume.array, values)
    if not values or not mask.any():
        return None
    box = bounding_box(mask, (1, 1, 1))
    mask, hu = mask[box], ct.array[box]
    names = ", ".join(labels.names[v] for v in values)
    return _trimmed(hu[_eroded(mask)], tissue, f"label {names}")


def _found(ct: Volume, labels: LabelMap | None, tissue: str) -> TissueSample | None:
    bone = bone_mask(labels)
    if tissue == "cortical_bone":
        return _densest_bone(ct, labels)
    finders = {"air": find_air, "adipose": find_fat, "muscle": find_muscle}
    if tissue not in finders:
        return None
    step = tuple(max(1, int(SEARCH_MM / h)) for h in ct.spacing_mm[::-1])
    box = tuple(slice(None, None, n) for n in step)
    coarse = _strided(ct, step)
    mask = finders[tissue](coarse, None if bone is None else bone[box])
    return None if mask is None else _trimmed(coarse.array[mask], tissue, "found in the image")


def _strided(ct: Volume, step: tuple[int, ...]) -> Volume:
    # single voxels, not means: an average would hide the noise that the windows and spreads are judged by
    affine = np.array(ct.ijk_to_ras)
    affine[:3, :3] *= step[::-1]
    return Volume(ct.array[:: step[0], :: step[1], :: step[2]], affine, ct.quantity)


def _densest_bone(ct: Volume, labels: LabelMap | None) -> TissueSample | None:
    bone = None if labels is None else _without_metal(ct, labels)
    if bone is None or bone.sum() < 2 * (BONE_SKIP + BONE_TAKE):
        return None
    ordered = np.sort(ct.array[bone])[::-1].astype(np.float64)
    return TissueSample("cortical_bone", "densest voxels of the bones", ordered[BONE_SKIP : BONE_SKIP + BONE_TAKE])


def _without_metal(ct: Volume, labels: LabelMap) -> Array:
    """Voxels of all named bones that hold no metal: an implant's streaks reach far through its bone."""
    values = np.array(label_values(labels, (BONE_NAMES,)))
    bone = np.isin(labels.volume.array, values)
    found, counts = np.unique(labels.volume.array[bone & (ct.array > METAL_HU)], return_counts=True)
    return bone & ~np.isin(labels.volume.array, found[counts >= METAL_VOXELS])


def _eroded(mask: Array) -> Array:
    # one voxel off the rim removes partial volume, unless the structure is too thin to afford it
    core = ndimage.binary_erosion(mask)
    return core if core.sum() >= MINIMUM_VOXELS else mask


def _trimmed(values: Array, tissue: str, origin: str) -> TissueSample | None:
    values = values.astype(np.float64)
    if values.size < MINIMUM_VOXELS:
        return None
    median = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - median))), 1.0)
    return TissueSample(tissue, origin, values[np.abs(values - median) <= TRIM_SIGMAS * spread])
