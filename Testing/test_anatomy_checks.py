"""Fused, doubled, deformed and sunken bones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Side, Site, Specimen, prepare
from BoneStrengthFEALib.anatomy.endplates import Heights
from BoneStrengthFEALib.anatomy.surface import Solid
from BoneStrengthFEALib.anatomy.symmetry import Mirror, mirror_plane
from BoneStrengthFEALib.anatomy.vertebra_checks import neighbour_line, shape_lines
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.site_bone import find_bone
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Grid, Quantity, Volume

GRID = np.diag([1.5, 1.5, 1.5, 1.0])


def lines_of(specimen: Specimen) -> dict[str, Outcome]:
    return {line.check: line.outcome for line in specimen.quality.lines}


def bodies(*centres_mm: float, height_mm: float = 26.0, wedge: float = 0.0, bridge: bool = False) -> LabelMap:
    """Elliptic cylinders one above the other, 44 x 32 mm, with a spinous process; the front lower by a share."""
    k, j, i = np.indices((90, 60, 44), dtype=np.float64)
    x, y, z = 1.5 * (i - 22), 1.5 * (j - 40), 1.5 * k
    array = np.zeros(k.shape, dtype=np.uint8)
    for n, centre in enumerate(centres_mm, start=1):
        top = height_mm / 2 - wedge * height_mm * np.clip((y + 16) / 32, 0, 1)
        body = ((x / 22) ** 2 + (y / 16) ** 2 <= 1) & (z - centre <= top) & (z - centre >= -height_mm / 2)
        process = (np.abs(x) <= 4) & (y < -14) & (y > -50) & (np.abs(z - centre) <= 5)
        array[body | process] = n
    if bridge:
        low, high = min(centres_mm), max(centres_mm)
        array[((x / 22) ** 2 + (y / 16) ** 2 <= 1) & (z > low) & (z < high)] = 1
        array[array > 0] = 1
    names = {n: f"vertebrae_L{n}" for n in range(1, len(centres_mm) + 1)}
    return LabelMap(Volume(array, GRID, Quantity.LABEL), names)


def prepared(labels: LabelMap) -> Specimen:
    return prepare(labels, 1, (Site.VERTEBRA, "L1", Side.NONE))


def test_a_healthy_body_passes() -> None:
    found = lines_of(prepared(bodies(60.0)))
    assert {c for c, o in found.items() if o is not Outcome.PASS} == set()


def test_two_fused_vertebrae_are_refused() -> None:
    assert lines_of(prepared(bodies(40.0, 75.0, bridge=True)))["FUSED_BONES"] is Outcome.REFUSE


def test_two_bones_in_one_label_are_refused() -> None:
    labels = bodies(40.0, 80.0)
    array = (labels.volume.array > 0).astype(np.uint8)
    both = LabelMap(labels.volume.with_array(array), {1: "L1"})
    assert lines_of(prepared(both))["TWO_BONES"] is Outcome.REFUSE


def test_both_femora_in_one_label_are_refused() -> None:
    _, labels = SyntheticFemur().scan(pose((0, 0, 0)), (3.0, 3.0, 3.0), False)
    array = np.asarray(labels.volume.array)
    twice = np.concatenate([array, np.zeros_like(array[:, :, :2]), array[:, :, ::-1]], axis=2)
    wide = LabelMap(Volume(twice, labels.volume.ijk_to_ras, Quantity.LABEL), {})
    assert lines_of(prepare(wide, 1, (Site.FEMUR, "", Side.NONE)))["TWO_BONES"] is Outcome.REFUSE


@pytest.mark.parametrize(("wedge", "verdict"), [(0.1, Outcome.PASS), (0.35, Outcome.WARN)])
def test_a_wedged_body_is_suspected(wedge: float, verdict: Outcome) -> None:
    found = prepared(bodies(60.0, wedge=wedge))
    assert lines_of(found)["SUSPECTED_FRACTURE"] is verdict
    sizes = found.measurements
    assert sizes["anterior_height_mm"] < sizes["middle_height_mm"] < sizes["posterior_height_mm"]


@pytest.mark.parametrize(
    ("heights", "verdict"),
    [
        ((26, 25, 27), Outcome.PASS),
        ((30, 27, 24.4), Outcome.PASS),  # a lower lumbar body
        ((20, 24, 26), Outcome.WARN),  # wedge, 0.77
        ((26, 19, 26), Outcome.WARN),  # biconcave, 0.73
        ((14, 20, 26), Outcome.REFUSE),  # 0.54
    ],
)
def test_ratios_by_hand(heights: tuple[float, float, float], verdict: Outcome) -> None:
    size = Heights(*heights, mean_mm=25.0, depth_mm=34.0)
    assert [line.outcome for line in shape_lines(size)] == [Outcome.PASS, verdict]


def test_against_neighbours() -> None:
    assert neighbour_line(20.0, []) is None
    outcomes = [line.outcome for line in (neighbour_line(v, [25.0, 27.0]) for v in (22.0, 20.0, 15.0)) if line]
    assert outcomes == [Outcome.PASS, Outcome.WARN, Outcome.REFUSE]


def test_a_crushed_body_between_whole_ones_is_noticed() -> None:
    whole, low = bodies(25.0, 65.0, 105.0), bodies(25.0, 65.0, 105.0, height_mm=18.0)
    array = np.where(low.volume.array == 2, 2, np.where(whole.volume.array == 2, 0, whole.volume.array))
    labels = LabelMap(whole.volume.with_array(array.astype(np.uint8)), whole.names)
    ct = Volume(np.where(array > 0, 300.0, -500.0).astype(np.float32), GRID, Quantity.HU)
    study = Study(ct, labels, (Target(2), Target(1)), Acquisition("synthetic"))
    density = ct.with_array(ct.array, Quantity.K2HPO4)
    found = [
        {line.check: line.outcome for line in find_bone(study, target, density, Settings()).quality.lines}
        for target in study.targets
    ]
    assert found[0]["LOWER_THAN_NEIGHBOURS"] is Outcome.WARN
    assert found[1]["LOWER_THAN_NEIGHBOURS"] is Outcome.PASS


@pytest.mark.parametrize("turn", [-25.0, 7.0, 38.0])
def test_the_plane_of_symmetry_of_a_lopsided_kidney(turn: float) -> None:
    """A kidney, an ellipsoid 44 x 30 x 26 mm with its back pushed in, and a horn on one side only."""
    x, y, z = np.meshgrid(*(np.arange(-30, 30.1, 1.0) for _ in range(3)), indexing="ij")
    angle = np.radians(turn)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    kidney = ((u / 22) ** 2 + (v / 15) ** 2 + (z / 13) ** 2 <= 1) & (np.hypot(u, v + 18) > 10)
    horn = (np.abs(v - 2) < 3) & (np.abs(z) < 3) & (u > 0) & (u < 28)
    field = ndimage.gaussian_filter((kidney | horn).astype(float).transpose(2, 1, 0), 1.5)
    affine = np.eye(4)
    affine[:3, 3] = -30.0
    surface = Solid(field, Grid((61, 61, 61), affine), 1.5).surface()
    start = Mirror(np.array((1.0, 0.0, 0.0)), np.array((1.0, -1.0, 0.0)), 0.0)
    found = mirror_plane(*surface, start, np.array((0.0, 0.0, 1.0)), 40.0)
    truth = np.array((np.cos(angle), np.sin(angle), 0.0))
    assert np.degrees(np.arccos(found.normal @ truth)) < 1.0
    assert abs(found.point @ found.normal) < 0.3


def test_the_frame_of_a_body_alone_follows_the_body() -> None:
    bone = SyntheticVertebra()
    truth = pose((6, -8, 20))
    _, labels = bone.scan(truth, (1.0, 1.0, 1.0))
    whole = prepare(labels, 1, (Site.VERTEBRA, "L2", Side.NONE))
    alone = dataclasses.replace(labels, volume=labels.volume.with_array((whole.regions.array == 1).astype(np.uint8)))
    frame = prepare(alone, 1, (Site.VERTEBRA, "L2", Side.NONE)).local_to_ras
    assert np.degrees(np.arccos(np.clip(frame[:3, 2] @ truth[:3, 2], -1, 1))) < 1.0
    assert np.degrees(np.arccos(np.clip(frame[:3, 1] @ truth[:3, 1], -1, 1))) < 3.0
