"""The gate: every kind of bad series is refused with its code, every sound one is read right."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_cases import (
    COLUMNS,
    COUNT,
    DAMAGED,
    REFUSED,
    ROWS,
    SPACING,
    STEP,
    copy_of,
    every,
    localizer,
    one,
    series,
    stored,
    write,
)
from external_tools import require_executable
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from BoneStrengthFEALib.acquisition import Sex
from BoneStrengthFEALib.dicom_in import admit, list_series, read_folder, read_series
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.quality import Outcome

TRUTH = np.stack([stored(k) for k in range(COUNT)]).astype(np.float64) - 1024


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize("case", REFUSED)
def test_bad_series_is_refused_with_its_code(tmp_path: Path, case: str) -> None:
    change, code = REFUSED[case]
    images = series()
    change(images)
    folder = write(images, tmp_path / "s")
    with pytest.raises(RefusedError) as caught:  # noqa: PT012 - headers or the checks on them refuse
        admitted = admit(files(folder))
        admitted.quality.raise_if_refused()
    assert caught.value.code == code
    assert "Bone" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused_with_their_code(tmp_path: Path, case: str) -> None:
    change, code = DAMAGED[case]
    folder = write(series(), tmp_path / "s")
    change(folder)
    with pytest.raises(RefusedError) as caught:
        read_series(files(folder))
    assert caught.value.code == code


def test_a_bomb_and_deep_nesting_cost_little_memory(tmp_path: Path) -> None:
    """Measured in a process of its own: the interpreter and its libraries included, below 200 MB."""
    for name in ("deflated", "3000 nested sequences"):
        folder = write(series(), tmp_path / name)
        DAMAGED[name][0](folder)
        script = (
            "import sys, pathlib\n"
            "from BoneStrengthFEALib.cohort.memory import peak_memory\n"
            "from BoneStrengthFEALib.dicom_in.gate import admit\n"
            "try: admit(sorted(pathlib.Path(sys.argv[1]).iterdir()))\n"
            "except ValueError as error: print(error.code, peak_memory() // 2**20)\n"
        )
        done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=300)
        code, megabytes = done.stdout.split()
        assert code == DAMAGED[name][1], done.stderr
        assert int(megabytes) < 200


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless], ids=lambda s: s.name
)
def test_transfer_syntaxes_give_equal_hu(tmp_path: Path, syntax: str) -> None:
    images = series()
    write(images[::-1], tmp_path / "s", syntax)
    scan = read_folder(tmp_path / "s")
    np.testing.assert_array_equal(scan.ct.array, TRUTH)
    assert scan.ct.array.dtype == np.int16


@pytest.mark.parametrize(("option", "name"), [("+e1", "SV1"), ("+el", "any"), ("ls", "LS")])
def test_lossless_jpeg_gives_equal_hu(tmp_path: Path, option: str, name: str) -> None:
    folder = write(series(), tmp_path / "s")
    for path in files(folder):
        if option == "ls":
            command = [require_executable("dcmcjpls", "dcmtk"), "+el", str(path), str(path)]
        else:
            command = [require_executable("dcmcjpeg", "dcmtk"), option, str(path), str(path)]
        subprocess.run(command, check=True, capture_output=True)
    scan = read_folder(folder)
    np.testing.assert_array_equal(scan.ct.array, TRUTH)


DIRECTIONS = [
    (1, 0, 0, 0, 1, 0),
    (-1, 0, 0, 0, -1, 0),
    (1, 0, 0, 0, -1, 0),
    (0, 1, 0, -1, 0, 0),
    (0, 1, 0, 0, 0, -1),
    (1, 0, 0, 0, 0, -1),
    (0.8, 0.6, 0, -0.6, 0.8, 0),
    tuple(np.round([np.cos(0.3), 0, np.sin(0.3), 0, 1, 0], 9)),
]


@pytest.mark.parametrize("orientation", DIRECTIONS, ids=str)
@pytest.mark.parametrize("backwards", [False, True])
def test_geometry_equals_that_of_simpleitk(tmp_path: Path, orientation: tuple[float, ...], backwards: bool) -> None:
    images = series(9, orientation)
    folder = write(images[::-1] if backwards else images, tmp_path / "s")
    ours = read_folder(folder).ct
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    theirs = reader.Execute()
    array = sitk.GetArrayFromImage(theirs)
    direction = np.array(theirs.GetDirection()).reshape(3, 3)
    for ijk in itertools.product((0, COLUMNS - 1), (0, ROWS - 1), (0, 8)):
        lps = np.array(theirs.GetOrigin()) + direction @ (np.array(theirs.GetSpacing()) * ijk)
        ras = lps * (-1, -1, 1)
        place = np.rint(ours.grid.to_ijk(ras)).astype(int)
        np.testing.assert_allclose(ours.grid.to_ras(place.astype(float)), ras, atol=1e-4)
        assert ours.array[tuple(place[::-1])] == array[ijk[::-1]]


def test_acquisition_holds_what_the_header_says(tmp_path: Path) -> None:
    scan = read_folder(write(series(), tmp_path / "s"))
    found = scan.acquisition
    assert (found.source, found.kvp, found.kernel, found.slice_thickness_mm) == ("dicom", 120.0, "Br40", 1.25)
    assert (found.subject.sex, found.subject.age_years, found.subject.name) == (Sex.FEMALE, 71.0, "Bone^Test")
    np.testing.assert_allclose(scan.ct.spacing_mm, (SPACING[1], SPACING[0], STEP), atol=1e-9)


def test_what_only_warns(tmp_path: Path) -> None:
    images = series()
    localizer(images)
    every(ImageType=["DERIVED", "SECONDARY", "REFORMATTED"])(images[:COUNT])
    images[2].RescaleIntercept = -1023
    folder = write(images, tmp_path / "s")
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    (folder / "archive.zip").write_bytes(b"PK\x03\x04" + b"\0" * 200)
    admitted = admit(files(folder))
    warned = {line.check for line in admitted.quality.lines if line.outcome is Outcome.WARN}
    assert warned == {"OTHER_FILES", "LOCALIZER", "DERIVED", "RESCALE_VARIES"}
    scan = read_series(files(folder))
    assert scan.ct.array.shape == (COUNT, ROWS, COLUMNS)
    np.testing.assert_array_equal(scan.ct.array[2], TRUTH[2] + 1)


def test_anonymised_images_that_each_have_their_own_frame_of_reference_are_read(tmp_path: Path) -> None:
    # as in LIDC-IDRI
    images = series()
    for data in images:
        data.FrameOfReferenceUID = generate_uid()
    scan = read_folder(write(images, tmp_path / "s"))
    np.testing.assert_array_equal(scan.ct.array[2], TRUTH[2])
    assert scan.acquisition.frame_of_reference_uid == ""
    line = next(line for line in scan.quality.lines if line.check == "FRAME_OF_REFERENCE")
    assert line.outcome is Outcome.WARN
    assert line.found == f"{COUNT} frames of reference, one an image"


def test_declared_monoenergetic_images_are_read(tmp_path: Path) -> None:
    images = series()
    every(RescaleType="HU_MOD")(images)
    scan = read_folder(write(images, tmp_path / "s"))
    assert [line.check for line in scan.quality.refused] == ["VIRTUAL_MONO"]
    assert not scan.quality.accepting(["VIRTUAL_MONO"]).refused


def test_padding_outside_the_circle_becomes_air(tmp_path: Path) -> None:
    images = series()
    for k, data in enumerate(images):
        values = (stored(k).astype(np.int16) - 1024).astype(np.int16)
        values[:5] = -2000
        data.PixelRepresentation, data.BitsStored, data.HighBit, data.RescaleIntercept = 1, 16, 15, 0
        data.PixelData = values.tobytes()
        data.add_new(0x00280120, "SS", -2000)
    scan = read_folder(write(images, tmp_path / "s"))
    assert (scan.ct.array[:, :5] == -1024).all()
    np.testing.assert_array_equal(scan.ct.array[:, 5:], TRUTH[:, 5:])


def test_fractions_of_a_slope_are_kept(tmp_path: Path) -> None:
    images = series()
    every(RescaleSlope=0.5, RescaleIntercept=-1024.25)(images)
    scan = read_folder(write(images, tmp_path / "s"))
    np.testing.assert_allclose(scan.ct.array, 0.5 * (TRUTH + 1024) - 1024.25)


def test_names_with_markup_are_only_text(tmp_path: Path) -> None:
    images = series()
    every(PatientName="<script>alert(1)</script>^小林")(images)
    scan = read_folder(write(images, tmp_path / "s"))
    assert scan.acquisition.subject.name == "<script>alert(1)</script>^小林"


def enhanced(images: list[Dataset]) -> Dataset:
    whole = Dataset()
    for element in images[0]:
        if element.keyword not in {"ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "PixelData",
                                   "RescaleSlope", "RescaleIntercept", "RescaleType"}:  # fmt: skip
            whole.add(element)
    whole.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    whole.NumberOfFrames = len(images)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = images[0].ImageOrientationPatient
    measures.PixelSpacing = images[0].PixelSpacing
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    whole.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for data in images:
        group, plane, transform = Dataset(), Dataset(), Dataset()
        plane.ImagePositionPatient = data.ImagePositionPatient
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = 1, data.RescaleIntercept, "HU"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [plane], [transform]
        frames.append(group)
    whole.PerFrameFunctionalGroupsSequence = frames
    whole.PixelData = b"".join(data.PixelData for data in images)
    return whole


def test_enhanced_ct_is_read_frame_by_frame(tmp_path: Path) -> None:
    images = series()
    images[4].RescaleIntercept = -1000
    shuffled = [images[n] for n in np.random.default_rng(11).permutation(COUNT)]
    scan = read_folder(write([enhanced(shuffled)], tmp_path / "s"))
    expected = TRUTH.copy()
    expected[4] += 24
    np.testing.assert_array_equal(scan.ct.array, expected)
    plain = read_folder(write(series(), tmp_path / "p")).ct
    np.testing.assert_allclose(scan.ct.ijk_to_ras, plain.ijk_to_ras)


def test_enhanced_ct_with_a_missing_frame_is_refused(tmp_path: Path) -> None:
    images = series()
    del images[6]
    with pytest.raises(RefusedError) as caught:
        read_folder(write([enhanced(images)], tmp_path / "s"))
    assert caught.value.code == "MISSING_SLICE"


def test_the_best_series_of_a_study_is_chosen_and_the_reason_told(tmp_path: Path) -> None:
    sharp, contrast, thick, best = series(), series(), series(8), series()
    every(ConvolutionKernel="Br69")(sharp)
    every(ContrastBolusAgent="Ultravist")(contrast)
    every(SliceThickness=3)(thick)
    for number, images in enumerate((sharp, contrast, thick, best)):
        write(images, tmp_path / "study" / f"deep{number}")
    scan = read_folder(tmp_path / "study")
    assert scan.acquisition.series_uid == best[0].SeriesInstanceUID
    assert "best of 4 CT series" in scan.quality.lines[0].found
    chosen = read_folder(tmp_path / "study", sharp[0].SeriesInstanceUID)
    assert chosen.acquisition.kernel == "Br69"
    with pytest.raises(InputError, match="not among the 4"):
        read_folder(tmp_path / "study", generate_uid())


def test_equally_suited_series_are_for_the_user_to_choose(tmp_path: Path) -> None:
    for name in "ab":
        write(series(), tmp_path / "study" / name)
    with pytest.raises(InputError, match="equally suited"):
        read_folder(tmp_path / "study")


def test_other_modalities_beside_the_ct_are_passed_over(tmp_path: Path) -> None:
    mr = series()
    every(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")(mr)
    write(mr, tmp_path / "study" / "mr")
    write(series(), tmp_path / "study" / "ct")
    assert len(list_series(tmp_path / "study")) == 1
    shutil.rmtree(tmp_path / "study" / "ct")
    with pytest.raises(RefusedError) as caught:
        read_folder(tmp_path / "study")
    assert caught.value.code == "NOT_CT"


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        read_folder(tmp_path)
    assert caught.value.code == "NO_DICOM"


def test_a_real_series_equals_simpleitk(reference_data: Path) -> None:
    folder = reference_data / "hip_sts044" / "dicom"
    scan = read_folder(folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_array_equal(scan.ct.array, sitk.GetArrayFromImage(reader.Execute()))
    assert (scan.acquisition.kvp, scan.acquisition.kernel) == (140.0, "SOFT")


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_raise_nothing_but_our_own_errors(tmp_path: Path, seed: int) -> None:
    """Bytes of sound files changed, removed and inserted at random; 75 series a seed, 16 files each."""
    dice = np.random.default_rng(7000 + seed)
    source = write(series(6), tmp_path / "source")
    originals = [path.read_bytes() for path in files(source)]
    folder = tmp_path / "mutants"
    folder.mkdir()
    for _ in range(75):
        for n, content in enumerate(originals):
            (folder / f"{n}.dcm").write_bytes(mutant(content, dice))
        with contextlib.suppress(RefusedError, InputError):
            read_series(files(folder))


def mutant(content: bytes, dice: np.random.Generator) -> bytes:
    data = bytearray(content)
    header = min(len(data), 1400)
    for _ in range(int(dice.integers(0, 4))):
        place = int(dice.integers(128, header))
        kind = dice.integers(0, 4)
        if kind == 0:
            data[place] = int(dice.integers(0, 256))
        elif kind == 1:
            data[place : place + int(dice.integers(1, 9))] = b""
        elif kind == 2:
            data[place:place] = dice.bytes(int(dice.integers(1, 9)))
        else:
            data[place : place + 4] = dice.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\xff\xff"])
    return bytes(data)


def test_helpers_change_what_they_say() -> None:
    images = series()
    one(3, KVP=80)(images)
    copy_of(0, PatientID="X")(images)
    assert [images[3].KVP, images[-1].PatientID, len(images)] == [80, "X", COUNT + 1]
    assert isinstance(images[0], pydicom.Dataset)
