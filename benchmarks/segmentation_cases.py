"""Reference cases with masks for the segmentation, and the same patients scanned again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.image_files import read_volume
from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU
from BoneStrengthFEALib.synthetic.vertebra import pose
from BoneStrengthFEALib.volume import Array, FloatArray, Quantity, Volume

TURN_DEG = (12.0, -8.0, 15.0)
NOISE_HU = 20.0
COARSE_MM = 3.0
FINEST_MM = 1.0


@dataclass(frozen=True, eq=False)
class Case:
    """A bone with a mask.

    Parameters
    ----------
    name
        Name.
    ct
        CT [HU].
    mask
        (K, J, I) booleans, given by others.
    seeded
        (K, J, I) booleans: seeds are drawn from these voxels.
    site, level, side
        What the bone is.
    body_only
        Whether the mask is a vertebral body.
    within_slices
        Whether the mask ends where its maker stopped: only its own slices are compared.
    """

    name: str
    ct: Volume
    mask: Array
    seeded: Array
    site: Site
    level: str = ""
    side: Side | None = None
    body_only: bool = False
    within_slices: bool = False

    @property
    def label(self) -> str:
        """Name of the label for the pipeline."""
        return f"vertebrae_{self.level}" if self.site is Site.VERTEBRA else self.site.value

    @property
    def usual_notes(self) -> int:
        """Notes that every result of this site carries: threshold, and the sphere of a femur's head."""
        return 2 if self.site is Site.FEMUR else 1

    def comparable(self, found: Array) -> Array:
        """What of a result may be compared with the mask."""
        if not self.within_slices:
            return found
        return np.asarray(found & self.mask.any(axis=(1, 2))[:, None, None])


def reference_cases(folder: Path) -> Iterator[Case]:
    """All reference cases that have a mask."""
    hip = read_folder(folder / "hip_sts044" / "dicom").ct
    mask = _label(folder / "hip_sts044" / "femur_right_mask.nii.gz") > 0
    yield Case("hip_sts044 right femur", hip, mask, mask, Site.FEMUR, side=Side.RIGHT)
    tibia = _ct(folder / "tibia_sts049" / "ct.nii.gz")
    mask = _label(folder / "tibia_sts049" / "tibia_right_mask.nii.gz") > 0
    yield Case("tibia_sts049", tibia, mask, mask, Site.TIBIA, side=Side.RIGHT, within_slices=True)
    spine = _ct(folder / "spine_totalseg" / "example_ct.nii.gz")
    labels = _label(folder / "spine_totalseg" / "example_ct_vertebrae.nii.gz")
    for value, level in ((27, "L5"), (28, "L4"), (29, "L3"), (30, "L2"), (31, "L1")):
        yield Case(f"spine_totalseg {level}", spine, labels == value, labels == value, Site.VERTEBRA, level)
    small = _ct(folder / "vertebra_tptbox" / "sub-ct_label-22_ct.nii.gz")
    labels = _label(folder / "vertebra_tptbox" / "sub-ct_seg-vert_label-22_msk.nii.gz")
    yield Case("vertebra_tptbox L3", small, labels == 22, labels == 22, Site.VERTEBRA, "L3")
    chest = _ct(folder / "spine_lidc0314" / "ct.nii.gz")
    labels = _label(folder / "spine_lidc0314" / "vertebral_body_mask.nii.gz")
    for value, level in ((1, "T11"), (2, "T10")):
        mask = labels == value
        yield Case(f"spine_lidc0314 {level} body", chest, mask, mask, Site.VERTEBRA, level, body_only=True)


def rescanned(case: Case) -> Iterator[Case]:
    """The same patient turned in the scanner, with more noise, and with thick voxels."""
    spacing = np.maximum(np.array(case.ct.spacing_mm), FINEST_MM)
    yield _scan(case, "turned", pose(TURN_DEG), spacing)
    noise = np.random.default_rng(5).normal(0.0, NOISE_HU, case.ct.array.shape)
    yield dataclasses.replace(
        case, name=f"{case.name}, noisy", ct=case.ct.with_array((case.ct.array + noise).astype(np.float32))
    )
    if min(case.ct.spacing_mm) < 0.7 * COARSE_MM:
        yield _scan(case, "3 mm", np.eye(4), np.full(3, COARSE_MM))


def _scan(case: Case, name: str, turn: FloatArray, spacing: FloatArray) -> Case:
    """Sample CT and mask on an axis-aligned grid after the patient was turned about the image's middle."""
    centre = np.eye(4)
    centre[:3, 3] = case.ct.grid.to_ras((np.array(case.ct.array.shape[::-1]) - 1) / 2.0)
    move = centre @ turn @ np.linalg.inv(centre)
    corners = case.ct.grid.corners_ras() @ move[:3, :3].T + move[:3, 3]
    low, high = corners.min(axis=0), corners.max(axis=0)
    size = np.maximum(np.floor((high - low) / spacing).astype(int), 1)
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = (high[0], high[1], low[2])
    relation = np.linalg.inv(case.ct.ijk_to_ras) @ np.linalg.inv(move) @ affine
    matrix, offset = relation[:3, :3][::-1, ::-1], relation[:3, 3][::-1]
    shape = tuple(int(n) for n in size[::-1])
    blur = np.clip(0.4 * spacing / np.array(case.ct.spacing_mm), 0.0, None)[::-1]
    blur[spacing[::-1] <= 1.3 * np.array(case.ct.spacing_mm)[::-1]] = 0.0

    def sample(values: FloatArray, outside: float) -> FloatArray:
        soft = ndimage.gaussian_filter(values.astype(np.float32), blur)
        return ndimage.affine_transform(soft, matrix, offset, shape, order=1, cval=outside)

    mask = sample(case.mask, 0.0) > 0.5
    ct = Volume(sample(case.ct.array, OUTSIDE_HU), affine, Quantity.HU)
    return dataclasses.replace(case, name=f"{case.name}, {name}", ct=ct, mask=mask, seeded=mask)


def _ct(path: Path) -> Volume:
    return read_volume(path, Quantity.HU)


def _label(path: Path) -> Array:
    return np.asarray(read_volume(path, Quantity.LABEL).array)
