"""Find and fetch against a real archive, over DICOMweb and DIMSE, and everything that goes wrong on the way."""

from __future__ import annotations

import contextlib
import logging
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from dicom_cases import COUNT, every, series, write
from external_tools import require_executable
from pacs_server import OUR_AET, Orthanc, Proxy, free_port, make_certificates, orthanc

from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import CancelledError, InputError, PacsError, RefusedError
from BoneStrengthFEALib.pacs_settings import TlsSettings
from BoneStrengthFEALib.sources import ImageSource, Query, SeriesRecord, candidates, fetch_series
from BoneStrengthFEALib.sources.dicomweb import DicomWebSource
from BoneStrengthFEALib.sources.dimse import DimseSource

pytestmark = pytest.mark.server

WAYS = ("web", "get", "move")
ACCESSION = Query(accession="A77")
SLICE_BYTES = 40 * 48 * 2


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, reference_data: Path) -> Iterator[Orthanc]:
    """An archive with one sound series, a localizer series of its study, another person's CT and a real series."""
    folder = tmp_path_factory.mktemp("archive")
    sound = series()
    every(PatientID="Müller 4 1", SpecificCharacterSet="ISO_IR 192", SeriesDescription="soft")(sound)
    scout = series(2)
    every(StudyInstanceUID=sound[0].StudyInstanceUID, PatientID="Müller 4 1")(scout)
    other = series()
    every(AccessionNumber="A778", PatientID="B2")(other)
    with orthanc(folder / "server") as server:
        for name, images in (("sound", sound), ("scout", scout), ("other", other)):
            server.store(write(images, folder / name))
        server.store(reference_data / "hip_sts044" / "dicom")
        yield server


@pytest.fixture
def own_archive(tmp_path: Path) -> Iterator[Orthanc]:
    with orthanc(tmp_path / "server") as server:
        server.store(write(series(), tmp_path / "sent"))
        yield server


def dcmtk(name: str) -> str:
    # by its full path: pynetdicom installs programs of the same names
    return require_executable(f"/usr/bin/{name}", "dcmtk")


def source_of(server: Orthanc, way: str) -> ImageSource:
    return DicomWebSource(server.web(), "secret") if way == "web" else DimseSource(server.node(way))


def only(source: ImageSource, query: Query = ACCESSION) -> SeriesRecord:
    (record,) = candidates(source.find(query))
    return record


def contents(folder: Path) -> dict[str, bytes]:
    images = [pydicom.dcmread(path) for path in folder.iterdir() if path.suffix != ".json"]
    return {str(image.SOPInstanceUID): bytes(image.PixelData) for image in images}


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".partial") or path.suffix == ".dcm"]


