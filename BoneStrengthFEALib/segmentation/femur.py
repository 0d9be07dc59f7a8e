"""A proximal femur from one point inside it."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.specimen import Side, Site
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.segmentation.cut_sides import above_the_point
from BoneStrengthFEALib.segmentation.femoral_head import NOT_FOUND, Head, fit_head
from BoneStrengthFEALib.segmentation.finish import certainty, isolated, smoothed
from BoneStrengthFEALib.segmentation.hip_socket import lies_in_one_of, require_socket
from BoneStrengthFEALib.segmentation.hip_work import AROUND_MM, CLOSING_MM, LEAST_SHARE, STEP_MM, hip_work
from BoneStrengthFEALib.segmentation.isolated import IsolatedBone
from BoneStrengthFEALib.segmentation.seed_checks import require_ball_in_view, require_bone_seed, require_uncut
from BoneStrengthFEALib.segmentation.separation import filled_across, joint_sheets, separate
from BoneStrengthFEALib.segmentation.sphere_votes import Ball, find_balls
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.work_grid import image_box
from BoneStrengthFEALib.volume import Array, FloatArray, Grid, Volume

SEARCH_MM = (np.array((80.0, 80.0, 60.0)), np.array((80.0, 80.0, 170.0)))
"""Where the head is looked for: so far below and above the point."""
EROSION_MM = 6.0
SHELL_MM = (0.6, 5.0)
"""Around the sphere, away from the neck, this shell is joint by definition."""
AWAY_COSINE = 0.35
"""The shell spares the neck: a cone of 70 degrees around its axis."""
RIM_MM = (1.5, 4.0)
"""In the outermost layer of the head the threshold decides, below it a weaker one, and deeper all is bone."""
STRAY_MM, STRAY_MM3 = 8.0, 2000.0
"""A femur has no more than this so far above or medial of its head."""
SHEETS_MM = 16.0
LEAST_SHEET_MM3 = 500.0
WEAK_HU = 40.0
"""Deep in the sphere bone may be as weak as this above soft tissue."""
SEED_OFF_MM = 4.0
EXPLAINS = ("OTHER_BONE", "NO_SOCKET", "NOT_PARTED", "HEAD_NOT_FOUND")
"""Refusals of one ball, after which the next is tried; the first of these explains best."""
PROXIMAL_MM = 90.0
"""A femur must be whole so far from its head's centre, beyond the lesser trochanter; models check their own length."""
DOWN = np.array((0.0, 0.0, -1.0))
STAGE = "isolating the femur"


def isolate_femur(volume: Volume, point_ras: FloatArray, callback: ProgressCallback = no_progress) -> IsolatedBone:
    """Isolate the proximal femur around a point.

    Parameters
    ----------
    volume
        CT [HU].
    point_ras
        (3,) RAS of a point in the femur, marrow included, up to 17 cm below its head [mm].
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    The femur with its marrow, down to the end of the image or 200 mm below the head.

    Raises
    ------
    InputError
        For a point outside the image.
    RefusedError
        For a point not in bone or in another bone, a head that is not found, or a femur cut where it must be whole.
    """
    seed = require_bone_seed(volume, point_ras)
    callback(STAGE, 0.0)
    low, high = image_box(volume)
    balls = find_balls(volume, (np.maximum(low, seed - SEARCH_MM[0]), np.minimum(high, seed + SEARCH_MM[1])))
    refusals: list[RefusedError] = []
    bare: list[Ball] = []
    for ball in balls:
        if ball.share < LEAST_SHARE or lies_in_one_of(ball, bare):
            continue
        try:
            return _with_head(volume, seed, ball, callback)
        except RefusedError as error:
            if error.code not in EXPLAINS:
                raise
            refusals.append(error)
            if error.code == "NO_SOCKET":
                bare.append(ball)
    # a point in another bone explains itself better than a ball that is no head
    best = min(refusals, key=lambda error: EXPLAINS.index(error.code), default=None)
    if best is not None and best.code != "HEAD_NOT_FOUND":
        raise best
    raise RefusedError(
        "no femoral head was found within reach of the point"
        + (f": {best.args[0].removeprefix(NOT_FOUND).split(';')[0]}" if best else " (no ball of bone of its size)")
        + f"; {above_the_point(volume, seed, SEARCH_MM)}; the head must be in the image whole, without implant: set "
        "the point in the head or neck of such a femur, or segment the femur by hand",
        "HEAD_NOT_FOUND",
    )


