"""Labels from contours, from the study's own objects, and from programs of others (here stand-ins)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.cli.main import main
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.study_arguments import study_of
from BoneStrengthFEALib.errors import DependencyError, GeometryError, InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.segmentation import read_labels
from BoneStrengthFEALib.segmentation.label_objects import label_object_in, require_same_patient_space
from BoneStrengthFEALib.segmentation.rtstruct import RTSTRUCT_CLASS
from BoneStrengthFEALib.segmentation.tools import run_tool, totalsegmentator_command
from BoneStrengthFEALib.segmentation_settings import SegmentationSettings
from BoneStrengthFEALib.volume import Grid, Quantity, Volume

STUDY, FRAME = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2"
SPACING = np.array([0.7, 0.9, 2.5])
CENTRE = np.array([14.3, 17.1])


def a_grid() -> Grid:
    """Turned by 10 degrees about the table, off centre."""
    turn = np.radians(10.0)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) * SPACING
    affine[:3, 3] = (-31.0, 12.0, -140.0)
    return Grid((7, 44, 46), affine)


def circle(grid: Grid, k: float, radius: float) -> np.ndarray:
    """Points of a circle [mm] around CENTRE in the plane of a slice, as LPS."""
    angle = 2 * np.pi * (np.arange(180) + 0.37) / 180
    local = CENTRE + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    ijk = np.stack([local[:, 0] / SPACING[0], local[:, 1] / SPACING[1], np.full(180, k)], axis=-1)
    return grid.to_ras(ijk) * np.array([-1.0, -1.0, 1.0])


def structure_set(path: Path, rois: dict[str, list[np.ndarray]], study: str = STUDY) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTSTRUCT_CLASS, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = RTSTRUCT_CLASS, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.FrameOfReferenceUID, data.Modality = study, FRAME, "RTSTRUCT"
    data.StructureSetROISequence, data.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), start=4):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, name
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(points)
            contour.ContourData = [f"{value:.4f}" for value in points.ravel()]
            drawn.ContourSequence.append(contour)
        data.StructureSetROISequence.append(roi)
        data.ROIContourSequence.append(drawn)
    data.save_as(path, enforce_file_format=True)
    return path


def test_contours_become_voxels_by_their_centres_and_holes_stay_open(tmp_path: Path) -> None:
    grid = a_grid()
    shell = [circle(grid, k, r) for k in (2, 3, 5) for r in (9.4, 4.3)]
    body = [circle(grid, k, 12.6) for k in range(7)]
    labels = read_labels(structure_set(tmp_path / "rs.dcm", {"femur shell": shell, "BODY": body}), grid=grid)
    x, y = np.arange(46) * SPACING[0] - CENTRE[0], np.arange(44) * SPACING[1] - CENTRE[1]
    away = np.hypot(x[None, :], y[:, None])
    expected = np.where(away < 12.6, 5, 0)[None].repeat(7, axis=0)
    for k in (2, 3, 5):
        expected[k][(away < 9.4) & (away >= 4.3)] = 4
    assert labels.names == {4: "femur shell", 5: "BODY"}
    assert (labels.volume.array != expected).sum() <= 2
    assert (expected == 4).sum() > 500


def test_contours_of_another_series_are_refused(tmp_path: Path) -> None:
    grid = a_grid()
    path = structure_set(tmp_path / "rs.dcm", {"femur": [circle(grid, 2.4, 9.0)]})
    with pytest.raises(GeometryError, match="femur does not lie in one slice"):
        read_labels(path, grid=grid)
    with pytest.raises(InputError, match="need the CT"):
        read_labels(path)


def test_the_study_tells_which_labels_belong_to_a_ct(tmp_path: Path) -> None:
    grid = a_grid()
    own = Acquisition("dicom", study_uid=STUDY, frame_of_reference_uid=FRAME)
    with pytest.raises(InputError, match="found none"):
        label_object_in(tmp_path, own)
    (tmp_path / "sub").mkdir()
    path = structure_set(tmp_path / "sub" / "rs.dcm", {"femur": [circle(grid, 2, 9.0)]})
    stranger = structure_set(tmp_path / "other.dcm", {"femur": [circle(grid, 2, 9.0)]}, "1.2.3")
    assert label_object_in(tmp_path, own) == path
    require_same_patient_space(path, own)
    with pytest.raises(InputError, match="another study"):
        require_same_patient_space(stranger, own)
    with pytest.raises(InputError, match="another frame of reference"):
        require_same_patient_space(path, Acquisition("dicom", study_uid=STUDY, frame_of_reference_uid="1.2.4"))
    structure_set(tmp_path / "second.dcm", {"femur": [circle(grid, 2, 9.0)]})
    with pytest.raises(InputError, match=r"rs\.dcm, second\.dcm|second\.dcm, rs\.dcm"):
        label_object_in(tmp_path, own)


def a_ct() -> Volume:
    return Volume(
        np.random.default_rng(2).integers(-150, 300, (5, 6, 7)).astype(np.int16), a_grid().ijk_to_ras, Quantity.HU
    )


STAND_IN = """
import sys, pathlib, shutil
import SimpleITK as sitk
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
image = sitk.ReadImage(given["-i"])
mask = sitk.Cast(image > 100, sitk.sitkUInt8)
target = pathlib.Path(given["-o"])
if "--ml" in sys.argv:
    sitk.WriteImage(mask * 29, str(target))