@pytest.mark.parametrize("way", WAYS)
def test_find_and_fetch(archive: Orthanc, tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    source = source_of(archive, way)
    found = source.find(ACCESSION)
    assert sorted((r.modality, r.images) for r in found) == [("CT", 2), ("CT", COUNT)]
    progress: list[float] = []
    folder = fetch_series(source, candidates(found), tmp_path / "out", lambda _, fraction: progress.append(fraction))
    assert progress[-1] == 1.0
    assert progress == sorted(progress)
    assert [path.name for path in sorted(folder.glob("*.dcm"))] == [f"IM{n + 1:05d}.dcm" for n in range(COUNT)]
    assert folder.stat().st_mode & 0o077 == 0
    scan = read_folder(folder)
    assert scan.ct.array.shape[0] == COUNT
    assert scan.acquisition.subject.patient_id == "Müller 4 1"
    for secret in ("Müller", "A77", "secret", found[0].study_uid, found[0].series_uid):
        assert secret not in caplog.text


@pytest.mark.parametrize("way", WAYS)
def test_a_real_series_arrives_bit_for_bit(archive: Orthanc, tmp_path: Path, way: str, reference_data: Path) -> None:
    original = reference_data / "hip_sts044" / "dicom"
    patient = str(pydicom.dcmread(next(original.iterdir()), specific_tags=["PatientID"]).PatientID)
    source = source_of(archive, way)
    folder = fetch_series(source, [only(source, Query(patient_id=patient))], tmp_path / "out")
    assert contents(folder) == contents(original)


@pytest.mark.parametrize("way", WAYS)
def test_patient_id_with_spaces_and_umlaut_and_study_uid(archive: Orthanc, way: str) -> None:
    source = source_of(archive, way)
    record = only(source, Query(patient_id="Müller 4 1"))
    assert only(source, Query(study_uid=record.study_uid)) == record
    assert only(source, Query(accession="A77", patient_id="Müller 4 1", study_uid=record.study_uid)) == record


@pytest.mark.parametrize("way", ["web", "get"])
def test_nothing_matches(archive: Orthanc, way: str) -> None:
    source = source_of(archive, way)
    for query in (Query(accession="A7"), Query(accession="A77", patient_id="B2"), Query(study_uid="1.2.3")):
        assert source.find(query) == ()
    with pytest.raises(PacsError) as caught:
        candidates(())
    assert caught.value.code == "NOT_FOUND"


def test_both_ways_list_the_same_and_so_does_dcmtk(archive: Orthanc, tmp_path: Path) -> None:
    records = source_of(archive, "web").find(ACCESSION)
    assert records == source_of(archive, "get").find(ACCESSION)
    findscu = dcmtk("findscu")
    keys = ["QueryRetrieveLevel=SERIES", f"StudyInstanceUID={records[0].study_uid}", "SeriesInstanceUID"]
    subprocess.run(
        [findscu, "-S", "-X", "-od", str(tmp_path), "-aet", OUR_AET, "-aec", "ORTHANC"]
        + [part for key in keys for part in ("-k", key)]
        + ["127.0.0.1", str(archive.dicom)],
        check=True,
        capture_output=True,
    )
    theirs = {str(pydicom.dcmread(path, force=True).SeriesInstanceUID).strip() for path in tmp_path.iterdir()}
    assert theirs == {record.series_uid for record in records}


def test_dcmtk_fetches_the_same(archive: Orthanc, tmp_path: Path) -> None:
    source = source_of(archive, "get")
    record = only(source)
    ours = fetch_series(source, [record], tmp_path / "ours")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    getscu = dcmtk("getscu")
    keys = [
        "QueryRetrieveLevel=SERIES",
        f"StudyInstanceUID={record.study_uid}",
        f"SeriesInstanceUID={record.series_uid}",
    ]
    subprocess.run(
        [getscu, "-S", "-od", str(theirs), "-aet", OUR_AET, "-aec", "ORTHANC"]
        + [part for key in keys for part in ("-k", key)]
        + ["127.0.0.1", str(archive.dicom)],
        check=True,
        capture_output=True,
    )
    assert contents(ours) == contents(theirs)


def test_wrong_password(archive: Orthanc) -> None:
    with pytest.raises(PacsError) as caught:
        DicomWebSource(archive.web(), "wrong-password").find(ACCESSION)
    assert caught.value.code == "PACS_LOGIN"
    assert "wrong-password" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"calling_aet": "STRANGER"}, {"called_aet": "NOBODY"}])
def test_foreign_titles(archive: Orthanc, changes: dict[str, str]) -> None:
    with pytest.raises(PacsError) as caught:
        DimseSource(archive.node(**changes)).find(ACCESSION)
    assert caught.value.code == "PACS_REFUSED"


def test_nobody_listens(tmp_path: Path, archive: Orthanc) -> None:
    port = free_port()
    sources = (
        DicomWebSource(archive.web(f"http://127.0.0.1:{port}/dicom-web"), "x"),
        DimseSource(archive.node(port=port)),
    )
    for source in sources:
        with pytest.raises(PacsError, match="does not answer") as caught:
            source.find(ACCESSION)
        assert caught.value.code == "PACS_BROKEN"


def test_a_page_that_is_no_dicomweb(archive: Orthanc) -> None:
    with pytest.raises(PacsError) as caught:
        DicomWebSource(archive.web(archive.rest + "/system"), "secret").find(ACCESSION)
    assert caught.value.code in {"PACS_ANSWER", "NOT_FOUND"}


