"""What load cases share: connected bone, faces, material on a padded grid."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.fe_model import FeModel, NodeIds, Orthotropy, YieldStress
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.volume import Array


def face_connected(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Largest piece whose elements share faces: edges and corners alone are hinges without stiffness.

    Parameters
    ----------
    mask
        (K, J, I) bool.

    Returns
    -------
    (K, J, I) bool.

    Raises
    ------
    AnatomyError
        When nothing is left.
    """
    pieces, count = ndimage.label(mask)
    if count == 0:
        raise AnatomyError("no bone is left to load; check the mask and the calibration")
    return np.asarray(pieces == 1 + int(np.bincount(pieces.ravel())[1:].argmax()))


def face_nodes(face: npt.NDArray[np.bool_], layer: int, model: FeModel) -> NodeIds:
    """Nodes of the outer face of a layer of elements.

    Parameters
    ----------
    face
        (J, I) bool, elements of the layer.
    layer
        Node layer.
    model
        Model, for the node grid.

    Returns
    -------
    (n,) node ids.
    """
    _, rows, columns = model.node_shape
    nodes = np.zeros((rows, columns), dtype=bool)
    for j in (0, 1):
        for i in (0, 1):
            nodes[j : j + face.shape[0], i : i + face.shape[1]] |= face
    return np.asarray(layer * rows * columns + np.flatnonzero(nodes), dtype=np.int64)


def padded_yield(
    material: MaterialMap, bone: Array, pad: tuple[tuple[int, int], ...], cut: tuple[int, int]
) -> YieldStress | None:
    """Post-elastic behaviour of the bone on the padded grid; cement stays elastic.

    Parameters
    ----------
    material
        Material of the unpadded bone.
    bone
        (K, J, I) bool on the padded grid.
    pad
        Layers added at each end of each axis.
    cut
        First and last layer of the material that was kept.

    Returns
    -------
    Yield stresses, or None when the law has none.
    """
    stress = material.yield_stress()
    if stress is None:
        return None
    changes = {}
    for field in dataclasses.fields(stress):
        value = getattr(stress, field.name)
        if isinstance(value, np.ndarray):
            fill = np.inf if field.name in ("compression_mpa", "tension_mpa") else 0.0
            changes[field.name] = np.where(bone, np.pad(value[cut[0] : cut[1] + 1], pad), fill)
    return dataclasses.replace(stress, **changes)


def padded_orthotropy(
    material: MaterialMap, bone: Array, pad: tuple[tuple[int, int], ...], cut: tuple[int, int]
) -> Orthotropy | None:
    """Anisotropy of the bone on the padded grid.

    Parameters
    ----------
    material, bone, pad, cut
        As for padded_yield.

    Returns
    -------
    Orthotropy, or None.
    """
    if material.orthotropy is None:
        return None
    elements = np.pad(material.orthotropy.elements[cut[0] : cut[1] + 1], pad) & bone
    return dataclasses.replace(material.orthotropy, elements=elements)
