"""A radius or tibia from one point inside it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.segmentation.finish import certainty, isolated, smoothed
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.segmentation.seed_checks import require_bone_seed, require_uncut
from BoneStrengthFEALib.segmentation.separation import filled_across, joint_sheets, separate
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels, tissue_levels
from BoneStrengthFEALib.segmentation.work_grid import image_box, sampled, upright_grid
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Volume

STEP_MM = {Site.RADIUS: 0.8, Site.TIBIA: 1.0}
REACH_MM = {Site.RADIUS: (45.0, 45.0, 300.0), Site.TIBIA: (75.0, 75.0, 450.0)}
"""Half-size of the box around the point; shafts are followed along S to the ends."""
EROSION_MM = {Site.RADIUS: 3.0, Site.TIBIA: 5.0}
"""Less than half the thickness of the shaft, more than the bridges over a joint."""
MOST_VOXELS = 20_000_000
LEAST_LENGTH_MM = 25.0
LEAST_DEPTH_MM = {Site.RADIUS: 3.5, Site.TIBIA: 8.0}
"""Half the thickness at the thickest place: a fibula is thinner than any tibia of an adult."""

MOST_SECTION_MM2 = {Site.RADIUS: 900.0, Site.TIBIA: 5000.0}
"""Section across the image's axis at the thickest place, slanted ones included: a distal radius has up to 600 mm2, the
upper end of a tibia up to 4000 mm2 (this project's choice, unverified)."""
WHOLE_MM = 230.0
"""A longer tibia shows its ankle too."""
KNEE_RATIO = 1.4
"""The upper end of half a tibia is wider than its lower end by this: the knee, not the ankle."""


def isolate_limb(
    volume: Volume, point_ras: FloatArray, site: Site, callback: ProgressCallback = no_progress
) -> IsolatedBone:
    """Isolate the radius or tibia around a point.

    Parameters
    ----------
    volume
        CT [HU].
    point_ras
        (3,) RAS of a point in the bone, marrow included [mm].
    site
        Site.RADIUS or Site.TIBIA.
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    The bone with its marrow; side unknown, for one limb in view does not tell it.

    Raises
    ------
    InputError
        For another site or a point outside the image.
    RefusedError
        For a point not in bone, or a bone cut by a side of the image.
    """
    if site not in STEP_MM:
        raise InputError(f"a limb is a radius or tibia, got {site.value}; use isolate_femur for a femur")
    seed = require_bone_seed(volume, point_ras)
    stage = f"isolating the {site.value}"
    callback(stage, 0.0)
    grid = _grid(volume, seed, site)
    step = grid.spacing_mm[0]
    values = sampled(volume, grid)
    levels = tissue_levels(values)
    callback(stage, 0.1)
    found = tuple(int(n) for n in np.rint(grid.to_ijk(seed))[::-1])
    axis = _long_axis(values > levels.bone_hu, found)
    solid = filled_across(_steady(values, levels) > levels.bone_hu, axis, step) & (values > -500.0)
    sheets = joint_sheets(values, step, solid, axis)
    callback(stage, 0.6)
    apart = separate(solid, sheets & (values < levels.bone_hu + 250.0), found, step, EROSION_MM[site])
    callback(stage, 0.9)
    bone = filled_across(apart.bone, axis, step) & ~apart.others
    parted = ndimage.binary_dilation(apart.others, iterations=2) & ndimage.binary_dilation(bone, iterations=2)
    sure = certainty(bone, parted, values, levels.bone_hu, step)
    notes = _notes(levels, apart.eroded_mm, bool(parted.any()))
    result = isolated(volume, grid, smoothed(bone, step), sure, site, Side.NONE, notes)
    _require_plausible(result, volume, site, axis)
    return result


def _grid(volume: Volume, seed: FloatArray, site: Site) -> Grid:
    low, high = image_box(volume)
    reach = np.array(REACH_MM[site])
    low, high = np.maximum(low, seed - reach), np.minimum(high, seed + reach)
    room = float(np.prod(np.maximum(high - low, 1.0)))
    return upright_grid(low, high, max(STEP_MM[site], (room / MOST_VOXELS) ** (1.0 / 3.0)))


def _steady(values: FloatArray, levels: TissueLevels) -> FloatArray:
    return np.asarray(ndimage.gaussian_filter(values, levels.blur_steps, truncate=3.0))


def _long_axis(bone: Array, seed: tuple[int, ...]) -> int:
    """Array axis along which the bone at the seed is longest, by the extent of what is connected to it."""
    pieces, _ = ndimage.label(bone)
    away = ndimage.distance_transform_edt(pieces == 0, return_distances=False, return_indices=True)
    label = int(pieces[tuple(away[(slice(None), *seed)])])
    place = ndimage.find_objects((pieces == label).astype(np.int8))[0]
    return int(np.argmax([part.stop - part.start for part in place]))


def _notes(levels: TissueLevels, eroded_mm: float, touching: bool) -> tuple[str, ...]:
    notes = [f"threshold {levels.bone_hu:.0f} HU, from soft tissue at {levels.soft_hu:.0f} HU"]
    if touching:
        notes.append(
            f"touches a neighbour bone: parted at the joint's dark sheet and narrowest place (erosion {eroded_mm:.1f} "
            "mm, watershed); check the joint surface where confidence is low"
        )
    return tuple(notes)


def _require_plausible(result: IsolatedBone, ct: Volume, site: Site, axis: int) -> None:
    extents = [n * h for n, h in zip(result.labels.volume.array.shape, ct.spacing_mm[::-1], strict=True)]
    if max(extents) < LEAST_LENGTH_MM:
        raise RefusedError(
            f"the bone around the point is {max(extents):.0f} mm long; a {site.value} of at least "
            f"{LEAST_LENGTH_MM:.0f} mm was expected: set the point in the middle of the bone",
            "NO_BONE",
        )
    depth = float(ndimage.distance_transform_edt(result.labels.volume.array, sampling=ct.spacing_mm[::-1]).max())
    if depth < LEAST_DEPTH_MM[site]:
        raise RefusedError(
            f"the bone around the point is {2 * depth:.0f} mm thick at most; a {site.value} of at least "
            f"{2 * LEAST_DEPTH_MM[site]:.0f} mm was expected: the point may lie in the fibula or ulna, set it in the "
            f"middle of the {site.value}",
            "NO_BONE",
        )
    _require_section(result.labels.volume, site, axis)
    along = np.zeros(3)
    along[2 - axis] = 1.0
    require_uncut(result.labels.volume, ct, (along, -along), f"the {site.value}")
    if site is Site.TIBIA:
        _require_ankle(result.labels.volume)


def _require_section(bone: Volume, site: Site, axis: int) -> None:
    """Refuse what is too thick: another bone, or bright soft tissue where the field of view cuts the body."""
    # the working axis is upright; that of the image which lies along it
    column = int(np.abs(bone.ijk_to_ras[2 - axis, :3] / np.array(bone.spacing_mm)).argmax())
    face = float(np.prod(bone.spacing_mm)) / bone.spacing_mm[column]
    section = float(bone.array.sum(axis=tuple(n for n in range(3) if n != 2 - column)).max()) * face
    if section > MOST_SECTION_MM2[site]:
        raise RefusedError(
            f"what was found around the point has a section of {section:.0f} mm2, a {site.value} at most "
            f"{MOST_SECTION_MM2[site]:.0f} mm2: it is another bone, or tissue too bright where the field of view cuts "
            f"the body; set the point in the middle of the {site.value}, choose another scan or segment by hand",
            "OTHER_BONE",
        )


def _require_ankle(bone: Volume) -> None:
    """Refuse half a tibia below the knee: the way its wide end is parted is that of an ankle."""
    height = bone.grid.to_ras(np.argwhere(bone.array > 0)[:, ::-1].astype(np.float64))[:, 2]
    bin_mm = max(bone.spacing_mm)
    counts = np.bincount(np.floor((height - height.min()) / bin_mm).astype(int))
    end = max(len(counts) // 6, 2)
    upper, lower = float(np.sort(counts[-end:])[-2]), float(np.sort(counts[:end])[-2])
    if len(counts) * bin_mm < WHOLE_MM and upper > KNEE_RATIO * lower:
        raise RefusedError(
            f"the tibia around the point is {upper / max(lower, 1.0):.1f} times as wide at its upper end as at its "
            "lower: it lies below a knee; only tibiae that show the ankle are isolated: set the point there, choose "
            "another scan or segment by hand",
            "NO_ANKLE",
        )
