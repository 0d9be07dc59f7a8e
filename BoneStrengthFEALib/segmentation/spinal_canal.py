"""The spinal canal as a path through a CT: a soft tube that bone encloses, with a vertebral body in front."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.segmentation.tissue_levels import TissueLevels
from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU
from BoneStrengthFEALib.volume import FloatArray, Grid

STEP_MM = 2.0
"""Voxel size of the search."""
DIRECTIONS = 16
NEAREST_MM, FARTHEST_MM = 4.0, 18.0
"""From its middle bone is seen at these distances: half the width of a canal is 7 to 15 mm."""
SOFT_SPAN_HU = 120.0
FRONT_MM = 22.0
"""The middle of a body lies so far in front of the middle of the canal."""
FRONT_WEIGHT, MOVE_COSTS = 0.6, (0.06, 0.2)
"""Costs per voxel to the front and to the side: lordosis bends a canal more than scoliosis does."""
KEPT_SHARE, SCORE_STEPS = 0.6, 4.0
"""A path ends where its score falls below this share of what it has in its better part: below S1, beyond the skull."""
LONGEST_GAP_STEPS, BEYOND_STEPS = 12, 15
"""A longer stretch of low scores parts what is no canal from it; so far beyond it the path is searched again."""
MOST_PASSES, STEEPEST = 4, 0.7
"""A canal goes aside by less than this per step upwards, scoliosis included: 35 degrees."""
LEAST_SCORE = 0.35
"""Mean score of a path; canals score 0.47 to 1.25 on the reference scans."""
SMOOTH_STEPS = 7.0


def canal_path(values: FloatArray, grid: Grid, levels: TissueLevels) -> FloatArray:
    """Find the canal.

    Parameters
    ----------
    values
        (K, J, I) HU on an upright grid of 2 mm; axes S, A, R.
    grid
        That grid.
    levels
        HU of soft tissue and bone.

    Returns
    -------
    (N, 3) RAS points of its smoothed middle from inferior to superior, one per slice that the image reaches.

    Raises
    ------
    RefusedError
        NO_CANAL when nothing looks like a canal.

    References
    ----------
    Shortest path by dynamic programming (Bellman 1957) through scores of enclosure.
    """
    reached = np.nonzero((values > OUTSIDE_HU + 1).any(axis=(1, 2)))[0]
    score = _score(values[reached], levels)
    path, mean, kept = _good_path(score)
    if mean < LEAST_SCORE:
        raise RefusedError(
            f"no spinal canal was found (score {mean:.2f}, at least {LEAST_SCORE:g} expected); a vertebra is isolated "
            "with its canal in view: set the point in a vertebra, or give a label of the bone",
            "NO_CANAL",
        )
    places = np.stack([path[:, 1], path[:, 0], reached[kept]], axis=-1)
    return _smoothed(grid.to_ras(places.astype(np.float64)))


def _good_path(score: FloatArray) -> tuple[FloatArray, float, slice]:
    """Path, its mean score, and the slices it is kept in.

    In a scan that goes on beyond the spine the best path wanders off to what looks like a canal too, such as the hollow
    of a pelvic bone; its pull is gone when the path is searched again without those slices.
    """
    near = slice(0, len(score))
    for _ in range(MOST_PASSES):
        path, mean = _best_path(score[near])
        stretch = _good_stretch(score[near], path)
        kept = slice(near.start + stretch.start, near.start + stretch.stop)
        wider = slice(max(kept.start - BEYOND_STEPS, 0), min(kept.stop + BEYOND_STEPS, len(score)))
        if wider == near:
            break
        near = wider
    return path[stretch], mean, kept


def _good_stretch(score: FloatArray, path: FloatArray) -> slice:
    """The path without what looks like no canal: the part of highest total between long gaps."""
    even = ndimage.gaussian_filter1d(score[np.arange(len(path)), path[:, 0], path[:, 1]], SCORE_STEPS)
    usual = even[even > LEAST_SCORE]
    least = KEPT_SHARE * np.percentile(usual if usual.size else even, 75.0)
    aside = np.gradient(ndimage.gaussian_filter1d(path[:, 1].astype(np.float64), SCORE_STEPS)) if len(path) > 1 else 0.0
    good = np.nonzero((even >= least) & (np.abs(aside) < STEEPEST))[0]
    if len(good) == 0:
        return slice(0, len(path))
    parts = np.split(good, np.nonzero(np.diff(good) > LONGEST_GAP_STEPS)[0] + 1)
    best = max(parts, key=lambda part: float(even[part[0] : part[-1] + 1].sum()))
    return slice(int(best[0]), int(best[-1]) + 1)


def _score(values: FloatArray, levels: TissueLevels) -> FloatArray:
    smooth = ndimage.gaussian_filter(values, 0.5)
    bone = smooth > levels.bone_hu
    enclosed, tight = _enclosure(bone)
    level = ndimage.uniform_filter(smooth, (1, 3, 3))
    soft = np.clip(1.0 - np.abs(level - levels.soft_hu) / SOFT_SPAN_HU, 0.0, 1.0)
    dense = ndimage.uniform_filter(np.clip((smooth - levels.soft_hu - 20.0) / 120.0, 0.0, 1.0), (3, 9, 9))
    ahead = round(FRONT_MM / STEP_MM)
    front = np.zeros_like(dense)
    front[:, :-ahead] = dense[:, ahead:]
    return np.asarray(enclosed * soft - tight + FRONT_WEIGHT * front)


def _enclosure(bone: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shares of directions in the section in which the first bone is at the distance of a canal's wall, and nearer."""
    reach = round(FARTHEST_MM / STEP_MM)
    padded = np.pad(bone, ((0, 0), (reach, reach), (reach, reach)))
    rows, columns = bone.shape[1:]
    enclosed, tight = np.zeros(bone.shape, np.float32), np.zeros(bone.shape, np.float32)
    for angle in 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        seen, near = np.zeros(bone.shape, dtype=bool), np.zeros(bone.shape, dtype=bool)
        for step in range(1, reach + 1):
            j, i = reach + round(step * np.sin(angle)), reach + round(step * np.cos(angle))
            hit = padded[:, j : j + rows, i : i + columns]
            if step * STEP_MM < NEAREST_MM:
                near |= hit
            seen |= hit
        enclosed += seen & ~near
        tight += near
    return enclosed / DIRECTIONS, tight / DIRECTIONS