def _with_head(volume: Volume, seed: FloatArray, ball: Ball, callback: ProgressCallback) -> IsolatedBone:
    callback(STAGE, 0.2)
    work = hip_work(volume, ball)
    grid, values, steady, levels, solid = work.grid, work.values, work.steady, work.levels, np.array(work.solid)
    sheets = _sheets_around(values, solid, grid, ball)
    callback(STAGE, 0.5)
    head = fit_head(ball, values, solid, grid)
    require_ball_in_view(volume, head.centre, head.radius_mm, "the femoral head")
    require_socket(head, work)
    away = _around(head, grid)[0]
    solid |= (away < head.radius_mm - RIM_MM[0]) & (steady > levels.soft_hu + WEAK_HU)
    solid |= away < head.radius_mm - RIM_MM[1]
    bone, parted = _parted(solid, sheets, head, grid)
    callback(STAGE, 0.9)
    _require_parted(bone, grid, head)
    _require_seed_in(bone, grid, seed)
    sure = certainty(bone, parted, values, levels.bone_hu, STEP_MM)
    side = Side.RIGHT if head.neck[0] > 0 else Side.LEFT
    notes = _notes(head, levels, grid, image_box(volume)[0])
    result = isolated(volume, grid, smoothed(bone, STEP_MM), sure, Site.FEMUR, side, notes)
    require_uncut(_proximal(result.labels.volume, head), volume, (DOWN,), f"the {side.value} femur")
    return result


def _proximal(bone: Volume, head: Head) -> Volume:
    """What must be whole: the shaft of a bent or turned thigh may leave the image through any side."""
    index = np.argwhere(bone.array > 0)
    points = bone.grid.to_ras(index[:, ::-1].astype(np.float64))
    kept = index[np.linalg.norm(points - head.centre, axis=1) < PROXIMAL_MM]
    mask = np.zeros(bone.array.shape, dtype=np.uint8)
    mask[tuple(kept.T)] = 1
    return bone.with_array(mask)


def _parted(solid: Array, sheets: Array, head: Head, grid: Grid) -> tuple[Array, Array]:
    """Femur, and where its boundary rests on the sphere or on a cut."""
    away, cosine = _around(head, grid)
    ball = (away < head.radius_mm) & solid
    shell = (away > head.radius_mm + SHELL_MM[0]) & (away < head.radius_mm + SHELL_MM[1]) & (cosine < AWAY_COSINE)
    near = (away > head.radius_mm - 1.0) & (away < head.radius_mm + 12.0) & (cosine < AWAY_COSINE)
    neck = head.centre + head.neck * 1.1 * head.radius_mm
    start = tuple(int(n) for n in np.rint(grid.to_ijk(neck))[::-1])
    if any(not 0 <= n < size for n, size in zip(start, grid.shape, strict=True)):
        raise RefusedError(
            "the femoral head was not found: the neck of the best ball leaves the image; set the point in the head or "
            "neck of a femur that the image shows whole",
            "HEAD_NOT_FOUND",
        )
    apart = separate(solid & ~shell, sheets & near, start, STEP_MM, EROSION_MM)
    bone = filled_across(apart.bone | ball, 0, STEP_MM, CLOSING_MM) & ~(apart.others & ~ball) & ~shell
    # a gap of the shell: bone of the pelvis that the watershed left with the head
    pieces, _ = ndimage.label(bone)
    bone = pieces == pieces[start]
    beyond = ndimage.binary_dilation((solid & shell) | apart.others, iterations=1)
    parted = beyond & ndimage.binary_dilation(bone, iterations=2)
    return bone, parted


