"""Small synthetic CT series on disk, sound ones and one for every way in which a series can be wrong."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, generate_uid

from BoneStrengthFEALib.volume import Volume

ROWS, COLUMNS, COUNT = 40, 48, 16
SPACING, STEP = (0.7, 0.6), 1.25
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
Series = list[Dataset]


def stored(k: int) -> np.ndarray:
    """Unsigned stored values: HU + 1024, every voxel of the series different from its neighbours."""
    j, i = np.indices((ROWS, COLUMNS))
    return (1000 + 7 * i + 3 * j + 29 * k).astype(np.uint16)


def series(count: int = COUNT, orientation: tuple[float, ...] = (1, 0, 0, 0, 1, 0)) -> Series:
    """A sound axial series."""
    study, uid, frame = generate_uid(), generate_uid(), generate_uid()
    normal = np.cross(orientation[:3], orientation[3:])
    images = []
    for k in range(count):
        data = Dataset()
        data.SpecificCharacterSet = "ISO_IR 192"
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.SOPClassUID, data.SOPInstanceUID, data.Modality = CT_CLASS, generate_uid(), "CT"
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, uid, frame
        data.PatientName, data.PatientID, data.PatientSex, data.PatientAge = "Bone^Test", "B1", "F", "071Y"
        data.StudyDate, data.StudyTime, data.AccessionNumber = "20240131", "101500", "A77"
        data.Manufacturer, data.ConvolutionKernel, data.KVP, data.SliceThickness = "SIEMENS", "Br40", 120, STEP
        data.ImagePositionPatient = [round(float(v), 6) for v in np.array([-20.0, -30.0, 100.0]) + k * STEP * normal]
        data.ImageOrientationPatient, data.PixelSpacing = list(orientation), list(SPACING)
        data.InstanceNumber = count - k
        data.Rows, data.Columns, data.SamplesPerPixel = ROWS, COLUMNS, 1
        data.PhotometricInterpretation, data.BitsAllocated, data.BitsStored, data.HighBit = "MONOCHROME2", 16, 12, 11
        data.PixelRepresentation, data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 0, 1, -1024, "HU"
        data.PixelData = stored(k).tobytes()
        images.append(data)
    return images


def write(images: Series, folder: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    """Write a series, one file per image."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, data in enumerate(images):
        write_one(data, folder / f"{n:03d}.dcm", syntax)
    return folder


def write_one(data: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.get("SOPClassUID", CT_CLASS)
    meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", "1.2.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), copy.deepcopy(data), file_meta=meta, preamble=b"\0" * 128)
    if syntax == RLELossless:
        file.compress(RLELossless)
    elif syntax == ExplicitVRBigEndian:
        file.PixelData = np.frombuffer(file.PixelData, "<u2").byteswap().tobytes()
        file["PixelData"].VR = "OW"
    file.file_meta.TransferSyntaxUID = syntax
    little = syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(
        path, file, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=little, enforce_file_format=False
    ) if syntax != RLELossless else file.save_as(path)


def series_of(volume: Volume) -> Series:
    """An axial CT [HU] as DICOM images."""
    k, j, i = volume.array.shape
    images = series(k)
    first = volume.grid.to_ras(np.zeros((k, 3)) + np.arange(k)[:, None] * (0, 0, 1)) * (-1, -1, 1)
    axes = volume.ijk_to_ras[:3, :3] / np.array(volume.spacing_mm) * np.array([[-1], [-1], [1]])
    for n, data in enumerate(images):
        data.Rows, data.Columns = j, i
        data.ImagePositionPatient = [round(float(v), 6) for v in first[n]]
        data.ImageOrientationPatient = [round(float(v), 9) for v in (*axes[:, 0], *axes[:, 1])]
        data.PixelSpacing = [volume.spacing_mm[1], volume.spacing_mm[0]]
        data.SliceThickness = volume.spacing_mm[2]
        data.PixelRepresentation, data.BitsStored, data.HighBit, data.RescaleIntercept = 1, 16, 15, 0
        data.PixelData = np.rint(volume.array[n]).astype(np.int16).tobytes()
        data.StudyID, data.ReferringPhysicianName, data.PatientBirthDate = "1", "", "19530201"
        data.SeriesNumber, data.BodyPartExamined, data.PositionReferenceIndicator = 3, "SPINE", ""
    return images


