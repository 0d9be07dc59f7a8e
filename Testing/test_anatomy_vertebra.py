"""Vertebra: body, frame and resampling on solids with known answers, and on the real case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Side, Site, identify, prepare, resample
from BoneStrengthFEALib.anatomy.names import recognise
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.study_arguments import study_of
from BoneStrengthFEALib.errors import AnatomyError, InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Quantity

TPTBOX = Path(__file__).parent / "data" / "vertebra_tptbox"
POSES = [(0, 0, 0), (25, 0, 0), (-20, 8, 10), (10, -12, -25)]
ANY = [(170, 20, 80), (-95, 40, 200), (60, -70, 130)]
GIVEN = ("calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8", "calibration.intercept_mg_cm3=5",
         "calibration.density_kind=K2HPO4", "solver.tolerance=1e-6")  # fmt: skip


def angle_deg(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(first @ second, -1.0, 1.0))))


@pytest.mark.parametrize("angles", POSES)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 2.5), (2.0, 2.0, 2.0)])
def test_frame_and_volume_of_a_known_vertebra(
    angles: tuple[float, float, float], spacing: tuple[float, float, float]
) -> None:
    bone = SyntheticVertebra()
    truth = pose(angles, (12.0, -33.0, 410.0))
    _, labels = bone.scan(truth, spacing)
    specimen = prepare(labels, 1, identify(labels, 1))
    frame = specimen.local_to_ras
    assert angle_deg(frame[:3, 2], truth[:3, 2]) < 0.8, "superior axis"
    assert angle_deg(frame[:3, 1], truth[:3, 1]) < 0.8, "anterior axis"
    assert np.linalg.norm(frame[:3, 3] - truth[:3, 3]) < 0.3, "centre"
    ras = labels.volume.grid.to_ras(np.argwhere(labels.volume.array)[:, ::-1].astype(float))
    voxels = bone.body((ras - truth[:3, 3]) @ truth[:3, :3]).sum()
    assert (specimen.regions.array == 1).sum() == pytest.approx(voxels, rel=0.012)
    assert not specimen.quality.refused


@pytest.mark.parametrize("angles", ANY)
@pytest.mark.parametrize("spacing", [(1.5, 1.5, 1.5), (0.9, 0.9, 3.0)])
def test_a_vertebra_in_any_pose(angles: tuple[float, float, float], spacing: tuple[float, float, float]) -> None:
    """Upside down, lying, standing on its process: the shape alone tells front and top, and a warning says so."""
    truth = pose(angles, (12.0, -33.0, 410.0))
    _, labels = SyntheticVertebra().scan(truth, spacing)
    specimen = prepare(labels, 1, identify(labels, 1))
    frame = specimen.local_to_ras
    assert angle_deg(frame[:3, 2], truth[:3, 2]) < 1.0, "superior axis"
    assert angle_deg(frame[:3, 1], truth[:3, 1]) < 1.0, "anterior axis"
    assert np.linalg.norm(frame[:3, 3] - truth[:3, 3]) < 0.3, "centre"
    turned = min(truth[1, 1], truth[2, 2]) < 0.0
    outcome = next(line.outcome for line in specimen.quality.lines if line.check == "BONE_ORIENTATION")
    assert outcome is (Outcome.WARN if turned else Outcome.PASS)


def test_strength_does_not_depend_on_the_pose() -> None:
    """Rigid motion of the patient in the scanner; thick slices in one of the poses."""
    forces = []
    for angles in POSES:
        ct, labels = SyntheticVertebra().scan(pose(angles), (1.0, 1.0, 1.0))
        study = Study(ct, labels, (Target(1),), Acquisition("synthetic"))
        forces.append(pipeline.run(study, override(Settings(), GIVEN)).results.sites[0].strengths[0].force_n)
    assert max(forces) / min(forces) < 1.015


def test_resampling_keeps_the_volume_and_smooths_thick_slices() -> None:
    bone = SyntheticVertebra()
    ct, labels = bone.scan(pose((8, 0, 5)), (0.9, 0.9, 3.0))
    specimen = prepare(labels, 1, identify(labels, 1))
    aligned = resample(ct, specimen, 1.0, ("body",))
    assert aligned.mask("body").sum() == pytest.approx(bone.body_volume_mm3(), rel=0.03)
    assert not aligned.mask("posterior").any()
    np.testing.assert_allclose(aligned.density.spacing_mm, 1.0, rtol=1e-9)
    assert aligned.density.array.max() <= ct.array.max() + 1e-3, "interpolation must not overshoot"


def test_the_real_body_agrees_with_its_own_sublabels() -> None:
    vertebrae = LabelMap(read_volume(TPTBOX / "sub-ct_seg-vert_label-22_msk.nii.gz", Quantity.LABEL), {22: "L3"})
    parts = read_volume(TPTBOX / "sub-ct_seg-subreg_label-22_msk.nii.gz", Quantity.LABEL).array
    found = prepare(vertebrae, 22, (Site.VERTEBRA, "L3", Side.NONE)).regions.array == 1
    truth = (vertebrae.volume.array == 22) & np.isin(parts, (49, 50))
    dice = 2 * (found & truth).sum() / (found.sum() + truth.sum())
    assert dice > 0.94


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vertebrae_L1", (Site.VERTEBRA, "L1", Side.NONE)),
        ("T12 vertebra", (Site.VERTEBRA, "T12", Side.NONE)),
        ("L3", (Site.VERTEBRA, "L3", Side.NONE)),
        ("femur_left", (Site.FEMUR, "", Side.LEFT)),
        ("Right femur", (Site.FEMUR, "", Side.RIGHT)),
        ("tibia R", (Site.TIBIA, "", Side.RIGHT)),
        ("aorta", (None, "", Side.NONE)),
        ("gluteus_maximus_left", (None, "", Side.NONE)),
        ("T13x", (None, "", Side.NONE)),
    ],
)
def test_names(name: str, expected: tuple[Site | None, str, Side]) -> None:
    assert recognise(name) == expected


def test_refusals() -> None:
    _, labels = SyntheticVertebra().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0))
    with pytest.raises(AnatomyError, match="no thoracic or lumbar level"):
        identify(labels, 1, level="C3")
    nameless = LabelMap(labels.volume)
    with pytest.raises(AnatomyError, match="does not tell which bone"):
        identify(nameless, 1)
    assert prepare(nameless, 1, (Site.RADIUS, "", Side.LEFT)).quality.refused
    specimen = prepare(labels, 1, identify(labels, 1))
    with pytest.raises(InputError, match="voxel size"):
        resample(labels.volume.with_array(labels.volume.array.astype(np.float32), Quantity.K2HPO4), specimen, 0.0)


def test_parts_of_one_bone_in_files() -> None:
    """TPTBox: the vertebra in one file, its corpus in another; or a bone that is the sum of its parts."""
    vertebrae, parts, ct = (str(TPTBOX / f"sub-ct_{name}.nii.gz") for name in (
        "seg-vert_label-22_msk", "seg-subreg_label-22_msk", "label-22_ct"))  # fmt: skip
    base = [ct, "--site=vertebra", "--level=L3", "--out=unused", f"--bodies={parts}", "--bodies-label=49+50"]
    study = study_of(run_parser().parse_args([*base, f"--labels={vertebrae}", "--label=22"]))
    assert study.parts is not None
    truth = np.isin(read_volume(Path(parts), Quantity.LABEL).array, (49, 50))
    np.testing.assert_array_equal(np.isin(study.parts.volume.array, list(study.parts.names)), truth)
    joined = study_of(run_parser().parse_args([*base, f"--labels={parts}", "--label=50+49+41"]))
    whole = np.isin(read_volume(Path(parts), Quantity.LABEL).array, (41, 49, 50))
    np.testing.assert_array_equal(joined.labels.mask(joined.targets[0].label).array > 0, whole)
    with pytest.raises(InputError, match="bodies-label takes numbers"):
        study_of(run_parser().parse_args([*base[:-1], "--bodies-label=corpus", f"--labels={parts}", "--label=50"]))
