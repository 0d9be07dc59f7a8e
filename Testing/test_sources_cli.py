"""Commands retrieve, gate and pseudonymise, and run from a source, against a real archive."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_cases import COUNT, every, series, write
from pacs_server import Orthanc, orthanc

from BoneStrengthFEALib.cli.main import main
from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cli.source_arguments import local_ct
from BoneStrengthFEALib.cli.study_arguments import study_of
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.dicom_out.label_segmentation import write_label_segmentation
from BoneStrengthFEALib.dicom_out.segmentation import Maker
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.volume import Quantity


def drawn(ct: Path, folder: Path) -> Path:
    """DICOM SEG of what is brighter than 300 HU, and the same as a result of a run, which is no label."""
    scan = read_folder(ct)
    labels = LabelMap(scan.ct.with_array((scan.ct.array > 300).astype(np.uint8), Quantity.LABEL), {1: "vertebra_L1"})
    folder.mkdir()
    for name, text in (("hand", "drawn by hand"), ("result", "BoneStrengthFEA: analysed bone, vertebra")):
        write_label_segmentation(labels, scan.acquisition, folder / f"{name}.dcm", Maker(series=text))
        data = pydicom.dcmread(folder / f"{name}.dcm")
        # objects of the same labels have the same identifiers
        data.SeriesInstanceUID, data.SOPInstanceUID = f"2.25.{7 + len(text)}", f"2.25.{107 + len(text)}"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        data.save_as(folder / f"{name}.dcm")
    return folder


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """Accession A77: a sharp and a soft series; A78: one with a missing slice."""
    folder = tmp_path_factory.mktemp("archive")
    soft, sharp, bad = series(), series(), series()
    every(RescaleIntercept=-1300)(soft)
    every(StudyInstanceUID=soft[0].StudyInstanceUID, ConvolutionKernel="Br69")(sharp)
    every(AccessionNumber="A78", PatientID="B2")(bad)
    del bad[7]
    labelled = series()
    every(AccessionNumber="A80", PatientID="B4", RescaleIntercept=-1300)(labelled)
    with orthanc(folder / "server") as server:
        for name, images in (("soft", soft), ("sharp", sharp), ("bad", bad), ("labelled", labelled)):
            server.store(write(images, folder / name))
        server.store(drawn(folder / "labelled", folder / "drawn"))
        yield server


@pytest.fixture
def connections(archive: Orthanc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "pacs.toml"
    path.write_text(
        f'[web]\nkind = "dicomweb"\nurl = "{archive.rest}/dicom-web"\nlogin = "basic"\nuser = "tester"\n'
        f'[node]\nkind = "dimse"\nhost = "127.0.0.1"\nport = {archive.dicom}\ncalled_aet = "ORTHANC"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("BONESTRENGTHFEA_PACS_FILE", str(path))
    monkeypatch.setenv("BONESTRENGTHFEA_SECRET_WEB", "secret")
    return path


@pytest.mark.server
def test_list(connections: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retrieve", "web", "--accession", "A77", "--list", "--json"]) == 0
    web = json.loads(capsys.readouterr().out)
    assert main(["retrieve", "node", "--accession", "A77", "--list", "--json"]) == 0
    assert web == json.loads(capsys.readouterr().out)
    assert [row["images"] for row in web] == [COUNT, COUNT]


@pytest.mark.server
@pytest.mark.parametrize("name", ["web", "node"])
def test_fetch_and_judge(
    connections: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("A77\n"))
    assert main(["retrieve", name, "--accession", "-", "--out", str(tmp_path / "ct")]) == 0
    said = capsys.readouterr()
    assert f"2 series, {2 * COUNT} files" in said.out
    assert "kernel Br40" in said.out
    assert "accepted" in said.out
    assert "Bone" not in said.out + said.err
    assert read_folder(tmp_path / "ct").acquisition.kernel == "Br40"


@pytest.mark.server
def test_fetch_of_what_cannot_be_measured(
    connections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["retrieve", "web", "--accession", "A78", "--out", str(tmp_path / "ct")]) == 1
    assert "MISSING_SLICE" in capsys.readouterr().err
    assert main(["retrieve", "web", "--accession", "A79", "--out", str(tmp_path / "none")]) == 1
    assert "NOT_FOUND" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.server
def test_run_takes_an_accession_number(connections: Path, archive: Orthanc, tmp_path: Path) -> None:
    main(["retrieve", "web", "--accession", "A77", "--out", str(tmp_path / "ct")])
    truth = read_folder(tmp_path / "ct")
    labels = truth.ct.with_array((truth.ct.array > 300).astype(np.uint8), Quantity.LABEL)
    write_volume(labels, tmp_path / "labels.nii.gz")
    before = set(Path(tempfile.gettempdir()).glob("bonestrength-*"))
    command = ["pacs:web", "--accession", "A77", "--labels", str(tmp_path / "labels.nii.gz"), "--label", "1"]
    arguments = run_parser().parse_args(
        [*command, "--out", str(tmp_path / "out"), "--site", "vertebra", "--level", "L1"]
    )
    with local_ct(arguments) as local:
        study = study_of(local)
        assert local.ct.is_dir()
    assert not local.ct.exists()
    assert set(Path(tempfile.gettempdir()).glob("bonestrength-*")) == before
    np.testing.assert_array_equal(study.ct.array, truth.ct.array)
    assert study.acquisition.kvp == 120
    assert study.acquisition.accession_number == "A77"


@pytest.mark.server
@pytest.mark.parametrize("name", ["web", "node"])
def test_labels_of_the_study_come_with_its_scan(connections: Path, tmp_path: Path, name: str) -> None:
    command = [f"pacs:{name}", "--accession", "A80", "--label", "vertebra_L1", "--out", str(tmp_path / "out")]
    with local_ct(run_parser().parse_args(command)) as local:
        study = study_of(local)
    assert study.labels.names == {1: "vertebra_L1"}
    np.testing.assert_array_equal(study.labels.volume.array, study.ct.array > 300)
    assert study.targets[0].label == "vertebra_L1"


def test_an_accession_number_needs_a_source(tmp_path: Path) -> None:
    command = [str(tmp_path), "--labels", "x", "--label", "1", "--accession", "A77", "--out", str(tmp_path / "o")]
    with pytest.raises(InputError, match="pacs:NAME"), local_ct(run_parser().parse_args(command)):
        pass


def test_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(series(), tmp_path / "in")
    assert main(["gate", str(folder)]) == 0
    assert "accepted" in capsys.readouterr().out
    low = series()
    every(KVP=70)(low)
    assert main(["gate", str(write(low, tmp_path / "low")), "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert not verdict["accepted"]
    assert "KVP" in [line["check"] for line in verdict["checks"] if line["outcome"] == "refuse"]
    short = series()
    del short[4]
    assert main(["gate", str(write(short, tmp_path / "short"))]) == 1
    assert "MISSING_SLICE" in capsys.readouterr().err
    (tmp_path / "nothing").mkdir()
    assert main(["gate", str(tmp_path / "nothing")]) == 1


def test_pseudonymise(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONESTRENGTHFEA_SALT", "salt")
    folder = write(series(), tmp_path / "in")
    assert main(["pseudonymise", str(folder), str(tmp_path / "out")]) == 0
    assert f"1 series, {COUNT} images" in capsys.readouterr().out
    assert main(["pseudonymise", str(folder), str(tmp_path / "out")]) == 2
    assert read_folder(tmp_path / "out").acquisition.subject.patient_id != "B1"
