"""Femur: landmarks, side and frame on solids with known axes, and on the real hip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib.anatomy import Side, Site, Specimen, identify, prepare
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.vertebra import pose
from BoneStrengthFEALib.volume import Quantity

POSES = [
    ((0, 0, 0), (1.0, 1.0, 1.0), False),
    ((8, -5, 15), (0.98, 0.98, 3.27), True),
    ((130, 40, 200), (0.9, 0.9, 3.0), True),
    ((20, -15, 40), (0.7, 0.7, 0.9), False),
    ((-90, 0, 10), (3.0, 3.0, 3.0), False),
    ((5, 10, -12), (1.5, 1.5, 2.0), True),
]


def angle_deg(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(first @ second, -1.0, 1.0))))


def specimen_of(
    bone: SyntheticFemur, angles: tuple[float, float, float], spacing: tuple[float, float, float], left: bool
) -> tuple[Specimen, dict[str, np.ndarray]]:
    place = pose(angles, (90.0, -40.0, 260.0))
    _, labels = bone.scan(place, spacing, left)
    return prepare(labels, 1, identify(labels, 1)), bone.landmarks(place, left)


@pytest.mark.parametrize(("angles", "spacing", "left"), POSES)
def test_landmarks_of_a_known_femur(
    angles: tuple[float, float, float], spacing: tuple[float, float, float], left: bool
) -> None:
    bone = SyntheticFemur(head_mm=23.0, neck_shaft_deg=124.0)
    specimen, truth = specimen_of(bone, angles, spacing, left)
    frame, marks, numbers = specimen.local_to_ras, specimen.landmarks, specimen.measurements
    assert specimen.side is (Side.LEFT if left else Side.RIGHT)
    assert np.linalg.norm(marks["head_centre"] - truth["head_centre"]) < 0.4
    assert numbers["head_radius_mm"] == pytest.approx(23.0, abs=0.3)
    assert angle_deg(frame[:3, 2], truth["proximal"]) < 0.5, "shaft axis"
    assert angle_deg(marks["neck_centre"] - marks["head_centre"], truth["neck"]) < 1.0, "neck axis"
    assert angle_deg(frame[:3, 1], truth["anterior"]) < 1.0, "anterior"
    assert numbers["neck_shaft_angle_deg"] == pytest.approx(124.0, abs=1.0)
    assert numbers["lesser_trochanter_depth_mm"] == pytest.approx(bone.lesser_mm, abs=3.0)
    assert not specimen.quality.refused


def test_the_modelled_part_ends_four_head_radii_below_the_head() -> None:
    specimen, _ = specimen_of(SyntheticFemur(), (10, 5, 0), (1.5, 1.5, 1.5), False)
    local = specimen.regions.grid.to_ras(np.argwhere(specimen.regions.array == 1)[:, ::-1].astype(float))
    depth = ((local - specimen.local_to_ras[:3, 3]) @ specimen.local_to_ras[:3, 2]).min()
    assert depth == pytest.approx(-4 * 24.0, abs=1.5)


def test_a_mirrored_label_is_refused_and_a_nameless_one_recognised() -> None:
    _, labels = SyntheticFemur().scan(pose((4, 0, 0)), (2.0, 2.0, 2.0), left=True)
    with pytest.raises(AnatomyError, match="those of a left one") as caught:
        prepare(labels, 1, (Site.FEMUR, "", Side.RIGHT))
    assert caught.value.code == "SIDE_DISAGREES"
    assert prepare(labels, 1, (Site.FEMUR, "", Side.NONE)).side is Side.LEFT


def test_coverage() -> None:
    """Shaft to 45 mm below the lesser trochanter: pass; to 20: a warning, axis still found; to 4: refused."""
    outcomes = []
    for below in (45.0, 20.0):
        specimen, truth = specimen_of(SyntheticFemur(distal_mm=62.0 + below), (25, 10, 0), (1.5, 1.5, 1.5), False)
        line = next(line for line in specimen.quality.lines if line.check == "SHAFT_COVERAGE")
        outcomes.append(line.outcome.value)
        assert angle_deg(specimen.local_to_ras[:3, 2], truth["proximal"]) < 1.0
    assert outcomes == ["pass", "warn"]
    with pytest.raises(AnatomyError) as caught:
        specimen_of(SyntheticFemur(distal_mm=66.0), (25, 10, 0), (1.5, 1.5, 1.5), False)
    assert caught.value.code == "FEMUR_TOO_SHORT"


def test_a_head_cut_by_the_image_is_refused() -> None:
    _, labels = SyntheticFemur().scan(pose((0, 0, 0)), (1.5, 1.5, 1.5))
    volume = labels.volume
    top = int(np.argwhere(volume.array.any(axis=(1, 2))).max())
    cut = LabelMap(volume.cropped((0, 0, 0), (top - 6, *volume.array.shape[1:])), labels.names)
    specimen = prepare(cut, 1, identify(cut, 1))
    assert "FEMUR_CUT_BY_FOV" in {line.check for line in specimen.quality.refused}


def test_a_ball_and_a_rod_are_no_femur() -> None:
    _, labels = SyntheticFemur().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0))
    _, j, i = np.indices(labels.volume.array.shape)
    rod = (np.hypot(i - 25, j - 15) < 7).astype(np.uint8)
    with pytest.raises(AnatomyError, match="no femoral head"):
        prepare(LabelMap(labels.volume.with_array(rod)), 1, (Site.FEMUR, "", Side.NONE))


def test_given_landmarks_replace_what_is_found() -> None:
    place = pose((0, 0, 0))
    _, labels = SyntheticFemur().scan(place, (1.5, 1.5, 1.5))
    given = {"shaft_proximal": np.array((42.0, -4.0, 0.0)), "shaft_distal": np.array((42.0, 6.0, -100.0))}
    specimen = prepare(labels, 1, identify(labels, 1), landmarks=given)
    axis = np.array((0.0, -10.0, 100.0)) / np.hypot(10.0, 100.0)
    np.testing.assert_allclose(specimen.local_to_ras[:3, 2], axis, atol=1e-9)
    with pytest.raises(AnatomyError, match="needs both landmarks"):
        prepare(labels, 1, identify(labels, 1), landmarks={"shaft_distal": given["shaft_distal"]})
    with pytest.raises(AnatomyError, match="no landmark nose"):
        prepare(labels, 1, identify(labels, 1), landmarks={"nose": np.zeros(3)})


def test_the_real_hip(reference_data: Path) -> None:
    """Right femur, flexed by 37 degrees; head and lesser trochanter as PROVENANCE.md places them."""
    mask = read_volume(reference_data / "hip_sts044" / "femur_right_mask.nii.gz", Quantity.LABEL)
    specimen = prepare(LabelMap(mask), 1, (Site.FEMUR, "", Side.NONE))
    assert specimen.side is Side.RIGHT
    assert specimen.measurements["head_radius_mm"] == pytest.approx(24.7, abs=0.5)
    assert 115 < specimen.measurements["neck_shaft_angle_deg"] < 135
    lowest = mask.grid.to_ras(np.argwhere(mask.array)[:, ::-1].astype(float))[:, 2].min()
    head = (specimen.landmarks["head_centre"][2] - lowest) / mask.spacing_mm[2]
    lesser = (specimen.landmarks["lesser_trochanter"][2] - lowest) / mask.spacing_mm[2]
    assert head == pytest.approx(41, abs=1.5)
    assert 19 <= lesser <= 25
    assert not specimen.quality.refused
