"""Voxel bodies for measuring solvers: a cube, porous bone, a heterogeneous vertebral body."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed
from BoneStrengthFEALib.volume import FloatArray, Grid

TISSUE_MPA = 6829.0
"""Young's modulus of the porous body [MPa]; an arbitrary number of the order of bone tissue's."""
STRUT_VOXELS = 4.0
"""Standard deviation of the blur that sets the thickness of struts, in voxels."""


def cube(size: int, young_mpa: float = 1000.0) -> FloatArray:
    """Make a uniform cube.

    Parameters
    ----------
    size
        Elements along each edge.
    young_mpa
        Young's modulus [MPa].

    Returns
    -------
    (size, size, size) Young's modulus [MPa].
    """
    return np.full((size,) * 3, young_mpa)


def trabecular(size: int, volume_fraction: float = 0.22, seed: int = 1031) -> FloatArray:
    """Make porous bone: two-sided cut of a Gaussian random field, largest face-connected piece.

    Parameters
    ----------
    size
        Elements along each edge.
    volume_fraction
        Share of bone before loose pieces are dropped.
    seed
        Seed of the field.

    Returns
    -------
    (size, size, size) Young's modulus [MPa], 0 in marrow.

    Raises
    ------
    InputError
        When the fraction is not between 0 and 1.
    """
    if not 0.0 < volume_fraction < 1.0:
        raise InputError(f"the volume fraction must lie between 0 and 1, got {volume_fraction}")
    noise = np.random.default_rng(seed).standard_normal((size,) * 3).astype(np.float32)
    field = np.abs(ndimage.gaussian_filter(noise, STRUT_VOXELS, mode="wrap"))
    # the band around zero is a connected sheet and rod network; a one-sided cut is near percolation
    bone = field < np.quantile(field, volume_fraction)
    return np.where(largest_piece(bone), TISSUE_MPA, 0.0)


def vertebral_body(shape: tuple[int, int, int] = (30, 40, 56), seed: int = 2063) -> FloatArray:
    """Make an elliptical body of random modulus in a stiff shell.

    Parameters
    ----------
    shape
        (K, J, I) elements; the ellipse fills J and I.
    seed
        Seed of the moduli.

    Returns
    -------
    (K, J, I) Young's modulus [MPa]: 50 to 3000 inside, 10000 in the shell one voxel thick, 0 outside.
    """
    j, i = np.mgrid[: shape[1], : shape[2]]
    radius = ((2 * j + 1) / shape[1] - 1) ** 2 + ((2 * i + 1) / shape[2] - 1) ** 2
    section = radius <= 1.0
    shell = section & ~ndimage.binary_erosion(section)
    young = np.random.default_rng(seed).uniform(50.0, 3000.0, shape)
    return np.where(shell, 10_000.0, young) * section


def largest_piece(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Keep the largest face-connected piece.

    Parameters
    ----------
    mask
        (K, J, I).

    Returns
    -------
    (K, J, I).
    """
    pieces, _ = ndimage.label(mask)
    return np.asarray(pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax()))


def compressed(young_mpa: FloatArray, spacing_mm: float = 1.0, strain: float = 0.01, poisson: float = 0.3) -> FeModel:
    """Compress a body along z between two faces that hold it sideways.

    Parameters
    ----------
    young_mpa
        (K, J, I) Young's modulus [MPa].
    spacing_mm
        Element edge [mm].
    strain
        Compression over the height; positive shortens.
    poisson
        Poisson's ratio.

    Returns
    -------
    The model, with sets bottom_x .. bottom_z and top_x .. top_z.
    """
    grid = Grid(young_mpa.shape, np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0]))
    size = np.array(young_mpa.shape) + 1
    ids = np.arange(int(size.prod())).reshape(size)
    moved = {"bottom": 0.0, "top": -strain * young_mpa.shape[0] * spacing_mm}
    sets = []
    for name, layer in (("bottom", 0), ("top", -1)):
        face = np.pad(young_mpa[layer] > 0, 1)
        nodes = ids[layer][face[1:, 1:] | face[1:, :-1] | face[:-1, 1:] | face[:-1, :-1]]
        for component, axis in enumerate("xyz"):
            sets.append(Prescribed(f"{name}_{axis}", nodes, component, moved[name] if axis == "z" else 0.0))
    return FeModel(grid, young_mpa, poisson, tuple(sets))