def _sheets_around(values: FloatArray, solid: Array, grid: Grid, ball: Ball) -> Array:
    """Joint spaces near the head: no others are asked for."""
    at = np.rint(grid.to_ijk(ball.centre))[::-1].astype(int)
    reach = round((ball.radius_mm + SHEETS_MM) / STEP_MM)
    box = tuple(slice(max(n - reach, 0), n + reach + 1) for n in at)
    sheets = np.zeros(values.shape, dtype=bool)
    sheets[box] = _large(joint_sheets(values[box], STEP_MM, solid[box], 0))
    return sheets


def _large(sheets: Array) -> Array:
    """Sheets of the size of a joint: weak places among the trabeculae of a neck are sheets too, but small."""
    pieces, count = ndimage.label(sheets, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1) * STEP_MM**3
    sizes[0] = 0.0
    return np.asarray((sizes > LEAST_SHEET_MM3)[pieces])


def _around(head: Head, grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Distance from the head's centre [mm] and cosine of the angle from the neck, on the grid."""
    k, j, i = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in grid.shape), indexing="ij", sparse=True)
    first = grid.ijk_to_ras[:3, 3] - head.centre
    x, y, z = ((first[n] + grid.spacing_mm[0] * index).astype(np.float32) for n, index in enumerate((i, j, k)))
    away = np.sqrt(x * x + y * y + z * z)
    along = x * np.float32(head.neck[0]) + y * np.float32(head.neck[1]) + z * np.float32(head.neck[2])
    return away, along / np.maximum(away, np.float32(1e-3))


def _require_parted(bone: Array, grid: Grid, head: Head) -> None:
    """Refuse a femur that has kept a part of the pelvis."""
    step = grid.spacing_mm[0]
    i, _, k = grid.to_ijk(head.centre)
    far = (head.radius_mm + STRAY_MM) / step
    above = int(bone[max(0, round(float(k + far))) :].sum())
    level = bone[max(0, round(float(k - 0.5 * far))) :]
    cut = max(0, round(float(i - far))) if head.neck[0] > 0 else max(0, round(float(i + far)))
    medial = int(level[:, :, :cut].sum() if head.neck[0] > 0 else level[:, :, cut:].sum())
    stray = max(above, medial) * step**3
    if stray > STRAY_MM3:
        raise RefusedError(
            f"the femur could not be parted from the pelvis: {stray / 1000:.1f} cm3 lie above or medial of its head, "
            f"at most {STRAY_MM3 / 1000:g} expected; a stiff or implanted hip must be segmented by hand",
            "NOT_PARTED",
        )


def _require_seed_in(bone: Array, grid: Grid, seed: FloatArray) -> None:
    at = np.rint(grid.to_ijk(seed))[::-1].astype(int)
    reach = round(SEED_OFF_MM / STEP_MM)
    box = tuple(slice(max(n - reach, 0), max(n + reach + 1, 0)) for n in at)
    if not bone[box].any():
        raise RefusedError(
            f"the point ({', '.join(f'{v:.1f}' for v in seed)}) lies in bone, but not in the femur whose head is "
            "nearest; set the point in the head, neck or shaft of the femur",
            "OTHER_BONE",
        )


def _notes(head: Head, levels: TissueLevels, grid: Grid, low: FloatArray) -> tuple[str, ...]:
    notes = [
        f"threshold {levels.bone_hu:.0f} HU, from soft tissue at {levels.soft_hu:.0f} HU",
        f"the head is parted from the acetabulum by a sphere of {head.radius_mm:.1f} mm radius fitted to its edges "
        f"(seen in {100 * head.seen:.0f} % of the directions away from the neck, median distance "
        f"{head.residual_mm:.1f} mm): where the joint space is not resolved the sphere is the surface",
    ]
    if grid.ijk_to_ras[2, 3] > low[2] + 2 * STEP_MM:
        notes.append(f"the femur is cut {AROUND_MM[0][2]:.0f} mm below the head's centre; the image goes on")
    return tuple(notes)
