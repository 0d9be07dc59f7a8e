"""Axial compression of a vertebral body between PMMA caps, and its variants.

Axes of the model: x right, y anterior, z superior. Caps are conformal to the endplates and flat outside.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.anatomy import AlignedSpecimen, Site
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.fe_model import FeModel, NodeIds, Prescribed, RigidPlaten
from BoneStrengthFEALib.load_case.assembly import face_connected, face_nodes, padded_orthotropy, padded_yield
from BoneStrengthFEALib.load_case.cement import with_cement
from BoneStrengthFEALib.load_case.record import LoadCase, LoadedModel
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.volume import Grid

CAP_MM = 3.0
"""Default least cap thickness."""
CAP_REACH_MM = 8.0
"""Caps reach down to bone at most so far below the highest endplate; lower rims stay free."""
STRAIN = 0.01
"""Applied compression over the height; linear results do not depend on it."""
CENTRAL_SHARE = 0.5
"""The height is averaged over the columns within this share of the cross-section's half-axes."""
BONE, CEMENT = 1, 9
REGION_NAMES = ((BONE, "body"), (CEMENT, "pmma"))
SOURCE = (
    "uniform compression between PMMA layers as in Crawford, Cann, Keaveny (2003) Bone 33:744, "
    "doi:10.1016/S8756-3282(03)00210-2; roller support, cap geometry: docs/methods.md, Vertebral compression"
)

Support = Callable[[FeModel, NodeIds, NodeIds, float], FeModel]


def build_compression(
    aligned: AlignedSpecimen, material: MaterialMap, settings: ModelSettings, support: Support
) -> LoadedModel:
    """Build the capped body and hold and move it.

    Parameters
    ----------
    aligned
        Body in its local frame.
    material
        Its moduli.
    settings
        Cap thickness.
    support
        Adds the boundary conditions, given bottom and top nodes and the displacement [mm].

    Returns
    -------
    The model.

    Raises
    ------
    AnatomyError
        When the bone has no height.
    """
    cap_mm = CAP_MM if settings.cap_mm is None else settings.cap_mm
    voxel = aligned.density.spacing_mm[2]
    layers = max(round(cap_mm / voxel), 1)
    bone = face_connected(np.asarray(material.young_mpa > 0))
    height = _height_mm(bone, voxel)
    pad = ((layers, layers), (0, 0), (0, 0))
    # cut to the bone first: caps end exactly their thickness beyond it
    lowest, highest = (int(np.flatnonzero(bone.any(axis=(1, 2)))[n]) for n in (0, -1))
    bone = np.pad(bone[lowest : highest + 1], pad)
    young = np.pad(np.asarray(material.young_mpa, dtype=np.float64)[lowest : highest + 1], pad) * bone
    cement = _caps(bone, round(CAP_REACH_MM / voxel) + layers)
    affine = np.array(aligned.density.ijk_to_ras)
    affine[:3, 3] += affine[:3, 2] * (lowest - layers)
    regions = np.where(bone, BONE, np.where(cement, CEMENT, 0)).astype(np.uint8)
    model = FeModel(
        Grid(bone.shape, affine),
        young,
        material.poisson,
        regions=regions,
        region_names=REGION_NAMES,
        yield_stress=padded_yield(material, bone, pad, (lowest, highest)),
        orthotropy=padded_orthotropy(material, bone, pad, (lowest, highest)),
        removed_elements=int((material.young_mpa > 0).sum() - bone.sum()),
    )
    model = with_cement(model, cement, settings)
    young = np.asarray(model.young_mpa)
    bottom, top = face_nodes(young[0] > 0, 0, model), face_nodes(young[-1] > 0, bone.shape[0], model)
    return LoadedModel(support(model, bottom, top, STRAIN * height), "top", height, bone, layers * voxel)


def _height_mm(bone: npt.NDArray[np.bool_], voxel_mm: float) -> float:
    columns = np.argwhere(bone.any(axis=0))
    centre = columns.mean(axis=0)
    half = np.maximum(np.ptp(columns, axis=0) / 2, 0.5)
    central = columns[(((columns - centre) / half) ** 2).sum(axis=1) <= CENTRAL_SHARE**2]
    inside = bone[:, central[:, 0], central[:, 1]]
    top = bone.shape[0] - inside[::-1].argmax(axis=0)
    height = float((top - inside.argmax(axis=0)).mean()) * voxel_mm
    if height < 2 * voxel_mm:
        raise AnatomyError(
            f"the bone is {height:.2f} mm high, less than two elements; check the mask or use smaller voxels"
        )
    return height


