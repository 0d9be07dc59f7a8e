"""Micro-finite elements of a segmented block or section: one modulus, axial compression, Pistoia's criterion."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib import material, strength
from BoneStrengthFEALib.errors import InputError, MaterialError
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.load_case.assembly import face_connected
from BoneStrengthFEALib.load_case.limb import compressed_between_platens
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.solver import SolverOptions, solve_linear
from BoneStrengthFEALib.strength import Loading
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Volume

LOAD_CASE = "block-compression/1"
DEFAULT_CRITERIA = ("pistoia2002", "pistoia-7-1.1")


@dataclass(frozen=True)
class MicroFeOptions:
    """How a block is modelled.

    Parameters
    ----------
    threshold
        Least value that is bone, in the image's own unit; None takes every number above 0 (a segmentation).
    law
        Homogeneous material law.
    axis
        Array axis of the load: 0 (k), 1 (j), 2 (i).
    coarsen
        Voxels along each edge of an element: 1 is native resolution.
    criteria
        Strength criteria, the first is the headline.
    """

    threshold: float | None = None
    law: str = "H4"
    axis: int = 0
    coarsen: int = 1
    criteria: tuple[str, ...] = DEFAULT_CRITERIA


@dataclass(frozen=True, eq=False)
class MicroFeResult:
    """Outcome of a block.

    Parameters
    ----------
    strengths
        Failure loads.
    numbers
        Sizes, bone volume fraction, apparent modulus and solver record.
    bone
        (K, J, I) bool, elements, load along k.
    strain_percent
        (K, J, I) energy-equivalent strain at the headline failure load [%], NaN outside.
    """

    strengths: tuple[Strength, ...]
    numbers: dict[str, float]
    bone: npt.NDArray[np.bool_]
    strain_percent: FloatArray


def analyse_block(image: Volume, options: MicroFeOptions, callback: ProgressCallback = no_progress) -> MicroFeResult:
    """Compress a block by 1 % between high-friction platens and scale the load to failure.

    Parameters
    ----------
    image
        (K, J, I) density, grey values or labels on isotropic voxels.
    options
        Threshold, law, axis, resolution and criteria.
    callback
        Progress; may raise to cancel.

    Returns
    -------
    Strengths and numbers.

    Raises
    ------
    InputError
        When the voxels are not isotropic or the options do not fit.
    MaterialError
        When the law is not homogeneous.

    References
    ----------
    Pistoia W et al. (2002), Bone 30:842.
    """
    row = material.law(options.law)
    if row.quantity is not None:
        raise MaterialError(f"law {row.id} takes a density; micro-finite elements take a homogeneous law: H1, H2 or H4")
    spacing = image.spacing_mm
    if max(spacing) > 1.01 * min(spacing):
        raise InputError(f"micro-finite elements need cubic voxels, got {spacing} mm; resample the image first")
    bone = face_connected(segmented(np.asarray(image.array), options))
    used = np.flatnonzero(bone.any(axis=(1, 2)))
    bone = bone[used[0] : used[-1] + 1]
    voxel = spacing[0] * options.coarsen
    young = np.where(bone, float(row.young_mpa(np.ones(1))[0]), 0.0)
    model = FeModel(Grid(bone.shape, np.diag([voxel, voxel, voxel, 1.0])), young, row.poisson)
    model = dataclasses.replace(compressed_between_platens(model), load_case=LOAD_CASE)
    solution = solve_linear(model, SolverOptions(), callback)
    height = bone.shape[0] * voxel
    fields = strength.element_fields(model, solution)
    loading = Loading("top", height, bone)
    found = tuple(strength.evaluate(c, model, solution, loading, fields) for c in options.criteria)
    area = bone.shape[1] * bone.shape[2] * voxel**2
    numbers = {
        "voxel_mm": voxel,
        "height_mm": height,
        "bone_fraction": float(bone.mean()),
        "elements": float(bone.sum()),
        "young_mpa": float(young.max()),
        "stiffness_n_per_mm": found[0].stiffness_n_per_mm,
        "apparent_modulus_mpa": found[0].stiffness_n_per_mm * height / area,
        **{f"solver_{name}": float(value) for name, value in solution.numbers.items()},
    }
    strain = np.full(bone.shape, np.nan)
    effective = np.sqrt(2 * fields.energy_density_mpa / young[fields.elements])
    strain[fields.elements] = 100.0 * effective * found[0].force_n / found[0].numbers["reaction_n"]
    return MicroFeResult(found, numbers, bone, strain)


def segmented(array: Array, options: MicroFeOptions) -> npt.NDArray[np.bool_]:
    """Bone elements with the load along the first axis.

    Parameters
    ----------
    array
        (K, J, I) values.
    options
        Threshold, axis and resolution; values are averaged over an element before the threshold.

    Returns
    -------
    Booleans.

    Raises
    ------
    InputError
        When axis, resolution or threshold leave nothing.
    """
    if options.axis not in (0, 1, 2) or not 1 <= options.coarsen <= min(array.shape) // 2:
        raise InputError(f"axis must be 0, 1 or 2 and coarsen 1 to {min(array.shape) // 2}")
    values = array.astype(np.float32) if options.threshold is not None else (array > 0).astype(np.float32)
    threshold = 0.5 if options.threshold is None else options.threshold
    n = options.coarsen
    if n > 1:
        size = [n * (extent // n) for extent in values.shape]
        values = values[: size[0], : size[1], : size[2]]
        values = values.reshape(size[0] // n, n, size[1] // n, n, size[2] // n, n).mean(axis=(1, 3, 5))
    bone = np.moveaxis(values >= threshold, options.axis, 0)
    if not bone.any() or bone.all():
        what = "nothing" if not bone.any() else "everything"
        raise InputError(
            f"threshold {threshold:g} makes {what} bone; values run from {array.min():g} to {array.max():g}"
        )
    return np.ascontiguousarray(bone)
