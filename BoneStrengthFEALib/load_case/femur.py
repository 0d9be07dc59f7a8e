"""Proximal femur: fall on the greater trochanter and single-leg stance.

The model's axes: z against the force on the head (up), x the shaft's proximal direction made horizontal, y = z x x.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from BoneStrengthFEALib.anatomy import AlignedSpecimen, Side, Site, Specimen
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.fe_model import FeModel, NodeIds, Prescribed
from BoneStrengthFEALib.load_case.assembly import face_connected, face_nodes, padded_orthotropy, padded_yield
from BoneStrengthFEALib.load_case.cement import with_cement
from BoneStrengthFEALib.load_case.record import LoadCase, LoadedModel
from BoneStrengthFEALib.material import MaterialMap
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.volume import FloatArray, Grid

PAD_MM, INTRUSION_MM = 10.0, 6.0
"""Thickness of the PMMA pads beyond the bone, and how far they reach down its side (hip preset of parosol-py)."""
POT_MM = 15.0
"""Length of shaft that is held."""
STRAIN = 0.01
"""Applied displacement over the distance between the loaded faces; linear results do not depend on it."""
TROCHANTER_NEAR_MM = 35.0
STANCE_DEG = 20.0
BONE, CEMENT = 1, 9
REGION_NAMES = ((BONE, "femur"), (CEMENT, "pmma"))
FALL_SOURCE = (
    "sideways fall: shaft adducted and femur turned inward by the angles of the settings (10 and 15 degrees by "
    "default: unverified, quoted from memory of Courtney 1994 and Keyak 2000), pads and supports as in the hip preset "
    "of parosol-py; docs/methods.md, Femur"
)
STANCE_SOURCE = (
    "single-leg stance: force on the head at 20 degrees to the shaft in the plane of neck and shaft (unverified), "
    "shaft potted; docs/methods.md, Femur"
)


def fall_frame(specimen: Specimen, settings: ModelSettings) -> FloatArray:
    """Frame of a fall: z points up, away from the floor that hits the greater trochanter.

    Parameters
    ----------
    specimen
        Femur in its anatomical frame.
    settings
        Angles of the fall.

    Returns
    -------
    (4, 4) model axes to RAS.
    """
    turned, adducted = np.radians((settings.fall_rotation_deg, settings.fall_adduction_deg))
    # turned inward, the femur meets the floor with the back of its trochanter; adducted, its knee end lies higher
    outward = np.cos(turned) * _lateral(specimen) + np.sin(turned) * np.array((0.0, -1.0, 0.0))
    return _load_frame(specimen, np.cos(adducted) * outward + np.sin(adducted) * np.array((0.0, 0.0, 1.0)))


def stance_frame(specimen: Specimen, settings: ModelSettings) -> FloatArray:
    """Frame of stance: z points against the force on the head.

    Parameters
    ----------
    specimen
        Femur in its anatomical frame.
    settings
        Not used; frames share one signature.

    Returns
    -------
    (4, 4) model axes to RAS.
    """
    angle = np.radians(STANCE_DEG)
    return _load_frame(specimen, np.sin(angle) * _lateral(specimen) - np.cos(angle) * np.array((0.0, 0.0, 1.0)))


def _lateral(specimen: Specimen) -> FloatArray:
    return np.array((-1.0 if specimen.side is Side.LEFT else 1.0, 0.0, 0.0))


def _load_frame(specimen: Specimen, force: FloatArray) -> FloatArray:
    """Model frame in which a force (in the anatomical frame) on the head points down."""
    z = -force / np.linalg.norm(force)
    along = np.array((0.0, 0.0, 1.0)) if abs(z[2]) < 0.8 else -_lateral(specimen)
    x = along - (along @ z) * z
    x /= np.linalg.norm(x)
    frame = np.array(specimen.local_to_ras)
    frame[:3, :3] = frame[:3, :3] @ np.column_stack([x, np.cross(z, x), z])
    return frame


@dataclasses.dataclass(frozen=True, eq=False)
class _Padded:
    """Bone with room for pads, and what is needed to place them."""

    bone: npt.NDArray[np.bool_]
    affine: FloatArray
    cut: tuple[int, int]
    pad: tuple[tuple[int, int], ...]
    voxel: float
    layers: int


def _padded(aligned: AlignedSpecimen, material: MaterialMap, pad_mm: float) -> _Padded:
    voxel = aligned.density.spacing_mm[2]
    layers = max(round(pad_mm / voxel), 1)
    bone = face_connected(np.asarray(material.young_mpa > 0))
    lowest, highest = (int(np.flatnonzero(bone.any(axis=(1, 2)))[n]) for n in (0, -1))
    pad = ((layers, layers), (0, 0), (0, 0))
    affine = np.array(aligned.density.ijk_to_ras)
    affine[:3, 3] += affine[:3, 2] * (lowest - layers)
    return _Padded(np.pad(bone[lowest : highest + 1], pad), affine, (lowest, highest), pad, voxel, layers)


def _pad_on(bone: npt.NDArray[np.bool_], layers: int, reach: int, top: bool) -> npt.NDArray[np.bool_]:
    """Cement over the columns whose surface lies within reach of the extreme, out to the flat outer face."""
    turned = bone[::-1] if top else bone
    size = turned.shape[0]
    first = np.where(turned.any(axis=0), turned.argmax(axis=0), size)
    layer = np.arange(size)[:, None, None]
    cement = (layer < first) & (first <= layers + reach)
    return np.asarray(cement[::-1] if top else cement)


def _model(material: MaterialMap, built: _Padded, cement: npt.NDArray[np.bool_], settings: ModelSettings) -> FeModel:
    bone = built.bone
    first, last = built.cut
    young = np.pad(np.asarray(material.young_mpa, dtype=np.float64)[first : last + 1], built.pad) * bone
    model = FeModel(
        Grid(bone.shape, built.affine),
        young,
        material.poisson,
        regions=np.where(bone, BONE, np.where(cement, CEMENT, 0)).astype(np.uint8),
        region_names=REGION_NAMES,
        yield_stress=padded_yield(material, bone, built.pad, built.cut),
        orthotropy=padded_orthotropy(material, bone, built.pad, built.cut),
        removed_elements=int((material.young_mpa > 0).sum() - bone.sum()),
    )
    return with_cement(model, cement, settings)


def _distal_nodes(model: FeModel, built: _Padded, specimen: Specimen) -> NodeIds:
    """Nodes of the bone elements within POT_MM of the shaft's cut end."""
    kji = np.argwhere(built.bone)
    ras = model.grid.to_ras(kji[:, ::-1].astype(np.float64))
    anatomical = (ras - specimen.local_to_ras[:3, 3]) @ specimen.local_to_ras[:3, :3]
    held = kji[anatomical[:, 2] <= anatomical[:, 2].min() + POT_MM]
    _, rows, columns = model.node_shape
    corners = [
        ((held[:, 0] + k) * rows + held[:, 1] + j) * columns + held[:, 2] + i
        for k in (0, 1)
        for j in (0, 1)
        for i in (0, 1)
    ]
    return np.unique(np.concatenate(corners)).astype(np.int64)


