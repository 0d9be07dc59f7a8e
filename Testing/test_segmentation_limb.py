"""A long bone from one click, beside a thinner one and above a joint."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Site
from BoneStrengthFEALib.errors import CancelledError, InputError, RefusedError
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.segmentation.limb import isolate_limb
from BoneStrengthFEALib.volume import Quantity, Volume

AFFINE = np.array([[-0.9, 0, 0, 38], [0, -0.9, 0, 26], [0, 0, 1.4, -30], [0, 0, 0, 1]])
SHAPE = (76, 58, 84)
JOINT_S = 0.0
GAP_MM = 2.5


def tube(ras: np.ndarray, r: float, a: float, radius: float, wall: float) -> np.ndarray:
    """HU of a shaft of cortex around marrow; 0 elsewhere."""
    away = np.hypot(ras[..., 0] - r, ras[..., 1] - a)
    return np.where(away < radius, np.where(away < radius - wall, -40.0, 1100.0), 0.0)


@pytest.fixture(scope="module")
def leg() -> tuple[Volume, np.ndarray]:
    """A tube that flares to a joint, a thin tube 1.5 mm beside it, a block of bone 2.5 mm below; the tube's voxels."""
    fine = 3
    k, j, i = np.meshgrid(*((np.arange(n * fine) + 0.5) / fine - 0.5 for n in SHAPE), indexing="ij")
    ras = np.stack([i, j, k], axis=-1).astype(np.float32) @ AFFINE[:3, :3].T.astype(np.float32) + AFFINE[:3, 3]
    s = ras[..., 2]
    radius = 11.0 + 6.0 * np.exp(-np.maximum(s - JOINT_S, 0.0) / 15.0)
    away = np.hypot(ras[..., 0], ras[..., 1] + 2)
    big = (away < radius) & (s > JOINT_S)
    inner = (away < radius - 3.0) & (s > JOINT_S + 3.0)
    marrow = np.where(s < 25.0, 220.0, -50.0)
    hu = np.where(big, np.where(inner, marrow, 1000.0), 45.0)
    beside = tube(ras, -23.5, -2.0, 5.0, 1.8)
    hu = np.where((beside != 0) & (s > JOINT_S - 15), beside, hu)
    below = (s < JOINT_S - GAP_MM) & (np.hypot(ras[..., 0], ras[..., 1] + 2) < 15.0)
    hu = np.where(below, np.where(s > JOINT_S - GAP_MM - 2.0, 800.0, 300.0), hu)
    coarse = [n for size in SHAPE for n in (size, fine)]
    values = hu.reshape(coarse).mean(axis=(1, 3, 5)) + np.random.default_rng(7).normal(0, 12, SHAPE)
    truth = big.reshape(coarse).mean(axis=(1, 3, 5)) > 0.5
    return Volume(values.astype(np.int16), AFFINE, Quantity.HU), truth


def dice(found: IsolatedBone, ct: Volume, truth: np.ndarray) -> float:
    mask = onto_grid(found.labels.volume, ct.grid).array > 0
    return float(2 * (mask & truth).sum() / (mask.sum() + truth.sum()))


@pytest.mark.parametrize("seed", [(0.0, -2.0, 50.0), (9.0, -4.0, 60.0), (-6.0, 2.0, 8.0)])
def test_one_click_gives_the_whole_tube_and_nothing_else(
    leg: tuple[Volume, np.ndarray], seed: tuple[float, float, float]
) -> None:
    ct, truth = leg
    found = isolate_limb(ct, np.array(seed), Site.TIBIA)
    # the threshold counts the voxels that cortex fills by a tenth: 0.4 mm all round a section of 11 mm is 4 % of Dice
    assert dice(found, ct, truth) > 0.93
    outside = onto_grid(found.labels.volume, ct.grid).array[~ndimage.binary_dilation(truth, iterations=2)]
    assert outside.sum() == 0
    assert isinstance(found.labels, LabelMap)
    assert found.site is Site.TIBIA
    # doubt lies at the joint, none in the middle of the shaft
    grid = found.labels.volume.grid
    k, j, i = np.rint(grid.to_ijk(np.array([10.0, -2.0, 55.0]))[::-1]).astype(int)
    assert found.confidence[k, j, i] > 0.8
    assert found.confidence.min() < 0.5


