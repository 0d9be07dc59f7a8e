"""Strain, stress and energy density of every element of a solved linear model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.solver import Solution
from BoneStrengthFEALib.volume import FloatArray

CHUNK = 100_000
_CORNERS = np.array(list(itertools.product((0, 1), repeat=3)))  # (8, 3) offsets k, j, i
_GAUSS = 0.5 / np.sqrt(3.0)


@dataclass(frozen=True, eq=False)
class ElementFields:
    """Fields of the elements that took part in the solution, in C order of (k, j, i).

    Parameters
    ----------
    elements
        (K, J, I) bool, which elements these are.
    strain
        (n, 6) strain at the centre, order xx yy zz yz xz xy, engineering shear.
    stress_mpa
        (n, 6) stress at the centre [MPa], same order.
    energy_density_mpa
        (n,) strain energy density [MPa], mean over the element (2 x 2 x 2 points, exact for a brick).
    """

    elements: npt.NDArray[np.bool_]
    strain: FloatArray
    stress_mpa: FloatArray
    energy_density_mpa: FloatArray


def element_fields(model: FeModel, solution: Solution) -> ElementFields:
    """Recover strain, stress and energy density.

    Parameters
    ----------
    model
        The model.
    solution
        Its linear solution.

    Returns
    -------
    The fields; elements that were left out of the solution are left out.
    """
    displacement = solution.displacement_on_grid(model.node_shape).reshape(-1, 3)
    kji = np.argwhere(model.elements)
    solved = np.isfinite(displacement[_corner_ids(kji, model.node_shape)]).all(axis=(1, 2))
    kji = kji[solved]
    parts = [_chunk(model, displacement, kji[a : a + CHUNK]) for a in range(0, len(kji), CHUNK)]
    mask = np.zeros(model.grid.shape, dtype=bool)
    mask[tuple(kji.T)] = True
    strain, stress, energy = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return ElementFields(mask, strain, stress, energy)


def principal(tensors: FloatArray, engineering_shear: bool) -> FloatArray:
    """Principal values of symmetric tensors.

    Parameters
    ----------
    tensors
        (n, 6), order xx yy zz yz xz xy.
    engineering_shear
        True for strains, whose shear entries are twice the tensor's.

    Returns
    -------
    (n, 3) ascending.
    """
    half = 0.5 if engineering_shear else 1.0
    full = np.empty((len(tensors), 3, 3))
    for index, (row, column) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        full[:, row, column] = full[:, column, row] = tensors[:, index] * (half if index > 2 else 1.0)
    return np.asarray(np.linalg.eigvalsh(full))


def strain_matrix(point: tuple[float, float, float], spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Strain-displacement matrix of a brick.

    Parameters
    ----------
    point
        Position (x, y, z) in the element, each from -0.5 to 0.5 of its size.
    spacing_mm
        Element size (dx, dy, dz) [mm].

    Returns
    -------
    (6, 8, 3): strain by corner (k, j, i offsets in lexicographic order) and displacement component.
    """
    sign = 2.0 * _CORNERS[:, ::-1] - 1.0  # (8, 3) as x, y, z
    shape = 0.5 + sign * np.asarray(point)
    gradient = np.empty((8, 3))
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        gradient[:, axis] = sign[:, axis] / spacing_mm[axis] * shape[:, others].prod(axis=1)
    matrix = np.zeros((6, 8, 3))
    for axis in range(3):
        matrix[axis, :, axis] = gradient[:, axis]
    for row, (a, b) in enumerate(((1, 2), (0, 2), (0, 1)), start=3):
        matrix[row, :, a] = gradient[:, b]
        matrix[row, :, b] = gradient[:, a]
    return matrix


def _corner_ids(kji: npt.NDArray[np.int64], node_shape: tuple[int, int, int]) -> npt.NDArray[np.int64]:
    corners = kji[:, None, :] + _CORNERS[None]
    return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(corners, -1, 0)), node_shape))


def _chunk(
    model: FeModel, displacement: FloatArray, kji: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    u = displacement[_corner_ids(kji, model.node_shape)]
    strain = np.einsum("scd,ncd->ns", strain_matrix((0, 0, 0), model.spacing_mm), u)
    energy = np.zeros(len(kji))
    for point in itertools.product((-_GAUSS, _GAUSS), repeat=3):
        local = np.einsum("scd,ncd->ns", strain_matrix(point, model.spacing_mm), u)
        energy += np.einsum("ns,ns->n", local, _stress(model, kji, local)) / 16
    return strain, _stress(model, kji, strain), energy


def _stress(model: FeModel, kji: npt.NDArray[np.int64], strain: FloatArray) -> FloatArray:
    where = tuple(kji.T)
    young = np.asarray(model.young_mpa[where], dtype=np.float64)
    poisson = np.broadcast_to(model.poisson, model.grid.shape)[where]
    shear = young / (2 * (1 + poisson))
    lame = young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    stress = np.empty_like(strain)
    stress[:, :3] = 2 * shear[:, None] * strain[:, :3] + (lame * strain[:, :3].sum(axis=1))[:, None]
    stress[:, 3:] = shear[:, None] * strain[:, 3:]
    if model.orthotropy is not None:
        chosen = model.orthotropy.elements[where]
        stress[chosen] = young[chosen, None] * (strain[chosen] @ model.orthotropy.unit_stiffness.T)
    return stress
