"""Femur under load: frames, boundary sets, mirror, a real hip from DICOM to strength."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib import load_case, material
from BoneStrengthFEALib.anatomy import Side, Site, prepare, resample
from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.load_case.femur import fall_frame, stance_frame
from BoneStrengthFEALib.load_case.record import LoadedModel
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.solver import solve_linear
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.vertebra import pose
from BoneStrengthFEALib.volume import Quantity


def loaded(
    name: str,
    left: bool = False,
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    settings: ModelSettings | None = None,
    voxel_mm: float = 2.5,
) -> LoadedModel:
    settings = settings or ModelSettings()
    ct, labels = SyntheticFemur().scan(pose(angles), (1.5, 1.5, 1.5), left)
    side = Side.LEFT if left else Side.RIGHT
    specimen = prepare(labels, 1, (Site.FEMUR, "", side))
    case = load_case.load_case(name, Site.FEMUR)
    assert case.frame is not None
    density = ct.with_array((0.8 * ct.array + 5.0).astype(np.float32), Quantity.K2HPO4)
    ash = density.with_array((1.06 * density.array + 38.9).astype(np.float32), Quantity.ASH)
    aligned = resample(ash, specimen, voxel_mm, case.regions, case.frame(specimen, settings))
    return load_case.build(case, aligned, material.map_density(aligned.density, aligned.regions, "F2"), settings)


def stiffness(model: LoadedModel) -> float:
    solution = solve_linear(model.model)
    moved = next(p for p in model.model.prescribed if p.name == "head")
    total = sum(force for force in solution.reactions_n.values())
    assert np.abs(total).max() < 1e-6 * abs(solution.reactions_n["head"][2])
    return abs(float(solution.reactions_n["head"][2]) / float(np.mean(moved.value_mm)))


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_frame_of_a_fall_by_hand(side: Side) -> None:
    """Rotation 0, adduction 0: up is medial; 15 and 10 degrees tilt up by their sines."""
    _, labels = SyntheticFemur().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0), side is Side.LEFT)
    specimen = prepare(labels, 1, (Site.FEMUR, "", side))
    lateral = -1.0 if side is Side.LEFT else 1.0
    straight = fall_frame(specimen, ModelSettings(fall_rotation_deg=0.0, fall_adduction_deg=0.0))
    up = np.linalg.inv(specimen.local_to_ras[:3, :3]) @ straight[:3, 2]
    np.testing.assert_allclose(up, (-lateral, 0, 0), atol=1e-12)
    turned = fall_frame(specimen, ModelSettings())
    up = np.linalg.inv(specimen.local_to_ras[:3, :3]) @ turned[:3, 2]
    ten, fifteen = np.radians((10.0, 15.0))
    expected = (-lateral * np.cos(ten) * np.cos(fifteen), np.cos(ten) * np.sin(fifteen), -np.sin(ten))
    np.testing.assert_allclose(up, expected, atol=1e-12)
    stance = np.linalg.inv(specimen.local_to_ras[:3, :3]) @ stance_frame(specimen, ModelSettings())[:3, 2]
    np.testing.assert_allclose(stance, (-lateral * np.sin(np.radians(20)), 0, np.cos(np.radians(20))), atol=1e-12)


@pytest.mark.parametrize("name", ["femur-fall", "femur-fall-potted", "femur-stance"])
def test_left_and_right_are_mirror_images(name: str) -> None:
    # the two scans sample the bone at different places
    assert stiffness(loaded(name, left=True)) == pytest.approx(stiffness(loaded(name)), rel=5e-3)


def test_the_pose_in_the_scanner_changes_little() -> None:
    assert stiffness(loaded("femur-fall", angles=(12.0, -9.0, 20.0))) == pytest.approx(
        stiffness(loaded("femur-fall")), rel=0.03
    )


def test_holding_more_makes_stiffer_and_stance_differs() -> None:
    fall, potted = stiffness(loaded("femur-fall")), stiffness(loaded("femur-fall-potted"))
    assert potted > 1.01 * fall
    assert stiffness(loaded("femur-stance")) != pytest.approx(fall, rel=0.05)


def test_pads_reach_over_head_and_trochanter_only() -> None:
    model = loaded("femur-fall")
    regions = model.model.regions
    assert regions is not None
    cement = np.argwhere(regions == 9)
    assert set(np.unique(cement[:, 0])) <= {*range(7), *range(regions.shape[0] - 7, regions.shape[0])}
    assert model.cap_mm == pytest.approx(10.0)
    assert (regions[0] == 9).any()
    assert not (regions[0] == 1).any()


def test_an_impossible_fall_is_refused() -> None:
    with pytest.raises(AnatomyError, match="not on the"):
        loaded("femur-fall", settings=dataclasses.replace(ModelSettings(), fall_rotation_deg=100.0))


def test_real_hip_from_dicom_to_strength(reference_data: Path, tmp_path: Path) -> None:
    folder = reference_data / "hip_sts044"
    values = {}
    for case in ("femur-fall", "femur-stance"):
        out = tmp_path / case
        named = {"labels": folder / "femur_right_mask.nii.gz", "tissues": folder / "tissue_rois.nii.gz"}
        named |= {"label": "1", "site": "femur", "side": "right", "tissue-numbering": "none", "height": "1.75"}
        arguments = [f"--{name}={value}" for name, value in named.items()]
        arguments += [f"--set=model.load_case={case}", "--set=model.voxel_mm=2.5"]
        assert main(["run", str(folder / "dicom"), *arguments, "--out", str(out)]) == 0
        site = json.loads((out / "results.json").read_text(encoding="utf-8"))["sites"][0]
        values[case] = site
        assert 800 < site["strengths"][0]["force_n"] < 12000
        # the window of 0.5 to 8 kN/mm is that of falls; along its shaft a femur is stiffer (docs/validation.md)
        highest = {"femur-fall": 8000, "femur-stance": 13000}[case]
        assert 500 < site["strengths"][0]["stiffness_n_per_mm"] < highest
        assert any(line["check"] == "DENSITY_CONVERSION" for line in site["quality"]["lines"])
    lines = {line["measure"]: line for line in values["femur-fall"]["risk"]}
    assert set(lines) == {"hip strength", "hip load-to-strength"}
    assert values["femur-stance"]["risk"] == []
