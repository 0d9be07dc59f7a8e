"""Volumes, grids, image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from BoneStrengthFEALib.errors import GeometryError, InputError, OutputError
from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Grid, Quantity, Volume, require_same_grid

TPTBOX = Path(__file__).parent / "data" / "vertebra_tptbox"
SHAPE = (3, 4, 5)


def oblique_affine() -> np.ndarray:
    """Columns 0.7, 1.1, 2.5 mm long along three orthogonal oblique axes, left-handed as many scanners store it."""
    axes, _ = np.linalg.qr(np.array([[1.0, 0.3, 0.2], [-0.2, 1.0, 0.4], [0.1, -0.5, -1.0]]))
    affine = np.eye(4)
    affine[:3, :3] = axes * (0.7, 1.1, 2.5)
    affine[:3, 3] = (-12.5, 33.0, 101.25)
    return affine


def a_volume(quantity: Quantity = Quantity.HU) -> Volume:
    numbers = np.arange(60, dtype=np.int16).reshape(SHAPE) * 7 - 100
    return Volume(numbers, oblique_affine(), quantity)


def test_grid_maps_indices_in_the_order_i_j_k() -> None:
    grid = Grid(SHAPE, np.array([[2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 5, 30], [0, 0, 0, 1]]))
    np.testing.assert_allclose(grid.to_ras(np.array([1.0, 2.0, 3.0])), (12, 26, 45))
    np.testing.assert_allclose(grid.to_ijk(np.array([12.0, 26.0, 45.0])), (1, 2, 3))
    assert grid.spacing_mm == (2.0, 3.0, 5.0)
    assert grid.voxel_volume_mm3 == pytest.approx(30.0)


def test_grid_inverts_itself_when_oblique() -> None:
    grid = Grid(SHAPE, oblique_affine())
    points = np.random.default_rng(8128).uniform(-50, 50, (6, 3))
    np.testing.assert_allclose(grid.to_ras(grid.to_ijk(points)), points, atol=1e-9)


def test_volume_is_read_only_and_leaves_the_given_array_alone() -> None:
    numbers = np.zeros(SHAPE, np.int16)
    volume = Volume(numbers, np.eye(4), Quantity.HU)
    with pytest.raises(ValueError, match="read-only"):
        volume.array[0, 0, 0] = 1
    numbers[0, 0, 0] = 1


def test_cropping_keeps_the_place_in_space() -> None:
    volume = a_volume()
    box = volume.cropped((1, 0, 2), (3, 3, 5))
    assert box.array.shape == (2, 3, 3)
    assert box.array[0, 1, 2] == volume.array[1, 1, 4]
    np.testing.assert_allclose(
        box.grid.to_ras(np.array([2.0, 1.0, 0.0])), volume.grid.to_ras(np.array([4.0, 1.0, 1.0]))
    )


@pytest.mark.parametrize(
    ("numbers", "quantity", "words"),
    [
        (np.zeros((2, 3)), Quantity.HU, "three dimensions"),
        (np.full(SHAPE, np.nan), Quantity.HU, "60 voxels are NaN"),
        (np.zeros(SHAPE), Quantity.LABEL, "holds integers"),
        (np.zeros(SHAPE, complex), Quantity.HU, "real numbers"),
    ],
)
def test_impossible_volumes_are_refused(numbers: np.ndarray, quantity: Quantity, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Volume(numbers, np.eye(4), quantity)


def test_flat_axes_are_refused() -> None:
    with pytest.raises(GeometryError, match="one plane"):
        Volume(np.zeros(SHAPE), np.diag([1.0, 1.0, 0.0, 1.0]), Quantity.HU)


def test_grids_that_differ_by_more_than_a_hundredth_of_a_millimetre_are_refused() -> None:
    moved = oblique_affine()
    moved[0, 3] += 0.009
    require_same_grid(a_volume(), Volume(a_volume().array, moved, Quantity.HU), "the two")
    moved[0, 3] += 0.003
    with pytest.raises(GeometryError, match=r"shape \(3, 4, 5\)"):
        require_same_grid(a_volume(), Volume(a_volume().array, moved, Quantity.HU), "the two")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("quantity", [Quantity.HU, Quantity.LABEL])
def test_files_round_trip(tmp_path: Path, suffix: str, quantity: Quantity) -> None:
    volume = a_volume(quantity)
    write_volume(volume, tmp_path / f"image{suffix}")
    back = read_volume(tmp_path / f"image{suffix}", quantity)
    np.testing.assert_array_equal(back.array, volume.array)
    np.testing.assert_allclose(back.ijk_to_ras, volume.ijk_to_ras, atol=2e-5)


def test_permuted_axes_are_read_where_they_are() -> None:
    """The case is stored with permuted axes: a voxel's place must agree with SimpleITK's own mapping (LPS)."""
    path = TPTBOX / "sub-ct_label-22_ct.nii.gz"
    volume, image = read_volume(path, Quantity.HU), sitk.ReadImage(str(path))
    off_diagonal = volume.ijk_to_ras[:3, :3] - np.diag(np.diag(volume.ijk_to_ras[:3, :3]))
    assert np.abs(off_diagonal).max() > 1.0, "the case is no longer stored permuted"
    x, y, z = image.TransformIndexToPhysicalPoint((11, 23, 37))
    np.testing.assert_allclose(volume.grid.to_ras(np.array([11.0, 23.0, 37.0])), (-x, -y, z), atol=1e-4)
    assert volume.array[37, 23, 11] == image[11, 23, 37]


def test_the_body_lies_in_front_of_the_spinous_process_and_l2_above_l4() -> None:
    """Anatomy tells whether RAS is right: anterior is +y, superior is +z."""
    parts = read_volume(TPTBOX / "sub-ct_seg-subreg_label-22_msk.nii.gz", Quantity.LABEL)
    levels = read_volume(TPTBOX / "sub-ct_seg-vert_label-22_msk.nii.gz", Quantity.LABEL)

    def centre(volume: Volume, label: int) -> np.ndarray:
        return volume.grid.to_ras(np.argwhere(volume.array == label)[:, ::-1].mean(axis=0))

    assert centre(parts, 50)[1] - centre(parts, 42)[1] > 20
    assert centre(levels, 21)[2] - centre(levels, 23)[2] > 20


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_volume(tmp_path / "no.nii.gz", Quantity.HU)
    (tmp_path / "notes.txt").write_text("not an image", encoding="utf-8")
    with pytest.raises(InputError, match="none of"):
        read_volume(tmp_path / "notes.txt", Quantity.HU)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_a_file_cut_short_is_refused_not_filled_with_zeros(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"cut{suffix}"
    noise = np.random.default_rng(271).integers(-1000, 1000, (7, 8, 9)).astype(np.int16)
    write_volume(Volume(noise, oblique_affine(), Quantity.HU), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match="cut short"):
        read_volume(path, Quantity.HU)


def test_fractions_are_no_labels(tmp_path: Path) -> None:
    write_volume(Volume(np.full(SHAPE, 0.5, np.float32), np.eye(4), Quantity.HU), tmp_path / "half.nii.gz")
    with pytest.raises(InputError, match="no label map"):
        read_volume(tmp_path / "half.nii.gz", Quantity.LABEL)


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_volume(a_volume(), tmp_path / "no_such_folder" / "image.nii.gz")
    assert list(tmp_path.iterdir()) == []


def test_one_bone_in_the_labels_needs_no_name() -> None:
    array = np.zeros((2, 3, 4), np.uint8)
    array[0, 0, 0] = 5
    one = LabelMap(Volume(array, np.eye(4), Quantity.LABEL), {5: "femur_left", 7: "hip_left"})
    assert one.only_label() == "femur_left"
    array[1, 1, 1] = 7
    with pytest.raises(InputError, match="5 femur_left, 7 hip_left"):
        LabelMap(Volume(array, np.eye(4), Quantity.LABEL), one.names).only_label()
