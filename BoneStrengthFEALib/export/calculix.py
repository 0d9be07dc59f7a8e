"""A model as CalculiX or Abaqus input: C3D8 bricks, one material per distinct modulus, boundary sets by name.

References
----------
[1] Dhondt (2022), CalculiX CrunchiX User's Manual 2.20: *ELEMENT (C3D8), *ELASTIC, *BOUNDARY, *NODE PRINT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.atomic_files import replacing
from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.solver.mesh import Mesh, build_mesh, supported_elements
from BoneStrengthFEALib.version import __version__

C3D8_CORNERS = (0, 1, 3, 2, 4, 5, 7, 6)
"""Our corner a = x + 2 y + 4 z in the order of C3D8: around the lower face, then around the upper."""
PER_LINE = 12


def write_inp(model: FeModel, path: Path) -> None:
    """Write a static linear analysis.

    Parameters
    ----------
    model
        Isotropic model without tilting platens.
    path
        File to write, atomically. Coordinates [mm] are the model's own axes from its first node; reactions of every
        prescribed set are printed to the .dat file.

    Raises
    ------
    ModelError
        When the model has something the format is not written for here.
    OutputError
        When the file cannot be written.
    """
    if model.orthotropy is not None or model.platens:
        raise ModelError("export to .inp handles isotropic models with prescribed sets; choose such a load case")
    mask, _ = supported_elements(model)
    mesh = build_mesh(mask)
    with replacing(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as stream:
        for line in _lines(model, mesh):
            stream.write(line + "\n")


def _lines(model: FeModel, mesh: Mesh) -> Iterator[str]:
    yield f"** BoneStrengthFEA {__version__}; load case {model.load_case or 'none'}; mm, N, MPa"
    yield "*NODE, NSET=NALL"
    for number, (k, j, i) in enumerate(mesh.node_positions.tolist(), start=1):
        x, y, z = (n * h for n, h in zip((i, j, k), model.spacing_mm, strict=True))
        yield f"{number},{x!r},{y!r},{z!r}"
    where = tuple(mesh.elements.T)
    young = np.asarray(model.young_mpa, dtype=np.float64)[where]
    poisson = np.broadcast_to(np.asarray(model.poisson, dtype=np.float64), model.grid.shape)[where]
    materials, which = np.unique(np.column_stack([young, poisson]), axis=0, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(materials) + 1))
    for number, (e, nu) in enumerate(materials.tolist()):
        yield f"*ELEMENT, TYPE=C3D8, ELSET=E{number}"
        for element in order[bounds[number] : bounds[number + 1]].tolist():
            corners = mesh.corners[element, list(C3D8_CORNERS)] + 1
            yield f"{element + 1}," + ",".join(str(c) for c in corners.tolist())
        yield f"*MATERIAL, NAME=M{number}"
        yield "*ELASTIC"
        yield f"{e!r},{nu!r}"
        yield f"*SOLID SECTION, ELSET=E{number}, MATERIAL=M{number}"
    yield from _step(model, mesh)


def _step(model: FeModel, mesh: Mesh) -> Iterator[str]:
    for condition in model.prescribed:
        yield f"*NSET, NSET={condition.name.upper()}"
        yield from _rows(mesh.compact(np.asarray(condition.nodes)) + 1)
    yield "*STEP"
    yield "*STATIC"
    for condition in model.prescribed:
        belongs = np.isin(condition.nodes, mesh.nodes)
        values = np.broadcast_to(np.asarray(condition.value_mm, dtype=np.float64), np.shape(condition.nodes))[belongs]
        yield "*BOUNDARY"
        numbers = mesh.compact(np.asarray(condition.nodes)[belongs]) + 1
        for node, value in zip(numbers.tolist(), values.tolist(), strict=True):
            yield f"{node},{condition.component + 1},{condition.component + 1},{value!r}"
    for load in model.forces:
        belongs = np.isin(load.nodes, mesh.nodes)
        forces = np.broadcast_to(np.asarray(load.force_n, dtype=np.float64), np.shape(load.nodes))[belongs]
        yield "*CLOAD"
        for node, force in zip((mesh.compact(load.nodes[belongs]) + 1).tolist(), forces.tolist(), strict=True):
            yield f"{node},{load.component + 1},{force!r}"
    for condition in model.prescribed:
        yield f"*NODE PRINT, NSET={condition.name.upper()}, TOTALS=ONLY"
        yield "RF"
    yield "*END STEP"


def _rows(numbers: Iterable[int]) -> Iterator[str]:
    listed = [str(int(n)) for n in numbers]
    for start in range(0, len(listed), PER_LINE):
        yield ",".join(listed[start : start + PER_LINE])
