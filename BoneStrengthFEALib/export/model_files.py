"""One model in each format, with materials and boundary sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.errors import InputError, ModelError
from BoneStrengthFEALib.export.calculix import write_inp
from BoneStrengthFEALib.export.febio import write_feb
from BoneStrengthFEALib.export.vtu import write_vtu
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.volume import Array


def write_model(model: FeModel, form: str, path: Path, load_factors: Sequence[float] = ()) -> None:
    """Write a model.

    Parameters
    ----------
    model
        The model.
    form
        One of FORMATS.
    path
        File to write, atomically.
    load_factors
        Steps of an elastic-plastic analysis, see write_inp; empty for a linear one.

    Raises
    ------
    InputError
        When there is no such format.
    ModelError
        When the format cannot hold the model.
    OutputError
        When it cannot be written.
    """
    if form not in FORMATS:
        raise InputError(f"no model format {form!r}; there is {', '.join(FORMATS)}")
    FORMATS[form](model, path, load_factors)


def _feb(model: FeModel, path: Path, load_factors: Sequence[float]) -> None:
    if load_factors:
        raise ModelError("export to .feb is linear elastic; export an elastic-plastic analysis as .inp")
    write_feb(model, path)


def _vtu(model: FeModel, path: Path, _load_factors: Sequence[float]) -> None:
    write_vtu(path, model, model.elements, model_cells(model), None, model_points(model))


def model_cells(model: FeModel) -> dict[str, Array]:
    """Materials by element.

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    Name with unit to (n,) values, in C order of the elements.
    """
    where = model.elements

    def at(values: object) -> Array:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), where.shape)[where].astype(np.float32)

    cells: dict[str, Array] = {"young_mpa": at(model.young_mpa), "poisson": at(model.poisson)}
    if model.regions is not None:
        cells["region"] = np.asarray(model.regions)[where].astype(np.uint8)
    if model.yield_stress is not None:
        # elements that stay elastic have no yield stress: written as 0
        cells["yield_compression_mpa"] = np.nan_to_num(at(model.yield_stress.compression_mpa), posinf=0.0)
        cells["yield_tension_mpa"] = np.nan_to_num(at(model.yield_stress.tension_mpa), posinf=0.0)
    return cells


def model_points(model: FeModel) -> dict[str, Array]:
    """Boundary conditions by node of the node grid.

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    Name to (nodes, 3) values: which components are prescribed, by how much, and the forces; axes of the model.
    """
    count = int(np.prod(model.node_shape))
    held, moved, forces = np.zeros((count, 3), np.uint8), np.zeros((count, 3)), np.zeros((count, 3))
    for condition in model.prescribed:
        held[condition.nodes, condition.component] = 1
        moved[condition.nodes, condition.component] = condition.value_mm
    for platen in model.platens:
        held[platen.nodes, platen.component] = 2
        moved[platen.nodes, platen.component] = platen.displacement_mm or 0.0
    for load in model.forces:
        np.add.at(forces[:, load.component], load.nodes, load.force_n)
    return {
        "prescribed_xyz": held,
        "prescribed_mm": moved.astype(np.float32),
        "force_n": forces.astype(np.float32),
    }


FORMATS: dict[str, Callable[[FeModel, Path, Sequence[float]], None]] = {
    "inp": lambda model, path, factors: write_inp(model, path, factors),
    "vtu": _vtu,
    "feb": _feb,
}
"""Suffix to writer: CalculiX and Abaqus, VTK, FEBio."""
