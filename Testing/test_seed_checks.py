"""A point that is not in bone, and a bone that is cut, are refused with words."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.segmentation.seed_checks import require_ball_in_view, require_bone_seed, require_uncut
from BoneStrengthFEALib.volume import Quantity, Volume

AFFINE = np.array([[-1.0, 0, 0, 40], [0, -1.2, 0, 30], [0, 0, 2.0, -50], [0, 0, 0, 1]])
DOWN = np.array([0.0, 0.0, -1.0])


def ras_of(shape: tuple[int, int, int]) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    return np.stack([i, j, k], axis=-1) @ AFFINE[:3, :3].T + AFFINE[:3, 3]


@pytest.fixture(scope="module")
def thigh() -> Volume:
    """A tube of cortex with fatty marrow around (0, -20), air beyond A = 20, a screw near R = -25."""
    ras = ras_of((40, 70, 80))
    r = np.hypot(ras[..., 0], ras[..., 1] + 20)
    values = np.where(r < 14, 1200.0, 50.0)
    values[r < 8] = -70.0
    values[ras[..., 1] > 20] = -1000.0
    values[np.hypot(ras[..., 0] + 25, ras[..., 1] + 20) < 3] = 3071.0
    values += np.random.default_rng(2).normal(0, 8, values.shape)
    return Volume(values.astype(np.int16), AFFINE, Quantity.HU)


@pytest.mark.parametrize("point", [(0.0, -20.0, -10.0), (4.0, -18.0, -30.0), (11.0, -20.0, 5.0)])
def test_marrow_and_cortex_are_accepted_as_they_are(thigh: Volume, point: tuple[float, ...]) -> None:
    assert require_bone_seed(thigh, np.array(point)) == pytest.approx(point)


def test_a_click_just_beside_the_bone_means_the_bone(thigh: Volume) -> None:
    moved = require_bone_seed(thigh, np.array([16.0, -20.0, -10.0]))
    assert np.linalg.norm(moved - (16.0, -20.0, -10.0)) <= 3.0
    assert np.hypot(moved[0], moved[1] + 20) < 14.5


@pytest.mark.parametrize(
    ("point", "code", "words"),
    [
        ((0.0, 25.0, -10.0), "SEED_IN_AIR", "air"),
        ((28.0, -20.0, -10.0), "SEED_IN_SOFT_TISSUE", "soft tissue"),
        ((-25.0, -20.0, -10.0), "SEED_IN_METAL", "metal"),
        ((0.0, 10.0, -10.0), "SEED_IN_SOFT_TISSUE", "soft tissue"),
    ],
)
def test_points_elsewhere_are_refused(thigh: Volume, point: tuple[float, ...], code: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as refusal:
        require_bone_seed(thigh, np.array(point))
    assert refusal.value.code == code


def test_points_outside_and_nonsense_are_refused(thigh: Volume) -> None:
    with pytest.raises(InputError, match="outside the image") as refusal:
        require_bone_seed(thigh, np.array([0.0, -20.0, 300.0]))
    assert refusal.value.code == "SEED_OUTSIDE"
    with pytest.raises(InputError, match="three finite"):
        require_bone_seed(thigh, np.array([0.0, np.nan, 0.0]))
    with pytest.raises(InputError, match="HU"):
        require_bone_seed(Volume(thigh.array, AFFINE, Quantity.CAHA), np.array([0.0, -20.0, -10.0]))


def boxed(ct: Volume, low: tuple[int, int, int], high: tuple[int, int, int]) -> Volume:
    part = ct.cropped(low, high)
    return part.with_array(np.ones(part.array.shape, dtype=np.uint8), Quantity.LABEL)


def test_a_bone_may_leave_the_image_only_where_it_is_allowed(thigh: Volume) -> None:
    require_uncut(boxed(thigh, (5, 10, 10), (20, 30, 30)), thigh, (), "the femur")
    below = boxed(thigh, (0, 10, 10), (20, 30, 30))
    require_uncut(below, thigh, (DOWN,), "the femur")
    with pytest.raises(RefusedError, match=r"inferior edge.*480 mm2"):
        require_uncut(below, thigh, (), "the femur")
    with pytest.raises(RefusedError, match="superior edge"):
        require_uncut(boxed(thigh, (5, 10, 10), (40, 30, 30)), thigh, (DOWN,), "the femur")
    # i runs to the patient's left here
    with pytest.raises(RefusedError, match="the femur is cut by the left edge") as refusal:
        require_uncut(boxed(thigh, (5, 10, 10), (20, 30, 80)), thigh, (DOWN,), "the femur")
    assert refusal.value.code == "BONE_CUT"


def test_the_rim_of_the_reconstruction_is_an_edge(thigh: Volume) -> None:
    values = np.array(thigh.array)
    values[:, :, 29] = -2048
    ct = thigh.with_array(values)
    with pytest.raises(RefusedError, match="rim of the reconstructed"):
        require_uncut(boxed(ct, (5, 10, 10), (20, 30, 30)), ct, (), "the femur")


def test_a_ball_must_lie_in_the_image(thigh: Volume) -> None:
    # voxel centres reach from R -39 to 40, A -52.8 to 30, S -50 to 28
    require_ball_in_view(thigh, np.array((0.0, 0.0, 0.0)), 28.0, "the femoral head")
    with pytest.raises(RefusedError, match=r"the femoral head.*superior edge of the image by 12 mm") as refusal:
        require_ball_in_view(thigh, np.array((0.0, 0.0, 20.0)), 20.0, "the femoral head")
    assert refusal.value.code == "BONE_CUT"
    with pytest.raises(RefusedError, match="posterior edge of the image by 7 mm"):
        require_ball_in_view(thigh, np.array((0.0, -39.8, -20.0)), 20.0, "the femoral head")