def test_the_thinner_tube_is_found_by_its_own_click(leg: tuple[Volume, np.ndarray]) -> None:
    ct, truth = leg
    found = isolate_limb(ct, np.array([-23.5, -2.0, 50.0]), Site.RADIUS)
    mask = onto_grid(found.labels.volume, ct.grid).array > 0
    # length from S = -15 to the image's upper edge times the section; up to half a voxel of rim is filled in part
    assert np.pi * 5.0**2 * 91.0 < mask.sum() * ct.voxel_volume_mm3 < np.pi * 5.6**2 * 92.0
    assert (mask & truth).sum() < 0.02 * mask.sum()


def test_refusals_say_what_to_do(leg: tuple[Volume, np.ndarray]) -> None:
    ct, _ = leg
    with pytest.raises(InputError, match="isolate_femur"):
        isolate_limb(ct, np.array([0.0, -2.0, 50.0]), Site.FEMUR)
    with pytest.raises(RefusedError, match="soft tissue"):
        isolate_limb(ct, np.array([28.0, -2.0, 60.0]), Site.TIBIA)
    with pytest.raises(RefusedError, match="may lie in the fibula"):
        isolate_limb(ct, np.array([-23.5, -2.0, 50.0]), Site.TIBIA)
    half = ct.cropped((0, 0, 40), (76, 58, 84))
    with pytest.raises(RefusedError, match="right edge") as refusal:
        isolate_limb(half, np.array([-2.0, -4.0, 8.0]), Site.TIBIA)
    assert refusal.value.code == "BONE_CUT"


def test_a_tibia_below_a_knee_is_refused(leg: tuple[Volume, np.ndarray]) -> None:
    turned = Volume(leg[0].array, np.diag([1.0, -1.0, -1.0, 1.0]) @ AFFINE, Quantity.HU)
    with pytest.raises(RefusedError, match="below a knee") as refusal:
        isolate_limb(turned, np.array([0.0, 2.0, -50.0]), Site.TIBIA)
    assert refusal.value.code == "NO_ANKLE"
    assert isolate_limb(turned, np.array([-23.5, 2.0, -50.0]), Site.RADIUS).site is Site.RADIUS


def test_a_bone_too_thick_for_a_radius_is_refused(leg: tuple[Volume, np.ndarray]) -> None:
    with pytest.raises(RefusedError, match="a radius at most 900 mm2") as refusal:
        isolate_limb(leg[0], np.array([0.0, -2.0, 50.0]), Site.RADIUS)
    assert refusal.value.code == "OTHER_BONE"


def test_progress_rises_in_one_stage(leg: tuple[Volume, np.ndarray]) -> None:
    told: list[tuple[str, float]] = []
    isolate_limb(leg[0], np.array([0.0, -2.0, 50.0]), Site.TIBIA, lambda *step: told.append(step))
    fractions = [fraction for _, fraction in told]
    assert {stage for stage, _ in told} == {"isolating the tibia"}
    assert fractions[0] == 0.0
    assert fractions == sorted(set(fractions))
    assert 0.5 < fractions[-1] <= 1.0


def test_work_can_be_cancelled(leg: tuple[Volume, np.ndarray]) -> None:
    def stop(stage: str, fraction: float) -> None:
        raise CancelledError(f"{stage} at {fraction:g}")

    with pytest.raises(CancelledError):
        isolate_limb(leg[0], np.array([0.0, -2.0, 50.0]), Site.TIBIA, stop)
