"""A vertebra from one click and from none: on the sample CT, on a noisy crop, and the parts that lead there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Site
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.cli.main import main
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.segmentation import read_labels
from BoneStrengthFEALib.segmentation.isolate import isolate, label_map_of
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.segmentation.spinal_canal import canal_path
from BoneStrengthFEALib.segmentation.straight_spine import CanalFrame
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.vertebra import find_vertebrae
from BoneStrengthFEALib.segmentation.work_grid import upright_grid
from BoneStrengthFEALib.volume import Quantity, Volume

TPTBOX = Path(__file__).parent / "data" / "vertebra_tptbox"
L3 = 29


@cache
def sample() -> tuple[Volume, np.ndarray]:
    """CT of the demo and its vertebra labels."""
    study = demo_study(("L3",))
    return study.ct, np.asarray(study.labels.volume.array)


def place_in(mask: np.ndarray, ct: Volume, number: int = 0) -> np.ndarray:
    """RAS of a voxel: the one nearest the middle, or a random one."""
    index = np.argwhere(mask)
    chosen = np.linalg.norm(index - index.mean(axis=0), axis=1).argmin()
    if number:
        chosen = np.random.default_rng(number).integers(len(index))
    return np.asarray(ct.grid.to_ras(index[chosen][::-1].astype(float)))


def dice(bone: IsolatedBone, ct: Volume, truth: np.ndarray) -> float:
    found = np.asarray(label_map_of((bone,), ct).volume.array) > 0
    return float(2 * (found & truth).sum() / (found.sum() + truth.sum()))


@pytest.mark.parametrize(("value", "number", "least"), [(L3, 0, 0.935), (L3, 71, 0.93), (27, 72, 0.89)])
def test_a_click_anywhere_in_a_lumbar_vertebra_gives_the_whole(value: int, number: int, least: float) -> None:
    ct, labels = sample()
    bone = isolate(ct, place_in(labels == value, ct, number), Site.VERTEBRA)
    assert dice(bone, ct, labels == value) > least
    found = np.asarray(label_map_of((bone,), ct).volume.array) > 0
    inner = ndimage.binary_erosion(labels == value, iterations=2)
    assert (found & inner).sum() > 0.94 * inner.sum()  # no hollow at the vein's foramen
    assert bone.parts is not None
    body, arch = ((bone.parts.volume.array == value).sum() for value in (1, 2))
    assert 0.45 < body / (body + arch) < 0.8
    assert ((bone.parts.volume.array > 0) == (bone.labels.volume.array > 0)).all()
    assert bone.confidence.min() < 0.3
    assert bone.confidence.max() > 0.9
    assert "level is unknown" in bone.notes[0]


def test_a_vertebra_with_marrow_as_dark_as_muscle_is_filled() -> None:
    ct = read_volume(TPTBOX / "sub-ct_label-22_ct.nii.gz", Quantity.HU)
    truth = np.asarray(read_volume(TPTBOX / "sub-ct_seg-vert_label-22_msk.nii.gz", Quantity.LABEL).array) == 22
    bone = isolate(ct, place_in(truth, ct), Site.VERTEBRA)
    assert dice(bone, ct, truth) > 0.89


def test_what_has_no_disc_on_both_sides_is_refused() -> None:
    ct, labels = sample()
    with pytest.raises(RefusedError, match="no disc in view both above and below") as caught:
        isolate(ct, place_in(labels == 33, ct), Site.VERTEBRA)
    assert caught.value.code == "BONE_CUT"


def test_no_canal_is_refused_with_words() -> None:
    values = np.full((40, 60, 50), 40.0, dtype=np.float32)
    grid = upright_grid(np.zeros(3), np.array([98.0, 118.0, 78.0]), 2.0)
    with pytest.raises(RefusedError, match="no spinal canal"):
        canal_path(values, grid, TissueLevels(40.0, 10.0, 145.0, 0.5))


def test_the_canal_of_a_tilted_tube_is_found() -> None:
    """Ring of bone around a soft tube that leans by 0.2, a body in front, and a brighter hose without a body."""
    grid = upright_grid(np.array([0.0, 0.0, 0.0]), np.array([118.0, 158.0, 78.0]), 2.0)
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    ras = grid.to_ras(np.stack([i, j, k], axis=-1).reshape(-1, 3).astype(float)).reshape(*grid.shape, 3)
    x, y = 50.0 + 0.1 * ras[..., 2], 60.0 + 0.2 * ras[..., 2]
    away = np.hypot(ras[..., 0] - x, ras[..., 1] - y)
    body = np.hypot(ras[..., 0] - x, ras[..., 1] - y - 28.0)
    hose = np.hypot(ras[..., 0] - 20.0, ras[..., 1] - 30.0)
    values = np.where(body < 19, 220.0, 40.0)
    values = np.where((hose > 9) & (hose < 14), 600.0, values)
    values = np.where((away > 9) & (away < 14), 500.0, np.where(away <= 9, 40.0, values)).astype(np.float32)
    path = canal_path(values, grid, TissueLevels(40.0, 10.0, 145.0, 0.5))
    expected = np.stack([50.0 + 0.1 * path[:, 2], 60.0 + 0.2 * path[:, 2]], axis=-1)
    # the ends are drawn towards the mean
    assert np.abs(path[:, :2] - expected).max() < 5.0
    assert np.abs(path[:, :2] - expected).mean() < 1.5


def test_coordinates_along_a_curved_canal_go_there_and_back() -> None:
    z = np.linspace(-40.0, 50.0, 60)
    frame = CanalFrame(np.stack([3.0 + 0.002 * z**2, 0.2 * z + 0.003 * z**2, z], axis=-1))
    local = np.random.default_rng(4).uniform([8.0, -40.0, -35.0], [70.0, 40.0, 35.0], (50, 3))
    assert np.abs(frame.local(frame.ras(local)) - local).max() < 0.7
    right, front = frame.ras(np.array([[45.0, 0.0, 10.0], [45.0, 10.0, 0.0]])) - frame.ras(np.array([45.0, 0.0, 0.0]))
    assert right[0] > 9.5
    assert front[1] > 9.5


def test_vertebrae_are_found_without_a_click() -> None:
    ct, labels = sample()
    found = find_vertebrae(ct)
    best = [max(dice(bone, ct, labels == value) for value in range(26, 34)) for bone in found]
    assert sum(value > 0.88 for value in best) >= 3


def test_segment_and_run_take_a_point(tmp_path: Path) -> None:
    ct, labels = sample()
    write_volume(ct, tmp_path / "ct.nii.gz")
    point = ",".join(f"{value:.2f}" for value in place_in(labels == L3, ct))
    target, sure = tmp_path / "bones.seg.nrrd", tmp_path / "sure.nii.gz"
    arguments = ["segment", str(tmp_path / "ct.nii.gz"), f"--point={point}", "--out", str(target)]
    assert main([*arguments, "--confidence", str(sure)]) == 0
    written = read_labels(target, "none")
    truth = labels == L3
    found = np.asarray(written.volume.array) > 0
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.9
    assert read_volume(sure, Quantity.LABEL).array.max() == 100
    with pytest.raises(SystemExit):
        main([*arguments, "--overwrite", "--labels", str(target)])
    assert main(["run", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "none")]) == 2
    settings = [word for name in ("model.voxel_mm=3", "solver.tolerance=1e-5") for word in ("--set", name)]
    run = ["run", str(tmp_path / "ct.nii.gz"), f"--point={point}", "--level", "L3", "--out", str(tmp_path / "out")]
    assert main([*run, *settings]) == 0
    assert "ISOLATED_FROM_POINT" in (tmp_path / "out" / "results.json").read_text(encoding="utf-8")


def test_a_vertebra_whose_spinous_process_leaves_the_image_gives_its_body() -> None:
    ct, labels = sample()
    where = np.argwhere(labels == L3)
    # the sample's j axis runs forward: the process ends at the least index
    assert ct.ijk_to_ras[1, 1] > 0
    cut = int(where[:, 1].min()) + 3
    near = ct.cropped((0, cut, 0), ct.array.shape)
    bone = isolate(near, place_in(labels == L3, ct), Site.VERTEBRA)
    assert "only the body is given" in bone.notes[1]
    found = np.asarray(label_map_of((bone,), near).volume.array) > 0
    assert found[:, :3].sum() == 0
    body = (labels == L3)[:, cut:] & (np.arange(labels.shape[1])[None, cut:, None] > where[:, 1].mean())
    assert (found & body).sum() > 0.8 * body.sum()