else:
    target.mkdir()
    sitk.WriteImage(mask, str(target / "femur_left.nii.gz"))
"""


def test_a_program_is_run_without_a_shell_and_its_labels_are_read(tmp_path: Path) -> None:
    script = tmp_path / "stand in.py"
    script.write_text(STAND_IN, encoding="utf-8")
    ct = a_ct()
    numbered = run_tool(
        [sys.executable, str(script), "-i", "{input}", "-o", "{output}", "--ml"], ct, "totalsegmentator"
    )
    assert numbered.names[29] == "vertebrae_L3"
    assert ((numbered.volume.array == 29) == (ct.array > 100)).all()
    folder = run_tool([sys.executable, str(script), "-i", "{input}", "-o", "{output}"], ct)
    assert list(folder.names.values()) == ["femur_left"]


def test_a_failing_program_is_named_with_its_last_words() -> None:
    ct = a_ct()
    words = [
        sys.executable,
        "-c",
        "import sys; print('no GPU memory', file=sys.stderr); sys.exit(3)",
        "{input}",
        "{output}",
    ]
    with pytest.raises(InputError, match="exit code 3: no GPU memory"):
        run_tool(words, ct)
    with pytest.raises(InputError, match="wrote no labels"):
        run_tool([sys.executable, "-c", "pass", "{input}", "{output}"], ct)
    with pytest.raises(InputError, match=r"names \{input\} and \{output\}"):
        run_tool(["tool", "{input}"], ct)
    with pytest.raises(DependencyError, match="cannot be started"):
        run_tool(["/no/such/program", "{input}", "{output}"], ct)


def test_totalsegmentator_is_called_by_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match="TotalSegmentator is not installed"):
        totalsegmentator_command("total")
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}")
    assert totalsegmentator_command("total") == (
        "/opt/TotalSegmentator", "-i", "{input}", "-o", "{output}", "--task", "total", "--ml")  # fmt: skip
    assert "--ml" not in totalsegmentator_command("vertebrae_body")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a first line that names its interpreter")
@pytest.mark.parametrize(("task", "name"), [("total", "vertebrae_L3"), ("appendicular_bones", "femur_left")])
def test_segment_runs_the_program_called_totalsegmentator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, name: str
) -> None:
    program = tmp_path / "TotalSegmentator"
    program.write_text(f"#!{sys.executable}\n{STAND_IN}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    write_volume(a_ct(), tmp_path / "ct.nii.gz")
    target = tmp_path / "out.seg.nrrd"
    call = ["segment", str(tmp_path / "ct.nii.gz"), "--totalsegmentator", task, "--out", str(target)]
    assert main(call) == 0
    found = read_labels(target)
    assert list(found.names.values()) == [name]
    assert ((found.volume.array > 0) == (a_ct().array > 100)).all()


def test_segment_takes_a_command(tmp_path: Path) -> None:
    script = tmp_path / "tool.py"
    script.write_text(STAND_IN, encoding="utf-8")
    write_volume(a_ct(), tmp_path / "ct.nii.gz")
    tool = f'"{sys.executable}" "{script}" -i {{input}} -o {{output}}'
    target = tmp_path / "out.seg.nrrd"
    assert main(["segment", str(tmp_path / "ct.nii.gz"), "--tool", tool, "--out", str(target)]) == 0
    assert list(read_labels(target).names.values()) == ["femur_left"]


def test_segment_and_run_take_the_program_of_the_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "tool.py"
    script.write_text(STAND_IN, encoding="utf-8")
    write_volume(a_ct(), tmp_path / "ct.nii.gz")
    command = f'"{sys.executable}" "{script}" -i {{input}} -o {{output}} --ml'
    chosen = {"segmentation": {"command": command, "numbering": "totalsegmentator"}}
    (tmp_path / "settings.json").write_text(json.dumps(chosen), encoding="utf-8")
    call = ["segment", str(tmp_path / "ct.nii.gz"), "--tool", "--out", str(tmp_path / "out.seg.nrrd")]
    assert main(call) == 2
    assert "no segmentation program is set" in capsys.readouterr().err
    assert main([*call, "--settings", str(tmp_path / "settings.json")]) == 0
    assert list(read_labels(tmp_path / "out.seg.nrrd").names.values()) == ["vertebrae_L3"]
    words = [str(tmp_path / "ct.nii.gz"), "--label", "vertebrae_L3", "--settings", str(tmp_path / "settings.json")]
    study = study_of(run_parser().parse_args([*words, "--out", "unused"]))
    assert (study.labels.mask("vertebrae_L3").array == (np.asarray(study.ct.array) > 100)).all()
    with pytest.raises(InputError, match=r"names \{input\} and \{output\}"):
        SegmentationSettings("tool {input}")
