"""Time and peak memory of reading 600 slices of 512 x 512 from a folder, against SimpleITK's series reader.

Each reader runs in a process of its own, twice, the second time counts (files are in the system's cache then).

    python benchmarks/dicom_read.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SLICES, SIZE = 600, 512
READERS = ("ours", "gate", "SimpleITK")


def write_series(folder: Path) -> None:
    """Write a synthetic series.

    Parameters
    ----------
    folder
        Empty folder.
    """
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 200, (SIZE, SIZE), dtype=np.uint16)
    for k in range(SLICES):
        data = Dataset()
        data.SOPClassUID, data.SOPInstanceUID, data.Modality = "1.2.840.10008.5.1.4.1.1.2", generate_uid(), "CT"
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = study, series, frame
        data.PatientID, data.KVP, data.ConvolutionKernel, data.SliceThickness = "P", 120, "B", 0.6
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, round(0.6 * k, 3)], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.Rows, data.Columns, data.SamplesPerPixel = [0.7, 0.7], SIZE, SIZE, 1
        data.PhotometricInterpretation, data.BitsAllocated, data.BitsStored, data.HighBit = "MONOCHROME2", 16, 12, 11
        data.PixelRepresentation, data.RescaleSlope, data.RescaleIntercept = 0, 1, -1024
        data.PixelData = np.roll(noise + np.uint16(k), k).tobytes()
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = data.SOPClassUID, data.SOPInstanceUID
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{k:04d}.dcm"
        pydicom.dcmwrite(path, FileDataset(str(path), data, file_meta=meta, preamble=b"\0" * 128))


def read(reader: str, folder: Path) -> float:
    """Read it.

    Parameters
    ----------
    reader
        One of READERS.
    folder
        Folder of the series.

    Returns
    -------
    Mean of the volume [HU], so that readers can be compared; number of files for the gate alone.
    """
    if reader == "ours":
        from BoneStrengthFEALib.dicom_in import read_folder

        return float(read_folder(folder).ct.array.mean())
    if reader == "gate":
        from BoneStrengthFEALib.dicom_in import judge_folder

        return float(len(judge_folder(folder, "vertebra").acquisition.files))
    import SimpleITK as sitk

    series = sitk.ImageSeriesReader()
    series.SetFileNames(series.GetGDCMSeriesFileNames(str(folder)))
    return float(sitk.GetArrayFromImage(series.Execute()).mean())


def child(reader: str, folder: Path) -> None:
    """Read it in this process and print what it took.

    Parameters
    ----------
    reader
        One of READERS.
    folder
        Folder of the series.
    """
    from BoneStrengthFEALib.cohort.memory import peak_memory

    start = time.perf_counter()
    mean = read(reader, folder)
    print(json.dumps({"s": time.perf_counter() - start, "mb": peak_memory() / 1e6, "mean": mean}))


def main() -> None:
    """Run all readers."""
    if len(sys.argv) == 3:
        child(sys.argv[1], Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as name:
        write_series(Path(name))
        for reader in READERS:
            runs = [
                json.loads(
                    subprocess.run([sys.executable, __file__, reader, name], capture_output=True, check=True).stdout
                )
                for _ in range(2)
            ]
            print(f"{reader:10} {runs[-1]['s']:.2f} s, peak {runs[-1]['mb']:.0f} MB, mean {runs[-1]['mean']:.4f}")


if __name__ == "__main__":
    main()