@pytest.mark.parametrize("way", WAYS)
def test_server_stopped_in_the_middle(own_archive: Orthanc, tmp_path: Path, way: str) -> None:
    source = source_of(own_archive, way)
    record = only(source)

    def stop(_: str, fraction: float) -> None:
        if fraction >= 3 / COUNT:
            own_archive.stop()

    # a small series may be under way already when the server stops; a gone server is found out in any case
    with contextlib.suppress(PacsError):
        source.fetch(record, tmp_path / "out", stop)
        assert len(list((tmp_path / "out").glob("*.dcm"))) == COUNT
    if not (tmp_path / "out").exists():
        assert leftovers(tmp_path / "out") == []
    with pytest.raises(PacsError) as caught:
        source.fetch(record, tmp_path / "again")
    assert caught.value.code == "PACS_BROKEN"
    assert not (tmp_path / "again").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".partial")]


@pytest.mark.parametrize("way", ["web", "get"])
def test_a_broken_transfer_goes_on_where_it_stopped(archive: Orthanc, tmp_path: Path, way: str) -> None:
    """The second connection (the first one asks for the list) breaks after about six of 16 images."""
    record = only(source_of(archive, "web"))
    port = archive.http if way == "web" else archive.dicom
    proxy = Proxy(port, break_after=(10**9, 6 * SLICE_BYTES + 8000))
    if way == "web":
        # one connection per request, as an archive behind a balancer has it
        source: ImageSource = DicomWebSource(archive.web(f"http://127.0.0.1:{proxy.port}/dicom-web"), "secret")
        source._session.headers["Connection"] = "close"
    else:
        source = DimseSource(archive.node(port=proxy.port))
    assert len(source.fetch(record, tmp_path / "out")) == COUNT
    assert proxy.connections >= 3
    assert len(contents(tmp_path / "out")) == COUNT
    proxy.close()


@pytest.mark.parametrize("way", ["web", "get"])
def test_a_transfer_that_always_breaks_leaves_nothing(archive: Orthanc, tmp_path: Path, way: str) -> None:
    record = only(source_of(archive, "web"))
    port = archive.http if way == "web" else archive.dicom
    proxy = Proxy(port, break_after=(10**9, *[SLICE_BYTES - 240] * 50))
    if way == "web":
        source: ImageSource = DicomWebSource(archive.web(f"http://127.0.0.1:{proxy.port}/dicom-web"), "secret")
        source._session.headers["Connection"] = "close"
    else:
        source = DimseSource(archive.node(port=proxy.port))
    with pytest.raises(PacsError) as caught:
        source.fetch(record, tmp_path / "out")
    assert caught.value.code == "PACS_BROKEN"
    assert list(tmp_path.iterdir()) == []
    proxy.close()