def _check_extremes(built: _Padded, specimen: Specimen, model: FeModel, fall: bool) -> None:
    top = np.argwhere(built.bone[::-1].any(axis=(1, 2)))[0][0]
    layer = built.bone.shape[0] - 1 - int(top)
    highest = np.append(np.argwhere(built.bone[layer])[:, ::-1].mean(axis=0), layer)
    head = specimen.landmarks["head_centre"]
    radius = specimen.measurements.get("head_radius_mm", 25.0)
    if np.linalg.norm(model.grid.to_ras(highest) - head) > 1.3 * radius:
        raise AnatomyError("the highest point under this load is not on the femoral head; check landmarks and angles")
    if not fall:
        return
    layer = int(np.argwhere(built.bone.any(axis=(1, 2)))[0][0])
    lowest = np.append(np.argwhere(built.bone[layer])[:, ::-1].mean(axis=0), layer)
    trochanter = specimen.landmarks["greater_trochanter"]
    if np.linalg.norm(model.grid.to_ras(lowest) - trochanter) > TROCHANTER_NEAR_MM:
        raise AnatomyError(
            "the lowest point in this fall is not on the greater trochanter; check landmarks and angles, or whether "
            "the label ends in other bone"
        )


Holding = Callable[[NodeIds, NodeIds, float], tuple[Prescribed, ...]]


