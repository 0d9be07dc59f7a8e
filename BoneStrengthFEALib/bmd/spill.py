"""Mineral that partial volume and blur carried over the surface of a bone, given back to the bone.

A voxel less than half of which is bone lies outside a mask and takes its mineral along. Mineral is conserved: what
stands above the soft tissue in the rim outside the mask is the bone's, whatever the voxel's share of bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box, voxels_in
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

RIM_MM = 1.0
"""Least depth of the rim, as CT blurs over about 1 mm; one voxel in every direction where that is more."""
SHELL_MM = 2.0
"""Least depth of the shell beyond the rim in which the soft tissue is read; one voxel where that is more."""
SOFT_MG_CM3 = (-150.0, 150.0)
"""Densities of fat, muscle, cartilage and vessels with contrast; lung and bone lie outside (`unverified`)."""
CLEAN_SHARE = 0.8
"""Share of the shell around a rim voxel that must be soft tissue: beside another bone or lung nothing is given back."""
LEAST_SHARE = 0.5
"""Share of the rim below which its check warns; a choice of this project."""
SOURCE = "mineral above soft tissue in the rim of the mask; docs/methods.md, Density"


@dataclass(frozen=True, eq=False)
class Restored:
    """A bone with its mineral.

    Parameters
    ----------
    density
        (K, J, I) density [mg/cm3]: inside the mask with the rim's mineral added, elsewhere as it was.
    spilled_mg
        Mineral that was given back [mg].
    rim_share
        Share of the rim that was read; the rest touches other bones, lung or the image's border.
    """

    density: Volume
    spilled_mg: float
    rim_share: float


def restore(density: Volume, mask: Array, others: Array) -> Restored:
    """Give the mineral of the rim back to the nearest voxels of a mask.

    Parameters
    ----------
    density
        (K, J, I) volume [mg/cm3].
    mask
        (K, J, I) booleans of the bone; its volume stays that of the mask.
    others
        (K, J, I) booleans of what belongs to other bones: neither rim nor shell.

    Returns
    -------
    The bone; its mineral is sum over the mask of rho V plus sum over the rim of (rho - rho_soft) V with rho_soft the
    mean density of soft tissue in the shell around each rim voxel.
    """
    spacing = np.array(density.spacing_mm[::-1])
    box = bounding_box(mask, _margin(density))
    inside, foreign = mask[box], others[box] & ~mask[box]
    values = density.array[box].astype(np.float64)
    away, nearest = ndimage.distance_transform_edt(~inside, spacing, return_indices=True)
    near = _grown(inside) | (away <= RIM_MM)
    shell = (_grown(near) | (away <= RIM_MM + SHELL_MM)) & ~near
    rim = near & ~inside
    soft, clean = _surroundings(values, shell, foreign, spacing)
    used = rim & ~foreign & (clean >= CLEAN_SHARE)
    excess = np.where(used, values - soft, 0.0)
    target = np.ravel_multi_index(tuple(axis[used] for axis in nearest), inside.shape)
    returned = np.bincount(target, excess[used], inside.size).reshape(inside.shape)
    whole = density.array.astype(np.float32, copy=True)
    whole[box] += returned.astype(np.float32)
    spilled = float(excess.sum()) * density.voxel_volume_mm3 / 1000.0
    return Restored(density.with_array(whole, density.quantity), spilled, float(used.sum()) / max(int(rim.sum()), 1))


def restored_content(measures: tuple[Measure, ...], restored: Restored) -> tuple[Measure, ...]:
    """Mineral content with what the rim gives back, beside the content of the mask.

    Parameters
    ----------
    measures
        Measures of the mask; its "bmc" is looked up.
    restored
        The same bone with its mineral.

    Returns
    -------
    bmc_restored [mg], or nothing without a bmc or where no rim was read.
    """
    content = next((m for m in measures if m.id == "bmc"), None)
    if content is None or restored.rim_share == 0.0:
        return ()
    words = "Bone mineral content with the mineral of the rim"
    value = content.value + restored.spilled_mg
    # the calibration's part grows with the content
    spread = None if content.uncertainty is None else content.uncertainty * abs(value / content.value)
    return (Measure("bmc_restored", words, value, "mg", spread, source=SOURCE),)


def rim_line(restored: Restored) -> QualityLine:
    """Tell how much of the rim could be read.

    Parameters
    ----------
    restored
        A bone with its mineral.

    Returns
    -------
    Check RIM_READ, a warning below LEAST_SHARE.
    """
    return QualityLine(
        "RIM_READ",
        Outcome.PASS if restored.rim_share >= LEAST_SHARE else Outcome.WARN,
        f"{100 * restored.rim_share:.0f} % of the rim lie beside soft tissue and gave their mineral back",
        f"at least {100 * LEAST_SHARE:.0f} %",
        "areal density and restored mineral content are low: another bone, metal, lung or the image's border is near",
    )


def _margin(density: Volume) -> tuple[int, int, int]:
    k, j, i = voxels_in(2.0 * (RIM_MM + SHELL_MM), density.grid)
    return k + 3, j + 3, i + 3


def _grown(mask: Array) -> Array:
    """The mask and its 26 neighbours."""
    return np.asarray(ndimage.binary_dilation(mask, np.ones((3, 3, 3), dtype=bool)))


def _surroundings(
    values: FloatArray, shell: Array, foreign: Array, spacing: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean density of soft tissue in the shell around each voxel, and the share of that shell which is soft tissue."""
    low, high = SOFT_MG_CM3
    tissue = shell & ~foreign & (values > low) & (values < high)
    reach = np.maximum(RIM_MM + SHELL_MM, 2.0 * spacing)
    size = (2 * np.ceil(reach / spacing).astype(int) + 1).tolist()
    total = ndimage.uniform_filter(shell.astype(np.float32), size, mode="constant")
    clean = ndimage.uniform_filter(tissue.astype(np.float32), size, mode="constant")
    mass = ndimage.uniform_filter(np.where(tissue, values, 0.0).astype(np.float32), size, mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        soft, share = np.where(clean > 0, mass / clean, 0.0), np.where(total > 0, clean / total, 0.0)
    return soft, share