@pytest.mark.parametrize("way", WAYS)
def test_an_instance_deleted_behind_our_back(own_archive: Orthanc, tmp_path: Path, way: str) -> None:
    source = source_of(own_archive, way)
    record = only(source)
    middle = sorted(own_archive.ids("instances"), key=lambda one: one)[COUNT // 2]
    own_archive.delete("instances", middle)
    with pytest.raises(PacsError, match=f"{COUNT - 1} of {COUNT}") as caught:
        source.fetch(record, tmp_path / "out")
    assert caught.value.code == "INCOMPLETE"
    assert not (tmp_path / "out").exists()


def test_an_instance_deleted_before_we_ask_is_a_missing_slice(own_archive: Orthanc, tmp_path: Path) -> None:
    images = [pydicom.dcmread(path) for path in (tmp_path / "sent").iterdir()]
    middle = sorted(images, key=lambda image: image.ImagePositionPatient[2])[COUNT // 2]
    for one in own_archive.ids("instances"):
        if (
            own_archive._call("GET", f"/instances/{one}").json()["MainDicomTags"]["SOPInstanceUID"]
            == middle.SOPInstanceUID
        ):
            own_archive.delete("instances", one)
    source = source_of(own_archive, "web")
    folder = fetch_series(source, [only(source)], tmp_path / "out")
    with pytest.raises(RefusedError) as caught:
        read_folder(folder)
    assert caught.value.code == "MISSING_SLICE"


@pytest.mark.parametrize("way", WAYS)
def test_cancelling_leaves_nothing(archive: Orthanc, tmp_path: Path, way: str) -> None:
    source = source_of(archive, way)

    def cancel(_: str, fraction: float) -> None:
        if fraction > 0.3:
            raise CancelledError

    with pytest.raises(CancelledError):
        source.fetch(only(source), tmp_path / "out", cancel)
    assert list(tmp_path.iterdir()) == []


def test_a_move_to_a_port_in_use(archive: Orthanc, tmp_path: Path) -> None:
    source = DimseSource(archive.node("move", bind_port=archive.dicom))
    with pytest.raises(PacsError) as caught:
        source.fetch(only(source), tmp_path / "out")
    assert caught.value.code == "PACS_PORT"


def test_a_folder_that_holds_something_is_left_alone(archive: Orthanc, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x", encoding="utf-8")
    source = source_of(archive, "web")
    with pytest.raises(InputError, match="not empty"):
        fetch_series(source, [only(source)], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_strangers_may_not_store_while_we_listen(archive: Orthanc, tmp_path: Path) -> None:
    """During a C-MOVE our service refuses other AE titles, and images that were not asked for."""
    source = DimseSource(archive.node("move"))
    record = only(source)
    stranger = write(series(1), tmp_path / "stranger")
    storescu = dcmtk("storescu")
    answers: list[int] = []

    def intrude(_: str, fraction: float) -> None:
        if len(answers) == 0:
            for title in ("STRANGER", "ORTHANC"):
                command = [storescu, "-aet", title, "-aec", OUR_AET, "127.0.0.1", str(archive.move_port)]
                done = subprocess.run([*command, str(stranger / "000.dcm")], capture_output=True, timeout=20)
                answers.append(done.returncode)

    with pytest.raises(PacsError, match="not asked for"):
        source.fetch(record, tmp_path / "out", intrude)
    assert len(answers) == 2
    assert answers[0] != 0
    assert not (tmp_path / "out").exists()


def server_side(certificates: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    return context


def test_https_is_verified(
    archive: Orthanc, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(archive.http, server_side(certificates))

    def source(authority: str, host: str = "localhost") -> DicomWebSource:
        tls = TlsSettings(ca_file=str(certificates / authority) if authority else "")
        return DicomWebSource(archive.web(f"https://{host}:{proxy.port}/dicom-web", tls=tls), "secret")

    good = source("ca.crt")
    assert len(good.fetch(only(good), tmp_path / "out")) == COUNT
    # a bundle named by the environment must not widen our trust
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "ca.crt"))
    for authority in ("other.crt", ""):
        with pytest.raises(PacsError) as caught:
            source(authority).find(ACCESSION)
        assert caught.value.code == "PACS_TLS"
    proxy.close()


@pytest.fixture(scope="module")
def tls_archive(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[Orthanc]:
    folder = tmp_path_factory.mktemp("tls-archive")
    with orthanc(folder / "server", certificates) as server:
        server.store(write(series(), folder / "sent"))
        yield server


def tls_node(server: Orthanc, certificates: Path, way: str, authority: str, client: bool) -> DimseSource:
    ours = (str(certificates / "client.crt"), str(certificates / "client.key")) if client else ("", "")
    tls = TlsSettings(str(certificates / authority), *ours)
    return DimseSource(server.node(way, host="localhost", use_tls=True, tls=tls))


@pytest.mark.parametrize("way", ["get", "move"])
def test_mutual_tls(tls_archive: Orthanc, certificates: Path, tmp_path: Path, way: str) -> None:
    source = tls_node(tls_archive, certificates, way, "ca.crt", client=True)
    assert len(source.fetch(only(source), tmp_path / "out")) == COUNT


@pytest.mark.parametrize(("authority", "client"), [("other.crt", True), ("ca.crt", False)])
def test_tls_that_is_not_trusted(tls_archive: Orthanc, certificates: Path, authority: str, client: bool) -> None:
    with pytest.raises(PacsError) as caught:
        tls_node(tls_archive, certificates, "get", authority, client).find(ACCESSION)
    assert caught.value.code in {"PACS_TLS", "PACS_REFUSED"}


def test_plain_to_a_tls_port(tls_archive: Orthanc) -> None:
    with pytest.raises(PacsError) as caught:
        DimseSource(tls_archive.node()).find(ACCESSION)
    assert caught.value.code in {"PACS_REFUSED", "PACS_BROKEN"}


def test_what_is_asked_must_be_exact() -> None:
    for make in (
        lambda: Query(),
        lambda: Query(accession="A*"),
        lambda: Query(patient_id="A\\B"),
        lambda: Query(study_uid="1.2/../3"),
        lambda: Query(accession="x" * 65),
    ):
        make_query: Callable[[], Query] = make
        with pytest.raises(InputError):
            make_query()
