"""Phantoms in scans that are not as a protocol wants them: what is found, refused, or read wrong.

``python -m benchmarks.phantom_scenes`` lays every shipped phantom of rods under a drawn patient on a couch, changes one
thing at a time (mat, couch with rails of steel, field of view, voxels, orders of axes, definition off by a little) and
prints a row per change: phantoms found, and the largest error as a share of 2 mg/cm3 or 2 %.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.calibration.phantom import calibrate_phantom
from BoneStrengthFEALib.calibration.phantom_definition import Phantom, load_phantom, shipped_phantoms
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.synthetic.phantom import Placement, with_phantom
from BoneStrengthFEALib.volume import Quantity, Volume

DENSITIES = np.array((50.0, 100.0, 200.0))
SIGMA, BETA = 1.31, -4.0
AIR_HU, STEEL_HU, ALUMINIUM_HU = -1000.0, 3000.0, 2000.0
BODY_MM = (130.0, 90.0)
"""Half-axes of the body."""


@dataclass(frozen=True)
class Scene:
    """One scan.

    Parameters
    ----------
    pixel_mm, slice_mm, view_mm, length_mm
        Voxels, field of view and length of the scan.
    mat_hu
        HU of a mat of 15 mm between patient and phantom; None for none.
    patient
        Whether there is one.
    couch
        "plain", "rails" (bars of steel and rods of aluminium along the couch), "edge" (its upper plate cuts through the
        lowest 4 mm of the phantom).
    noise_hu, blur_mm, tilt_deg, shift_mm
        As in Placement; how far the row lies from the middle.
    spacing, diameter
        True size over that of the definition.
    phantom_mm
        Length of the phantom along the scan.
    after
        What happens to the image last.
    """

    pixel_mm: float = 0.9
    slice_mm: float = 2.5
    view_mm: float = 310.0
    length_mm: float = 50.0
    mat_hu: float | None = None
    patient: bool = True
    couch: str = "plain"
    noise_hu: float = 12.0
    blur_mm: float = 0.7
    tilt_deg: tuple[float, float] = (1.0, -1.5)
    shift_mm: float = 11.0
    spacing: float = 1.0
    diameter: float = 1.0
    phantom_mm: float = 1000.0
    after: Callable[[Volume], Volume] = lambda volume: volume


def main() -> None:
    """Run all scenes, each row as soon as it is known."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    phantoms = [p for p in map(load_phantom, shipped_phantoms()) if p.rod_shape != "insert"]
    print("| scan | found and accepted | largest error over its limit | not accepted, wrong |\n|---|---|---|---|")
    for name, scene in SCENES.items():
        if arguments.only in name:
            print(row(name, [tried(scene, phantom) for phantom in phantoms]), flush=True)


def row(name: str, tries: list[tuple[str, str, float]]) -> str:
    """A line of the table."""
    found = [share for _, outcome, share in tries if outcome.startswith("found")]
    odd = [f"{phantom}: {outcome}" for phantom, outcome, _ in tries if not outcome.startswith("found")]
    odd += [f"{phantom}: {share:.1f}{outcome[5:]}" for phantom, outcome, share in tries if share > 1]
    return f"| {name} | {len(found)} of {len(tries)} | {max(found, default=np.nan):.2f} | {'; '.join(odd)} |"


def tried(scene: Scene, phantom: Phantom) -> tuple[str, str, float]:
    """Id of the phantom, what became of it, largest error over its limit up to the densest rod.

    What became of it: "found", "found, warned" of its uncertainty, or the code of what refused it.
    """
    try:
        result = calibrate_phantom(scan(scene, phantom), None, phantom)
    except CalibrationError as error:
        return phantom.id, error.code, np.nan
    off = np.abs(result.density(SIGMA * DENSITIES + BETA) - DENSITIES) / np.maximum(2.0, 0.02 * DENSITIES)
    share = float(off[max(point.reference for point in result.points) >= DENSITIES].max())
    refused = result.quality.refused
    warned = any(line.check == "PHANTOM_UNCERTAINTY" for line in result.quality.warnings)
    outcome = refused[0].check if refused else "found, warned" if warned else "found"
    return phantom.id, outcome, np.nan if refused else share