def _fall(aligned: AlignedSpecimen, material: MaterialMap, settings: ModelSettings, hold: Holding) -> LoadedModel:
    built = _padded(aligned, material, PAD_MM if settings.cap_mm is None else settings.cap_mm)
    reach = round(INTRUSION_MM / built.voxel)
    cement = _pad_on(built.bone, built.layers, reach, True) | _pad_on(built.bone, built.layers, reach, False)
    model = _model(material, built, cement & ~built.bone, settings)
    _check_extremes(built, aligned.specimen, model, True)
    height = (built.bone.shape[0]) * built.voxel
    top = face_nodes(model.young_mpa[-1] > 0, built.bone.shape[0], model)
    floor = face_nodes(model.young_mpa[0] > 0, 0, model)
    conditions = (
        *hold(_distal_nodes(model, built, aligned.specimen), floor, height),
        Prescribed("head", top, 2, -STRAIN * height),
    )
    loaded = dataclasses.replace(model, prescribed=conditions)
    return LoadedModel(loaded, "head", height, built.bone, built.layers * built.voxel)


def _hinged(distal: NodeIds, floor: NodeIds, _height: float) -> tuple[Prescribed, ...]:
    # the pot may sink and turn with the bone, it may not slide
    return (Prescribed("trochanter", floor, 2), Prescribed("shaft_x", distal, 0), Prescribed("shaft_y", distal, 1))


def _potted(distal: NodeIds, floor: NodeIds, _height: float) -> tuple[Prescribed, ...]:
    free = np.setdiff1d(floor, distal)
    return (Prescribed("trochanter", free, 2), *(Prescribed(f"shaft_{'xyz'[c]}", distal, c) for c in range(3)))


def _stance(aligned: AlignedSpecimen, material: MaterialMap, settings: ModelSettings) -> LoadedModel:
    built = _padded(aligned, material, PAD_MM if settings.cap_mm is None else settings.cap_mm)
    cement = _pad_on(built.bone, built.layers, round(INTRUSION_MM / built.voxel), True) & ~built.bone
    model = _model(material, built, cement, settings)
    _check_extremes(built, aligned.specimen, model, False)
    height = (built.bone.shape[0] - built.layers) * built.voxel
    distal = _distal_nodes(model, built, aligned.specimen)
    top = face_nodes(model.young_mpa[-1] > 0, built.bone.shape[0], model)
    conditions = (
        *(Prescribed(f"shaft_{'xyz'[c]}", distal, c) for c in range(3)),
        Prescribed("head", top, 2, -STRAIN * height),
    )
    loaded = dataclasses.replace(model, prescribed=conditions)
    return LoadedModel(loaded, "head", height, built.bone, built.layers * built.voxel)


def _case(
    name: str,
    title: str,
    source: str,
    frame: Callable[[Specimen, ModelSettings], FloatArray],
    builder: Callable[[AlignedSpecimen, MaterialMap, ModelSettings], LoadedModel],
) -> LoadCase:
    identifier = f"{name}/1"

    def build(aligned: AlignedSpecimen, material: MaterialMap, settings: ModelSettings) -> LoadedModel:
        loaded = builder(aligned, material, settings)
        return dataclasses.replace(loaded, model=dataclasses.replace(loaded.model, load_case=identifier))

    return LoadCase(identifier, Site.FEMUR, title, ("femur",), source, build, frame)


CASES = (
    _case(
        "femur-fall",
        "sideways fall, trochanter on the floor, shaft held sideways",
        FALL_SOURCE,
        fall_frame,
        lambda a, m, s: _fall(a, m, s, _hinged),
    ),
    _case(
        "femur-fall-potted",
        "sideways fall, trochanter on the floor, shaft held in all directions",
        FALL_SOURCE,
        fall_frame,
        lambda a, m, s: _fall(a, m, s, _potted),
    ),
    _case("femur-stance", "single-leg stance, shaft potted", STANCE_SOURCE, stance_frame, _stance),
)
"""The femur's load cases; the first is the default."""
