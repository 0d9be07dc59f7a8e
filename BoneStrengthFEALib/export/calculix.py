"""A model as CalculiX or Abaqus input: C3D8 bricks, one material per distinct row of constants, sets by name.

References
----------
[1] Dhondt (2022), CalculiX CrunchiX User's Manual 2.20: *ELEMENT (C3D8), *ELASTIC, *PLASTIC, *BOUNDARY, *NODE PRINT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.atomic_files import replacing
from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.solver.mesh import Mesh, build_mesh, supported_elements
from BoneStrengthFEALib.version import __version__
from BoneStrengthFEALib.volume import FloatArray

C3D8_CORNERS = (0, 1, 3, 2, 4, 5, 7, 6)
"""Our corner a = x + 2 y + 4 z in the order of C3D8: around the lower face, then around the upper."""
PER_LINE = 12
FIELD_WIDTH = 20
"""Longest number CalculiX reads."""


def write_inp(model: FeModel, path: Path, load_factors: Sequence[float] = ()) -> None:
    """Write a static analysis, linear or elastic-plastic.

    Parameters
    ----------
    model
        Model; a platen becomes a control node, whose components 1 to 3 are its displacement and its two rotations.
    path
        File to write, atomically. Coordinates [mm] are the model's own axes from its first node; reactions of every
        prescribed set are printed to the .dat file.
    load_factors
        Increasing multiples of the model's displacements and forces, one step each, with the model's yield stresses
        as von Mises plasticity (*PLASTIC); empty writes one linear step.

    Raises
    ------
    ModelError
        When the model has something the format is not written for here.
    OutputError
        When the file cannot be written.
    """
    if model.orthotropy is not None and load_factors:
        raise ModelError("CalculiX has no plasticity of anisotropic bone; export a linear analysis, or isotropic bone")
    mask, _ = supported_elements(model)
    mesh = build_mesh(mask)
    constants = _constants(model, mesh, bool(load_factors))
    with replacing(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as stream:
        for line in _lines(model, mesh, constants, tuple(load_factors) or (1.0,)):
            stream.write(line + "\n")


def _constants(model: FeModel, mesh: Mesh, plastic: bool) -> FloatArray:
    """Young, Poisson, yield stress (infinite if elastic), hardening, 1 if orthotropic, of every element, (m, 5)."""
    where = tuple(mesh.elements.T)

    def at(values: float | FloatArray) -> FloatArray:
        return np.asarray(np.broadcast_to(np.asarray(values, dtype=np.float64), model.grid.shape)[where])

    young = at(model.young_mpa)
    columns = [young, at(model.poisson), np.full(young.size, np.inf), np.zeros(young.size)]
    columns.append(
        np.zeros(young.size) if model.orthotropy is None else at(model.orthotropy.elements.astype(np.float64))
    )
    if plastic:
        stress = model.yield_stress
        if stress is None:
            raise ModelError("an elastic-plastic export needs yield stresses; choose a material law that has them")
        compression, tension = at(stress.compression_mpa), at(stress.tension_mpa)
        yields = np.isfinite(compression) & np.isfinite(tension)
        hardening = np.where(yields, at(stress.hardening_mpa), 0.0)
        if (compression[yields] != tension[yields]).any() or (hardening < 0).any():
            raise ModelError(
                "export of plasticity to .inp handles equal yield stresses without softening (von Mises); "
                "the yield surface of this model is not one of CalculiX"
            )
        columns[2:4] = [np.where(yields, compression, np.inf), hardening]
    return np.column_stack(columns)


def _lines(model: FeModel, mesh: Mesh, constants: FloatArray, factors: tuple[float, ...]) -> Iterator[str]:
    yield f"** BoneStrengthFEA {__version__}; load case {model.load_case or 'none'}; mm, N, MPa"
    yield "*NODE, NSET=NALL"
    for number, (k, j, i) in enumerate(mesh.node_positions.tolist(), start=1):
        x, y, z = (n * h for n, h in zip((i, j, k), model.spacing_mm, strict=True))
        yield f"{number},{_real(x)},{_real(y)},{_real(z)}"
    materials, which = np.unique(constants, axis=0, return_inverse=True)
    which = which.ravel()
    order = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[order], np.arange(len(materials) + 1))
    for number, (e, nu, sigma, hardening, orthotropic) in enumerate(materials.tolist()):
        yield f"*ELEMENT, TYPE=C3D8, ELSET=E{number}"
        for element in order[bounds[number] : bounds[number + 1]].tolist():
            corners = mesh.corners[element, list(C3D8_CORNERS)] + 1
            yield f"{element + 1}," + ",".join(str(c) for c in corners.tolist())
        yield f"*MATERIAL, NAME=M{number}"
        if orthotropic and model.orthotropy is not None:
            yield from _orthotropic(e * np.asarray(model.orthotropy.unit_stiffness))
        else:
            yield "*ELASTIC"
            yield f"{_real(e)},{_real(nu)}"
        if np.isfinite(sigma):
            # two points of the flow curve: perfect plasticity when the second is as high as the first
            yield "*PLASTIC"
            yield f"{_real(sigma)},0."
            yield f"{_real(sigma + hardening)},1."
        yield f"*SOLID SECTION, ELSET=E{number}, MATERIAL=M{number}"
    for condition in model.prescribed:
        yield f"*NSET, NSET={condition.name.upper()}"
        yield from _rows(mesh.compact(np.asarray(condition.nodes)) + 1)
    yield from _platens(model, mesh)
    for factor in factors:
        yield from _step(model, mesh, factor)


def _orthotropic(stiffness: FloatArray) -> Iterator[str]:
    # our order is xx yy zz yz xz xy; CalculiX wants D1111 D1122 D2222 D1133 D2233 D3333 D1212 D1313 and D2323
    places = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (5, 5), (4, 4), (3, 3))
    numbers = [_real(float(stiffness[place])) for place in places]
    yield "*ELASTIC, TYPE=ORTHO"
    yield ",".join(numbers[:8])
    yield numbers[8]


def _platens(model: FeModel, mesh: Mesh) -> Iterator[str]:
    """Control nodes, and for each tied node u_c - u0 - t1 (p1 - m1) - t2 (p2 - m2) = 0."""
    for offset, platen in enumerate(model.platens, start=1):
        control = mesh.nodes.size + offset
        compact = np.unique(mesh.compact(np.unique(platen.nodes)))
        others = [axis for axis in range(3) if axis != platen.component]
        place = mesh.node_positions[compact][:, ::-1].astype(np.float64) * np.asarray(model.spacing_mm)
        arms = place[:, others] - place[:, others].mean(axis=0)
        yield f"*NSET, NSET={platen.name.upper()}"
        yield from _rows(compact + 1)
        yield "*NODE"
        yield f"{control},0.,0.,0."
        yield "*EQUATION"
        for node, (first, second) in zip((compact + 1).tolist(), arms.tolist(), strict=True):
            yield "4"
            yield (
                f"{node},{platen.component + 1},1.,{control},1,-1.,"
                f"{control},2,{_real(-first)},{control},3,{_real(-second)}"
            )


def _platen_loads(model: FeModel, mesh: Mesh, factor: float) -> Iterator[str]:
    for offset, platen in enumerate(model.platens, start=1):
        control = mesh.nodes.size + offset
        if platen.displacement_mm is not None:
            yield "*BOUNDARY"
            yield f"{control},1,1,{_real(factor * platen.displacement_mm)}"
        else:
            yield "*CLOAD"
            yield f"{control},1,{_real(factor * platen.force_n)}"
        if not platen.free_rotation:
            yield "*BOUNDARY"
            yield f"{control},2,3,0."


def _step(model: FeModel, mesh: Mesh, factor: float) -> Iterator[str]:
    yield "*STEP"
    yield "*STATIC"
    for condition in model.prescribed:
        belongs = np.isin(condition.nodes, mesh.nodes)
        values = np.broadcast_to(factor * np.asarray(condition.value_mm, dtype=np.float64), np.shape(condition.nodes))[
            belongs
        ]
        yield "*BOUNDARY"
        numbers = mesh.compact(np.asarray(condition.nodes)[belongs]) + 1
        for node, value in zip(numbers.tolist(), values.tolist(), strict=True):
            yield f"{node},{condition.component + 1},{condition.component + 1},{_real(value)}"
    for load in model.forces:
        belongs = np.isin(load.nodes, mesh.nodes)
        forces = np.broadcast_to(factor * np.asarray(load.force_n, dtype=np.float64), np.shape(load.nodes))[belongs]
        yield "*CLOAD"
        for node, force in zip((mesh.compact(load.nodes[belongs]) + 1).tolist(), forces.tolist(), strict=True):
            yield f"{node},{load.component + 1},{_real(force)}"
    yield from _platen_loads(model, mesh, factor)
    for name in (*(p.name for p in model.prescribed), *(p.name for p in model.platens)):
        yield f"*NODE PRINT, NSET={name.upper()}, TOTALS=ONLY"
        yield "RF"
    yield "*END STEP"


def _rows(numbers: Iterable[int]) -> Iterator[str]:
    listed = [str(int(n)) for n in numbers]
    for start in range(0, len(listed), PER_LINE):
        yield ",".join(listed[start : start + PER_LINE])


def _real(value: float) -> str:
    exact = repr(float(value))
    return exact if len(exact) <= FIELD_WIDTH else f"{value:.12e}"