def scan(scene: Scene, phantom: Phantom) -> Volume:
    """The image."""
    shape = [round(v / h) for v, h in ((scene.view_mm, scene.pixel_mm), (scene.view_mm, scene.pixel_mm))]
    count = round(scene.length_mm / scene.slice_mm)
    y, x = np.meshgrid(*(np.arange(n) * scene.pixel_mm for n in shape), indexing="ij")
    middle, bottom = 0.5 * scene.view_mm, 0.5 * scene.view_mm + 0.55 * BODY_MM[1]
    # a small field of view is centred on the phantom's side of the body
    true = dataclasses.replace(
        phantom,
        rod_spacing_mm=phantom.rod_spacing_mm * scene.spacing,
        rod_diameter_mm=phantom.rod_diameter_mm * scene.diameter,
    )
    flat = _drawn(scene, true, (y, x), (bottom, middle))
    dice = np.random.default_rng(17)
    grain = ndimage.gaussian_filter(dice.normal(size=(count, *shape)), (0.0, 0.8, 0.8))
    image = (flat + scene.noise_hu * grain / grain.std()).astype(np.float32)
    affine = np.diag((-scene.pixel_mm, -scene.pixel_mm, scene.slice_mm, 1.0))
    empty = Volume(image, affine, Quantity.HU)
    centre = _phantom_row(scene, true, bottom), middle + scene.shift_mm
    placed = Placement(
        centre, SIGMA, BETA, True, 1.5, scene.tilt_deg, scene.noise_hu, scene.blur_mm, cupping_hu=1.0, seed=5
    )
    laid = np.array(with_phantom(empty, true, placed).array)
    ends = np.abs((np.arange(count) - 0.5 * (count - 1)) * scene.slice_mm) > 0.5 * scene.phantom_mm
    laid[ends] = image[ends]
    if scene.couch == "edge":
        plate = np.abs(y - (centre[0] + 0.5 * true.slab_mm[1] - 2.0)) <= 2.0
        laid[:, plate] = 150.0
    return scene.after(Volume(laid, affine, Quantity.HU))


def _phantom_row(scene: Scene, phantom: Phantom, bottom: float) -> float:
    mat = 0.0 if scene.mat_hu is None else 15.0
    return bottom + mat + 0.5 * phantom.slab_mm[1] + 1.0


def _drawn(
    scene: Scene, phantom: Phantom, grid: tuple[np.ndarray, np.ndarray], place: tuple[float, float]
) -> np.ndarray:
    """Patient, mat and couch in one slice [HU]."""
    (y, x), (bottom, middle) = grid, place
    image = np.full(y.shape, AIR_HU)
    if scene.patient:
        up = y - (bottom - BODY_MM[1])
        across = x - middle
        image[(across / BODY_MM[0]) ** 2 + (up / BODY_MM[1]) ** 2 <= 1.0] = -100.0
        image[(across / (BODY_MM[0] - 20)) ** 2 + (up / (BODY_MM[1] - 20)) ** 2 <= 1.0] = 50.0
        image[(across / 24) ** 2 + ((up - 30) / 17) ** 2 <= 1.0] = 450.0
        image[(across / 21) ** 2 + ((up - 30) / 14) ** 2 <= 1.0] = 150.0
        for side in (-1, 1):
            image[np.hypot(across - side * 45, up - 40) <= 12] = 65.0
    if scene.mat_hu is not None:
        image[(y > bottom) & (y <= bottom + 15.0) & (np.abs(x - middle) < 145)] = scene.mat_hu
    under = _phantom_row(scene, phantom, bottom) + 0.5 * phantom.slab_mm[1] + 3.0
    for plate in (under + 2.0, under + 42.0):
        image[(np.abs(y - plate) <= 1.5) & (np.abs(x - middle) < 150)] = 100.0
    image[(y > under + 4.0) & (y < under + 40.0) & (np.abs(x - middle) < 150)] = -940.0
    if scene.couch == "rails":
        for side in (-1, 1):
            image[np.hypot(x - middle - side * 60, y - under - 12) <= 5] = ALUMINIUM_HU
            image[np.hypot(x - middle - side * 25, y - under - 12) <= 9] = 250.0
            image[(np.abs(x - middle - side * 130) <= 4) & (np.abs(y - under - 20) <= 12)] = STEEL_HU
    return image


def _flipped(*axes: int) -> Callable[[Volume], Volume]:
    """The same scan stored the other way along some array axes."""

    def flip(volume: Volume) -> Volume:
        affine = np.array(volume.ijk_to_ras)
        for axis in axes:
            affine[:3, 3] += affine[:3, 2 - axis] * (volume.array.shape[axis] - 1)
            affine[:3, 2 - axis] *= -1
        return Volume(np.ascontiguousarray(np.flip(volume.array, axes)), affine, Quantity.HU)

    return flip