def _caps(bone: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    size = bone.shape[0]
    occupied = bone.any(axis=0)
    first = np.where(occupied, bone.argmax(axis=0), size)
    last = np.where(occupied, size - 1 - bone[::-1].argmax(axis=0), -1)
    layer = np.arange(size)[:, None, None]
    below = (layer < first) & (first <= reach) & occupied
    above = (layer > last) & (last >= size - 1 - reach) & occupied
    return np.asarray(below | above)


def roller(model: FeModel, bottom: NodeIds, top: NodeIds, displacement_mm: float) -> FeModel:
    """Both faces free to expand: bottom u_z = 0, top u_z prescribed.

    Parameters
    ----------
    model
        Capped body.
    bottom, top
        (n,) node ids of the outer cap faces.
    displacement_mm
        Compression, positive [mm].

    Returns
    -------
    The model with boundary conditions.
    """
    return dataclasses.replace(
        model, prescribed=(Prescribed("bottom", bottom, 2), Prescribed("top", top, 2, -displacement_mm))
    )


def bonded(model: FeModel, bottom: NodeIds, top: NodeIds, displacement_mm: float) -> FeModel:
    """Both faces held sideways as well.

    Parameters
    ----------
    model, bottom, top, displacement_mm
        As for roller.

    Returns
    -------
    The model with boundary conditions.
    """
    base = roller(model, bottom, top, displacement_mm)
    sides = [Prescribed(f"{n}_{'xy'[c]}", ids, c) for n, ids in (("bottom", bottom), ("top", top)) for c in (0, 1)]
    return dataclasses.replace(base, prescribed=(*base.prescribed, *sides))


def platen(model: FeModel, bottom: NodeIds, top: NodeIds, displacement_mm: float) -> FeModel:
    """The top cap under a plate that may tilt.

    Parameters
    ----------
    model, bottom, top, displacement_mm
        As for roller; the displacement is that of the plate's middle.

    Returns
    -------
    The model with boundary conditions.
    """
    return dataclasses.replace(
        model,
        prescribed=(Prescribed("bottom", bottom, 2),),
        platens=(RigidPlaten("top", top, 2, displacement_mm=-displacement_mm),),
    )


def wedge(model: FeModel, bottom: NodeIds, top: NodeIds, displacement_mm: float) -> FeModel:
    """Anterior wedge compression: the displacement grows from zero at the posterior rim to twice at the anterior.

    Parameters
    ----------
    model, bottom, top, displacement_mm
        As for roller; the displacement is the mean over the depth of the face.

    Returns
    -------
    The model with boundary conditions.
    """
    row = (np.asarray(top) // model.node_shape[2]) % model.node_shape[1]
    share = 2.0 * (row - row.min()) / max(int(np.ptp(row)), 1)
    return dataclasses.replace(
        model,
        prescribed=(Prescribed("bottom", bottom, 2), Prescribed("top", top, 2, -displacement_mm * share)),
    )


def _case(name: str, title: str, support: Support) -> LoadCase:
    identifier = f"{name}/1"

    def build(aligned: AlignedSpecimen, material: MaterialMap, settings: ModelSettings) -> LoadedModel:
        loaded = build_compression(aligned, material, settings, support)
        return dataclasses.replace(loaded, model=dataclasses.replace(loaded.model, load_case=identifier))

    return LoadCase(identifier, Site.VERTEBRA, title, ("body",), SOURCE, build)


CASES = (
    _case("vertebra-compression", "uniform axial compression, faces free to expand", roller),
    _case("vertebra-compression-bonded", "uniform axial compression, faces bonded", bonded),
    _case("vertebra-compression-platen", "axial compression under a plate that may tilt", platen),
    _case("vertebra-wedge", "anterior wedge compression", wedge),
)
"""The vertebra's load cases; the first is the default."""
