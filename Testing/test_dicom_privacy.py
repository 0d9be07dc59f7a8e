"""No identity in exports, logs and temporary folders."""

from __future__ import annotations

import logging
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_cases import every, series, set_elements, write
from external_tools import require_executable
from pydicom.dataset import Dataset

from BoneStrengthFEALib.dicom_in import list_series, read_folder
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.privacy import Redaction, case_key, private_folder, site_salt
from BoneStrengthFEALib.pseudonymise import pseudonymise_folder

SALT = b"a salt of this test"
SECRETS = {
    "PatientName": "Qvist^Ingrid",
    "PatientID": "ID-55512",
    "PatientBirthDate": "19310208",
    "AccessionNumber": "ACC-9931",
    "ReferringPhysicianName": "Dr^Zorn",
    "InstitutionName": "Klinik Feldweg",
    "StationName": "CTROOM7",
    "StudyDescription": "CT of Ingrid",
    "SeriesDescription": "LWS Qvist portal venous",
    "DeviceSerialNumber": "SN-44871",
    "OperatorsName": "Nurse^Ottilie",
    "PatientAddress": "Feldweg 12",
    "ImageComments": "call Ingrid back",
    "StudyDate": "20240131",
    "ContrastBolusAgent": "Imeron for Qvist",
    "ProtocolName": "Qvist special",
}


def identified(folder: Path) -> Path:
    images = series()
    every(**SECRETS, PatientAge=None)(images)
    for data in images:
        block = data.private_block(0x0029, "SITE", create=True)
        block.add_new(0x01, "LO", "private Qvist")
        inner = Dataset()
        set_elements(inner, PatientName="Qvist^Ingrid")
        data.RequestAttributesSequence = [inner]
    return write(images, folder)


def test_nothing_that_identifies_is_left(tmp_path: Path) -> None:
    source = identified(tmp_path / "in")
    exported = pseudonymise_folder(source, tmp_path / "out", SALT)
    assert (exported.series, exported.images, exported.refused) == (1, 16, ())
    files = sorted((tmp_path / "out").rglob("*.dcm"))
    original = pydicom.dcmread(sorted(source.iterdir())[0])
    words = [*SECRETS.values(), "Qvist", "Ingrid", "Feldweg", "private", original.StudyInstanceUID]
    words += [original.SeriesInstanceUID, original.SOPInstanceUID, original.FrameOfReferenceUID, "20240131"]
    for path in files:
        content = path.read_bytes() + str(path.relative_to(tmp_path)).encode()
        for word in words:
            assert word.encode() not in content, word


def test_what_measuring_needs_is_kept(tmp_path: Path) -> None:
    source = identified(tmp_path / "in")
    pseudonymise_folder(source, tmp_path / "out", SALT)
    before, after = read_folder(source), read_folder(tmp_path / "out")
    np.testing.assert_array_equal(before.ct.array, after.ct.array)
    np.testing.assert_array_equal(before.ct.ijk_to_ras, after.ct.ijk_to_ras)
    old, new = before.acquisition, after.acquisition
    assert (new.kvp, new.kernel, new.manufacturer) == (old.kvp, old.kernel, old.manufacturer)
    assert new.subject.sex == old.subject.sex
    # 92 years at the examination: written as 90
    assert (old.subject.age_years, new.subject.age_years) == (92.0, 90.0)
    assert new.contrast_agent == "contrast medium"
    image = pydicom.dcmread(next((tmp_path / "out").rglob("*.dcm")))
    assert (image.PatientIdentityRemoved, image.StudyDate) == ("YES", "")


def test_contrast_and_energy_known_from_a_description_stay_known(tmp_path: Path) -> None:
    images = series()
    every(SeriesDescription="Frau Meier mono 70 keV")(images)
    # refused by the gate of the export only when it cannot be read; the meaning must survive
    pseudonymise_folder(write(images, tmp_path / "in"), tmp_path / "out", SALT)
    (summary,) = list_series(tmp_path / "out")
    assert summary.mono
    assert "Meier" not in summary.description


def test_the_same_person_gets_the_same_key(tmp_path: Path) -> None:
    first = pseudonymise_folder(write(series(), tmp_path / "a"), tmp_path / "out-a", SALT)
    pseudonymise_folder(write(series(), tmp_path / "b"), tmp_path / "out-b", SALT)
    pseudonymise_folder(write(series(), tmp_path / "c"), tmp_path / "out-c", b"another salt")
    names = [next((tmp_path / name).iterdir()).name for name in ("out-a", "out-b", "out-c")]
    assert first.series == 1
    assert names[0] == names[1] != names[2]


def test_a_series_the_gate_refuses_is_left_out(tmp_path: Path) -> None:
    bad = series()
    del bad[7]
    write(bad, tmp_path / "in" / "bad")
    write(series(), tmp_path / "in" / "good")
    assert pseudonymise_folder(tmp_path / "in", tmp_path / "out", SALT).refused == ("MISSING_SLICE",)
    with pytest.raises(RefusedError) as caught:
        pseudonymise_folder(tmp_path / "in" / "bad", tmp_path / "none", SALT)
    assert caught.value.code == "MISSING_SLICE"
    assert not (tmp_path / "none").exists()


def test_exports_conform_to_the_standard(tmp_path: Path, reference_data: Path) -> None:
    """dciodvfy finds nothing in the export of a real series that it does not find in the original."""
    program = require_executable("dciodvfy", "dicom3tools")
    original = reference_data / "hip_sts044" / "dicom"
    pseudonymise_folder(original, tmp_path / "out", SALT)
    assert _errors(program, next((tmp_path / "out").rglob("*.dcm"))) <= _errors(program, next(original.iterdir()))


def _errors(program: str, path: Path) -> set[str]:
    done = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, timeout=30)
    return {line for line in done.stderr.splitlines() if line.startswith("Error")}


def test_keys_are_stable_and_salted() -> None:
    # HMAC-SHA-256 of RFC 4231, test case 2, first 16 digits
    assert case_key("what do ya want for nothing?", b"Jefe") == "5bdcc146bf60754e"
    assert case_key("1.2.3", b"a") != case_key("1.2.3", b"b")


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits are those of POSIX")
def test_temporary_folders_are_private_and_go(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), private_folder() as folder:  # noqa: PT012 - what remains after an error
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "x").write_text("x", encoding="utf-8")
        raise RuntimeError
    assert not folder.exists()
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    salt = site_salt(environment)
    assert salt == site_salt(environment)
    assert len(salt) == 32
    assert stat.S_IMODE((tmp_path / "bone-strength-fea" / "salt").stat().st_mode) == 0o600
    assert site_salt({"BONESTRENGTHFEA_SALT": "x"}) == b"x"


def test_log_records_lose_uids_and_words(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(Redaction(("Ingrid",)))
    logging.getLogger("test").warning("series %s of %s, 3 of 4.5", "1.2.840.113619.2.55.3.1", "Ingrid")
    assert caplog.messages[-1] == "series <uid> of <redacted>, 3 of 4.5"
