"""A model as FEBio input (febio_spec 4.0): hex8 elements, Young's modulus as an element map, one load step.

FEBio always counts large displacements: at 1 % strain its reaction differs from the linear one by about that much.
A smaller ``scale`` of the load gives the linear limit.

References
----------
[1] FEBio User's Manual 4, chapter Free Format (Module, Control, Material, Mesh, MeshDomains, MeshData, Boundary, Loads,
    LoadData, Output) and appendix A.2, mapped parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from BoneStrengthFEALib.atomic_files import replacing
from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.export.calculix import C3D8_CORNERS
from BoneStrengthFEALib.fe_model import FeModel, NodalForce, NodeIds, Prescribed
from BoneStrengthFEALib.solver.mesh import Mesh, build_mesh, supported_elements
from BoneStrengthFEALib.version import __version__
from BoneStrengthFEALib.volume import Array, FloatArray

AXES = "xyz"
PER_LINE = 12
SOLVER = (
    "<Control><analysis>STATIC</analysis><time_steps>1</time_steps><step_size>1</step_size>"
    '<solver type="solid"><symmetric_stiffness>symmetric</symmetric_stiffness><dtol>1e-9</dtol><etol>1e-12</etol>'
    '<rtol>0</rtol><qn_method type="full Newton"/></solver></Control>'
)
RAMP = (
    '<LoadData><load_controller id="1" type="loadcurve"><interpolate>LINEAR</interpolate><extend>CONSTANT</extend>'
    "<points><pt>0,0</pt><pt>1,1</pt></points></load_controller></LoadData>"
)


def write_feb(model: FeModel, path: Path, scale: float = 1.0) -> None:
    """Write a static elastic analysis.

    Parameters
    ----------
    model
        Isotropic model without tilting platens; yield stresses are not written.
    path
        File to write, atomically. Coordinates [mm] are the model's own axes from its first node; reactions of every
        prescribed set go to the log file.
    scale
        Factor on all displacements and forces.

    Raises
    ------
    ModelError
        When the model has something the format is not written for here.
    OutputError
        When the file cannot be written.
    """
    if model.orthotropy is not None or model.platens:
        raise ModelError("export to .feb handles isotropic models with prescribed sets; choose such a load case")
    mask, _ = supported_elements(model)
    mesh = build_mesh(mask)
    with replacing(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as stream:
        for line in _lines(model, mesh, scale):
            stream.write(line + "\n")


def _lines(model: FeModel, mesh: Mesh, scale: float) -> Iterator[str]:
    where = tuple(mesh.elements.T)
    young = np.asarray(model.young_mpa, dtype=np.float64)[where]
    poisson = np.asarray(np.broadcast_to(np.asarray(model.poisson, dtype=np.float64), model.grid.shape)[where])
    ratios, part = np.unique(poisson, return_inverse=True)
    part = part.ravel()
    yield '<?xml version="1.0" encoding="ISO-8859-1"?>'
    yield f"<!-- BoneStrengthFEA {__version__}; load case {escape(model.load_case or 'none')}; mm, N, MPa -->"
    yield '<febio_spec version="4.0">'
    yield '<Module type="solid"/>'
    yield SOLVER
    yield "<Material>"
    for number, ratio in enumerate(ratios.tolist(), start=1):
        yield f'<material id="{number}" name="material{number}" type="isotropic elastic">'
        yield f'<density>1</density><E type="map">young{number}</E><v>{ratio!r}</v></material>'
    yield "</Material>"
    yield from _mesh(model, mesh, part, len(ratios))
    yield "<MeshDomains>"
    for number in range(1, len(ratios) + 1):
        yield f'<SolidDomain name="part{number}" mat="material{number}"/>'
    yield "</MeshDomains>"
    yield "<MeshData>"
    for number in range(1, len(ratios) + 1):
        yield f'<ElementData name="young{number}" elem_set="part{number}">'
        for local, value in enumerate(young[part == number - 1].tolist(), start=1):
            yield f'<elem lid="{local}">{value!r}</elem>'
        yield "</ElementData>"
    for name, values in _varying(model, mesh, scale):
        yield f"<NodeData name={quoteattr(name + '_values')} node_set={quoteattr(name)}>"
        yield from (f'<node lid="{local}">{value!r}</node>' for local, value in enumerate(values, start=1))
        yield "</NodeData>"
    yield "</MeshData>"
    yield from _conditions(model, scale)
    yield RAMP
    yield from _output(model)
    yield "</febio_spec>"


def _mesh(model: FeModel, mesh: Mesh, part: Array, parts: int) -> Iterator[str]:
    yield "<Mesh>"
    yield '<Nodes name="all">'
    for number, (k, j, i) in enumerate(mesh.node_positions.tolist(), start=1):
        x, y, z = (n * h for n, h in zip((i, j, k), model.spacing_mm, strict=True))
        yield f'<node id="{number}">{x!r},{y!r},{z!r}</node>'
    yield "</Nodes>"
    corners = mesh.corners[:, list(C3D8_CORNERS)] + 1
    for number in range(parts):
        yield f'<Elements type="hex8" name="part{number + 1}">'
        for element in np.flatnonzero(part == number).tolist():
            yield f'<elem id="{element + 1}">' + ",".join(map(str, corners[element].tolist())) + "</elem>"
        yield "</Elements>"
    for condition in _sets(model):
        numbers = (mesh.compact(np.asarray(condition.nodes)) + 1).tolist()
        yield f"<NodeSet name={quoteattr(condition.name)}>"
        for start in range(0, len(numbers), PER_LINE):
            rest = "," if start + PER_LINE < len(numbers) else ""
            yield ",".join(map(str, numbers[start : start + PER_LINE])) + rest
        yield "</NodeSet>"
    yield "</Mesh>"


def _values(nodes: NodeIds, value: float | FloatArray) -> FloatArray:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), np.shape(nodes))


def _sets(model: FeModel) -> list[Prescribed | NodalForce]:
    return [*model.prescribed, *model.forces]


def _amount(condition: Prescribed | NodalForce) -> float | FloatArray:
    return condition.value_mm if isinstance(condition, Prescribed) else condition.force_n


def _varying(model: FeModel, mesh: Mesh, scale: float) -> Iterator[tuple[str, list[float]]]:
    """Sets whose nodes do not all have the same value, with the values in the order of the set."""
    for condition in _sets(model):
        values = _values(condition.nodes, _amount(condition))
        if np.ptp(values) > 0:
            belongs = np.isin(condition.nodes, mesh.nodes)
            yield condition.name, (scale * values[belongs]).tolist()


def _conditions(model: FeModel, scale: float) -> Iterator[str]:
    yield "<Boundary>"
    for condition in model.prescribed:
        values = _values(condition.nodes, condition.value_mm)
        name, axis = quoteattr(condition.name), AXES[condition.component]
        if not values.any():
            held = "".join(f"<{a}_dof>{int(a == axis)}</{a}_dof>" for a in AXES)
            yield f'<bc name={name} node_set={name} type="zero displacement">{held}</bc>'
            continue
        yield f'<bc name={name} node_set={name} type="prescribed displacement"><dof>{axis}</dof>'
        yield f"{_scaled('value', condition.name, values, scale)}<relative>0</relative></bc>"
    yield "</Boundary>"
    if not model.forces:
        return
    yield "<Loads>"
    for load in model.forces:
        name, axis = quoteattr(load.name), AXES[load.component]
        yield f'<nodal_load name={name} node_set={name} type="nodal_load"><dof>{axis}</dof>'
        yield f"{_scaled('scale', load.name, _values(load.nodes, load.force_n), scale)}</nodal_load>"
    yield "</Loads>"


def _scaled(tag: str, name: str, values: FloatArray, scale: float) -> str:
    if np.ptp(values) > 0:
        return f'<{tag} lc="1" type="map">{escape(name)}_values</{tag}>'
    return f'<{tag} lc="1">{scale * float(values.flat[0])!r}</{tag}>'


def _output(model: FeModel) -> Iterator[str]:
    yield '<Output><plotfile type="febio"><var type="displacement"/><var type="stress"/></plotfile><logfile>'
    for condition in model.prescribed:
        name = quoteattr(condition.name)
        yield f'<node_data data="R{AXES[condition.component]}" name={name} node_set={name}/>'
    yield "</logfile></Output>"
