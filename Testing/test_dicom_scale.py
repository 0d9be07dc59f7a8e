"""A wrong rescale in the header shows in where air and soft tissue lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_cases import write

from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.dicom_in.scale import scale_lines
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.volume import Quantity, Volume


def outcomes(ct: Volume) -> dict[str, Outcome]:
    return {line.check: line.outcome for line in scale_lines(ct)}


@pytest.mark.parametrize(
    "name",
    [
        "spine_lidc0314/ct.nii.gz",
        "spine_totalseg/example_ct.nii.gz",
        "tibia_sts049/ct.nii.gz",
        "phantom_qrm/ct.nii.gz",
        "vertebra_tptbox/sub-ct_label-22_ct.nii.gz",
    ],
)
def test_real_scans_of_five_scanners_pass(reference_data: Path, name: str) -> None:
    found = outcomes(read_volume(reference_data / name, Quantity.HU))
    assert found["HU_SCALE"] is Outcome.PASS
    assert found.get("HU_AIR", Outcome.PASS) is Outcome.PASS


@pytest.mark.parametrize(
    ("slope", "offset", "code", "outcome"),
    [
        # the case of a header that says 0.5 for values stored with slope 1 and intercept -1024
        (0.5, -512.0, "HU_SCALE", Outcome.REFUSE),
        (2.0, 1024.0, "HU_SCALE", Outcome.WARN),
        (1.0, 200.0, "HU_SCALE", Outcome.WARN),
        (1.0, -130.0, "HU_AIR", Outcome.WARN),
        (1.0, 40.0, "HU_AIR", Outcome.WARN),
    ],
)
def test_a_wrong_rescale_is_noticed(
    reference_data: Path, tmp_path: Path, slope: float, offset: float, code: str, outcome: Outcome
) -> None:
    """A real series whose values (v) become slope * v + offset by a changed header."""
    images = []
    for path in sorted((reference_data / "hip_sts044" / "dicom").iterdir()):
        image = pydicom.dcmread(path)
        image.RescaleIntercept = slope * float(image.RescaleIntercept) + offset
        image.RescaleSlope = slope * float(image.RescaleSlope)
        images.append(image)
    scan = read_folder(write(images, tmp_path / "s"))
    assert {line.check: line.outcome for line in scan.quality.lines}[code] is outcome


def test_a_real_series_passes(reference_data: Path) -> None:
    lines = {line.check: line for line in read_folder(reference_data / "hip_sts044" / "dicom").quality.lines}
    assert lines["HU_SCALE"].outcome is lines["HU_AIR"].outcome is Outcome.PASS


def test_bone_alone_warns() -> None:
    rng = np.random.default_rng(41)
    ct = Volume(rng.normal(700, 50, (9, 10, 11)), np.eye(4), Quantity.HU)
    assert outcomes(ct) == {"HU_SCALE": Outcome.WARN}
