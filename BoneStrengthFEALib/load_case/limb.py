"""Axial compression of the standard region of a distal radius or tibia between high-friction platens.

Axes of the model: z proximal along the bone's long axis. Both end faces are held sideways.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from BoneStrengthFEALib.anatomy import AlignedSpecimen, Site
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed
from BoneStrengthFEALib.load_case.assembly import face_connected, face_nodes, padded_orthotropy, padded_yield
from BoneStrengthFEALib.load_case.record import LoadCase, LoadedModel
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.volume import Array, Grid

STRAIN = 0.01
"""Applied compression over the height."""
BONE = 1
SOURCE = (
    "constrained (high-friction) axial compression of 1 % of the standard region, as in Pistoia W et al. (2002), "
    "Bone 30:842, and the HR-pQCT models of n88tools and parosol-py; docs/methods.md, Distal radius and tibia"
)


def layers_of(centres_mm: Array, length_mm: float) -> tuple[int, int]:
    """Layers of an aligned grid that make up the region.

    Parameters
    ----------
    centres_mm
        (K,) position of the layers along the axis, measured from the region's middle [mm].
    length_mm
        Length of the region [mm].

    Returns
    -------
    First layer, and one past the last: as many layers as fit the length best, nearest to the middle.

    Raises
    ------
    AnatomyError
        When the grid does not hold them.
    """
    voxel = float(centres_mm[1] - centres_mm[0])
    count = max(round(length_mm / voxel), 1)
    first = round((-0.5 * (count - 1) * voxel - float(centres_mm[0])) / voxel + 1e-6)
    if first < 0 or first + count > len(centres_mm):
        raise AnatomyError("the resampled bone is shorter than the standard region; choose a scan that covers it")
    return first, first + count


def section_layers(aligned: AlignedSpecimen) -> tuple[int, int]:
    """Layers of an aligned specimen that make up its standard region.

    Parameters
    ----------
    aligned
        Specimen in its own frame.

    Returns
    -------
    First layer, and one past the last.
    """
    frame, grid = aligned.specimen.local_to_ras, aligned.density.grid
    ijk = np.zeros((grid.shape[0], 3))
    ijk[:, 2] = np.arange(grid.shape[0])
    centres = (grid.to_ras(ijk) - frame[:3, 3]) @ frame[:3, 2]
    return layers_of(centres, aligned.specimen.measurements["region_length_mm"])


def compressed_between_platens(model: FeModel, strain: float = STRAIN) -> FeModel:
    """Hold the lower face, and move the upper one down without letting it slide.

    Parameters
    ----------
    model
        Model whose first and last layers hold bone.
    strain
        Compression over the height.

    Returns
    -------
    The model with boundary conditions; the loaded set is "top".
    """
    layers = model.young_mpa.shape[0]
    faces = {"bottom": (0, 0), "top": (-1, layers)}
    nodes = {n: face_nodes(model.young_mpa[e] > 0, layer, model) for n, (e, layer) in faces.items()}
    sides = [Prescribed(f"{name}_{'xy'[c]}", ids, c) for name, ids in nodes.items() for c in (0, 1)]
    moved = Prescribed("top", nodes["top"], 2, -strain * layers * model.spacing_mm[2])
    return dataclasses.replace(model, prescribed=(Prescribed("bottom", nodes["bottom"], 2), moved, *sides))


def build_limb(aligned: AlignedSpecimen, material: MaterialMap, _settings: ModelSettings) -> LoadedModel:
    """Build the section and compress it.

    Parameters
    ----------
    aligned
        Bone in its local frame.
    material
        Its moduli.

    Returns
    -------
    The model.

    Raises
    ------
    AnatomyError
        When an end face holds no bone.
    """
    first, last = section_layers(aligned)
    bone = face_connected(np.asarray(material.young_mpa[first:last] > 0))
    if not (bone[0].any() and bone[-1].any()):
        raise AnatomyError("the bone does not reach from one end of the standard region to the other; check the mask")
    affine = np.array(aligned.density.ijk_to_ras)
    affine[:3, 3] += affine[:3, 2] * first
    none = ((0, 0),) * 3
    model = FeModel(
        Grid(bone.shape, affine),
        np.asarray(material.young_mpa[first:last], dtype=np.float64) * bone,
        material.poisson,
        regions=np.where(bone, BONE, 0).astype(np.uint8),
        region_names=((BONE, "section"),),
        yield_stress=padded_yield(material, bone, none, (first, last - 1)),
        orthotropy=padded_orthotropy(material, bone, none, (first, last - 1)),
        removed_elements=int((material.young_mpa[first:last] > 0).sum() - bone.sum()),
    )
    height = bone.shape[0] * aligned.density.spacing_mm[2]
    return LoadedModel(compressed_between_platens(model), "top", height, bone, 0.0)


def _case(site: Site) -> LoadCase:
    identifier = f"{site.value}-compression/1"

    def build(aligned: AlignedSpecimen, material: MaterialMap, settings: ModelSettings) -> LoadedModel:
        loaded = build_limb(aligned, material, settings)
        return dataclasses.replace(loaded, model=dataclasses.replace(loaded.model, load_case=identifier))

    title = f"axial compression of the distal {site.value}, end faces held"
    return LoadCase(identifier, site, title, ("section", "margin"), SOURCE, build)


CASES = (_case(Site.RADIUS), _case(Site.TIBIA))
"""One load case per bone."""
