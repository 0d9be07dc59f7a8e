"""Measured rods of a phantom, and those a person labelled."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.calibration.axial_stack import axial_order
from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Array, FloatArray, Volume


@dataclass(frozen=True, eq=False)
class RodSamples:
    """Measured rods, in the definition's order.

    Parameters
    ----------
    hu
        (n,) means; NaN for a rod that is not in the image [HU].
    sd_hu
        (n,) standard deviations within slices [HU].
    voxels
        (n,) voxel counts.
    by_slice
        (n, s) means per slice [HU].
    values
        n arrays of voxel values.
    origin
        Where they come from, in words.
    numbers
        Further numbers: tilt_deg, reversed.
    """

    hu: FloatArray
    sd_hu: FloatArray
    voxels: Array
    by_slice: FloatArray
    values: tuple[Array, ...]
    origin: str
    numbers: dict[str, float]


def labelled_rods(ct: Volume, labels: LabelMap | None, phantom: Phantom) -> RodSamples | None:
    """Rods from a label map.

    Parameters
    ----------
    ct
        (K, J, I) volume [HU].
    labels
        Label map on the same grid, or None.
    phantom
        Definition.

    Returns
    -------
    Their samples, two voxels inside the labels in plane where they are wide enough; None when no label names a rod.
    """
    if labels is None:
        return None
    values = [_label_of(labels, rod.name) for rod in phantom.rods]
    if all(value is None for value in values):
        return None
    order = axial_order(ct)
    image, marks = np.transpose(ct.array, order), np.transpose(labels.volume.array, order)
    cores = [_core(marks == value) if value is not None else np.zeros(marks.shape, dtype=bool) for value in values]
    used = np.flatnonzero(np.any([core.any(axis=(1, 2)) for core in cores], axis=0))
    by_slice = np.full((len(cores), used.size), np.nan)
    for n, core in enumerate(cores):
        for s, k in enumerate(used):
            if core[k].any():
                by_slice[n, s] = image[k][core[k]].mean()
    samples = tuple(image[core].astype(np.float64) for core in cores)
    mean = np.array([v.mean() if v.size else np.nan for v in samples])
    sd = np.array([v.std() if v.size else np.nan for v in samples])
    return RodSamples(mean, sd, np.array([v.size for v in samples]), by_slice, samples, "rods labelled by the user", {})


def _label_of(labels: LabelMap, rod: str) -> int | None:
    pattern = re.compile(rf"(rod|phantom|insert)?[ _-]*{re.escape(rod)}", re.IGNORECASE)
    found = [value for value, name in labels.names.items() if pattern.fullmatch(name.strip())]
    # a numbering may name the rods of several phantoms alike
    return next((value for value in found if (labels.volume.array == value).any()), None)


def _core(mask: Array) -> Array:
    structure = np.zeros((3, 3, 3), dtype=bool)
    structure[1] = ndimage.generate_binary_structure(2, 1)
    inner = np.asarray(ndimage.binary_erosion(mask, structure, iterations=2))
    return inner if inner.sum() >= 0.1 * mask.sum() else mask
