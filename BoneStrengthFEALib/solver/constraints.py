"""What holds and moves a model, as a projection onto the displacements it leaves free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.fe_model import FeModel, NodeIds, RigidPlaten
from BoneStrengthFEALib.solver.mesh import Mesh
from BoneStrengthFEALib.volume import FloatArray

CONTRADICTION_MM = 1e-9
"""Two sets that prescribe one component must agree within this."""


@dataclass(frozen=True, eq=False)
class TiedPlane:
    """Components that follow one plane: the span of a few orthonormal modes.

    Parameters
    ----------
    name
        Name of the platen.
    dofs
        (n,) flat component indices 3 * node + component.
    modes
        (n, m) orthonormal free modes.
    shape_functions
        (n, 3) columns 1, p1 - m1, p2 - m2.
    prescribed_mm
        u0 or None.
    """

    name: str
    dofs: NodeIds
    modes: FloatArray
    shape_functions: FloatArray
    prescribed_mm: float | None


@dataclass(frozen=True, eq=False)
class Constraints:
    """All boundary conditions of a model on its compact nodes.

    Parameters
    ----------
    fixed
        (3 n,) bool, components with a prescribed value (including the given motion of platens without free modes).
    given
        (g,) component indices with a prescribed displacement other than zero, and its (g,) values [mm].
    forces
        (f,) component indices with a nodal force, and its (f,) values [N].
    planes
        Tied planes.
    sets
        Name of each prescribed set to its (n,) flat component indices.
    """

    fixed: npt.NDArray[np.bool_]
    given: tuple[NodeIds, FloatArray]
    forces: tuple[NodeIds, FloatArray]
    planes: tuple[TiedPlane, ...]
    sets: dict[str, NodeIds]

    @cached_property
    def _held(self) -> NodeIds:
        # few: writing to their indices is many times faster than through the mask
        return np.flatnonzero(self.fixed)

    def given_mm(self) -> FloatArray:
        """The prescribed displacements, zero elsewhere.

        Returns
        -------
        (3 n,) [mm], a new array.
        """
        full = np.zeros(self.fixed.size)
        full[self.given[0]] = self.given[1]
        return full

    def add_forces(self, vector: FloatArray, factor: float = 1.0) -> FloatArray:
        """Add a multiple of the nodal forces, in place.

        Parameters
        ----------
        vector
            (3 n,) forces [N]; changed.
        factor
            Multiple.

        Returns
        -------
        The same array.
        """
        vector[self.forces[0]] += factor * self.forces[1]
        return vector

    def project(self, vector: FloatArray) -> FloatArray:
        """Project onto the free displacements, in place.

        Parameters
        ----------
        vector
            (3 n,) displacements or residual forces; changed.

        Returns
        -------
        The same array.
        """
        vector[self._held] = 0.0
        for plane in self.planes:
            vector[plane.dofs] = plane.modes @ (plane.modes.T @ vector[plane.dofs])
        return vector


def build_constraints(model: FeModel, mesh: Mesh) -> Constraints:
    """Translate a model's boundary conditions to compact component indices.

    Parameters
    ----------
    model
        Model.
    mesh
        Its mesh.

    Returns
    -------
    The constraints.

    Raises
    ------
    ModelError
        When two sets contradict each other or a platen overlaps another set.
    """
    size = 3 * mesh.nodes.size
    fixed, given, force = np.zeros(size, dtype=bool), np.zeros(size), np.zeros(size)
    sets: dict[str, NodeIds] = {}
    for condition in model.prescribed:
        dofs, values = _dofs_and_values(mesh, condition.nodes, condition.component, condition.value_mm)
        clash = fixed[dofs] & (np.abs(given[dofs] - values) > CONTRADICTION_MM)
        if clash.any():
            raise ModelError(
                f"set {condition.name} prescribes {int(clash.sum())} components already prescribed otherwise"
            )
        fixed[dofs], given[dofs], sets[condition.name] = True, values, dofs
    for load in model.forces:
        dofs, values = _dofs_and_values(mesh, load.nodes, load.component, load.force_n)
        np.add.at(force, dofs, values)
    planes = tuple(_tied_plane(model, mesh, platen) for platen in model.platens)
    _place_planes(planes, model, fixed, given, force)
    # kept sparse: two dense float64 vectors are a tenth of all memory of a solution
    return Constraints(fixed, _nonzero(given), _nonzero(force), planes, sets)


def _nonzero(dense: FloatArray) -> tuple[NodeIds, FloatArray]:
    places = np.flatnonzero(dense)
    return places, dense[places]


def _dofs_and_values(
    mesh: Mesh, nodes: NodeIds, component: int, value: float | FloatArray
) -> tuple[NodeIds, FloatArray]:
    nodes = np.asarray(nodes)
    values = np.broadcast_to(np.asarray(value, dtype=np.float64), nodes.shape)
    where, belongs = mesh.find(nodes)
    return 3 * where[belongs] + component, values[belongs]


def _tied_plane(model: FeModel, mesh: Mesh, platen: RigidPlaten) -> TiedPlane:
    compact = np.unique(mesh.compact(np.unique(platen.nodes)))
    if compact.size == 0:
        raise ModelError(f"platen {platen.name} touches no element")
    positions = mesh.node_positions[compact][:, ::-1] * np.asarray(model.spacing_mm)
    others = [axis for axis in range(3) if axis != platen.component]
    centred = positions[:, others] - positions[:, others].mean(axis=0)
    functions = np.column_stack([np.ones(len(compact)), centred])
    free = [] if platen.displacement_mm is not None else [0]
    if platen.free_rotation:
        free += [1, 2]
    modes = _orthonormal(functions[:, free])
    return TiedPlane(platen.name, 3 * compact + platen.component, modes, functions, platen.displacement_mm)


def _orthonormal(columns: FloatArray) -> FloatArray:
    # nodes on one line leave one rotation without effect: drop what has no length
    if columns.shape[1] == 0:
        return columns
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.ascontiguousarray(left[:, singular > 1e-12 * max(singular[0], 1e-300)])


def _place_planes(
    planes: tuple[TiedPlane, ...],
    model: FeModel,
    fixed: npt.NDArray[np.bool_],
    given: FloatArray,
    force: FloatArray,
) -> None:
    tied = np.zeros(fixed.size, dtype=bool)
    for plane, platen in zip(planes, model.platens, strict=True):
        if fixed[plane.dofs].any() or tied[plane.dofs].any():
            raise ModelError(f"platen {plane.name} shares tied components with another boundary set")
        tied[plane.dofs] = True
        if plane.prescribed_mm is not None:
            given[plane.dofs] = plane.prescribed_mm
        else:
            force[plane.dofs] += platen.force_n / plane.dofs.size
