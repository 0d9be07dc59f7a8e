"""Stated standard uncertainty of every density measure against the scatter of repeated scans (Monte Carlo).

``python -m benchmarks.uncertainty --draws 40`` takes the digital spine phantom, the digital hip and a synthetic tibia
(``--bones``, ``--kinds`` choose among them and among calibrations). Each draw scans the bone with other noise and makes
a calibration of each kind anew: phantoms laid into an image, rods off their certificate by CERTIFICATE_MG_CM3, HU bent
by up to UNIFORM_HU either way and the bone anywhere along that bow; tissues of a patient who deviates from the
reference; a stored calibration of a scanner that changes from day to day. A cell holds the root mean square of the
stated uncertainty over that of the error, which is against the same bone without noise by the true calibration.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Specimen, identify, prepare
from BoneStrengthFEALib.bmd import HipComparison, measure, measure_hip, scan_hip
from BoneStrengthFEALib.calibration import internal
from BoneStrengthFEALib.calibration.asynchronous import calibrate_asynchronous
from BoneStrengthFEALib.calibration.attenuation import node_table
from BoneStrengthFEALib.calibration.internal_michalski import fit_michalski
from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import Phantom, load_phantom
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.rod_field import UNIFORM_HU
from BoneStrengthFEALib.calibration.scanner import scanner_of
from BoneStrengthFEALib.calibration.store import add_entry, new_entry
from BoneStrengthFEALib.calibration.tissue_samples import TissueSample
from BoneStrengthFEALib.calibration.tissue_windows import WINDOWS
from BoneStrengthFEALib.calibration.uncertainty import hu_of_density
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.settings import CalibrationSettings
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.hip_phantom import hip_scan
from BoneStrengthFEALib.synthetic.limb import SyntheticLimb
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.synthetic.spine_phantom import VERTEBRAE
from BoneStrengthFEALib.synthetic.vertebra import pose
from BoneStrengthFEALib.volume import Quantity, Volume

SIGMA, BETA = 1.3666, -0.4
"""HU per mg/cm3 and HU at zero of the scanner; those of the spectrum behind the tissue references at 120 kV."""
NOISE_HU, GRAIN_VOXELS = 15.0, 0.7
CERTIFICATE_MG_CM3 = 1.5
LINE_HU, MASS_HU = 6.0, 25.0
"""How far tissues of a patient lie from the references of the line, and from one line of mass attenuation: the misfit
of the published example of Michalski's method is about the latter."""
SLOPE_SD, ZERO_SD_HU, DAYS = 0.005, 2.0, 8
EXAM = Acquisition("file", kvp=120.0, manufacturer="A", model="B", serial="1", kernel="STANDARD", study_date="20260310")
BONES = ("vertebra", "hip", "tibia")
TRUE_LINE = Calibration("given-linear", Quantity.K2HPO4, (-BETA / SIGMA, 1.0 / SIGMA))
Draw = Callable[[np.random.Generator], Calibration]


@dataclasses.dataclass(frozen=True, eq=False)
class Bone:
    """A bone to scan.

    Parameters
    ----------
    name
        Its name.
    density
        (K, J, I) true density [mg/cm3].
    specimen
        The bone.
    """

    name: str
    density: Volume
    specimen: Specimen

    def measured(self, density: Volume, calibration: Calibration) -> dict[str, Measure]:
        """All measures of a density."""
        found: Iterable[Measure] = measure(density, self.specimen, calibration)
        if self.name == "hip":
            found = (
                *found,
                *measure_hip(density, self.specimen, calibration, HipComparison(), scan_hip(density, self.specimen)),
            )
        return {m.id: m for m in found}

    def scanned(self, truth: Calibration, made: Calibration, dice: np.random.Generator) -> dict[str, Measure]:
        """All measures of a noisy scan by a scanner whose true calibration is known."""
        hu = hu_of_density(truth, self.density.array)
        grain = ndimage.gaussian_filter(dice.normal(size=hu.shape), (0.0, GRAIN_VOXELS, GRAIN_VOXELS))
        noisy = made.density(hu + NOISE_HU * grain / grain.std()).astype(np.float32)
        return self.measured(self.density.with_array(noisy, made.quantity), made)


