"""DICOM objects of a result: valid by four tools, equal to what was computed, the same on repeat."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_cases import series_of, write
from external_tools import require_executable

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.dicom_out import write_dicom_objects
from BoneStrengthFEALib.dicom_out.codes import short_code
from BoneStrengthFEALib.dicom_out.source_headers import source_headers
from BoneStrengthFEALib.image_files import read_volume, write_volume
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.strength import CRITERIA
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Quantity

SETTINGS = ("model.voxel_mm=2.5", "calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8",
            "calibration.intercept_mg_cm3=5", "calibration.density_kind=K2HPO4")  # fmt: skip


def run(folder: Path, out: str) -> Path:
    settings = [part for one in SETTINGS for part in ("--set", one)]
    target = folder / out
    arguments = ["--labels", str(folder / "labels.nii.gz"), "--label", "1", "--site", "vertebra", "--level", "L2"]
    assert main(["run", str(folder / "ct"), *arguments, *settings, "--dicom", "--images", "--out", str(target)]) == 0
    return target


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects")
    ct, labels = SyntheticVertebra().scan(pose((8, -5, 4), (3.0, -20.0, 40.0)), (1.5, 1.6, 2.0))
    write(series_of(ct), folder / "ct")
    write_volume(labels.volume, folder / "labels.nii.gz")
    return run(folder, "out")


def test_all_objects_are_there_and_belong_to_the_study(done: Path) -> None:
    source = pydicom.dcmread(done.parent / "ct" / "000.dcm")
    names = {path.stem for path in (done / "dicom").iterdir()}
    assert names == {"seg_vertebra", "sr_vertebra", "report", "density", "pictures"}
    for path in (done / "dicom").iterdir():
        data = pydicom.dcmread(path)
        for keyword in ("StudyInstanceUID", "PatientID", "PatientName", "AccessionNumber", "StudyDate"):
            assert data.get(keyword) == source.get(keyword), (path.name, keyword)
        assert data.SeriesInstanceUID != source.SeriesInstanceUID
    series = [pydicom.dcmread(path).SeriesInstanceUID for path in (done / "dicom").iterdir()]
    assert len(set(series)) == len(series)


@pytest.mark.parametrize("name", ["seg_vertebra", "sr_vertebra", "report", "density", "pictures"])
def test_dciodvfy_finds_no_error(done: Path, name: str) -> None:
    tool = require_executable("dciodvfy", "dicom3tools")
    found = subprocess.run(
        [tool, "-new", str(done / "dicom" / f"{name}.dcm")], capture_output=True, text=True, check=False
    )
    errors = [line for line in found.stderr.splitlines() if line.startswith("Error")]
    assert not errors


def test_structured_report_passes_its_validators(done: Path) -> None:
    path = str(done / "dicom" / "sr_vertebra.dcm")
    dump = subprocess.run([require_executable("dsrdump", "dcmtk"), path], capture_output=True, text=True, check=False)
    assert dump.returncode == 0, dump.stderr
    validator = require_executable("DicomSRValidator", "pixelmed-apps")
    found = subprocess.run([validator, path], capture_output=True, text=True, check=False)
    lines = (found.stdout + found.stderr).splitlines()
    assert not [line for line in lines if line.startswith("Error")], lines


def test_report_holds_the_numbers_of_results_json(done: Path) -> None:
    data = pydicom.dcmread(done / "dicom" / "sr_vertebra.dcm")
    assert (data.VerificationFlag, data.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    assert data.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99BONEFEA"
    report = hd.sr.srread(str(done / "dicom" / "sr_vertebra.dcm")).content
    group = report.get_volumetric_roi_measurement_groups()[0]
    found = {m.name.value: (float(m.value), m.unit.value) for m in group.get_measurements()}
    site = json.loads((done / "results.json").read_text(encoding="utf-8"))["sites"][0]
    for measure in site["bmd"]:
        assert found[short_code(measure["id"])] == (pytest.approx(measure["value"], rel=1e-7), measure["unit"])
    load = site["strengths"][0]
    assert found[short_code(f"failure_load_{load['criterion']}")] == (pytest.approx(load["force_n"], rel=1e-7), "N")
    segments = pydicom.dcmread(done / "dicom" / "seg_vertebra.dcm")
    assert segments.SegmentSequence[0].TrackingUID == group.tracking_uid


def test_segmentation_is_the_analysed_region(done: Path) -> None:
    segments = hd.seg.segread(str(done / "dicom" / "seg_vertebra.dcm"))
    volume = segments.get_volume(combine_segments=True)
    regions = read_volume(done / "L2_regions.nii.gz", Quantity.LABEL)
    inside = np.argwhere(regions.array == 1)[:, ::-1].astype(float)
    lps = regions.grid.to_ras(inside) * (-1, -1, 1)
    index = np.rint(volume.map_reference_to_indices(lps)).astype(int)
    assert (volume.array[tuple(index.T)] == 1).all()
    assert int((volume.array == 1).sum()) == len(inside)


def test_density_map_is_the_density(done: Path) -> None:
    stored = hd.imread(done / "dicom" / "density.dcm").get_volume()
    expected = read_volume(done / "density.nii.gz", Quantity.K2HPO4)
    k, j, i = np.indices(stored.array.shape).reshape(3, -1)
    lps = stored.map_indices_to_reference(np.stack([k, j, i], axis=1))
    index = np.rint(expected.grid.to_ijk(lps * (-1, -1, 1))).astype(int)
    np.testing.assert_allclose(stored.array[k, j, i], expected.array[tuple(index.T[::-1])], rtol=1e-6)
    # readers that take frames in the order of the file want them along the normal of the slices
    frames = pydicom.dcmread(done / "dicom" / "density.dcm").PerFrameFunctionalGroupsSequence
    heights = [float(frame.PlanePositionSequence[0].ImagePositionPatient[2]) for frame in frames]
    assert heights == sorted(heights)


def test_fhir_lists_the_series_of_the_study(done: Path) -> None:
    made = json.loads((done / "fhir_bundle.json").read_text(encoding="utf-8"))
    study = next(e["resource"] for e in made["entry"] if e["resource"]["resourceType"] == "ImagingStudy")
    heads = [pydicom.dcmread(path, stop_before_pixels=True) for path in (done / "dicom").iterdir()]
    told = {(one["uid"], one["modality"]["code"], one["instance"][0]["uid"]) for one in study["series"][1:]}
    assert told == {(h.SeriesInstanceUID, h.Modality, h.SOPInstanceUID) for h in heads}
    assert study["series"][0]["modality"]["code"] == "CT"


def test_pdf_comes_back_byte_for_byte(done: Path) -> None:
    data = pydicom.dcmread(done / "dicom" / "report.dcm")
    original = (done / "report.pdf").read_bytes()
    assert data.EncapsulatedDocument[: data.EncapsulatedDocumentLength] == original


def test_a_second_run_gives_the_same_identifiers(done: Path) -> None:
    again = run(done.parent, "again")
    for path in (done / "dicom").iterdir():
        first, second = pydicom.dcmread(path), pydicom.dcmread(again / "dicom" / path.name)
        assert first.SOPInstanceUID == second.SOPInstanceUID
    shutil.rmtree(again)


HEADERS: dict[str, dict[str, object]] = {
    "missing": {
        **dict.fromkeys(("StudyID", "AccessionNumber", "StudyTime", "StudyDate", "PatientAge", "PatientSex")),
        **dict.fromkeys(("SliceThickness", "FrameOfReferenceUID", "InstanceNumber", "SpecificCharacterSet")),
    },
    "broken": {
        **{"StudyID": "A study ID that is far too long", "StudyDate": "2024.01.31", "PatientBirthDate": "1953-02-14"},
        **{"PatientAge": "71", "PatientSex": "female", "BodyPartExamined": "hip or so, to be seen"},
    },
    "latin": {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^José", "StudyDescription": "Wirbelsäule"},
    "greek": {"SpecificCharacterSet": "ISO_IR 126", "PatientName": "Διονυσιος^Δ", "BodyPartExamined": "HIP"},
    "japanese": {
        "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
        **{"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "StudyDescription": "腰椎CT"},
    },
    "korean": {"SpecificCharacterSet": ["", "ISO 2022 IR 149"], "PatientName": "Hong^Gildong=洪^吉洞=홍^길동"},
    "chinese": {"SpecificCharacterSet": "GB18030", "PatientName": "Wang^XiaoDong=王^小东"},
    "one extension": {"SpecificCharacterSet": "ISO 2022 IR 87", "PatientName": "Yamada^Tarou=山田^太郎"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_other_scanners_give_valid_objects_that_agree(done: Path, tmp_path: Path, name: str) -> None:
    results = read_results(done)
    files = []
    for number, old in enumerate(results.acquisition.files):
        data = pydicom.dcmread(old, stop_before_pixels=True)
        for keyword, value in HEADERS[name].items():
            if value is None:
                data.pop(keyword, None)
            else:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    setattr(data, keyword, value)
        files.append(str(tmp_path / f"{number:03d}.dcm"))
        data.save_as(files[-1])
    results = replace(results, acquisition=replace(results.acquisition, files=tuple(files)))
    regions = {"L2": read_volume(done / "L2_regions.nii.gz", Quantity.LABEL)}
    density = read_volume(done / "density.nii.gz", Quantity.K2HPO4)
    out = shutil.copytree(done, tmp_path / "out", ignore=shutil.ignore_patterns("dicom", "*.nii.gz"))
    made = write_dicom_objects(results, regions, density, out, with_map=True)
    whole = name not in ("missing", "broken", "one extension")
    tool = require_executable("dciodvfy", "dicom3tools")
    for path in made:
        found = subprocess.run([tool, "-new", str(path)], capture_output=True, check=False).stderr
        lines = found.decode("utf-8", "replace").splitlines()
        assert not [line for line in lines if line.startswith("Error")], path.name
        data = pydicom.dcmread(path)
        if whole:
            source = pydicom.dcmread(files[0])
            assert str(data.PatientName) == str(source.PatientName)
            assert data.get("StudyDescription") == source.get("StudyDescription")
    program = require_executable("dcentvfy", "dicom3tools")
    with_source = [*map(str, made), *(files[:1] if whole else [])]
    said = subprocess.run([program, *with_source], capture_output=True, check=False)
    lines = (said.stdout + said.stderr).decode("utf-8", "replace").splitlines()
    assert not [line for line in lines if line.strip() and "AccessionNumber" not in line]


def test_invalid_dates_are_written_as_the_standard_has_them(done: Path, tmp_path: Path) -> None:
    data = pydicom.dcmread(next((done.parent / "ct").iterdir()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.StudyDate, data.PatientBirthDate, data.PatientAge, data.AccessionNumber = (
            "2024.01.31",
            "old",
            "71",
            "A" * 20,
        )
        data.save_as(tmp_path / "one.dcm")
    (mended,) = source_headers([str(tmp_path / "one.dcm")])
    assert (mended.StudyDate, mended.PatientBirthDate, mended.get("PatientAge")) == ("20240131", "", None)
    assert mended.AccessionNumber == "A" * 20, "an identifier is never changed"


def test_codes_are_short_and_different() -> None:
    ids = [f"failure_load_{c.id}" for c in CRITERIA] + ["trabecular_ellipse_vbmd", "trabecular_vbmd", "integral_vbmd",
           "cortical_vbmd", "bmc", "volume", "stiffness"]  # fmt: skip
    codes = [short_code(name) for name in ids]
    assert all(len(code) <= 16 for code in codes)
    assert len(set(codes)) == len(codes)


def test_an_image_file_has_no_study_to_belong_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ct, labels = SyntheticVertebra().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0))
    write_volume(ct, tmp_path / "ct.nii.gz")
    write_volume(labels.volume, tmp_path / "labels.nii.gz")
    settings = [part for one in SETTINGS for part in ("--set", one)]
    arguments = ["--labels", str(tmp_path / "labels.nii.gz"), "--label", "1", "--level", "L2", *settings, "--dicom"]
    assert main(["run", str(tmp_path / "ct.nii.gz"), *arguments, "--out", str(tmp_path / "out")]) == 2
    assert "read from DICOM" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_objects_of_a_real_hip_are_valid(reference_data: Path, tmp_path: Path) -> None:
    """The series' own study ID is one character too long for the standard; ours is cut."""
    folder = reference_data / "hip_sts044"
    named = {"labels": folder / "femur_right_mask.nii.gz", "label": "1", "site": "femur", "side": "right"}
    arguments = [f"--{name}={value}" for name, value in named.items()]
    arguments += ["--dicom", "--set=model.voxel_mm=3", f"--out={tmp_path / 'out'}"]
    assert main(["run", str(folder / "dicom"), *arguments]) == 0
    tool = require_executable("dciodvfy", "dicom3tools")
    names = {path.stem for path in (tmp_path / "out" / "dicom").iterdir()}
    assert {"seg_femur", "sr_femur", "report"} <= names
    for path in (tmp_path / "out" / "dicom").iterdir():
        found = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, check=False)
        errors = [line for line in found.stderr.splitlines() if line.startswith("Error")]
        assert not errors, path.name
