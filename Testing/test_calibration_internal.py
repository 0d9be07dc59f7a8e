"""Internal calibrations: published test vector, physics of the references, windows, samples found in an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xraydb

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration import calibrate
from BoneStrengthFEALib.calibration.attenuation import attenuation_table
from BoneStrengthFEALib.calibration.internal_michalski import fit_michalski, michalski_covariance
from BoneStrengthFEALib.calibration.phantom_definition import load_phantom
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.tissue_samples import TissueSample, collect_samples, label_values
from BoneStrengthFEALib.calibration.tissue_windows import check_windows
from BoneStrengthFEALib.calibration.uncertainty import calibration_uncertainty_of_mean
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.errors import CalibrationError, InputError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import label_names
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.settings import CalibrationSettings
from BoneStrengthFEALib.volume import Quantity, Volume

VERSE004 = {"adipose": -82.579, "air": -956.834, "blood": 39.249, "cortical_bone": 1226.214, "muscle": 24.561}
"""Tissue HU of sub-verse004 in Bonelab/spineFE-benchmark, data/calibration_files."""
VERSE004_DENSITY = {-1000: -31.77, 0: 36.99, 50: 61.78, 100: 88.60, 200: 148.33, 500: 376.34, 1000: 919.0, 1500: 1665.0}
"""Densities the published calibration file gives."""


def test_published_calibration_of_verse004_is_reproduced() -> None:
    fit = fit_michalski(VERSE004)
    assert fit.energy_kev == pytest.approx(97.0, abs=1.0)
    assert fit.r_squared == pytest.approx(0.998965, abs=2e-4)
    for hu, density in VERSE004_DENSITY.items():
        found = np.polynomial.polynomial.polyval(hu, fit.coefficients)
        tolerance = 1.5 if hu < 200 else 0.01 * density
        assert found == pytest.approx(density, abs=tolerance), hu


def test_shipped_attenuation_is_what_xraydb_gives() -> None:
    table = attenuation_table()
    water = {"H": 2 * 1.00794 / 18.0153, "O": 15.9994 / 18.0153}
    at = table.energies_kev.tolist().index(70.0)
    expected = sum(w * float(xraydb.mu_elam(element, 70000.0)) for element, w in water.items())
    assert table.of("water")[at] == pytest.approx(expected, rel=1e-4)
    # NIST values printed in the public implementation of Michalski 2020
    for name, value in {"k2hpo4": 0.3890, "blood": 0.2057, "cortical_bone": 0.3148, "adipose": 0.1974}.items():
        assert table.of(name)[table.energies_kev.tolist().index(60.0)] == pytest.approx(value, abs=6e-5)


def test_two_tissues_are_too_few() -> None:
    with pytest.raises(CalibrationError, match="at least 3"):
        fit_michalski({"air": -1000.0, "adipose": -100.0})


def test_covariance_agrees_with_monte_carlo() -> None:
    rng = np.random.default_rng(20260)
    spread = {"adipose": 3.0, "air": 6.0, "blood": 4.0, "cortical_bone": 25.0, "muscle": 5.0}
    draws = [fit_michalski({t: hu + rng.normal(0, spread[t]) for t, hu in VERSE004.items()}) for _ in range(600)]
    powers = np.array([1.0, 150.0, 150.0**2])
    observed = np.std([powers @ d.coefficients for d in draws])
    predicted = np.sqrt(powers @ michalski_covariance(VERSE004, spread) @ powers)
    assert predicted == pytest.approx(observed, rel=0.15)


def body(bone_hu: float = 300.0, air_hu: float = -995.0, kji: tuple[int, int, int] = (24, 70, 90)) -> Volume:
    """An ellipse of fat around muscle around a bone, in air, with noise; axes LPS as clinical images."""
    _, j, i = np.indices(kji)
    radius = np.hypot((j - 35) / 30.0, (i - 45) / 40.0)
    hu = np.full(kji, air_hu)
    hu[radius < 1.0] = -101.0
    hu[radius < 0.65] = 52.0
    hu[np.hypot(j - 33, i - 45) < 6] = bone_hu
    hu += np.random.default_rng(411).normal(0, 12.0, kji)
    return Volume(hu, np.array([[-3.0, 0, 0, 9], [0, -3.0, 0, 4], [0, 0, 4.0, -5], [0, 0, 0, 1.0]]), Quantity.HU)


def test_tissues_are_found_without_labels() -> None:
    made = calibrate(body(), None, Acquisition("synthetic", kvp=120.0), CalibrationSettings("internal-air-fat-muscle"))
    means = {p.name: p.hu_mean for p in made.points}
    assert means == pytest.approx({"air": -995.0, "adipose": -101.0, "muscle": 52.0}, abs=2.0)
    assert all(sum(p.histogram_counts) == p.voxels > 500 for p in made.points)
    assert all(line.outcome is Outcome.PASS for line in made.quality.lines)
    # an ideal phantom at 120 kV: (HU - 0.4) / 1.3666 with this project's spectrum
    assert made.density(150.0) == pytest.approx((150.0 + 0.4) / 1.3666, abs=4.0)


def test_labels_win_over_the_search_and_michalski_takes_bone_from_the_skeleton() -> None:
    ct = body(bone_hu=1240.0)
    labels = np.zeros(ct.array.shape, dtype=np.int16)
    labels[ct.array > 700] = 29
    labels[4:20, 50:55, 30:60] = 7  # a "blood" label drawn over muscle
    label_map = LabelMap(Volume(labels, ct.ijk_to_ras, Quantity.LABEL), {29: "vertebrae_L3", 7: "Aorta"})
    made = calibrate(ct, label_map, Acquisition("synthetic"), CalibrationSettings("internal-michalski2020"))
    points = {p.name: p for p in made.points}
    assert set(points) == {"air", "adipose", "blood", "muscle", "cortical_bone"}
    assert points["blood"].hu_mean == pytest.approx(52.0, abs=2.0)
    assert points["cortical_bone"].voxels == 899
    assert made.quantity is Quantity.K2HPO4
    assert not made.quality.refused


def test_a_bone_with_metal_gives_no_cortical_sample() -> None:
    ct = body(bone_hu=1240.0)
    labels = np.zeros(ct.array.shape, dtype=np.int16)
    labels[:2][ct.array[:2] > 700], labels[2:][ct.array[2:] > 700] = 75, 29
    metal = np.array(ct.array)
    metal[0:2, 31:36, 43:48] = 3000.0
    names = {75: "femur_left", 29: "vertebrae_L3"}
    label_map = LabelMap(Volume(labels, ct.ijk_to_ras, Quantity.LABEL), names)
    clean = collect_samples(ct.with_array(metal), label_map)["cortical_bone"]
    assert clean.mean == pytest.approx(1250.0, abs=15.0)
    assert clean.hu.max() < 1400.0


def test_michalski_without_bone_says_what_that_costs() -> None:
    made = calibrate(body(), None, Acquisition("synthetic"), CalibrationSettings("internal-michalski2020"))
    assert "NO_BONE_REFERENCE" in {line.check for line in made.quality.warnings}
    linear = calibrate(body(), None, Acquisition("synthetic"), CalibrationSettings("internal-air-fat-muscle"))
    assert 0.55 < made.density(200.0) / linear.density(200.0) < 0.8
    # what it may be off by stands in its uncertainty: at 200 HU 37 - 88 = -51 mg/cm3
    stated = made.standard_uncertainty(200.0)
    assert stated is not None
    assert 50.0 < stated < 70.0
    assert abs(made.density(200.0) - linear.density(200.0)) < 1.5 * stated


def test_tube_voltage_chooses_the_reference() -> None:
    settings = CalibrationSettings("internal-air-fat-muscle")
    slope = {
        v: calibrate(body(), None, Acquisition("s", kvp=v), settings).coefficients[1] for v in (80.0, 120.0, 140.0)
    }
    assert slope[80.0] < slope[120.0] < slope[140.0]
    unknown = calibrate(body(), None, Acquisition("s"), settings)
    assert unknown.quality.warnings[0].check == "KVP"
    with pytest.raises(CalibrationError, match="no tissue references for 60 kV"):
        calibrate(body(), None, Acquisition("s", kvp=60.0), settings)


@pytest.mark.parametrize(
    ("tissue", "hu", "outcome", "kept"),
    [
        ("air", -1000.0, Outcome.PASS, True),
        ("air", -957.0, Outcome.WARN, True),
        ("air", -850.0, Outcome.REFUSE, True),
        ("blood", 45.0, Outcome.PASS, True),
        ("blood", 150.0, Outcome.WARN, False),
        ("muscle", 95.0, Outcome.REFUSE, True),
        ("cortical_bone", 600.0, Outcome.WARN, False),
    ],
)
def test_windows(tissue: str, hu: float, outcome: Outcome, kept: bool) -> None:
    used, lines = check_windows([TissueSample(tissue, "by hand", np.full(60, hu))])
    assert (lines[0].outcome, bool(used)) == (outcome, kept)


def test_label_names_of_the_common_segmenters() -> None:
    names = {1: "aorta", 2: "autochthon_left", 3: "subcutaneous_fat", 4: "skeletal_muscle", 5: "fat", 6: "kidney_left"}
    labels = LabelMap(Volume(np.ones((3, 4, 5), np.int16), np.eye(4), Quantity.LABEL), names)
    assert label_values(labels, (r"(thoracic_|abdominal_)?aorta",)) == [1]
    from BoneStrengthFEALib.calibration.tissue_samples import TISSUE_NAMES

    assert label_values(labels, TISSUE_NAMES["muscle"]) == [2, 4]
    assert label_values(labels, TISSUE_NAMES["adipose"]) == [3, 5]


def test_numbering_of_ogo_names_bones_tissues_and_rods() -> None:
    names = label_names("ogo")
    assert [names[n] for n in (1, 10, 34, 91, 94)] == [
        "femur_right",
        "vertebrae_L1",
        "vertebrae_L6",
        "adipose",
        "cortical_bone",
    ]
    ct = body()
    labels = np.zeros(ct.array.shape, dtype=np.int16)
    labels[4:20, 50:55, 30:60], labels[2:22, 32:35, 44:47] = 95, 10
    found = collect_samples(ct, LabelMap(Volume(labels, ct.ijk_to_ras, Quantity.LABEL), names))
    assert found["muscle"].origin == "label skeletal_muscle"
    assert found["muscle"].mean == pytest.approx(52.0, abs=1.0)
    assert {names[n] for n in range(111, 116)} == {f"rod_{r.name}" for r in load_phantom("mindways-model3-ct").rods}
    assert names[154] == "rod_4"


def test_given_line_is_taken_and_never_guessed() -> None:
    settings = CalibrationSettings("given-linear", slope_mg_cm3_per_hu=0.8, intercept_mg_cm3=-3.0, density_kind="CAHA")
    made = calibrate(body(), None, Acquisition("synthetic"), settings)
    assert (float(made.density(100.0)), made.quantity, made.covariance) == (77.0, Quantity.CAHA, None)
    with pytest.raises(InputError, match="density_kind"):
        calibrate(body(), None, Acquisition("s"), CalibrationSettings("given-linear", slope_mg_cm3_per_hu=0.8))
    with pytest.raises(InputError, match="choose one of"):
        calibrate(body(), None, Acquisition("s"), CalibrationSettings("guess"))


def test_uncertainty_of_a_mean_density_is_what_monte_carlo_gives() -> None:
    """Draw calibrations from their covariance, measure a region with each: the scatter is the stated uncertainty."""
    dice = np.random.default_rng(98)
    region = np.array([90.0, 140.0, 160.0, 230.0, 320.0])
    line = CalibrationSettings("internal-air-fat-muscle")
    for made in (
        calibrate(body(), None, Acquisition("s", kvp=120.0), line),
        Calibration("quadratic", Quantity.K2HPO4, (37.0, 0.5, 3e-4), np.diag([4.0, 9e-4, 1e-8]) + 1e-6),
    ):
        assert made.covariance is not None
        draws = dice.multivariate_normal(made.coefficients, made.covariance, 4000)
        means = np.polynomial.polynomial.polyval(region, draws.T).mean(axis=1)
        stated = calibration_uncertainty_of_mean(made, made.density(region))
        assert stated == pytest.approx(means.std(ddof=1), rel=0.05)


def test_noise_of_the_tissues_is_covered_by_the_stated_uncertainty() -> None:
    """Repeat the scan with other noise: bone's density scatters less than stated, which holds the references too."""
    line = CalibrationSettings("internal-air-fat-muscle")
    found, stated = [], []
    for seed in range(6):
        ct = body()
        noisy = ct.with_array(ct.array + np.random.default_rng(seed).normal(0, 30.0, ct.array.shape))
        made = calibrate(noisy, None, Acquisition("s", kvp=120.0), line)
        found.append(float(made.density(180.0)))
        stated.append(float(made.standard_uncertainty(180.0) or np.nan))
    assert np.std(found, ddof=1) < np.mean(stated) < 15.0