def every(**values: object) -> Callable[[Series], None]:
    """Set elements in every image; None deletes."""

    def change(images: Series) -> None:
        for data in images:
            set_elements(data, **values)

    return change


def one(index: int, **values: object) -> Callable[[Series], None]:
    """Set elements in one image."""
    return lambda images: set_elements(images[index], **values)


def set_elements(data: Dataset, **values: object) -> None:
    with pydicom.config.disable_value_validation():
        for keyword, value in values.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)


def move(images: Series, index: int, z: float) -> None:
    position = list(images[index].ImagePositionPatient)
    images[index].ImagePositionPatient = [*position[:2], position[2] + z]


def stretch(images: Series) -> None:
    """The upper half twice as far apart."""
    for k in range(COUNT // 2, COUNT):
        move(images, k, STEP * (k - COUNT // 2 + 1))


def tilt(images: Series) -> None:
    angle = np.radians(15)
    every(ImageOrientationPatient=[1, 0, 0, 0, float(np.cos(angle)), float(np.sin(angle))])(images)


def copy_of(index: int, **values: object) -> Callable[[Series], None]:
    def change(images: Series) -> None:
        extra = copy.deepcopy(images[index])
        set_elements(extra, **values)
        images.append(extra)

    return change


def short_pixels(images: Series) -> None:
    images[3].PixelData = images[3].PixelData[:1000]


def eight_bit(images: Series) -> None:
    for data in images:
        data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
        data.PixelData = b"\x10" * (ROWS * COLUMNS)


def localizer(images: Series) -> None:
    extra = copy.deepcopy(images[0])
    extra.SOPInstanceUID = generate_uid()
    extra.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    extra.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    images.append(extra)


def smaller_matrix(images: Series) -> None:
    images[5].Rows = 32
    images[5].PixelData = images[5].PixelData[: 32 * COLUMNS * 2]


def deflate_bomb(folder: Path) -> None:
    """A deflated file that is small on disk and large in memory."""
    path = folder / "000.dcm"
    data = pydicom.dcmread(path)
    data.PixelData = b"\0" * (64 << 20)
    raw = path.with_suffix(".raw")
    data.save_as(raw)
    content = raw.read_bytes()
    length = int.from_bytes(content[140:144], "little")
    start = 144 + length
    meta = content[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta = meta[:140] + (length + 2).to_bytes(4, "little") + meta[144:]
    index = meta.index(b"1.2.840.10008.1.2.1.99")
    meta = meta[: index - 2] + (22).to_bytes(2, "little") + meta[index:]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(meta + packer.compress(content[start:]) + packer.flush())
    raw.unlink()


def deep_sequence(folder: Path) -> None:
    """3000 nested sequences, by bytes: no writer makes them."""
    path = folder / "000.dcm"
    content = path.read_bytes()
    item = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    ends = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    place = content.index(b"\x10\x00\x10\x00PN")
    path.write_bytes(content[:place] + item * 3000 + ends * 3000 + content[place:])


def wrong_syntax(folder: Path) -> None:
    """The meta group says RLE, the data are native."""
    path = folder / "004.dcm"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))


def cut(name: str, size: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[:size])

    return change


def no_preamble(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[132:])


def symlink(folder: Path) -> None:
    outside = folder.parent / "outside.dcm"
    (folder / "002.dcm").rename(outside)
    (folder / "002.dcm").symlink_to(outside)


UNIT = generate_uid
REFUSED: dict[str, tuple[Callable[[Series], None], str]] = {
    "missing slice": (lambda s: s.__delitem__(7), "MISSING_SLICE"),
    "two missing slices": (lambda s: s.__delitem__(slice(4, 10, 5)), "MISSING_SLICE"),
    "same position twice": (copy_of(4, SOPInstanceUID=UNIT()), "DUPLICATE_POSITION"),
    "same instance twice": (copy_of(4), "DUPLICATE_INSTANCE"),
    "spacing changes": (stretch, "NONUNIFORM_SPACING"),
    "one slice off by 0.1 mm": (lambda s: move(s, 6, 0.1), "NONUNIFORM_SPACING"),
    "gantry tilt": (tilt, "GANTRY_TILT"),
    "one slice shifted sideways": (one(6, ImagePositionPatient=[-19.0, -30.0, 107.5]), "GANTRY_TILT"),
    "two series": (one(3, SeriesInstanceUID=UNIT()), "MIXED_SERIES"),
    "two patients": (one(3, PatientID="B2"), "MIXED_PATIENT"),
    "two frames of reference": (one(3, FrameOfReferenceUID=UNIT()), "MIXED_FRAME_OF_REFERENCE"),
    "two pixel spacings": (one(3, PixelSpacing=[0.9, 0.6]), "MIXED_SPACING"),
    "two orientations": (one(3, ImageOrientationPatient=[0, 1, 0, -1, 0, 0]), "MIXED_ORIENTATION"),
    "two sizes": (smaller_matrix, "MIXED_MATRIX"),
    "mr": (every(Modality="MR"), "NOT_CT"),
    "secondary capture called CT": (every(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "NOT_CT"),
    "no slope": (every(RescaleSlope=None), "MISSING_RESCALESLOPE"),
    "no intercept": (every(RescaleIntercept=None), "MISSING_RESCALEINTERCEPT"),
    "slope zero": (every(RescaleSlope=0), "BAD_VALUE"),
    "not HU": (every(RescaleType="US"), "NOT_HU"),
    "modified HU": (every(RescaleType="HU_MOD"), "VIRTUAL_MONO"),
    "virtual monoenergetic": (every(SeriesDescription="Mono 70 keV"), "VIRTUAL_MONO"),
    "no position": (one(3, ImagePositionPatient=None), "MISSING_IMAGEPOSITIONPATIENT"),
    "no orientation": (every(ImageOrientationPatient=None), "MISSING_IMAGEORIENTATIONPATIENT"),
    "no pixel spacing": (every(PixelSpacing=None), "MISSING_PIXELSPACING"),
    "pixel spacing zero": (every(PixelSpacing=[0, 0.6]), "BAD_VALUE"),
    "orientation not of unit length": (every(ImageOrientationPatient=[2, 0, 0, 0, 1, 0]), "BAD_ORIENTATION"),
    "pixels short": (short_pixels, "TRUNCATED"),
    "no pixels": (one(3, PixelData=None), "NO_PIXELS"),
    "huge matrix": (every(Rows=65535, Columns=65535), "MATRIX"),
    "huge frame number": (every(NumberOfFrames=2**31 - 1), "MULTIFRAME"),
    "two frames in a CT image": (every(NumberOfFrames=2, Rows=20), "MULTIFRAME"),
    "8 bit": (eight_bit, "BITS"),
    "inverted": (every(PhotometricInterpretation="MONOCHROME1"), "PHOTOMETRIC"),
    "lossy flag": (every(LossyImageCompression="01"), "LOSSY"),
    "path in a UID": (every(SeriesInstanceUID="../../../../tmp/pwn"), "BAD_UID"),
    "long UID": (every(SeriesInstanceUID="1." + "2" * 180), "BAD_UID"),
    "single slice": (lambda s: s.__delitem__(slice(1, None)), "TOO_FEW_SLICES"),
    "localizers only": (every(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "NOT_CT"),
}
"""Case to what is done to a sound series, and the code of the refusal."""

DAMAGED: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut before the UIDs": (cut("003.dcm", 500), "BAD_UID"),
    "cut in the header": (cut("003.dcm", 900), "MISSING_COLUMNS"),
    "cut in the pixels": (cut("003.dcm", 3000), "TRUNCATED"),
    "empty file": (cut("003.dcm", 0), "MISSING_SLICE"),
    "no preamble": (no_preamble, "NO_DICOM"),
    "symbolic link": (symlink, "SYMLINK"),
    "wrong transfer syntax": (wrong_syntax, "DECODE"),
    "deflated": (deflate_bomb, "TRANSFER_SYNTAX"),
    "3000 nested sequences": (deep_sequence, "UNREADABLE"),
}
"""Case to what is done to the files of a sound series, and the code of the refusal."""