def _best_path(score: FloatArray) -> tuple[FloatArray, float]:
    """Path of highest mean score that moves at most one voxel sideways per slice."""
    rows, columns = score.shape[1:]
    moves = [(j, i) for j in (-1, 0, 1) for i in (-1, 0, 1)]
    costs = [MOVE_COSTS[0] * abs(j) + MOVE_COSTS[1] * abs(i) for j, i in moves]
    best, back = score[0].astype(np.float64), []
    for section in score[1:]:
        padded = np.pad(best, 1, constant_values=-np.inf)
        options = np.stack(
            [
                padded[1 + j : 1 + j + rows, 1 + i : 1 + i + columns] - cost
                for (j, i), cost in zip(moves, costs, strict=True)
            ]
        )
        back.append(options.argmax(axis=0).astype(np.int8))
        best = options.max(axis=0) + section
    place = np.unravel_index(int(best.argmax()), best.shape)
    j, i = int(place[0]), int(place[1])
    path = [(j, i)]
    for choice in reversed(back):
        step = moves[int(choice[j, i])]
        j, i = j + step[0], i + step[1]
        path.append((j, i))
    return np.array(path[::-1]), float(best.max()) / len(score)


def _smoothed(points: FloatArray) -> FloatArray:
    """Moving mean that goes on straight beyond both ends: follows the lordosis, not the voxels."""
    result = np.array(points)
    reach = min(round(3 * SMOOTH_STEPS), len(points) - 1)
    for axis in range(2):
        line = points[:, axis]
        before, after = _end(line[: reach + 1]), _end(line[::-1][: reach + 1])
        padded = np.concatenate([2 * before - line[reach:0:-1], line, 2 * after - line[-2 : -reach - 2 : -1]])
        result[:, axis] = ndimage.gaussian_filter1d(padded, SMOOTH_STEPS)[reach : reach + len(line)]
    return result


def _end(line: FloatArray) -> float:
    """Where a line through the first points begins: a single voxel must not bend the end."""
    place = np.arange(len(line))
    return float(np.polyval(np.polyfit(place, line, 1), 0.0)) if len(line) > 1 else float(line[0])