EXPECTED_HU = {
    "hip_sts044": {"air": -994.0, "adipose": -98.0, "muscle": 54.0},
    "spine_lidc0314": {"air": -962.0, "adipose": -85.0, "muscle": 51.0, "blood": 40.0},
    "spine_totalseg": {"adipose": -92.0, "blood": 42.0},
}
"""Means the reference data's description states for its masks."""


@pytest.mark.parametrize(("case", "kvp"), [("hip_sts044", 140.0), ("spine_lidc0314", 120.0), ("spine_totalseg", 120.0)])
def test_reference_cases_are_calibrated_without_a_phantom(reference_data: Path, case: str, kvp: float) -> None:
    """Every case with tissue masks: its tissues, a slope near that of the spectrum, densities in a plausible range."""
    ct, labels = reference_case(reference_data, case)
    settings = CalibrationSettings(
        "internal-air-fat-muscle", ("air", "adipose", "muscle", "blood")[: 4 - (case[0] == "h")]
    )
    made = calibrate(ct, labels, Acquisition("file", kvp=kvp), settings)
    assert not made.quality.refused
    means = {point.name: point.hu_mean for point in made.points}
    for tissue, hu in EXPECTED_HU[case].items():
        # rims are left out and tails trimmed: fat gets darker
        assert means[tissue] == pytest.approx(hu, abs=12.0 if tissue == "adipose" else 3.0), tissue
    spectrum = {120.0: 1.3666, 140.0: 1.2417}[kvp]
    assert made.numbers["hu_per_mg_cm3"] == pytest.approx(spectrum, rel=0.04)
    assert float(made.density(200.0)) == pytest.approx(200.0 / spectrum, abs=12.0)
    physics = calibrate(ct, labels, Acquisition("file", kvp=kvp), CalibrationSettings("internal-michalski2020"))
    assert not physics.quality.refused
    assert "NO_BONE_REFERENCE" in {line.check for line in physics.quality.warnings}


