"""Images that hold calibrated density are measured as they are; what cannot be density is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration import apply, calibrate
from BoneStrengthFEALib.cli.main import main
from BoneStrengthFEALib.errors import CalibrationError, InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.settings import CalibrationSettings
from BoneStrengthFEALib.study import check_density
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose
from BoneStrengthFEALib.volume import Quantity, Volume

SLOPE, INTERCEPT = 0.8, 5.0


def test_an_image_of_density_gives_the_numbers_of_its_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ct, labels = SyntheticVertebra().scan(pose((8, -5, 4), (3.0, -20.0, 40.0)), (1.5, 1.6, 2.0))
    density = (SLOPE * np.asarray(ct.array) + INTERCEPT).astype(np.float32)
    write_volume(ct, tmp_path / "ct.nii.gz")
    write_volume(ct.with_array(density, Quantity.K2HPO4), tmp_path / "density.nii.gz")
    write_volume(labels.volume, tmp_path / "labels.nii.gz")
    bone = ["--labels", str(tmp_path / "labels.nii.gz"), "--label", "1", "--site", "vertebra", "--level", "L2"]
    given = {"method": "given-linear", "slope_mg_cm3_per_hu": SLOPE, "intercept_mg_cm3": INTERCEPT}
    words = [f"calibration.{name}={value}" for name, value in {**given, "density_kind": "K2HPO4"}.items()]
    line = [word for one in words for word in ("--set", one)]
    results = []
    for image, how in (("ct", line), ("density", ["--density", "K2HPO4"])):
        assert main(["bmd", str(tmp_path / f"{image}.nii.gz"), *bone, *how, "--format", "json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[0]["density"] == results[1]["density"] == "K2HPO4"
    values = [[one["value"] for one in result["sites"][0]["measures"]] for result in results]
    assert len(values[0]) > 5
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    call = ["bmd", str(tmp_path / "density.nii.gz"), *bone, "--density", "K2HPO4"]
    assert main([*call, "--calibration", "internal-michalski2020"]) == 2
    assert "says that the image is calibrated" in capsys.readouterr().err


def image(low: float, high: float, quantity: Quantity = Quantity.CAHA) -> Volume:
    values = np.linspace(low, high, 5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
    return Volume(values, np.diag([1.0, 1.0, 2.0, 1.0]), quantity)


def test_the_kind_is_never_guessed() -> None:
    chosen = CalibrationSettings("given-density", density_kind="CAHA")
    found = calibrate(image(-800.0, 1400.0), None, Acquisition("file"), chosen)
    assert (found.quantity, found.coefficients) == (Quantity.CAHA, (0.0, 1.0))
    assert (apply(found, image(-800.0, 1400.0)).array == image(-800.0, 1400.0).array).all()
    for other in (Quantity.K2HPO4, Quantity.HU, Quantity.ASH):
        with pytest.raises(InputError, match="takes an image of calibrated density and its density_kind"):
            calibrate(image(-800.0, 1400.0, other), None, Acquisition("file"), chosen)
    with pytest.raises(CalibrationError, match="the method for it is given-density"):
        calibrate(image(-800.0, 1400.0), None, Acquisition("file"), CalibrationSettings())
    with pytest.raises(CalibrationError, match="applies to CaHA-equivalent density, this volume holds HU"):
        apply(found, image(-800.0, 1400.0, Quantity.HU))


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.9, 1.4, "may be g/cm3: multiply by 1000"),
        (-800.0, 120.0, "expected bone above 150"),
        (-1000.0, 6000.0, "nothing above 4000"),
        (-9000.0, 1400.0, "run from -9000"),
    ],
)
def test_implausible_ranges_are_refused(low: float, high: float, words: str) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        check_density(image(low, high))
    assert refusal.value.code == "NOT_DENSITY"


def test_a_ct_in_hu_is_no_density_but_calibrated_air_may_be_there() -> None:
    values = np.array(image(-100.0, 1400.0).array)
    values[:2] = -1000.0
    with pytest.raises(InputError, match="100 % of what is darker than -500 lies at -1000"):
        check_density(image(0.0, 200.0).with_array(values))
    values[:2] = SLOPE * -1000.0 + INTERCEPT
    check_density(image(0.0, 200.0).with_array(values))
