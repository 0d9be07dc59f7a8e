"""Vertebral density measures on a body with known densities."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.anatomy.specimen import Side, Site, Specimen
from BoneStrengthFEALib.bmd import density_roi, even_roi_line, measure
from BoneStrengthFEALib.bmd.acr import acr_class
from BoneStrengthFEALib.bmd.vertebra import elliptical_roi
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.uncertainty import (
    ImageNoise,
    calibration_uncertainty_of_mean,
    hu_of_density,
    image_noise,
    mean_uncertainty,
)
from BoneStrengthFEALib.errors import AnatomyError, CalibrationError
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.volume import Quantity, Volume

COVARIANCE = np.array([[4.0, -0.01], [-0.01, 1e-4]])
CALIBRATION = Calibration("phantom-linear", Quantity.K2HPO4, (5.0, 0.8), COVARIANCE)
SPACING = (0.9, 1.1, 1.4)  # i, j, k
HALF_AXES = np.array([21.0, 16.0, 13.0])  # right, anterior, superior


def elliptic_cylinder(angle: float = 0.0) -> tuple[Volume, Specimen]:
    """Body of 90 mg/cm3 with a shell of 300 thicker than the peel; rotated about z; a vein of 10 behind the middle."""
    affine = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
    affine[:3, 3] = (27.0, 31.0, -19.0)
    shape = (29, 56, 66)
    k, j, i = np.indices(shape)
    ras = np.stack((i, j, k), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    centre = affine[:3, :3] @ np.array([shape[2] - 1, shape[1] - 1, shape[0] - 1]) / 2 + affine[:3, 3]
    axes = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    local = (ras - centre) @ axes
    radius = np.hypot(local[..., 0] / HALF_AXES[0], local[..., 1] / HALF_AXES[1])
    body = (radius < 1) & (np.abs(local[..., 2]) < HALF_AXES[2])
    core = (np.hypot(local[..., 0] / 18.0, local[..., 1] / 13.0) < 1) & (np.abs(local[..., 2]) < 10.0)
    density = np.where(core, 90.0, 300.0)
    density[(np.abs(local[..., 0]) < 2) & (local[..., 1] < 0)] = 10.0
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = axes, centre
    regions = Volume(np.where(body, 1, 0).astype(np.uint8), affine, Quantity.LABEL)
    specimen = Specimen(Site.VERTEBRA, "L2", Side.NONE, regions, {1: "body"}, frame)
    return Volume(np.where(body, density, -20.0), affine, Quantity.K2HPO4), specimen


@pytest.mark.parametrize("angle", [0.0, 0.35, -1.2])
def test_ellipse_sees_only_trabecular_bone_however_the_body_is_turned(angle: float) -> None:
    density, specimen = elliptic_cylinder(angle)
    values = {m.id: m for m in measure(density, specimen, CALIBRATION)}
    roi = values["trabecular_ellipse_vbmd"]
    assert roi.value == pytest.approx(90.0, abs=1e-9)  # no cortex (300), no vein (10)
    assert roi.classification == "low bone mass"
    assert roi.unit == "mg/cm3"
    # Var(c0 + c1 HU) at HU = (90 - 5) / 0.8 = 106.25
    assert roi.uncertainty == pytest.approx(np.sqrt(4.0 - 2 * 0.01 * 106.25 + 1e-4 * 106.25**2), rel=1e-6)


def test_ellipse_lies_in_front_of_the_middle_and_in_the_slab() -> None:
    density, specimen = elliptic_cylinder(0.35)
    body = specimen.regions.array > 0
    roi = elliptical_roi(body, density, specimen.local_to_ras)
    ras = density.grid.to_ras(np.argwhere(roi)[:, ::-1])
    local = (ras - specimen.local_to_ras[:3, 3]) @ specimen.local_to_ras[:3, :3]
    assert local[:, 1].min() > -0.6
    assert local[:, 1].max() < HALF_AXES[1] - 2.5
    assert np.abs(local[:, 2]).max() <= 4.5
    assert abs(local[:, 0].mean()) < 0.5
    area = roi.sum() * density.voxel_volume_mm3 / (2 * np.abs(local[:, 2]).max() + SPACING[2])
    assert area > 60.0


def test_volume_content_and_compartments_add_up() -> None:
    density, specimen = elliptic_cylinder()
    m = {x.id: x.value for x in measure(density, specimen, CALIBRATION)}
    exact_cm3 = np.pi * HALF_AXES[0] * HALF_AXES[1] * 2 * HALF_AXES[2] / 1000.0
    assert m["volume"] == pytest.approx(exact_cm3, rel=0.04)
    assert m["bmc"] == pytest.approx(m["integral_vbmd"] * m["volume"], rel=1e-12)
    assert m["trabecular_vbmd"] == pytest.approx(90.0, abs=6.0)  # the vein is inside, the shell is not
    assert m["trabecular_vbmd"] < m["integral_vbmd"] < m["cortical_vbmd"]


def test_zero_density_counts() -> None:
    density, specimen = elliptic_cylinder()
    zeroed = density.with_array(np.where(specimen.regions.array > 0, 0.0, 7.0))
    assert all(m.value == 0.0 for m in measure(zeroed, specimen, CALIBRATION) if m.id.endswith("vbmd"))


def test_other_kinds_and_missing_bodies_are_refused() -> None:
    density, specimen = elliptic_cylinder()
    with pytest.raises(CalibrationError, match="CaHA"):
        measure(density.with_array(density.array, Quantity.CAHA), specimen, CALIBRATION)
    bodiless = Specimen(Site.VERTEBRA, "L2", Side.NONE, specimen.regions, {1: "posterior"}, specimen.local_to_ras)
    with pytest.raises(AnatomyError, match="no region called body"):
        measure(density, bodiless, CALIBRATION)


def test_acr_classes_are_on_the_k2hpo4_scale() -> None:
    assert [acr_class(v, Quantity.K2HPO4, "L2") for v in (79.9, 80.0, 120.0, 120.1)] == [
        "osteoporosis",
        "low bone mass",
        "low bone mass",
        "normal",
    ]
    # 84 mg CaHA is (84 + 7.32) / 1.15 = 79.4 mg K2HPO4
    assert acr_class(84.0, Quantity.CAHA, "L4") == "osteoporosis"
    assert acr_class(50.0, Quantity.ASH, "L1") == ""
    # thoracic bodies are denser than the lumbar ones the limits are of, and an unknown level may be one
    assert [acr_class(178.0, Quantity.K2HPO4, level) for level in ("T11", "T12", "")] == ["", "", ""]


def test_inverse_of_a_quadratic_calibration() -> None:
    calibration = Calibration("internal-michalski2020", Quantity.K2HPO4, (36.0, 0.48, 4.1e-4))
    hu = np.array([-120.0, 0.0, 333.0, 1400.0])
    assert hu_of_density(calibration, calibration.density(hu)) == pytest.approx(hu)
    assert calibration_uncertainty_of_mean(calibration, hu) is None


def on_grid(values: np.ndarray) -> Volume:
    return Volume(values, np.eye(4), Quantity.K2HPO4)


def test_noise_of_a_mean_against_monte_carlo() -> None:
    from scipy import ndimage

    rng = np.random.default_rng(97)
    mask = np.zeros((14, 20, 26), dtype=bool)
    mask[2:12, 3:17, 4:22] = True
    count = int(mask.sum())
    # a density that rises along the region and a dense corner are no noise
    edges = np.zeros(mask.shape) + 3.0 * np.arange(26.0)
    edges[2:5, 3:7, 4:8] += 300.0
    white, smooth, claimed = [], [], []
    for _ in range(120):
        field = rng.normal(100.0, 20.0, mask.shape)
        white.append(field[mask].mean())
        field = ndimage.gaussian_filter(field, 0.8)
        smooth.append(field[mask].mean())
        claimed.append(image_noise(on_grid(field + edges), mask).of_mean(count))
    noise = image_noise(on_grid(rng.normal(100.0, 20.0, mask.shape) + edges), mask)
    assert noise.of_mean(count) == pytest.approx(np.std(white), rel=0.25)
    assert np.mean(claimed) == pytest.approx(np.std(smooth), rel=0.25)


def test_uncertainty_of_a_calibrated_mean_against_monte_carlo() -> None:
    rng = np.random.default_rng(5)
    hu = rng.normal(130.0, 1e-3, (6, 7, 8))
    mask = np.ones(hu.shape, dtype=bool)
    mask[0] = False
    draws = rng.multivariate_normal((5.0, 0.8), COVARIANCE, 4000)
    observed = np.std([c0 + c1 * hu[mask].mean() for c0, c1 in draws])
    stated = mean_uncertainty(CALIBRATION, (5.0 + 0.8 * hu)[mask], ImageNoise(0.0, 1.0))
    assert stated == pytest.approx(observed, rel=0.05)
    with_noise = mean_uncertainty(CALIBRATION, (5.0 + 0.8 * hu)[mask], ImageNoise(900.0, 2.8))
    # 280 voxels of which 2.8 count as one: 30 / sqrt(100)
    assert with_noise == pytest.approx(np.hypot(stated or 0.0, 3.0), rel=1e-9)


def test_a_bone_island_in_the_region_is_told() -> None:
    density, specimen = elliptic_cylinder()
    roi = density_roi(specimen)
    assert roi is not None
    assert even_roi_line(density, roi).outcome is Outcome.PASS
    island = np.array(density.array)
    spot = np.argwhere(roi)[: max(1, roi.sum() // 10)]
    island[tuple(spot.T)] = 400.0  # a tenth at 310 above the rest moves the mean by 31, the median not at all
    line = even_roi_line(density.with_array(island, density.quantity), roi)
    assert line.outcome is Outcome.WARN
    assert "median 90" in line.found
