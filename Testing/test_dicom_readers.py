"""Objects of a study of four bones of two kinds, judged by validators and read by dcmqi, highdicom and pydicom."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from external_tools import require_executable
from object_cases import ObjectCase, object_case

from BoneStrengthFEALib.dicom_out import object_files, write_dicom_objects
from BoneStrengthFEALib.dicom_out.codes import short_code
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.report import write_pdf
from BoneStrengthFEALib.volume import Quantity

KINDS = {"vertebra": ("L1", "L3"), "femur": ("right femur", "left femur")}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> ObjectCase:
    made = object_case(tmp_path_factory.mktemp("objects"), with_hips=True)
    write_pdf(made.results, made.folder)
    write_dicom_objects(made.results, made.regions, made.density, made.folder, with_map=True)
    return made


def dcmqi(name: str, *arguments: object) -> None:
    # the package's programs lie beside the interpreter that runs the tests
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    if beside is None and sys.platform != "linux":
        pytest.skip("dcmqi is a test dependency on Linux only")
    program = beside or require_executable(name, "none; Python package dcmqi")
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")


def test_no_validator_finds_an_error(case: ObjectCase) -> None:
    files = object_files(case.folder)
    kinds = [f"{what}_{kind}" for what in ("seg", "sr") for kind in ("femur", "vertebra")]
    assert sorted(path.stem for path in files) == sorted([*kinds, "density", "pictures", "report"])
    tool = require_executable("dciodvfy", "dicom3tools")
    for path in files:
        said = subprocess.run([tool, "-new", str(path)], capture_output=True, check=False).stderr
        assert not [line for line in said.decode("utf-8", "replace").splitlines() if line.startswith("Error")], (
            path.name
        )
    entities = [require_executable("dcentvfy", "dicom3tools"), *map(str, files), str(min(case.ct.iterdir()))]
    done = subprocess.run(entities, capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    assert not [line for line in lines if line.strip() and "AccessionNumber" not in line]
    for kind in KINDS:
        path = case.folder / "dicom" / f"sr_{kind}.dcm"
        subprocess.run([require_executable("dsrdump", "dcmtk"), str(path)], capture_output=True, check=True)


def test_sides_and_classes_are_read_by_highdicom(case: ObjectCase) -> None:
    report = hd.sr.srread(str(case.folder / "dicom" / "sr_femur.dcm")).content
    groups = report.get_volumetric_roi_measurement_groups()
    sides = [group.finding_sites[0].laterality.meaning for group in groups]
    assert [group.tracking_identifier for group in groups] == list(KINDS["femur"])
    assert sides == ["Right", "Left"]
    assert all("low bone mass" in {e.value.meaning for e in g.get_qualitative_evaluations()} for g in groups)
    segments = hd.seg.segread(str(case.folder / "dicom" / "seg_femur.dcm"))
    assert [segments.get_segment_description(n).segment_label for n in (1, 2)] == list(KINDS["femur"])
    assert [segments.get_segment_description(n).tracking_uid for n in (1, 2)] == [g.tracking_uid for g in groups]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_the_report_are_read_with_their_bones(case: ObjectCase, tmp_path: Path, kind: str) -> None:
    dcmqi(
        "tid1500reader",
        *("--inputDICOM", case.folder / "dicom" / f"sr_{kind}.dcm", "--outputMetadata", tmp_path / "read.json"),
    )
    groups = json.loads((tmp_path / "read.json").read_text(encoding="utf-8"))["Measurements"]
    assert [group["TrackingIdentifier"] for group in groups] == list(KINDS[kind])
    assert [group["ReferencedSegment"] for group in groups] == [1, 2]
    for group in groups:
        site = next(site for site in case.results.sites if site.name == group["TrackingIdentifier"])
        read = {
            item["quantity"]["CodeValue"]: (float(item["value"]), item["units"]["CodeValue"])
            for item in group["measurementItems"]
        }
        first = site.strengths[0]
        wanted = {f"failure_load_{first.criterion}": (first.force_n, "N")}
        wanted[f"u_failure_load_{first.criterion}"] = (first.uncertainty_n, "N")
        wanted |= {m.id: (m.value, m.unit) for m in site.bmd}
        wanted |= {f"u_{m.id}": (m.uncertainty, m.unit) for m in site.bmd if m.uncertainty is not None}
        for name, (value, unit) in wanted.items():
            assert read[short_code(name)] == (pytest.approx(value, rel=1e-7), unit), name


@pytest.mark.parametrize("kind", KINDS)
def test_every_voxel_of_the_segments_is_read(case: ObjectCase, tmp_path: Path, kind: str) -> None:
    source = case.folder / "dicom" / f"seg_{kind}.dcm"
    dcmqi(
        "segimage2itkimage",
        "--inputDICOM",
        source,
        "--outputDirectory",
        tmp_path,
        "--prefix",
        "s",
        "--outputType",
        "nii",
    )
    for number, name in enumerate(KINDS[kind], start=1):
        read = read_volume(tmp_path / f"s-{number}.nii.gz", Quantity.LABEL)
        expected = onto_grid(case.regions[name], case.density.grid).array == 1
        assert int((read.array > 0).sum()) == int(expected.sum()) > 0
        assert (onto_grid(read, case.density.grid).array > 0)[expected].all(), name


def test_every_voxel_of_the_density_map_is_read(case: ObjectCase, tmp_path: Path) -> None:
    source = case.folder / "dicom" / "density.dcm"
    dcmqi(
        "paramap2itkimage",
        "--inputDICOM",
        source,
        "--outputDirectory",
        tmp_path,
        "--prefix",
        "p",
        "--outputType",
        "nrrd",
    )
    image = sitk.ReadImage(str(tmp_path / "p-pmap.nrrd"))
    k, j, i = 5, 30, 40
    lps = case.density.grid.to_ras(np.array([[i, j, k]], dtype=float))[0] * (-1, -1, 1)
    assert image.GetPixel(image.TransformPhysicalPointToIndex(lps.tolist())) == case.density.array[k, j, i]
    values = sitk.GetArrayFromImage(image)
    assert values.shape == case.density.array.shape
    np.testing.assert_array_equal(np.sort(values, axis=None), np.sort(case.density.array, axis=None))
