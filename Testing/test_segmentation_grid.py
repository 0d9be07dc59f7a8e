"""Working grids and tissue levels that every isolation of a bone starts from."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.segmentation.tissue_levels import ABOVE_SOFT_HU, DEFAULT_SOFT_HU, tissue_levels
from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU, image_box, onto_ct, reached, sampled, upright_grid
from BoneStrengthFEALib.volume import Quantity, Volume


def plane(ras: np.ndarray) -> np.ndarray:
    return 3.0 * ras[..., 0] - 2.0 * ras[..., 1] + 0.5 * ras[..., 2] + 7.0


def linear_ct(shape: tuple[int, int, int], affine: np.ndarray) -> Volume:
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    ras = np.stack([i, j, k], axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    return Volume(plane(ras).astype(np.float32), affine, Quantity.HU)


def tilted() -> np.ndarray:
    c, s = np.cos(0.3), np.sin(0.3)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ np.array([[-1, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])
    affine = np.eye(4)
    affine[:3, :3] = turn * np.array([0.8, 1.1, 1.5])
    affine[:3, 3] = (4.0, -9.0, 20.0)
    return affine


def grid_points(grid) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    return grid.to_ras(np.stack([i, j, k], axis=-1).astype(float))


def test_sampling_gives_a_linear_field_exactly_on_a_tilted_permuted_scan() -> None:
    ct = linear_ct((14, 20, 25), tilted())
    middle = ct.grid.to_ras(np.array([12.0, 9.5, 6.5]))
    half = np.array([3.0, 4.0, 5.0])
    grid = upright_grid(middle - half, middle + half, 1.0)
    assert grid.shape == (11, 9, 7)
    assert sampled(ct, grid) == pytest.approx(plane(grid_points(grid)), abs=1e-3)


def test_blocks_are_averaged_at_their_centres() -> None:
    ct = linear_ct((14, 20, 25), np.diag([0.8, 0.8, 0.8, 1.0]))
    grid = upright_grid(np.array([5.0, 4.0, 3.0]), np.array([13.0, 10.0, 8.0]), 2.5)
    assert sampled(ct, grid) == pytest.approx(plane(grid_points(grid)), abs=1e-3)


def test_points_without_image_are_marked_outside() -> None:
    ct = linear_ct((4, 5, 6), np.diag([1.0, 2.0, 3.0, 1.0]))
    low, high = image_box(ct)
    assert low == pytest.approx([0, 0, 0])
    assert high == pytest.approx([5, 8, 9])
    grid = upright_grid(low - 4.0, high + 4.0, 1.0)
    points = grid_points(grid)
    # a voxel reaches half its size beyond its centre
    inside = ((points >= (-0.5, -1.0, -1.5)) & (points <= (5.5, 9.0, 10.5))).all(axis=-1)
    assert (reached(ct, grid) == inside).all()
    assert (sampled(ct, grid)[~inside] == OUTSIDE_HU).all()
    far = upright_grid(high + 50.0, high + 55.0, 1.0)
    assert (sampled(ct, far) == OUTSIDE_HU).all()


def test_a_field_returns_to_the_voxels_of_the_scan() -> None:
    ct = linear_ct((14, 20, 25), tilted())
    middle = ct.grid.to_ras(np.array([12.0, 9.5, 6.5]))
    grid = upright_grid(middle - 4.0, middle + 4.0, 0.7)
    values, part = onto_ct(plane(grid_points(grid)), grid, ct)
    points = grid_points(part.grid)
    low, high = image_box(Volume(np.zeros(grid.shape), grid.ijk_to_ras, Quantity.HU))
    inside = ((points >= low) & (points <= high)).all(axis=-1)
    assert inside.sum() > 200
    assert values[inside] == pytest.approx(part.array[inside], abs=1e-3)


def soft_block(level: float, noise: float) -> np.ndarray:
    rng = np.random.default_rng(5)
    values = np.full((30, 40, 50), level)
    values[:, :, :12] = -100.0
    values[10:20, 10:25, 30:45] = 700.0
    return (values + rng.normal(0.0, noise, values.shape)).astype(np.float32)


@pytest.mark.parametrize(("level", "noise"), [(38.0, 12.0), (90.0, 30.0)])
def test_levels_follow_soft_tissue_and_its_noise(level: float, noise: float) -> None:
    found = tissue_levels(soft_block(level, noise))
    assert found.soft_hu == pytest.approx(level, abs=4.0)
    assert found.noise_hu == pytest.approx(noise, rel=0.1)
    assert found.bone_hu == pytest.approx(level + ABOVE_SOFT_HU, abs=4.0)


def test_threshold_of_the_user_stands_and_little_tissue_takes_the_default() -> None:
    assert tissue_levels(soft_block(40.0, 10.0), threshold_hu=222.0).bone_hu == 222.0
    assert tissue_levels(np.full((5, 6, 7), 900.0, dtype=np.float32)).soft_hu == DEFAULT_SOFT_HU


def test_noise_asks_for_blur() -> None:
    assert tissue_levels(soft_block(40.0, 60.0)).blur_steps > tissue_levels(soft_block(40.0, 5.0)).blur_steps
