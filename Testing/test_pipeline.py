"""The main job end to end, and what it refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.acquisition import Sex
from BoneStrengthFEALib.anatomy import Site
from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.errors import BoneStrengthError, CancelledError, InputError, OutputError
from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.output_folder import check_target
from BoneStrengthFEALib.report.sentences import headline
from BoneStrengthFEALib.results import SiteResult
from BoneStrengthFEALib.settings import Settings, settings_from_dict
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.volume import Quantity, Volume

TPTBOX = Path(__file__).parent / "data" / "vertebra_tptbox"
GIVEN = ("calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8", "calibration.intercept_mg_cm3=5",
         "calibration.density_kind=K2HPO4")  # fmt: skip
FAST = (*GIVEN, "model.voxel_mm=2", "solver.tolerance=1e-6")
IMAGES = {
    "ct": TPTBOX / "sub-ct_label-22_ct.nii.gz",
    "labels": TPTBOX / "sub-ct_seg-vert_label-22_msk.nii.gz",
    "parts": TPTBOX / "sub-ct_seg-subreg_label-22_msk.nii.gz",
}


def tptbox_study(**changes: object) -> Study:
    labels = LabelMap(read_volume(IMAGES["labels"], Quantity.LABEL), {21: "L2", 22: "L3", 23: "L4"})
    return Study(read_volume(IMAGES["ct"], Quantity.HU), labels, (Target(22),), demo_study().acquisition, **changes)  # type: ignore[arg-type]


def arguments(tmp_path: Path, *more: str) -> list[str]:
    settings = [part for assignment in FAST for part in ("--set", assignment)]
    return ["run", str(IMAGES["ct"]), "--labels", str(IMAGES["labels"]), "--numbering", "tptbox", "--label", "22",
            *settings, "--out", str(tmp_path / "out"), *more]  # fmt: skip


@pytest.fixture(scope="module")
def demo_l2() -> pipeline.Outcome:
    return pipeline.run(demo_study(("L2",)))


def test_demo_numbers_are_those_of_the_release(demo_l2: pipeline.Outcome) -> None:
    """Golden numbers; they change only with a line in CHANGELOG under 'Numbers changed'."""
    site = demo_l2.results.sites[0]
    assert site.name == "L2"
    assert site.strengths[0].force_n == pytest.approx(3214, rel=2e-3)
    assert site.strengths[0].stiffness_n_per_mm == pytest.approx(18060, rel=2e-3)
    assert site.bmd[0].value == pytest.approx(92.9, abs=0.3)


def test_crawford_is_stiffness_times_height(demo_l2: pipeline.Outcome) -> None:
    site = demo_l2.results.sites[0]
    assert site.model is not None
    strength = site.strengths[0]
    expected = 0.0068 * strength.stiffness_n_per_mm * site.model.numbers["height_mm"]
    assert strength.force_n == pytest.approx(expected, rel=1e-12)


def test_the_same_input_gives_the_same_bits(demo_l2: pipeline.Outcome) -> None:
    again = pipeline.run(demo_study(("L2",)))
    assert again.results.sites[0].strengths == demo_l2.results.sites[0].strengths


def test_results_hold_what_reproduces_them(demo_l2: pipeline.Outcome) -> None:
    provenance = demo_l2.results.provenance
    assert settings_from_dict(demo_l2.results.settings) == Settings()
    assert provenance["settings_sha256"] == Settings().sha256()
    assert re.fullmatch("[0-9a-f]{64}", provenance["ct_sha256"])


def test_sex_brings_classes_and_a_load_to_strength_ratio() -> None:
    study = tptbox_study().with_subject(sex=Sex.FEMALE, weight_kg=65.0, height_m=1.60)
    results = pipeline.run(study, override(Settings(), FAST)).results
    measures = {line.measure: line for line in results.sites[0].risk}
    assert measures["spine strength"].classification == "fragile"
    force = results.sites[0].strengths[0].force_n
    assert measures["spine load-to-strength"].value == pytest.approx(2447 / force, abs=0.01)
    assert results.risk is not None
    assert results.risk.classification == "high risk"


def test_no_class_from_a_calibration_without_bone_reference() -> None:
    """Such a calibration reads bone tens of percent low; the same scan gets its class from another one."""
    study = demo_study(("L1",)).with_subject(sex=Sex.FEMALE, weight_kg=65.0, height_m=1.60)
    low = pipeline.measure(study, override(Settings(), ("calibration.method=internal-michalski2020",))).results
    assert low.sites[0].bmd[0].value < 100
    assert {m.classification for m in (*low.measures, *low.sites[0].bmd)} == {""}
    assert low.risk is None
    assert "withheld" in headline(dataclasses.replace(low, sites=(with_a_strength(low.sites[0]),)))
    other = pipeline.measure(study).results
    assert other.sites[0].bmd[0].classification
    assert other.measures[0].classification
    assert other.risk is not None


def with_a_strength(site: SiteResult) -> SiteResult:
    strength = Strength("crawford2003", 2000.0, 9000.0, 25.0)
    return dataclasses.replace(site, strengths=(strength,))


def test_a_body_label_replaces_the_search_for_the_body() -> None:
    parts = LabelMap(read_volume(IMAGES["parts"], Quantity.LABEL), {49: "corpus_border", 50: "corpus"})
    settings = override(Settings(), FAST)
    by_shape = pipeline.run(tptbox_study(), settings).results.sites[0]
    by_label = pipeline.run(tptbox_study(parts=parts), settings).results.sites[0]
    assert by_label.strengths[0].force_n == pytest.approx(by_shape.strengths[0].force_n, rel=0.1)
    assert by_label.strengths[0].force_n != by_shape.strengths[0].force_n


def test_scan_axes_do_not_matter() -> None:
    """The same scan with its axes stored in another order and direction gives the same strength."""
    study = tptbox_study()

    def turned(volume: Volume) -> Volume:
        array = np.ascontiguousarray(volume.array.transpose(2, 0, 1)[:, ::-1, :])
        # new i runs along old j, new j backwards along old k, new k along old i
        affine = np.eye(4)
        old = np.array(volume.ijk_to_ras)
        affine[:3, 0], affine[:3, 1], affine[:3, 2] = old[:3, 1], -old[:3, 2], old[:3, 0]
        affine[:3, 3] = old[:3, 3] + old[:3, 2] * (volume.array.shape[0] - 1)
        return Volume(array, affine, volume.quantity)

    other = dataclasses.replace(
        study, ct=turned(study.ct), labels=LabelMap(turned(study.labels.volume), study.labels.names)
    )
    settings = override(Settings(), FAST)
    first, second = (pipeline.run(s, settings).results.sites[0].strengths[0].force_n for s in (study, other))
    assert second == pytest.approx(first, rel=1e-6)


def test_command_line_writes_report_numbers_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(tmp_path, "--sex", "F", "--images")) == 0
    folder = tmp_path / "out"
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert data["schema"] == "bonestrengthfea-results/1"
    force = data["sites"][0]["strengths"][0]["force_n"]
    rows = list(csv.DictReader((folder / "measures.csv").open(encoding="utf-8")))
    assert [float(r["value"]) for r in rows if r["measure"] == "failure_load_crawford2003"] == [force]
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "Research use only" in html
    assert not re.search(r'(src|href)="(?!data:)', html), "no external request"
    assert "<script" not in html
    assert {"density.nii.gz", "L3_regions.nii.gz", "L3_axial.png"} <= {p.name for p in folder.iterdir()}
    assert "report:" in capsys.readouterr().out


def test_existing_results_and_foreign_folders_are_safe(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine", encoding="utf-8")
    assert main(arguments(tmp_path)) == 1
    assert main(arguments(tmp_path, "--overwrite")) == 1
    assert [p.name for p in folder.iterdir()] == ["thesis.txt"]
    (folder / "thesis.txt").unlink()
    (folder / "results.json").write_text("{}", encoding="utf-8")
    assert main(arguments(tmp_path)) == 1
    assert main(arguments(tmp_path, "--overwrite")) == 0
    assert (folder / "report.html").is_file()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def changed_image(tmp_path: Path, role: str, change: object) -> Path:
    quantity = Quantity.HU if role == "ct" else Quantity.LABEL
    volume = change(read_volume(IMAGES[role], quantity))  # type: ignore[operator]
    path = tmp_path / f"{role}.nii.gz"
    write_volume(volume, path)
    return path


def shifted(volume: Volume) -> Volume:
    affine = np.array(volume.ijk_to_ras)
    affine[:3, 3] += 4.0
    return Volume(volume.array, affine, volume.quantity)


def only(labels: np.ndarray, keep: np.ndarray) -> np.ndarray:
    return np.where(keep, labels, 0).astype(np.uint8)


def one_voxel(volume: Volume) -> Volume:
    keep = np.zeros(volume.array.shape, bool)
    keep[tuple(np.argwhere(volume.array == 22)[0])] = True
    return volume.with_array(only(volume.array, keep))


def a_slice(volume: Volume) -> Volume:
    index = np.argwhere(volume.array == 22)
    up = int(np.abs(volume.ijk_to_ras[2, :3]).argmax())
    keep = np.zeros(volume.array.shape, bool)
    middle = [slice(None)] * 3
    middle[2 - up] = int(np.median(index[:, 2 - up]))
    keep[tuple(middle)] = True
    return volume.with_array(only(volume.array, keep))


def at_the_edge(volume: Volume) -> Volume:
    k = int(np.argwhere(volume.array == 22)[:, 0].mean())
    return volume.cropped((0, 0, 0), (k, *volume.array.shape[1:]))


BAD_LABELS = {
    "other grid": (shifted, "GEOMETRY"),
    "one voxel": (one_voxel, "ANATOMY"),
    "one slice, no height": (a_slice, "ANATOMY"),
    "no such label": (lambda v: v.with_array(only(v.array, v.array != 22)), "INPUT"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels_are_refused_with_words_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    change, code = BAD_LABELS[name]
    path = changed_image(tmp_path, "labels", change)
    call = arguments(tmp_path)
    call[3] = str(path)
    assert main(call) in (1, 2)
    error = capsys.readouterr().err
    assert f"[{code}]" in error
    assert "Traceback" not in error
    assert [p.name for p in tmp_path.iterdir()] == ["labels.nii.gz"]


@pytest.mark.parametrize(
    ("name", "code"), [("missing", "INPUT"), ("damaged", "INPUT"), ("not HU", "NOT_HU"), ("NaN", "INPUT")]
)
def test_bad_images_are_refused_with_words_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, code: str
) -> None:
    import SimpleITK as sitk

    path = tmp_path / "ct.nii.gz"
    image = sitk.ReadImage(str(IMAGES["ct"]))
    if name == "damaged":
        path.write_bytes(IMAGES["ct"].read_bytes()[:20_000])
    elif name == "not HU":
        sitk.WriteImage(sitk.Cast(image, sitk.sitkInt16) + 1024, str(path))
    elif name == "NaN":
        array = sitk.GetArrayFromImage(image).astype(np.float32)
        array[3, 4, 5] = np.nan
        broken = sitk.GetImageFromArray(array)
        broken.CopyInformation(image)
        sitk.WriteImage(broken, str(path))
    call = arguments(tmp_path)
    call[1] = str(path)
    assert main(call) in (1, 2)
    assert f"[{code}]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bone_cut_by_the_field_of_view_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = arguments(tmp_path)
    call[1] = str(changed_image(tmp_path, "ct", lambda v: at_the_edge_of(v)))
    call[3] = str(changed_image(tmp_path, "labels", at_the_edge))
    assert main(call) == 1
    assert "BODY_CUT_BY_FOV" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def at_the_edge_of(ct: Volume) -> Volume:
    labels = at_the_edge(read_volume(IMAGES["labels"], Quantity.LABEL))
    return ct.cropped((0, 0, 0), labels.array.shape)


def test_an_accepted_refusal_becomes_a_warning() -> None:
    labels = read_volume(IMAGES["labels"], Quantity.LABEL)
    cut = at_the_edge(labels)
    study = dataclasses.replace(
        tptbox_study(),
        ct=read_volume(IMAGES["ct"], Quantity.HU).cropped((0, 0, 0), cut.array.shape),
        labels=LabelMap(cut, {22: "L3"}),
    )
    with pytest.raises(BoneStrengthError) as caught:
        pipeline.run(study, override(Settings(), FAST))
    refused = caught.value.code
    codes = ",".join({refused, "BODY_CUT_BY_FOV", "BODY_HEIGHT", "BODY_VOLUME"})
    site = pipeline.run(study, override(Settings(), [*FAST, f"accept={codes}"])).results.sites[0]
    assert site.strengths
    assert any("accepted by the user" in line.action for line in site.quality.warnings)


def test_a_calibration_without_tissues_is_refused() -> None:
    with pytest.raises(BoneStrengthError, match="at least 3 tissues"):
        pipeline.run(tptbox_study(), override(Settings(), ("calibration.method=internal-michalski2020",)))


def test_no_class_when_the_line_rests_on_fat_and_muscle_alone() -> None:
    results = pipeline.measure(tptbox_study()).results
    assert results.calibration is not None
    assert [point.name for point in results.calibration.points] == ["adipose", "muscle"]
    assert {measure.classification for measure in results.sites[0].bmd} == {""}


def test_unknown_sites_and_contradictions_are_refused() -> None:
    study = tptbox_study()
    for target, words in ((Target(22, Site.FEMUR), "names a vertebra"), (Target(22, level="L1"), "names L3")):
        with pytest.raises(BoneStrengthError, match=words):
            pipeline.run(dataclasses.replace(study, targets=(target,)), override(Settings(), FAST))


def test_cancelling_anywhere_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(stage: str, fraction: float) -> None:
        if "solving" in stage:
            raise CancelledError

    with pytest.raises(CancelledError):
        pipeline.run(tptbox_study(), override(Settings(), FAST), stop)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "run", interrupted)
    assert main(arguments(tmp_path)) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from BoneStrengthFEALib import outcome_files

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outcome_files, "write_text", full)
    assert main(arguments(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == []


def test_no_permission_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(**_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", denied)
    assert main(arguments(tmp_path)) == 1
    assert "Permission denied; choose another folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x", encoding="utf-8")
    assert main(arguments(tmp_path)) == 1
    with pytest.raises(OutputError, match="is a file"):
        check_target(tmp_path / "out", overwrite=True)


def test_ages_and_heights_in_other_units_are_refused(tmp_path: Path) -> None:
    assert main(arguments(tmp_path, "--height", "160")) == 2


def test_names_in_the_report_are_escaped() -> None:
    from BoneStrengthFEALib.report import build
    from BoneStrengthFEALib.report.html import render

    study = tptbox_study().with_subject(name="O'Neil^<script>alert(1)</script>")
    results = pipeline.run(study, override(Settings(), FAST)).results
    html = render(build(results), Path())
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_labels_of_another_kind_are_no_study() -> None:
    ct = read_volume(IMAGES["ct"], Quantity.HU)
    with pytest.raises(InputError, match="label map holds labels"):
        LabelMap(ct)
