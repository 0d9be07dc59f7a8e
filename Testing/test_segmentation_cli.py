"""``segment`` from the command line: refusals with words, a box instead of a point, DICOM SEG, edits kept."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_cases import series as another_series
from dicom_cases import series_of, write
from external_tools import require_executable

from BoneStrengthFEALib.anatomy.specimen import Site
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.cli.main import main
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation import read_labels, write_labels
from BoneStrengthFEALib.segmentation.boxed import isolate_in_box
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Volume

L3, T12 = 29, 32


@cache
def sample() -> tuple[Volume, np.ndarray]:
    """CT of the demo with a screw in L5, and its vertebra labels."""
    study = demo_study(("L3",))
    labels = np.asarray(study.labels.volume.array)
    values = np.array(study.ct.array)
    k, j, i = np.argwhere(labels == 27).mean(axis=0).astype(int)
    values[k - 1 : k + 2, j - 4 : j + 5, i - 1 : i + 2] = 3071
    return study.ct.with_array(values), labels


def middle_of(mask: np.ndarray) -> np.ndarray:
    index = np.argwhere(mask)
    return index[np.linalg.norm(index - index.mean(axis=0), axis=1).argmin()]


def places() -> dict[str, np.ndarray]:
    """Voxels k, j, i of clicks that must be refused."""
    ct, labels = sample()
    j, i = middle_of(labels == L3)[1:]
    cut = np.argwhere(labels == T12)
    return {
        "air": np.array([60, 0, 0]),
        "soft tissue": middle_of(np.asarray(ct.array) == 50),
        "metal": middle_of(labels == 27),
        "cut": cut[np.abs(cut - (cut[:, 0].max(), j, i)).sum(axis=1).argmin()],
        "outside": np.array([400, j, i]),
    }


@pytest.mark.parametrize(
    ("place", "code", "words", "exits"),
    [
        ("air", "SEED_IN_AIR", "lies in air or lung; set the point inside the bone", 1),
        ("soft tissue", "SEED_IN_SOFT_TISSUE", "lies in soft tissue: no bone above", 1),
        ("metal", "SEED_IN_METAL", "metal, up to 3071 HU; bone beside metal cannot be measured", 1),
        ("cut", "BONE_CUT", "cut by the", 1),
        ("outside", "SEED_OUTSIDE", "lies outside the image, which runs from", 2),
    ],
)
def test_a_click_that_gives_no_bone_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, code: str, words: str, exits: int
) -> None:
    ct, _ = sample()
    write_volume(ct, tmp_path / "ct.nii.gz")
    point = ",".join(f"{value:.1f}" for value in ct.grid.to_ras(places()[place][::-1].astype(float)))
    out = tmp_path / "bone.seg.nrrd"
    assert main(["segment", str(tmp_path / "ct.nii.gz"), f"--point={point}", "--out", str(out)]) == exits
    said = capsys.readouterr().err
    assert f"[{code}]" in said
    assert words in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("bone*"))


def box_around(mask: np.ndarray, ct: Volume, more_mm: np.ndarray) -> np.ndarray:
    places = ct.grid.to_ras(np.argwhere(mask)[:, ::-1].astype(float))
    return np.stack([places.min(axis=0) - more_mm[0], places.max(axis=0) + more_mm[1]])


def test_boxes_that_are_none_are_refused() -> None:
    ct, labels = sample()
    box = box_around(labels == L3, ct, np.zeros((2, 3)))
    with pytest.raises(InputError, match="lies outside the image"):
        isolate_in_box(ct, box + 1000.0, Site.VERTEBRA)
    with pytest.raises(InputError, match="thin inside the image"):
        isolate_in_box(ct, np.stack([box[0], box[0] + 2.0]), Site.VERTEBRA)
    with pytest.raises(InputError, match="two corners"):
        isolate_in_box(ct, box[:1], Site.VERTEBRA)
    beside = box + np.array((95.0, 0.0, 0.0))
    with pytest.raises(RefusedError) as refusal:
        isolate_in_box(ct, beside, Site.VERTEBRA)
    assert refusal.value.code in ("BOX_WITHOUT_BONE", "NO_CANAL")
    with pytest.raises(RefusedError, match="draw the box closely around one bone"):
        isolate_in_box(ct, box + np.array(((-90.0, -60.0, -120.0), (90.0, 60.0, 60.0))), Site.VERTEBRA)


def test_a_rough_box_gives_the_bone_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ct, labels = sample()
    write_volume(ct, tmp_path / "ct.nii.gz")
    corners = box_around(labels == L3, ct, np.array(((12, 4, 9), (3, 15, 2))))
    # any two opposite corners
    corners[:, 1] = corners[::-1, 1]
    box = ",".join(f"{value:.1f}" for value in corners.ravel())
    call = ["segment", str(tmp_path / "ct.nii.gz"), "--out", str(tmp_path / "bone.nii.gz")]
    assert main([*call, f"--box={box}"]) == 0
    assert "the level is unknown" in capsys.readouterr().out
    found = np.asarray(read_labels(tmp_path / "bone.nii.gz").volume.array) > 0
    assert 2 * (found & (labels == L3)).sum() / (found.sum() + (labels == L3).sum()) > 0.9
    with pytest.raises(SystemExit):
        main([*call, "--overwrite", "--box=1,2,3,4,5"])
    assert "is not R,A,S,R,A,S" in capsys.readouterr().err


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LabelMap]:
    """A DICOM series, turned in space, and labels of three structures on its grid."""
    folder = tmp_path_factory.mktemp("series")
    ct, labels = SyntheticVertebra().scan(pose((8, -5, 4), (3.0, -20.0, 40.0)), (1.5, 1.6, 2.0))
    write(series_of(ct), folder / "ct")
    values = np.array(labels.volume.array > 0, dtype=np.uint8) * 7
    values[:, :, : values.shape[2] // 2][values[:, :, : values.shape[2] // 2] > 0] = 31
    values[2:4, 1:3, 5:8] = 52
    names = {7: "femur_left", 31: "vertebra_L2", 52: "aorta"}
    made = LabelMap(labels.volume.with_array(values), names)
    write_labels(made, folder / "labels.seg.nrrd")
    return folder, made


def segment_as_dicom(series: tuple[Path, LabelMap], out: Path, *more: str) -> int:
    labels = series[0] / "labels.seg.nrrd"
    return main(["segment", str(series[0] / "ct"), "--labels", str(labels), "--out", str(out), *more])


def by_name(labels: LabelMap) -> dict[str, np.ndarray]:
    return {labels.names[value]: np.asarray(labels.volume.array == value) for value in labels.values()}


def test_a_dicom_seg_is_read_back_equal_and_belongs_to_the_study(series: tuple[Path, LabelMap], tmp_path: Path) -> None:
    out = tmp_path / "labels.dcm"
    assert segment_as_dicom(series, out) == 0
    source, made = pydicom.dcmread(series[0] / "ct" / "000.dcm"), pydicom.dcmread(out)
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID"):
        assert made[keyword].value == source[keyword].value
    codes = [item.SegmentedPropertyTypeCodeSequence[0].CodeValue for item in made.SegmentSequence]
    assert codes == ["310651003", "14293000", "91723000"]
    back = read_labels(out)
    back = LabelMap(onto_grid(back.volume, series[1].volume.grid), back.names)
    wanted, found = by_name(series[1]), by_name(back)
    assert set(found) == set(wanted)
    assert all((found[name] == wanted[name]).all() for name in wanted)


def test_dciodvfy_finds_no_error_in_the_labels(series: tuple[Path, LabelMap], tmp_path: Path) -> None:
    tool = require_executable("dciodvfy", "dicom3tools")
    assert segment_as_dicom(series, tmp_path / "labels.dcm") == 0
    words = [tool, "-new", str(tmp_path / "labels.dcm")]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert not [line for line in found.stderr.splitlines() if line.startswith("Error")]


def test_a_segment_edited_in_a_dicom_seg_is_kept(
    series: tuple[Path, LabelMap], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.dcm"
    assert segment_as_dicom(series, out) == 0
    edited = np.array(series[1].volume.array)
    edited[2:4, 1:3, 5:8] = 0
    edited[2, 1, 5] = 52
    record = out.with_name("labels.dcm.made.json")
    before = record.read_text(encoding="utf-8")
    other = tmp_path / "other.dcm"
    write_labels(LabelMap(series[1].volume.with_array(edited), series[1].names), tmp_path / "edited.seg.nrrd")
    call = ["segment", str(series[0] / "ct"), "--labels", str(tmp_path / "edited.seg.nrrd"), "--out", str(other)]
    assert main(call) == 0
    other.replace(out)
    record.write_text(before, encoding="utf-8")
    assert segment_as_dicom(series, out, "--overwrite") == 0
    assert "kept: aorta" in capsys.readouterr().out
    back = read_labels(out)
    assert by_name(back)["aorta"].sum() == 1
    assert by_name(back)["vertebra_L2"].sum() == (np.asarray(series[1].volume.array) == 31).sum()


def test_a_dicom_seg_of_an_image_file_is_refused_before_the_work(
    series: tuple[Path, LabelMap], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_volume(sample()[0], tmp_path / "ct.nii.gz")
    call = ["segment", str(tmp_path / "ct.nii.gz"), "--auto", "--out", str(tmp_path / "bones.dcm")]
    assert main(call) == 2
    assert "need a CT that was read from DICOM" in capsys.readouterr().err
    assert not list(tmp_path.glob("bones*"))


def test_names_come_back_from_an_image_that_holds_none(series: tuple[Path, LabelMap], tmp_path: Path) -> None:
    out = tmp_path / "labels.nii.gz"
    assert segment_as_dicom(series, out) == 0
    assert read_labels(out).names == series[1].names
    assert read_labels(out, "totalsegmentator").names[31] == "vertebrae_L1"


def test_labels_of_another_study_are_refused(
    series: tuple[Path, LabelMap], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment_as_dicom(series, tmp_path / "labels.dcm") == 0
    write(another_series(), tmp_path / "ct")
    call = ["segment", str(tmp_path / "ct"), "--labels", str(tmp_path / "labels.dcm")]
    assert main([*call, "--out", str(tmp_path / "other.nrrd")]) == 2
    assert "belongs to another study" in capsys.readouterr().err
