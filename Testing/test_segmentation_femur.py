"""A femur from one click: a ball in its socket on a neck and shaft, with a joint space that is not resolved above."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation import femoral_heads
from BoneStrengthFEALib.segmentation.femoral_head import Head, fit_head
from BoneStrengthFEALib.segmentation.femoral_heads import find_femoral_heads
from BoneStrengthFEALib.segmentation.femur import isolate_femur
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.volume import Quantity, Volume

BONE = SyntheticFemur(cortex_mm=2.0)
CENTRE = np.array([70.0, -12.0, 30.0])
LOW, HIGH = np.array([12.0, -52.0, -78.0]), np.array([150.0, 34.0, 76.0])
SPACING = np.array([1.3, 1.3, 2.5])


def hu_at(local: np.ndarray) -> np.ndarray:
    """HU of soft tissue, femur, and a pelvis whose socket touches the head above and leaves 3 mm elsewhere."""
    hu = np.full(local.shape[:-1], 45.0)
    away = np.linalg.norm(local, axis=-1)
    cosine = local @ BONE.neck_axis / np.maximum(away, 1e-6)
    gap = np.where(local[..., 2] > 0.8 * away, 0.0, 3.0)
    # a pelvis is no ball outside
    cup = (away > BONE.head_mm + gap) & (np.abs(local).max(axis=-1) < BONE.head_mm + 7.0) & (cosine < 0.1)
    ilium = (local[..., 2] > 26) & (np.abs(local[..., 0] + 14) < 24) & (np.abs(local[..., 1]) < 15)
    hu = np.where(cup | (ilium & (away > BONE.head_mm)), 520.0, hu)
    femur = BONE.bone(local)
    return np.where(femur, np.where(BONE.bone(local, BONE.cortex_mm), 190.0, 900.0), hu)


@cache
def right_hip() -> tuple[Volume, np.ndarray]:
    """CT and the voxels that are femur, sampled in two pieces per voxel."""
    count = np.floor((HIGH - LOW) / SPACING).astype(int)
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = LOW
    total, share = np.zeros(count[::-1]), np.zeros(count[::-1])
    k, j, i = np.meshgrid(*(np.arange(n) for n in count[::-1]), indexing="ij")
    for piece in (-0.25, 0.25):
        local = ((np.stack([i, j, k], axis=-1) + piece) * SPACING + LOW) - CENTRE
        total += hu_at(local) / 2
        share += BONE.bone(local) / 2
    noise = np.random.default_rng(3).normal(0, 10, total.shape)
    return Volume((total + noise).astype(np.int16), affine, Quantity.HU), share > 0.4


def hip(left: bool = False) -> tuple[Volume, np.ndarray]:
    """The same voxels, mirrored in space for a left hip."""
    ct, truth = right_hip()
    affine = np.diag([-1.0 if left else 1.0, 1.0, 1.0, 1.0]) @ ct.ijk_to_ras
    return Volume(ct.array, affine, Quantity.HU), truth


@pytest.mark.parametrize(("left", "local"), [(False, (0.0, 3.0, -4.0)), (True, (42.0, -4.0, -70.0))])
def test_one_click_gives_the_femur_without_its_socket(left: bool, local: tuple[float, float, float]) -> None:
    ct, truth = hip(left)
    mirror = np.array([-1.0 if left else 1.0, 1.0, 1.0])
    found = isolate_femur(ct, (np.array(local) + CENTRE) * mirror)
    mask = onto_grid(found.labels.volume, ct.grid).array > 0
    dice = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    # the rim of voxels that cortex fills in part counts as bone
    assert dice > 0.93
    assert (mask & ~ndimage.binary_dilation(truth)).sum() < 0.01 * truth.sum()
    assert found.site is Site.FEMUR
    assert found.side is (Side.LEFT if left else Side.RIGHT)
    assert found.labels.names == {1: f"femur_{found.side.value}"}
    assert any("sphere" in note for note in found.notes)
    # no marrow is missing, and the socket that touches the head is not in it
    assert (mask & truth).sum() > 0.985 * truth.sum()
    socket = ((CENTRE + np.array([0.0, 0.0, BONE.head_mm + 6.0])) * mirror)[None]
    i, j, k = np.rint(ct.grid.to_ijk(socket)[0]).astype(int)
    assert not mask[k, j, i]
    # where the sphere stands in for the joint space the surface is in doubt
    top = (CENTRE + np.array([0.0, 0.0, BONE.head_mm])) * mirror
    i, j, k = np.rint(found.labels.volume.grid.to_ijk(top)).astype(int)
    assert found.confidence[max(k - 1, 0) : k + 2, j, i].min() < 0.5


def test_a_femur_cut_at_its_side_is_refused() -> None:
    ct, _ = hip()
    with pytest.raises(RefusedError, match="right femur is cut by the right edge") as refusal:
        isolate_femur(ct.cropped((0, 0, 0), (*ct.array.shape[:2], 95)), CENTRE + np.array([0.0, 3.0, -4.0]))
    assert refusal.value.code == "BONE_CUT"


def test_the_shaft_of_a_bent_thigh_may_leave_the_image_through_its_front() -> None:
    ct, _ = hip()
    cosine, sine = np.cos(np.radians(50.0)), np.sin(np.radians(50.0))
    bend = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = CENTRE + np.array((-58.0, -45.0, -85.0))
    back = np.eye(4)
    back[:3, :3] = bend.T
    back[:3, 3] = CENTRE - bend.T @ CENTRE
    relation = np.linalg.inv(ct.ijk_to_ras) @ back @ affine
    bent = ndimage.affine_transform(
        ct.array, relation[:3, :3][::-1, ::-1], relation[:3, 3][::-1], (53, 92, 106), order=1, cval=45
    )
    found = isolate_femur(Volume(bent, affine, Quantity.HU), CENTRE)
    front = found.labels.volume.grid.to_ras(np.argwhere(found.labels.volume.array > 0)[:, ::-1].astype(float))[:, 1]
    # up to the last voxels before the edge
    assert front.max() > CENTRE[1] - 45.0 + 91 * SPACING[1] - 0.1


def test_points_in_other_bone_and_soft_tissue_are_refused() -> None:
    ct, _ = hip()
    with pytest.raises(RefusedError, match="not in the femur") as refusal:
        isolate_femur(ct, CENTRE + np.array([-20.0, 0.0, 40.0]))
    assert refusal.value.code == "OTHER_BONE"
    with pytest.raises(RefusedError, match="soft tissue"):
        isolate_femur(ct, CENTRE + np.array([-30.0, 0.0, -60.0]))


def test_a_ball_on_a_neck_without_a_socket_is_no_femur() -> None:
    # a shoulder: bone medial of the head, but not around it
    ct, truth = hip()
    away = np.linalg.norm(np.moveaxis(np.indices(ct.array.shape)[::-1], 0, -1) * SPACING + LOW - CENTRE, axis=-1)
    socket = (away < BONE.head_mm + 16.0) & ~ndimage.binary_dilation(truth) & (ct.array > 100)
    shoulder = Volume(np.where(socket, 45, ct.array).astype(np.int16), ct.ijk_to_ras, Quantity.HU)
    with pytest.raises(RefusedError, match=r"no hip socket: other bone covers [0-9] %"):
        find_femoral_heads(shoulder)


def test_a_thigh_without_its_head_says_where_the_bone_is_cut() -> None:
    ct, _ = hip()
    thigh = ct.cropped((0, 0, 0), (36, *ct.array.shape[1:]))
    with pytest.raises(RefusedError, match=r"cut by the superior edge of the image, [0-9]+ mm above") as refusal:
        isolate_femur(thigh, CENTRE + np.array([42.0, -4.0, -70.0]))
    assert refusal.value.code == "HEAD_NOT_FOUND"
    with pytest.raises(RefusedError, match=r"bone is cut by the .*superior.* of the image"):
        find_femoral_heads(thigh)


def both_hips() -> tuple[Volume, np.ndarray, np.ndarray]:
    """The right hip and its mirror image, and the centres of both heads."""
    ct, _ = right_hip()
    middle = np.full((*ct.array.shape[:2], 18), 45, dtype=np.int16)
    array = np.concatenate([ct.array[:, :, ::-1], middle, ct.array], axis=2)
    affine = np.array(ct.ijk_to_ras)
    affine[0, 3] -= SPACING[0] * (18 + ct.array.shape[2])
    plane = LOW[0] - SPACING[0] * 9.5
    return Volume(array, affine, Quantity.HU), CENTRE, CENTRE * (-1, 1, 1) + np.array([2 * plane, 0, 0])


def test_both_heads_are_found_without_a_click() -> None:
    ct, right, left = both_hips()
    found = find_femoral_heads(ct)
    assert set(found) == {Side.RIGHT, Side.LEFT}
    for side, centre in ((Side.RIGHT, right), (Side.LEFT, left)):
        assert np.linalg.norm(found[side].centre - centre) < 1.5
        assert found[side].radius_mm == pytest.approx(BONE.head_mm, abs=1.0)
        outward = found[side].neck * (1 if side is Side.RIGHT else -1, 1, 1)
        assert outward @ BONE.neck_axis > 0.9


def test_a_ball_on_a_column_is_no_head(monkeypatch: pytest.MonkeyPatch) -> None:
    # as a vertebral body on its neighbours
    def upright(*given: Any) -> Head:
        return replace(fit_head(*given), neck=np.array((0.21, 0.29, -0.935)))

    monkeypatch.setattr(femoral_heads, "fit_head", upright)
    monkeypatch.setattr(femoral_heads, "require_socket", lambda *_: None)
    with pytest.raises(RefusedError, match="not to its side"):
        find_femoral_heads(right_hip()[0])


def test_no_head_is_guessed() -> None:
    # upper half of a head in view, its neck below the image
    ct, _ = right_hip()
    with pytest.raises(RefusedError, match="without a click") as refusal:
        find_femoral_heads(ct.cropped((39, 0, 0), ct.array.shape))
    assert refusal.value.code == "HEAD_NOT_FOUND"
    with pytest.raises(InputError, match="HU"):
        find_femoral_heads(Volume(ct.array, ct.ijk_to_ras, Quantity.CAHA))


def test_a_real_hip_of_thick_slices(reference_data: Path) -> None:
    ct = read_folder(reference_data / "hip_sts044" / "dicom").ct
    mask = read_volume(reference_data / "hip_sts044" / "femur_right_mask.nii.gz", Quantity.LABEL)
    truth = onto_grid(mask, ct.grid).array > 0
    found = isolate_femur(ct, ct.grid.to_ras(np.argwhere(truth).mean(axis=0)[::-1]))
    result = onto_grid(found.labels.volume, ct.grid).array > 0
    assert 2 * (result & truth).sum() / (result.sum() + truth.sum()) > 0.95
    assert abs(ct.array[result].mean() - ct.array[truth].mean()) < 10.0
    assert found.side is Side.RIGHT