def main() -> None:
    """Run everything and print one table per bone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bones", nargs="*", choices=BONES, default=BONES)
    parser.add_argument("--kinds", nargs="+", choices=list(calibrations()), default=list(calibrations()))
    arguments = parser.parse_args()
    chosen = {name: made for name, made in calibrations().items() if name in arguments.kinds}
    kinds = {name: (truth, list(_drawn(draw, arguments))) for name, (truth, draw) in chosen.items()}
    for name, (truth, made) in kinds.items():
        print(_calibration_row(name, truth, made), flush=True)
    for bone in bones(arguments.bones):
        print(f"\n| {bone.name}: stated over observed (observed) | {' | '.join(kinds)} |\n|{'---|' * (1 + len(kinds))}")
        columns = [_ratios(bone, truth, made, arguments.seed) for truth, made in kinds.values()]
        for measure_id in columns[0]:
            print(f"| {measure_id} | {' | '.join(column.get(measure_id, '') for column in columns)} |", flush=True)


def _drawn(draw: Draw, arguments: argparse.Namespace) -> Iterator[Calibration]:
    dice = np.random.default_rng(arguments.seed)
    for _ in range(arguments.draws):
        yield draw(dice)


def _calibration_row(name: str, truth: Calibration, made: list[Calibration]) -> str:
    """Errors and stated uncertainties of the calibrations alone at 50, 150 and 600 mg/cm3."""
    cells = []
    for density in (50.0, 150.0, 600.0):
        hu = float(hu_of_density(truth, np.array(density)))
        observed = _rms([float(c.density(hu)) - density for c in made])
        stated = _rms([float(c.standard_uncertainty(hu) or 0.0) for c in made])  # type: ignore[arg-type]
        cells.append(f"{density:g} mg/cm3: {observed:.2f} observed, {stated:.2f} stated, {stated / observed:.2f}")
    return f"{name}: {'; '.join(cells)}"


def _ratios(bone: Bone, truth: Calibration, made: list[Calibration], seed: int) -> dict[str, str]:
    exact = bone.measured(bone.density.with_array(bone.density.array, made[0].quantity), _of_kind(truth, made[0]))
    dice = np.random.default_rng(seed + 1)
    scans = [bone.scanned(truth, one, dice) for one in made]
    found = {}
    for name, right in exact.items():
        values = [scan[name] for scan in scans if name in scan]
        stated = [m.uncertainty for m in values if m.uncertainty is not None]
        observed = _rms([m.value - right.value for m in values])
        if stated and observed > 0:
            found[name] = f"{_rms(stated) / observed:.2f} ({observed:.3g} {right.unit})"
        elif observed > 0:
            found[name] = f"none stated ({observed:.3g} {right.unit})"
    return found


def _of_kind(truth: Calibration, made: Calibration) -> Calibration:
    return dataclasses.replace(truth, quantity=made.quantity)


def _rms(values: Iterable[float]) -> float:
    return float(np.sqrt(np.mean(np.square(list(values)))))


def bones(names: Iterable[str]) -> Iterator[Bone]:
    """Spine phantom L2, hip and tibia."""
    for name in names:
        yield {"vertebra": _vertebra, "hip": _hip, "tibia": _tibia}[name]()


def _vertebra() -> Bone:
    density, labels, body = VERTEBRAE[1].scan(pose((4.0, -3.0, 7.0), (3.3, -41.7, 120.4)), (1.0, 1.0, 1.5), 0.5)
    return Bone("vertebra", density, prepare(labels, 1, identify(labels, 1), body))


def _hip() -> Bone:
    density, labels = hip_scan(SyntheticFemur(cortex_mm=2.0), pose((-6.0, 5.0, 21.0)), (1.5, 1.5, 2.0), piece_mm=0.5)
    return Bone("hip", density, prepare(labels, 1, identify(labels, 1)))


def _tibia() -> Bone:
    ct, labels = SyntheticLimb().scan(pose((7.0, -5.0, 15.0)), (0.7, 0.7, 1.0))
    density = ct.with_array(np.maximum(0.75 * ct.array, 0.0).astype(np.float32), Quantity.K2HPO4)
    return Bone("tibia", density, prepare(labels, 1, identify(labels, 1)))


def calibrations() -> dict[str, tuple[Calibration, Draw]]:
    """Kind to its true calibration and a way to make it anew."""
    base = _on_one_line()
    curve = Calibration("given", Quantity.K2HPO4, fit_michalski(base).coefficients)
    references = internal._references(120.0)[0]["k2hpo4_mg_cm3"]
    tissues = {name: SIGMA * references[name] + BETA for name in internal.LINEAR_TISSUES}
    return {
        "phantom, K2HPO4": (TRUE_LINE, lambda dice: _phantom(load_phantom("mindways-model3-ct"), dice)),
        "phantom, CaHA": (TRUE_LINE, lambda dice: _phantom(load_phantom("bmas200"), dice)),
        "Michalski": (curve, lambda dice: internal.calibrate_michalski(_samples(base, MASS_HU, dice), ())),
        "air, fat, muscle": (
            TRUE_LINE,
            lambda dice: internal.calibrate_air_fat_muscle(_samples(tissues, LINE_HU, dice), (), EXAM),
        ),
        "asynchronous": (TRUE_LINE, _asynchronous),
    }


def _phantom(phantom: Phantom, dice: np.random.Generator) -> Calibration:
    """Calibrate by a phantom whose rods are off their certificate, in an image whose HU bend."""
    rods = tuple(
        dataclasses.replace(rod, density_mg_cm3=rod.density_mg_cm3 + dice.normal(0.0, CERTIFICATE_MG_CM3))
        for rod in phantom.rods
    )
    air = Volume(np.full((24, 70, 220), -1000.0, dtype=np.float32), np.diag((-0.9, -0.9, 1.5, 1.0)), Quantity.HU)
    bow, seed = dice.uniform(-UNIFORM_HU, UNIFORM_HU), int(dice.integers(1 << 30))
    # bone keeps its HU wherever along the bow it lies: the phantom's are moved instead
    zero = BETA + bow * dice.uniform(0.0, 1.0)
    placed = Placement((32.0, 99.0), SIGMA, zero, noise_hu=NOISE_HU, blur_mm=0.7, cupping_hu=bow, seed=seed)
    return calibrate_phantom(with_phantom(air, dataclasses.replace(phantom, rods=rods), placed), None, phantom)


def _on_one_line() -> dict[str, float]:
    """HU of the five tissues that lie on the line which the published example fits."""
    seen = {"air": -956.8, "adipose": -82.6, "blood": 39.2, "muscle": 24.6, "cortical_bone": 1226.2}
    fit, table = fit_michalski(seen), node_table()
    return {name: (table.at(name, fit.energy_kev) - fit.attenuation_intercept) / fit.attenuation_slope for name in seen}


def _samples(means: dict[str, float], away_hu: float, dice: np.random.Generator) -> dict[str, TissueSample]:
    """Tissues of one patient; one that a window would refuse is drawn again."""
    found = {}
    for name, mean in means.items():
        low, high = WINDOWS[name].limit_hu
        centre = mean + dice.normal(0.0, away_hu)
        while not low < centre < high:
            centre = mean + dice.normal(0.0, away_hu)
        found[name] = TissueSample(name, "drawn", dice.normal(centre, NOISE_HU, 5000))
    return found


def _asynchronous(dice: np.random.Generator) -> Calibration:
    """Take a stored calibration of a scanner that changes from day to day, the examination's day (SIGMA, BETA)."""
    usual = SIGMA * (1.0 + dice.normal(0.0, SLOPE_SD)), BETA + dice.normal(0.0, ZERO_SD_HU)
    phantom = load_phantom("bmas200")
    with tempfile.TemporaryDirectory() as folder:
        for day in range(DAYS):
            line = usual[0] * (1.0 + dice.normal(0.0, SLOPE_SD)), usual[1] + dice.normal(0.0, ZERO_SD_HU)
            made = _phantom_line(phantom, line, dice)
            scan = Volume(np.full((2, 2, 2), line[0]), np.eye(4), Quantity.HU)
            scanned = datetime.date(2026, 2, 20 + day)
            add_entry(new_entry(scan, phantom, made, scanner_of(EXAM), scanned), Path(folder))
        return calibrate_asynchronous(EXAM, CalibrationSettings("asynchronous", store=folder))


def _phantom_line(phantom: Phantom, line: tuple[float, float], dice: np.random.Generator) -> Calibration:
    """A phantom calibration from its rods' means, without an image."""
    from BoneStrengthFEALib.calibration.phantom_fit import expected_rod_hu, fit_rods

    variance = np.full(len(phantom.rods), 0.5**2)
    hu = expected_rod_hu(phantom, *line) + dice.normal(0.0, 0.5, len(phantom.rods))
    fit = fit_rods(phantom, hu, variance)
    numbers = {"hu_per_mg_cm3": fit.sigma, "hu_at_zero": fit.beta}
    return Calibration("phantom-linear", phantom.kind, fit.coefficients, fit.covariance, numbers=numbers)


if __name__ == "__main__":
    main()
