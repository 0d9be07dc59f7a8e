"""Labels in another voxel order or extent land on the CT's grid; others are left for the caller to refuse."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.volume import Quantity, Volume

AFFINE = np.array([[-0.7, 0.1, 0, 10], [0.1, 0.7, 0, -5], [0, 0, 2.0, 30], [0, 0, 0, 1.0]])


def labels() -> Volume:
    return Volume(np.arange(1, 61, dtype=np.int16).reshape(3, 4, 5), AFFINE, Quantity.LABEL)


def reordered(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same voxels at the same places, stored with permuted and reversed axes."""
    array, affine = volume.array, np.array(volume.ijk_to_ras)
    for axis, flip in enumerate(flips):
        if flip:
            array = np.flip(array, axis)
            affine[:3, 3] += affine[:3, 2 - axis] * (volume.array.shape[axis] - 1)
            affine[:3, 2 - axis] *= -1
    columns = [2 - order[2 - n] for n in range(3)]
    moved = np.array(affine)
    moved[:3, :3] = affine[:3, columns]
    return Volume(np.ascontiguousarray(array.transpose(order)), moved, Quantity.LABEL)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)), ids=str)
def test_every_order_of_axes_comes_back(order: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    stored = reordered(labels(), order, flips)
    value = stored.array[1, 2, 2]
    place = stored.grid.to_ras(np.array((2.0, 2.0, 1.0)))
    k, j, i = (int(n[0]) for n in np.nonzero(labels().array == value))
    np.testing.assert_allclose(labels().grid.to_ras(np.array((i, j, k), dtype=float)), place)
    back = onto_grid(stored, labels().grid)
    np.testing.assert_array_equal(back.array, labels().array)
    assert back.grid.matches(labels().grid)


def test_cropped_and_larger_labels() -> None:
    whole = labels()
    part = whole.cropped((1, 1, 2), (3, 3, 5))
    back = onto_grid(reordered(part, (2, 0, 1), (True, False, True)), whole.grid)
    expected = np.zeros_like(whole.array)
    expected[1:3, 1:3, 2:5] = whole.array[1:3, 1:3, 2:5]
    np.testing.assert_array_equal(back.array, expected)
    np.testing.assert_array_equal(onto_grid(whole, part.grid).array, part.array)


@pytest.mark.parametrize("change", [np.diag([1.01, 1, 1, 1]), np.eye(4) + 0.3 * np.eye(4, k=3)], ids=["scale", "shift"])
def test_other_voxels_are_left_alone(change: np.ndarray) -> None:
    stored = Volume(labels().array, change @ AFFINE, Quantity.LABEL)
    assert onto_grid(stored, labels().grid) is stored
