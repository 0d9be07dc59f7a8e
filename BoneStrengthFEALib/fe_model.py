"""The finite-element model: voxels with moduli, and what holds and moves them.

Axes of a model are those of its grid: component 0 is x along array axis i, 1 is y along j, 2 is z along k.
Element (k, j, i) has the eight corner nodes (k..k+1, j..j+1, i..i+1) of a node grid of shape (K+1, J+1, I+1);
a node's id is its C-order flat index in that node grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.errors import ModelError
from BoneStrengthFEALib.volume import Array, FloatArray, Grid

NodeIds = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Prescribed:
    """Displacement components prescribed on a set of nodes (zero holds them).

    Parameters
    ----------
    name
        Name of the set; unique in a model, used for reactions.
    nodes
        (n,) node ids.
    component
        0, 1 or 2.
    value_mm
        () or (n,) displacement [mm].
    """

    name: str
    nodes: NodeIds
    component: int
    value_mm: float | FloatArray = 0.0


@dataclass(frozen=True, eq=False)
class NodalForce:
    """Forces on a set of nodes.

    Parameters
    ----------
    name
        Name of the set.
    nodes
        (n,) node ids.
    component
        0, 1 or 2.
    force_n
        () or (n,) force on each node [N].
    """

    name: str
    nodes: NodeIds
    component: int
    force_n: float | FloatArray


@dataclass(frozen=True, eq=False)
class RigidPlaten:
    """A set of nodes whose component follows one plane: u_c(p) = u0 + t1 (p1 - m1) + t2 (p2 - m2).

    p1, p2 are the two other coordinates [mm], m their mean over the set, t1, t2 free small rotations (or zero
    when rotation is not free). u0 is prescribed when displacement_mm is given, else free under force_n.

    Parameters
    ----------
    name
        Name of the platen.
    nodes
        (n,) node ids.
    component
        Component c that is tied: 0, 1 or 2. The two others stay free (frictionless).
    displacement_mm
        Prescribed u0 [mm], or None.
    force_n
        Total force along c [N] when displacement_mm is None.
    free_rotation
        Whether t1 and t2 are free.
    """

    name: str
    nodes: NodeIds
    component: int
    displacement_mm: float | None = None
    force_n: float = 0.0
    free_rotation: bool = True


@dataclass(frozen=True, eq=False)
class Orthotropy:
    """Axis-aligned orthotropic stiffness for some elements; the others are isotropic.

    Parameters
    ----------
    unit_stiffness
        (6, 6) stiffness for a Young's modulus of 1 MPa along z, order xx yy zz yz xz xy, engineering shear;
        only the axis-aligned orthotropic entries may be non-zero.
    elements
        (K, J, I) bool, elements that use it, scaled by young_mpa.
    """

    unit_stiffness: FloatArray
    elements: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class YieldStress:
    """Post-elastic behaviour per voxel; NaN or infinity keeps an element elastic.

    Parameters
    ----------
    compression_mpa, tension_mpa
        (K, J, I) uniaxial yield stresses, positive [MPa].
    hardening_mpa
        (K, J, I) or () plastic modulus dsigma/deps_p; 0 is perfect plasticity, negative softens [MPa].
    residual_mpa
        (K, J, I) or () stress that softening ends at [MPa].
    onset_strain
        (K, J, I) or () plastic strain at which softening starts (a plateau before it).
    """

    compression_mpa: FloatArray
    tension_mpa: FloatArray
    hardening_mpa: float | FloatArray = 0.0
    residual_mpa: float | FloatArray = 0.0
    onset_strain: float | FloatArray = 0.0


@dataclass(frozen=True, eq=False)
class FeModel:
    """A voxel finite-element model.

    Parameters
    ----------
    grid
        Grid of element centres, placed in RAS; its axes are the model's x, y, z.
    young_mpa
        (K, J, I) Young's modulus [MPa]; an element exists where it is positive.
    poisson
        () or (K, J, I) Poisson's ratio.
    prescribed, forces, platens
        Boundary conditions.
    regions
        (K, J, I) uint8 region of each element, or None.
    region_names
        Pairs (value, name), for example ((1, "body"), (9, "pmma")).
    orthotropy
        Elements that are not isotropic, or None.
    yield_stress
        Post-elastic behaviour, or None for a linear model.
    load_case
        Id and version of the load case, for example "vertebra-compression/1".
    removed_elements
        Elements left out because they were not face-connected to the rest.
    """

    grid: Grid
    young_mpa: FloatArray
    poisson: float | FloatArray
    prescribed: tuple[Prescribed, ...] = ()
    forces: tuple[NodalForce, ...] = ()
    platens: tuple[RigidPlaten, ...] = ()
    regions: Array | None = None
    region_names: tuple[tuple[int, str], ...] = ()
    orthotropy: Orthotropy | None = None
    yield_stress: YieldStress | None = None
    load_case: str = ""
    removed_elements: int = 0

    def __post_init__(self) -> None:
        """Refuse empty or impossible models, freeze the arrays."""
        young = np.asarray(self.young_mpa)
        if young.shape != self.grid.shape:
            raise ModelError(f"young_mpa has shape {young.shape}, the grid {self.grid.shape}")
        if not np.isfinite(young).all() or (young < 0).any():
            raise ModelError("Young's moduli must be finite and not negative")
        if not (young > 0).any():
            raise ModelError("the model has no element: no voxel has a positive Young's modulus")
        poisson = np.asarray(self.poisson)
        if not ((poisson > -1) & (poisson < 0.5)).all():
            raise ModelError("Poisson's ratio must lie between -1 and 0.5, both excluded")
        conditions: list[Prescribed | NodalForce | RigidPlaten] = [*self.prescribed, *self.forces, *self.platens]
        for condition in conditions:
            _check_nodes(condition.name, condition.nodes, condition.component, self.node_shape)
        names = [c.name for c in conditions if not isinstance(c, NodalForce)]
        if len(set(names)) != len(names):
            raise ModelError(f"names of boundary sets must be unique, got {names}")
        young.setflags(write=False)

    @property
    def node_shape(self) -> tuple[int, int, int]:
        """Shape (K+1, J+1, I+1) of the node grid."""
        k, j, i = self.grid.shape
        return k + 1, j + 1, i + 1

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Element size (dx, dy, dz) [mm]."""
        return self.grid.spacing_mm

    @property
    def elements(self) -> npt.NDArray[np.bool_]:
        """(K, J, I) bool, True where an element exists."""
        return np.asarray(self.young_mpa > 0)


def _check_nodes(name: str, nodes: NodeIds, component: int, node_shape: tuple[int, int, int]) -> None:
    nodes = np.asarray(nodes)
    if component not in (0, 1, 2):
        raise ModelError(f"boundary set {name}: component must be 0, 1 or 2, got {component}")
    if nodes.size == 0:
        raise ModelError(f"boundary set {name} has no node; the bone does not reach the loaded or held face")
    if nodes.min() < 0 or nodes.max() >= int(np.prod(node_shape)):
        raise ModelError(f"boundary set {name} names nodes outside the node grid {node_shape}")
