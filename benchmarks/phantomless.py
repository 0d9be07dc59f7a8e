"""Phantomless against phantom calibration on the same composites: bias and limits of agreement (Bland and Altman 1986).

``python -m benchmarks.phantomless FOLDER --count 60``: a Mindways phantom is laid into each real CT with tissue masks,
its rods as the spectrum of the tissue references shows them at that tube voltage; then the whole composite, patient and
phantom, goes through a random error of the HU scale (2 %) and offset (4 HU). What is compared is the mean density
(K2HPO4-equivalent) of the case's bones.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from benchmarks.phantoms import placement, read_image
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration.internal import calibrate_air_fat_muscle, calibrate_michalski
from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import load_phantom
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.tissue_samples import collect_samples
from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.label_names import label_names
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.synthetic.phantom import with_phantom
from BoneStrengthFEALib.volume import Quantity, Volume

SCALE_SD, OFFSET_SD_HU = 0.02, 4.0
HU_AT_ZERO = -0.4
"""Of the spectrum behind the tissue references: 999.6 - 1000."""
TISSUES = {1: "air", 2: "subcutaneous_fat", 3: "muscle", 4: "blood"}
PHANTOMS = ("mindways-model3-ct", "mindways-model3-qa")
SCHEMES = {
    "air-fat-muscle": ("air", "adipose", "muscle"),
    "air-fat-muscle-blood": ("air", "adipose", "muscle", "blood"),
    "michalski, all tissues": (),
}


@dataclass(frozen=True)
class Case:
    """A real CT with tissue labels and bones.

    Parameters
    ----------
    name, kvp
        Name and tube voltage [kV].
    ct, tissues, bones
        CT [HU], tissue labels, (K, J, I) booleans of the bones.
    """

    name: str
    kvp: float
    ct: Volume
    tissues: LabelMap
    bones: np.ndarray


def main() -> None:
    """Run the composites and print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=60)
    arguments = parser.parse_args()
    dice = np.random.default_rng(417)
    cases = load_cases(arguments.folder)
    rows: dict[tuple[str, str], list[tuple[float, float]]] = {}
    while sum(len(r) for (s, _), r in rows.items() if s == "air-fat-muscle") < arguments.count:
        case = cases[dice.integers(len(cases))]
        for (scheme, name), pair in compare(case, dice).items():
            rows.setdefault((scheme, name), []).append(pair)
    for scheme in SCHEMES:
        for name in ("all", *(case.name for case in cases)):
            pairs = [p for (s, n), group in rows.items() if s == scheme and name in ("all", n) for p in group]
            print(bland_altman(f"{scheme}, {name}", np.array(pairs)))


def bland_altman(title: str, pairs: np.ndarray) -> str:
    """Bias and limits of agreement of (n, 2) phantomless and phantom densities, as a line."""
    if len(pairs) < 2:
        return f"{title}: {len(pairs)} composites"
    off = pairs[:, 0] - pairs[:, 1]
    bias, spread = off.mean(), 1.96 * off.std(ddof=1)
    share = 100 * (off / pairs[:, 1]).mean()
    return (
        f"{title}: n {len(off)}, bias {bias:+.1f} mg/cm3 ({share:+.1f} %), limits {bias - spread:+.1f} to "
        f"{bias + spread:+.1f}, mean density {pairs[:, 1].mean():.0f}"
    )


def compare(case: Case, dice: np.random.Generator) -> dict[tuple[str, str], tuple[float, float]]:
    """Phantomless and phantom density of one random composite; empty when it cannot be made."""
    phantom = load_phantom(PHANTOMS[dice.integers(len(PHANTOMS))])
    placed = placement(case.ct, phantom, dice, "whole")
    if placed is None:
        return {}
    placed = type(placed)(**{**vars(placed), "sigma": slope_at(case.kvp), "beta": HU_AT_ZERO})
    laid = with_phantom(case.ct, phantom, placed)
    untouched = np.abs(laid.array - case.ct.array) < 1e-3
    composite = laid.with_array(laid.array * (1 + dice.normal(0, SCALE_SD)) + dice.normal(0, OFFSET_SD_HU))
    labels = case.tissues.volume
    tissues = LabelMap(labels.with_array(np.where(untouched, labels.array, 0)), case.tissues.names)
    bones = composite.array[case.bones & untouched]
    try:
        truth = calibrate_phantom(composite, None, phantom)
        truth.quality.raise_if_refused()
    except BoneStrengthError:
        return {}
    reference = float(truth.density(bones).mean())
    samples = collect_samples(composite, tissues)
    found = {}
    for scheme, wanted in SCHEMES.items():
        made = _phantomless(samples, scheme, wanted, case.kvp)
        if made is not None:
            found[scheme, case.name] = float(made.density(bones).mean()), reference
    return found


def _phantomless(samples: dict, scheme: str, wanted: tuple[str, ...], kvp: float) -> Calibration | None:
    try:
        if scheme.startswith("air"):
            made = calibrate_air_fat_muscle(samples, wanted, Acquisition("file", kvp=kvp))
        else:
            made = calibrate_michalski(samples, wanted)
        made.quality.raise_if_refused()
    except BoneStrengthError:
        return None
    return made


def slope_at(kvp: float) -> float:
    """HU per mg/cm3 of the spectrum behind the tissue references."""
    text = resources.files("BoneStrengthFEALib.calibration").joinpath("data/tissue_references.json").read_text("utf-8")
    return float(next(row["hu_per_mg_cm3"] for row in json.loads(text)["sets"] if row["kvp"] == kvp))


def load_cases(folder: Path) -> list[Case]:
    """The cases of the reference data with tissue masks."""
    hip, spine, trunk = folder / "hip_sts044", folder / "spine_lidc0314", folder / "spine_totalseg"
    total = label_names("totalsegmentator")
    return [
        _case("hip_sts044", 140.0, hip / "dicom", hip / "tissue_rois.nii.gz", TISSUES, hip / "femur_right_mask.nii.gz"),
        _case("spine_lidc0314", 120.0, spine / "ct.nii.gz", spine / "tissue_rois.nii.gz", TISSUES,
              spine / "vertebral_body_mask.nii.gz"),
        _case("spine_totalseg", 120.0, trunk / "example_ct.nii.gz", trunk / "example_ct_seg_fast.nii.gz", total,
              trunk / "example_ct_vertebrae_body.nii.gz"),
    ]  # fmt: skip


def _case(name: str, kvp: float, image: Path, labels: Path, names: dict[int, str], bones: Path) -> Case:
    ct = read_image(image)
    tissues = LabelMap(onto_grid(read_volume(labels, Quantity.LABEL), ct.grid), names)
    inside = onto_grid(read_volume(bones, Quantity.LABEL), ct.grid).array
    return Case(name, kvp, ct, tissues, inside == 1 if "body" in bones.name and "example" in bones.name else inside > 0)


if __name__ == "__main__":
    main()
