"""Distal radius and tibia: axes, standard region, load case and strength."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib.anatomy import Side, Site, Specimen, identify, prepare
from BoneStrengthFEALib.bmd import measure
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.settings import LimbSettings, ModelSettings
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.solver import solve_linear
from BoneStrengthFEALib.strength import Loading, evaluate
from BoneStrengthFEALib.synthetic.limb import SyntheticLimb, synthetic_radius
from BoneStrengthFEALib.synthetic.vertebra import pose
from BoneStrengthFEALib.volume import Quantity, Volume

POSES = [
    ((0, 0, 0), (1.0, 1.0, 1.0), False),
    ((7, -5, 15), (0.98, 0.98, 3.0), True),
    ((130, 40, 200), (0.9, 0.9, 2.0), True),
    ((20, -15, 40), (0.7, 0.7, 0.7), False),
    ((-90, 0, 10), (3.0, 3.0, 3.0), False),
]


def angle_deg(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(first @ second, -1.0, 1.0))))


def posed(
    bone: SyntheticLimb, angles: tuple[float, float, float], spacing: tuple[float, float, float], left: bool
) -> tuple[Volume, Specimen, np.ndarray]:
    place = pose(angles, (90.0, -40.0, 260.0))
    ct, labels = bone.scan(place, spacing, left)
    return ct, prepare(labels, 1, identify(labels, 1)), place


def strength_n(ct: Volume, specimen: Specimen, voxel_mm: float = 0.5) -> float:
    density = ct.with_array(np.maximum(ct.array, 0.0).astype(np.float32), Quantity.K2HPO4)
    built = build_model(specimen, density, ModelSettings(voxel_mm=voxel_mm))
    loaded = built.loaded
    solution = solve_linear(loaded.model)
    return evaluate("pistoia2002", loaded.model, solution, Loading("top", loaded.height_mm, loaded.bone)).force_n


@pytest.mark.parametrize("bone", [SyntheticLimb(), synthetic_radius()], ids=["tibia", "radius"])
@pytest.mark.parametrize(("angles", "spacing", "left"), POSES)
def test_axes_of_a_known_limb(
    bone: SyntheticLimb, angles: tuple[float, float, float], spacing: tuple[float, float, float], left: bool
) -> None:
    _, specimen, place = posed(bone, angles, spacing, left)
    frame = specimen.local_to_ras
    assert specimen.side is (Side.LEFT if left else Side.RIGHT)
    assert angle_deg(frame[:3, 2], place[:3, 2]) < 1.0, "long axis"
    assert angle_deg(frame[:3, 0], place[:3, 0]) < 1.0, "rotation"
    middle = (frame[:3, 3] - place[:3, 3]) @ place[:3, :3]
    offset = {"tibia": 22.5, "radius": 9.5}[bone.name]
    assert np.hypot(middle[0], middle[1]) < 0.5
    # in its middle the hollow joint surface lies 1.1 to 1.25 mm above the rim's level
    assert middle[2] == pytest.approx(offset + 9.02 / 2 + 1.2, abs=0.5 + 0.4 * max(spacing))
    # no patient lies with the ankle toward the head: what looks so is a tibia below the knee
    knee = bone.name == "tibia" and place[2, 2] < -0.3
    assert [line.check for line in specimen.quality.refused] == (["DISTAL_END_DOWN"] if knee else [])


def test_what_the_scan_does_not_cover_is_refused() -> None:
    with pytest.raises(AnatomyError, match="the label covers") as caught:
        posed(SyntheticLimb(length_mm=29.0, end_mm=(16.0, 12.0)), (0, 0, 0), (1.0, 1.0, 1.0), False)
    assert caught.value.code in ("REGION_NOT_COVERED", "NO_LONG_AXIS")


def test_offset_length_and_relative_region() -> None:
    _, labels = SyntheticLimb().scan(pose((0, 0, 0)), (1.0, 1.0, 1.0))
    who = identify(labels, 1)
    plain = prepare(labels, 1, who).local_to_ras
    moved = prepare(labels, 1, who, limb=LimbSettings(region_offset_mm=30.5)).local_to_ras
    assert (moved[:3, 3] - plain[:3, 3]) @ plain[:3, 2] == pytest.approx(8.0, abs=0.3)
    relative = prepare(labels, 1, who, limb=LimbSettings(region="relative", bone_length_mm=400.0))
    assert relative.measurements["region_offset_mm"] == pytest.approx(0.073 * 400 - 4.51, abs=1e-9)
    with pytest.raises(AnatomyError, match="needs the length"):
        prepare(labels, 1, who, limb=LimbSettings(region="relative"))
    joint = {"joint": np.array((0.0, 0.0, 5.0))}
    given = prepare(labels, 1, who, landmarks=joint).local_to_ras
    assert given[2, 3] == pytest.approx(5.0 + 22.5 + 4.51, abs=0.1)


def test_strength_under_rigid_motion_and_mirror() -> None:
    """Bounds measured with margin: docs/validation.md has the numbers."""
    bone = synthetic_radius()
    spacing = (0.7, 0.7, 0.7)
    ct, specimen, _ = posed(bone, (0, 0, 0), spacing, False)
    reference = strength_n(ct, specimen)
    ct, specimen, _ = posed(bone, (12, -9, 25), spacing, False)
    assert strength_n(ct, specimen) == pytest.approx(reference, rel=0.01)
    ct, specimen, _ = posed(bone, (0, 0, 0), spacing, True)
    assert strength_n(ct, specimen) == pytest.approx(reference, rel=0.002)


def test_prism_has_its_closed_form() -> None:
    """A prism of one modulus under free sides (poisson 0): k = E A / h, strain everywhere 1 %, factor 0.7."""
    from BoneStrengthFEALib.fe_model import FeModel
    from BoneStrengthFEALib.load_case.limb import compressed_between_platens
    from BoneStrengthFEALib.volume import Grid

    model = FeModel(Grid((6, 4, 5), np.diag([0.5, 0.5, 0.5, 1.0])), np.full((6, 4, 5), 6829.0), 0.0)
    loaded = compressed_between_platens(model)
    found = evaluate("pistoia2002", loaded, solve_linear(loaded), Loading("top", 3.0))
    area = 4 * 5 * 0.25
    assert found.stiffness_n_per_mm == pytest.approx(6829.0 * area / 3.0, rel=1e-6)
    assert found.force_n == pytest.approx(0.007 * 6829.0 * area, rel=1e-6)
    other = evaluate("pistoia-7-1.1", loaded, solve_linear(loaded), Loading("top", 3.0))
    assert other.force_n == pytest.approx(0.011 * 6829.0 * area, rel=1e-6)


def test_the_real_tibia(reference_data: Path) -> None:
    """Right tibia, shaft leaning 7 degrees medially upward; the label is cut flat 10 mm above the joint."""
    mask = read_volume(reference_data / "tibia_sts049" / "tibia_right_mask.nii.gz", Quantity.LABEL)
    specimen = prepare(LabelMap(mask), 1, (Site.TIBIA, "", Side.RIGHT))
    axis = specimen.local_to_ras[:3, 2]
    assert axis[2] > 0.97
    line = next(line for line in specimen.quality.lines if line.check == "JOINT_IN_LABEL")
    assert line.outcome.value == "warn"
    assert not specimen.quality.refused


def test_a_cortex_at_the_threshold_has_no_stated_uncertainty() -> None:
    ct, specimen, _ = posed(SyntheticLimb(), (0, 0, 0), (1.0, 1.0, 1.0), False)
    density = ct.with_array(np.clip(ct.array, 0.0, 452.0).astype(np.float32), Quantity.K2HPO4)
    # ten less, one standard deviation, and no voxel is cortex
    calibration = Calibration("given", Quantity.K2HPO4, (0.0, 1.0), covariance=np.diag([100.0, 0.0]))
    found = {m.id: m for m in measure(density, specimen, calibration)}
    assert found["cortical_vbmd"].value == pytest.approx(451.0, abs=1.0)
    assert found["cortical_vbmd"].uncertainty is None
    assert found["total_vbmd"].uncertainty == pytest.approx(10.0, rel=0.01)
