"""Signing and pictures: several bones in a report, a verified successor, judged by other programs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import pydicom
import pytest
from external_tools import require_executable
from object_cases import ObjectCase, object_case

from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.dicom_out import Signature, object_files, sign_folder, write_dicom_objects
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.report import compare, differences, read_prior, write_pdf


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> ObjectCase:
    made = object_case(tmp_path_factory.mktemp("objects"))
    write_pdf(made.results, made.folder)
    write_dicom_objects(made.results, made.regions, made.density, made.folder)
    return made


def errors_in(path: Path) -> list[str]:
    program = require_executable("dciodvfy", "dicom3tools")
    said = subprocess.run([program, "-new", str(path)], capture_output=True, check=False).stderr
    return [line for line in said.decode("utf-8", "replace").splitlines() if line.startswith("Error")]


def test_objects_are_sound_and_agree_with_the_study(case: ObjectCase) -> None:
    files = object_files(case.folder)
    assert [path.stem for path in files] == ["seg_vertebra", "pictures", "sr_vertebra", "report"]
    assert not [error for path in files for error in errors_in(path)]
    assert {str(pydicom.dcmread(path).PatientName) for path in files} == {"Łuka^Zoë"}
    program = require_executable("dcentvfy", "dicom3tools")
    done = subprocess.run(
        [program, *map(str, [*files, *sorted(case.ct.iterdir())[:2]])], capture_output=True, check=False
    )
    said = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    assert not [line for line in said if line.strip() and "AccessionNumber" not in line]


def test_each_bone_has_its_numbers_and_classes(case: ObjectCase) -> None:
    report = hd.sr.srread(str(case.folder / "dicom" / "sr_vertebra.dcm")).content
    groups = report.get_volumetric_roi_measurement_groups()
    loads = [float(group.get_measurements()[0].value) for group in groups]
    assert loads == [2387.6, 3111.5]
    values = [float(m.value) for m in groups[0].get_measurements()]
    assert 86.34 in values
    assert 4.25 in values
    columns = [[m.name.value for m in group.get_measurements()] for group in groups]
    assert columns[0] == columns[1]
    classes = {e.value.meaning for e in groups[0].get_qualitative_evaluations()}
    assert {"fragile", "low bone mass"} <= classes


def test_signing_makes_a_verified_successor_once(case: ObjectCase, tmp_path: Path) -> None:
    folder = tmp_path / "signed"
    shutil.copytree(case.folder, folder)
    before = pydicom.dcmread(folder / "dicom" / "sr_vertebra.dcm")
    made = sign_folder(folder, Signature("Żak^Anna", "Clinic", "fragile spine"))
    after = pydicom.dcmread(folder / "dicom" / "signed_sr_vertebra.dcm")
    assert {path.name for path in made} == {"signed_sr_vertebra.dcm", "signed_report.dcm"}
    assert (after.VerificationFlag, after.PreliminaryFlag) == ("VERIFIED", "FINAL")
    assert str(after.VerifyingObserverSequence[0].VerifyingObserverName) == "Żak^Anna"
    assert str(after.PatientName) == "Łuka^Zoë"
    assert after.SOPInstanceUID != before.SOPInstanceUID
    reference = after.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == before.SOPInstanceUID
    assert after.ContentSequence == before.ContentSequence
    assert not [error for path in made for error in errors_in(path)]
    with pytest.raises(InputError, match="signed already"):
        sign_folder(folder, Signature("Other^Person", "Clinic"))


def test_command_sign(case: ObjectCase, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "signed"
    shutil.copytree(case.folder, folder)
    assert main(["sign", str(folder), "--name", "", "--organization", "Clinic"]) == 2
    assert "needs the name" in capsys.readouterr().err
    assert main(["sign", str(folder), "--name", "Doe^Jane", "--organization", "Clinic"]) == 0
    assert '"status": "final"' in (folder / "fhir_bundle.json").read_text(encoding="utf-8")
    assert main(["sign", str(tmp_path), "--name", "Doe^Jane", "--organization", "Clinic"]) == 2


def test_prior_from_its_structured_report_equals_prior_from_its_results(case: ObjectCase, tmp_path: Path) -> None:
    """The same examination against itself: no change, by both ways the same numbers, and no fact that differs."""
    shutil.copy(case.folder / "dicom" / "sr_vertebra.dcm", tmp_path / "sr_vertebra.dcm")
    found = read_prior(tmp_path / "sr_vertebra.dcm", case.results)
    assert found.origin == "structured report"
    assert differences(case.results, found) == ()
    by_report = compare(case.results, found)
    by_results = compare(case.results, read_prior(case.folder, case.results))
    assert [(c.bone, c.measure, c.limit, c.verdict) for c in by_report] == [
        (c.bone, c.measure, c.limit, c.verdict) for c in by_results
    ]
    assert [c.now for c in by_report] == pytest.approx([2387.6, 86.34, 31.7, 3111.5, 86.34, 31.7])
    assert [c.change for c in by_report] == pytest.approx([0.0] * 6, abs=1e-4)
    data = pydicom.dcmread(tmp_path / "sr_vertebra.dcm")
    data.PatientID = "somebody else"
    data.save_as(tmp_path / "sr_vertebra.dcm")
    with pytest.raises(InputError, match="another patient"):
        read_prior(tmp_path, case.results)
    with pytest.raises(InputError, match="cannot read"):
        read_prior(case.folder / "report.pdf", case.results)