def _turned(*signs: float) -> Callable[[Volume], Volume]:
    """The same image of a patient who lay another way: only the header's axes change."""

    def turn(volume: Volume) -> Volume:
        return Volume(volume.array, np.diag((*signs, 1.0)) @ volume.ijk_to_ras, Quantity.HU)

    return turn


def _sagittal(volume: Volume) -> Volume:
    affine = np.array(volume.ijk_to_ras)[:, (1, 2, 0, 3)]
    # array (k, j, i) becomes (i, k, j): new i is old j, new j is old k, new k is old i
    return Volume(np.ascontiguousarray(np.transpose(volume.array, (2, 0, 1))), affine, Quantity.HU)


def _cropped(share: tuple[float, float]) -> Callable[[Volume], Volume]:
    """Only columns between two shares of the width."""

    def crop(volume: Volume) -> Volume:
        columns = volume.array.shape[2]
        return volume.cropped((0, 0, round(share[0] * columns)), (*volume.array.shape[:2], round(share[1] * columns)))

    return crop


def _circle(volume: Volume) -> Volume:
    """Filling of -2000 or so beyond the reconstruction's circle."""
    _, rows, columns = volume.array.shape
    y, x = np.meshgrid(np.arange(rows) - 0.5 * (rows - 1), np.arange(columns) - 0.5 * (columns - 1), indexing="ij")
    return volume.with_array(np.where(np.hypot(x, y) <= 0.5 * rows, volume.array, -2048.0).astype(np.float32))


def _streaks(volume: Volume) -> Volume:
    """Streaks of 60 HU across the image, as an implant in the patient makes them."""
    _, rows, columns = volume.array.shape
    y, x = np.meshgrid(np.arange(rows) - 0.45 * rows, np.arange(columns) - 0.35 * columns, indexing="ij")
    waves = 60.0 * np.cos(24 * np.arctan2(y, x)) * np.exp(-np.hypot(x, y) / (0.2 * rows))
    return volume.with_array((volume.array + waves).astype(np.float32))


SCENES = {
    "as a protocol wants it": Scene(),
    "foam mat": Scene(mat_hu=-950.0),
    "gel mat": Scene(mat_hu=20.0),
    "couch with rails of steel, rods of aluminium and of 250 HU": Scene(couch="rails"),
    "couch's plate through the lowest 4 mm of the phantom": Scene(couch="edge"),
    "no patient": Scene(patient=False),
    "slices of 5 mm": Scene(slice_mm=5.0),
    "slices of 5 mm, tilt of 5 degrees": Scene(slice_mm=5.0, tilt_deg=(3.5, 3.5)),
    "slices of 0.6 mm, noise of 30 HU": Scene(slice_mm=0.6, length_mm=15.0, noise_hu=30.0),
    "pixels of 0.5 mm, view of 250 mm": Scene(pixel_mm=0.5, view_mm=250.0, shift_mm=3.0, length_mm=25.0),
    "pixels of 0.98 mm, view of 500 mm": Scene(pixel_mm=0.98, view_mm=500.0, length_mm=30.0),
    "slices in the other order": Scene(after=_flipped(0)),
    "rows and columns in the other order": Scene(after=_flipped(1, 2)),
    "stored sagittally": Scene(after=_sagittal),
    "patient feet first": Scene(after=_turned(-1.0, 1.0, -1.0)),
    "patient prone": Scene(after=_turned(-1.0, -1.0, 1.0)),
    "filling beyond a circle": Scene(after=_circle),
    "streaks of 60 HU": Scene(after=_streaks),
    "spacing 2 % larger than the definition's": Scene(spacing=1.02),
    "spacing 2 % smaller than the definition's": Scene(spacing=0.98),
    "rods 1 mm thinner than the definition's": Scene(diameter=0.945),
    "rods 1 mm thicker than the definition's": Scene(diameter=1.055),
    "phantom of 30 mm in a scan of 50 mm": Scene(phantom_mm=30.0),
    "scan of 16 mm": Scene(length_mm=16.0),
    "noise of 40 HU": Scene(noise_hu=40.0),
    "blur of 1.2 mm": Scene(blur_mm=1.2),
    "view cut at the right": Scene(after=_cropped((0.0, 0.68))),
    "view cut at both sides": Scene(after=_cropped((0.3, 0.76))),
}

if __name__ == "__main__":
    main()
