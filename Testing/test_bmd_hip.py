"""Hip projection: mineral is conserved, regions follow the axes, scores and classes by hand, the command bmd."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib.anatomy import Specimen, identify, prepare
from BoneStrengthFEALib.bmd import HipComparison, measure_hip, scan_hip, spine_mean
from BoneStrengthFEALib.bmd.hip_projection import project
from BoneStrengthFEALib.bmd.hip_reference import reference_set, who_class
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Quantity, Volume

CALIBRATION = Calibration("phantom-linear", Quantity.K2HPO4, (5.0, 0.8), np.diag([9.0, 0.0]))
REGIONS = ("femoral_neck", "trochanter", "intertrochanter", "total_hip")
GIVEN = ("calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8", "calibration.intercept_mg_cm3=5",
         "calibration.density_kind=K2HPO4")  # fmt: skip


def femur(
    angles: tuple[float, float, float] = (8, -5, 15),
    spacing: tuple[float, float, float] = (1.0, 1.1, 1.3),
    left: bool = False,
    bone: SyntheticFemur | None = None,
) -> tuple[Volume, Specimen]:
    """Uniform bone of 300 mg/cm3, so that every areal density is its thickness."""
    ct, labels = (bone or SyntheticFemur()).scan(pose(angles, (90.0, -40.0, 260.0)), spacing, left)
    specimen = prepare(labels, 1, identify(labels, 1))
    return Volume(np.where(labels.volume.array > 0, 300.0, 40.0), ct.ijk_to_ras, Quantity.K2HPO4), specimen


@pytest.fixture(scope="module")
def uniform() -> tuple[Volume, Specimen]:
    return femur()


def test_the_picture_holds_the_mineral_and_the_volume_of_the_bone(uniform: tuple[Volume, Specimen]) -> None:
    density, specimen = uniform
    values = np.random.default_rng(7043).uniform(20.0, 900.0, density.array.shape)
    projection = project(Volume(values, density.ijk_to_ras, Quantity.K2HPO4), specimen)
    inside = specimen.regions.array == 1
    milligrams = values[inside].sum() * density.voxel_volume_mm3 / 1000.0
    # pixels of 1 mm: g/cm2 times 0.01 cm2, in mg
    assert projection.mineral_g_cm2.sum() * 10.0 == pytest.approx(milligrams, rel=1e-9)
    assert projection.thickness_mm.sum() == pytest.approx(inside.sum() * density.voxel_volume_mm3, rel=1e-9)


def test_areal_density_is_density_times_thickness(uniform: tuple[Volume, Specimen]) -> None:
    density, specimen = uniform
    projection = project(density, specimen)
    row = int(np.abs(projection.proximal_mm).argmin())
    column = int(np.abs(projection.lateral_mm).argmin())
    middle = projection.mineral_g_cm2[row - 2 : row + 3, column - 2 : column + 3].mean()
    # through the middle of the head: a diameter of 48 mm at 300 mg/cm3
    assert middle == pytest.approx(0.3 * 4.8, rel=0.01)
    assert projection.lateral_mm[projection.bone.any(axis=0)].max() == pytest.approx(65.0, abs=1.5)


def test_a_round_neck_has_the_areal_density_of_a_circle() -> None:
    """A tube of radius r and density d has pi r d / 2 on average over its shadow."""
    density, specimen = femur()
    scan = scan_hip(density, specimen)
    mask = scan.regions.masks["femoral_neck"]
    area = float(mask.sum())
    lateral, proximal = np.meshgrid(scan.projection.lateral_mm, scan.projection.proximal_mm)
    width = area / 15.0
    assert scan.projection.mineral_g_cm2[mask].mean() == pytest.approx(np.pi / 4 * 0.3 * width / 10, rel=0.03)
    along = lateral[mask] * scan.regions.neck[0] + proximal[mask] * scan.regions.neck[1]
    assert along.max() - along.min() == pytest.approx(15.0, abs=1.5)


def test_regions_do_not_overlap_and_make_up_the_total(uniform: tuple[Volume, Specimen]) -> None:
    masks = scan_hip(*uniform).regions.masks
    parts = sum(masks[name].astype(int) for name in REGIONS[:3])
    assert parts.max() == 1
    np.testing.assert_array_equal(parts == 1, masks["total_hip"])
    values = {m.id: m.value for m in measure_hip(*uniform, CALIBRATION, HipComparison(), scan_hip(*uniform))}
    assert sum(values[f"{name}_bmc"] for name in REGIONS[:3]) == pytest.approx(values["total_hip_bmc"])
    for name in REGIONS:
        assert values[f"{name}_abmd"] == pytest.approx(values[f"{name}_bmc"] / values[f"{name}_area"])
    assert values["trochanter_area"] > 5 < values["intertrochanter_area"]


@pytest.mark.parametrize(("angles", "left"), [((0, 0, 0), False), ((12, -8, 35), False), ((-10, 6, -25), True)])
def test_measures_do_not_depend_on_pose_and_side(
    uniform: tuple[Volume, Specimen], angles: tuple[float, float, float], left: bool
) -> None:
    """Anteversion, flexion and the side are taken out."""
    first = {m.id: m.value for m in measure_hip(*uniform, CALIBRATION, HipComparison(), scan_hip(*uniform))}
    other = femur(angles, left=left)
    turned = {m.id: m.value for m in measure_hip(*other, CALIBRATION, HipComparison(), scan_hip(*other))}
    for name in REGIONS:
        assert turned[f"{name}_abmd"] == pytest.approx(first[f"{name}_abmd"], rel=0.025), name


def test_a_short_scan_has_no_total_hip() -> None:
    """The total hip ends 20 mm below the middle of the lesser trochanter, here at 82 mm."""
    regions = scan_hip(*femur(bone=SyntheticFemur(distal_mm=78.0))).regions
    assert set(regions.masks) == {"femoral_neck", "trochanter"}
    assert regions.lower_end_mm == pytest.approx(-82.0, abs=3.0)


def test_scores_by_hand(uniform: tuple[Volume, Specimen]) -> None:
    compared = HipComparison(sex="M", age_years=66.4, slope=0.9, offset_g_cm2=-0.04)
    scan = scan_hip(*uniform)
    plain = {m.id: m for m in measure_hip(*uniform, CALIBRATION, HipComparison(), scan)}
    found = {m.id: m for m in measure_hip(*uniform, CALIBRATION, compared, scan)}
    neck = 0.9 * plain["femoral_neck_abmd"].value - 0.04
    assert found["femoral_neck_abmd"].value == pytest.approx(neck)
    assert found["femoral_neck_t_score"].value == pytest.approx((neck - 0.858) / 0.120)
    total = found["total_hip_abmd"].value
    assert found["total_hip_t_score"].value == pytest.approx((total - 0.942) / 0.122)
    assert found["total_hip_t_score"].unverified
    assert found["total_hip_abmd"].classification == found["total_hip_t_score"].classification != ""
    assert found["trochanter_abmd"].classification == ""
    assert found["total_hip_z_score"].value == pytest.approx((total - 0.997) / 0.137)
    assert "femoral_neck_z_score" not in found
    assert "CT-equivalent" in plain["femoral_neck_abmd"].label
    assert "cross-calibration" in found["femoral_neck_abmd"].label
    # 3 mg/cm3 of the calibration along the mean ray, on the scale of the cross-calibration
    ray_cm = scan.projection.thickness_mm[scan.regions.masks["femoral_neck"]].mean() / 10.0
    assert found["femoral_neck_abmd"].uncertainty == pytest.approx(0.9 * 0.003 * ray_cm, rel=1e-9)


@pytest.mark.parametrize(
    ("abmd", "t", "named"),
    [(0.53, -2.73, "osteoporosis"), (0.558, -2.5, "osteoporosis"), (0.64, -1.82, "low bone mass")],
)
def test_published_examples_of_t_scores(abmd: float, t: float, named: str) -> None:
    row = reference_set("nhanes3-nhw-female").young("femoral_neck")
    assert row is not None
    assert row.score(abmd) == pytest.approx(t, abs=0.005)
    assert who_class(row.score(abmd)) == named


def test_a_reference_set_of_the_user(tmp_path: Path) -> None:
    row = {"region": "total_hip", "ages": [60, 69], "mean_g_cm2": 0.8, "sd_g_cm2": 0.1, "source": "own"}
    data = {"schema": "bonestrengthfea-hip-references/1", "sets": [{"id": "x", "name": "X", "sex": "F", "rows": [row]}]}
    path = tmp_path / "own.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    found = reference_set(str(path)).at_age("total_hip", 69.9)
    assert found is not None
    assert found.unverified
    assert found.score(0.65) == pytest.approx(-1.5)
    assert reference_set(str(path)).at_age("total_hip", 70.0) is None
    with pytest.raises(InputError, match="nhanes3-nhw-female"):
        reference_set("nhanes9")


def test_mean_of_the_first_two_levels() -> None:
    def one(value: float) -> tuple[Measure, ...]:
        return (Measure("trabecular_ellipse_vbmd", "T", value, "mg/cm3", 3.0),)

    mean = spine_mean({"L3": one(140.0), "L1": one(70.0), "L2": one(92.0), "T12": one(10.0)}, Quantity.K2HPO4)
    assert mean is not None
    assert (mean.value, mean.uncertainty, mean.classification) == (81.0, 3.0, "low bone mass")
    assert "L1 and L2" in mean.label
    # 84 mg/cm3 of CaHA are (84 + 7.32) / 1.15 = 79.4 on the K2HPO4 scale (Faulkner 1993)
    caha = spine_mean({"L2": one(84.0)}, Quantity.CAHA)
    assert caha is not None
    assert caha.classification == "osteoporosis"
    assert spine_mean({"T12": one(90.0)}, Quantity.K2HPO4) is None


def _arguments(folder: Path, site: str) -> list[str]:
    if site == "femur":
        ct, labels = SyntheticFemur().scan(pose((5, 4, 10), (90.0, -40.0, 260.0)), (1.5, 1.5, 2.0), True)
        named = ["--site", "femur", "--side", "left"]
    else:
        ct, labels = SyntheticVertebra().scan(pose((0, 0, 0)), (1.5, 1.5, 1.5))
        named = ["--level", "L2"]
    write_volume(ct, folder / "ct.nii.gz")
    write_volume(labels.volume, folder / "labels.nii.gz")
    settings = [part for one in GIVEN for part in ("--set", one)]
    return [str(folder / "ct.nii.gz"), "--labels", str(folder / "labels.nii.gz"), "--label", "1", *named, *settings]


def test_command_writes_measures_of_a_hip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = _arguments(tmp_path, "femur")
    out = tmp_path / "out"
    assert main(["bmd", *arguments, "--sex", "F", "--age", "71", "--out", str(out), "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    measures = {m["id"]: m for m in printed["sites"][0]["measures"]}
    assert printed["density"] == "K2HPO4"
    assert {f"{name}_abmd" for name in REGIONS} <= set(measures)
    assert (out / "left_femur_hip_projection.png").is_file()
    rows = list(csv.DictReader(io.StringIO((out / "measures.csv").read_text(encoding="utf-8"))))
    assert float(rows[0]["value"]) == measures[rows[0]["measure"]]["value"]
    flags = {row["measure"]: row["unverified"] for row in rows}
    assert flags == {name: str(m["unverified"]).lower() for name, m in measures.items()}
    assert flags["total_hip_t_score"] == "true"
    assert flags["femoral_neck_t_score"] == "false"
    assert json.loads((out / "results.json").read_text(encoding="utf-8"))["sites"][0]["model"] is None


def test_command_gives_the_numbers_of_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = _arguments(tmp_path, "vertebra")
    assert main(["bmd", *arguments, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    fast = ["--set", "model.voxel_mm=3", "--set", "solver.tolerance=1e-5"]
    assert main(["run", *arguments, *fast, "--out", str(tmp_path / "run")]) == 0
    run = list(csv.DictReader(io.StringIO((tmp_path / "run" / "measures.csv").read_text(encoding="utf-8"))))
    assert rows == [row for row in run if "failure" not in row["measure"] and row["measure"] != "stiffness"]
    assert rows[0]["measure"] == "spine_trabecular_vbmd"


def test_a_cross_calibration_that_turns_the_scale_round_is_refused() -> None:
    with pytest.raises(InputError, match="positive slope"):
        HipComparison(slope=-1.0)