def reference_case(folder: Path, case: str) -> tuple[Volume, LabelMap]:
    """CT and tissue labels of a reference case."""
    place = folder / case
    rois = {1: "air", 2: "subcutaneous_fat", 3: "muscle", 4: "blood"}
    if case == "hip_sts044":
        ct = read_folder(place / "dicom").ct
        return ct, LabelMap(onto_grid(read_volume(place / "tissue_rois.nii.gz", Quantity.LABEL), ct.grid), rois)
    if case == "spine_lidc0314":
        ct = read_volume(place / "ct.nii.gz", Quantity.HU)
        return ct, LabelMap(read_volume(place / "tissue_rois.nii.gz", Quantity.LABEL), rois)
    ct = read_volume(place / "example_ct_sm.nii.gz", Quantity.HU)
    total = np.array(read_volume(place / "example_ct_sm_seg.nii.gz", Quantity.LABEL).array).astype(np.int16)
    names = dict(label_names("totalsegmentator"))
    for value, name in ((201, "subcutaneous_fat"), (202, "skeletal_muscle")):
        mask = read_volume(place / f"example_ct_sm_{name}.nii.gz", Quantity.LABEL).array > 0
        total[mask & (total == 0)] = value
        names[value] = name
    return ct, LabelMap(Volume(total, ct.ijk_to_ras, Quantity.LABEL), names)
