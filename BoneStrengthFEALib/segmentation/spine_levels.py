"""Levels of the vertebrae along a canal, counted from the sacrum or the last rib in view; otherwise unknown."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.anatomy.names import ANALYSED_LEVELS
from BoneStrengthFEALib.segmentation.isolated import UNKNOWN_LEVEL, IsolatedBone
from BoneStrengthFEALib.segmentation.straight_spine import CanalFrame, sections
from BoneStrengthFEALib.segmentation.work_grid import OUTSIDE_HU
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

STEP_MM = 2.0
BELOW_MM, ABOVE_MM = 60.0, 20.0
"""So far beyond the canal that was found: the wings of the sacrum lie beside its last part."""
FRONT_MM, SIDE_MM = (-70.0, 36.0), 90.0
WING_FRONT_MM, WING_SIDE_MM = (-5.0, 35.0), (26.0, 64.0)
"""Here wings of the sacrum and iliac bones make one bar without a gap; transverse processes end before."""
WING_SHARE, WING_LEAST_MM = 0.9, 14.0
WING_DISC_MM = 15.0
"""The upper edge of the wings lies within this of the disc L5/S1."""
RIB_FRONT_MM, RIB_FROM_MM = (-70.0, 20.0), 24.0
RIB_BEGINS_MM, RIB_REACHES_MM, PROCESS_ENDS_MM = 36.0, 62.0, 56.0
"""A rib begins beside the body and reaches far to the side; a transverse process ends before; in doubt between."""
RIB_HEIGHT, RIB_WINDOW = 0.75, 0.5
"""A rib begins so far above the disc below its vertebra, in distances of discs (0.66 to 0.88 on real scans)."""
RIB_DROP_MM = 36.0
"""A rib sinks by less than this on its way to the side; without a rib this must be in view too."""
LEAST_VOXELS = 20
UNEVEN, FARTHEST_MM, NEAR_DISCS = 1.55, 46.0, 3
"""A distance of discs that exceeds the median of up to six around it by this factor, or this length, hides a disc."""
LUMBAR = 5


@dataclass(frozen=True)
class LevelCount:
    """Levels that were counted.

    Parameters
    ----------
    levels
        Number of a vertebra (1 below the first disc) to its level.
    words
        What the count rests on; why there is none.
    """

    levels: Mapping[int, str] = field(default_factory=dict)
    words: str = ""


@dataclass(frozen=True, eq=False)
class _Scene:
    """Bone around the canal on sections of 2 mm, and the discs [mm along the canal]."""

    bone: Array
    known: Array
    along: FloatArray
    front: FloatArray
    right: FloatArray
    discs: FloatArray

    @property
    def gaps_mm(self) -> FloatArray:
        """(N - 1,) distances of neighbouring discs."""
        return np.diff(self.discs)

    def usual_mm(self, n: int) -> float:
        """Distance of discs that is usual around the disc n: bodies grow down the spine."""
        return float(np.median(self.gaps_mm[max(n - NEAR_DISCS, 0) : n + NEAR_DISCS]))


def count_levels(ct: Volume, frame: CanalFrame, discs_mm: FloatArray, bone_hu: float) -> LevelCount:
    """Count the levels of vertebrae.

    Parameters
    ----------
    ct
        CT [HU].
    frame
        Canal.
    discs_mm
        (N,) places of the discs along the canal, rising [mm].
    bone_hu
        Threshold of bone.

    Returns
    -------
    The levels; none when neither sacrum nor last rib tells, or when they disagree.
    """
    if len(discs_mm) < 2:
        return LevelCount({}, "fewer than two discs were found")
    scene = _scene(ct, frame, discs_mm, bone_hu)
    fifth, sacrum = _above_sacrum(scene)
    twelfth, ribs = _last_rib(scene, fifth)
    if fifth is None and twelfth is None:
        return LevelCount({}, f"{sacrum}; {ribs}")
    if fifth is not None and twelfth is not None and twelfth - fifth != LUMBAR:
        return LevelCount(
            {},
            f"{twelfth - fifth} vertebrae without ribs were found above the sacrum, {LUMBAR} expected: a transitional "
            "vertebra or a disc that was not recognised",
        )
    if fifth is None:
        assert twelfth is not None
        return LevelCount(_counted(scene, twelfth - LUMBAR, twelfth), f"counted from the lowest ribs in view, {ribs}")
    words = "counted from the sacrum; " + (
        f"the lowest ribs are on the vertebra above {LUMBAR} without"
        if twelfth
        else f"{LUMBAR} lumbar vertebrae assumed"
    )
    return LevelCount(_counted(scene, fifth, fifth), words)


def with_level(bone: IsolatedBone, number: int, count: LevelCount) -> IsolatedBone:
    """Give a vertebra its level, and say what it rests on.

    Parameters
    ----------
    bone
        Vertebra of unknown level.
    number
        Its number along the canal.
    count
        What was counted.

    Returns
    -------
    The vertebra.
    """
    level = count.levels.get(number, "")
    why = count.words if not count.levels else "a disc between it and the counted ones was not recognised"
    first = f"level {level} {count.words}" if level else f"{UNKNOWN_LEVEL} ({why})"
    notes = tuple(note for note in bone.notes if note != UNKNOWN_LEVEL)
    return dataclasses.replace(bone, level=level, notes=(first, *notes))


def _scene(ct: Volume, frame: CanalFrame, discs_mm: FloatArray, bone_hu: float) -> _Scene:
    along = np.arange(-BELOW_MM, frame.length_mm + ABOVE_MM, STEP_MM)
    front = np.arange(FRONT_MM[0], FRONT_MM[1], STEP_MM)
    right = np.arange(-SIDE_MM, SIDE_MM + STEP_MM / 2, STEP_MM)
    values = sections(ct, frame, along, front, right)
    return _Scene(values > bone_hu, values > OUTSIDE_HU + 1.0, along, front, right, np.asarray(discs_mm))


def _counted(scene: _Scene, fifth: int, first: int) -> dict[int, str]:
    """Levels from the vertebra ``first`` on to both sides, as far as no disc is missing; ``fifth`` is L5."""
    rising = [level for level in reversed(ANALYSED_LEVELS) if level != "L6"]
    gaps = scene.gaps_mm
    # vertebra n lies between the discs n - 2 and n - 1
    sound = {n + 2 for n, gap in enumerate(gaps) if gap <= min(UNEVEN * scene.usual_mm(n), FARTHEST_MM)}
    above = list(itertools.takewhile(lambda n: n in sound or n == first, range(first, len(gaps) + 3)))
    below = list(itertools.takewhile(lambda n: n in sound, range(first - 1, 0, -1)))
    return {n: rising[n - fifth] for n in [*below, *above] if 0 <= n - fifth < len(rising)}


def _above_sacrum(scene: _Scene) -> tuple[int | None, str]:
    """Number of the vertebra on the sacrum, and words."""
    rows = (scene.front >= WING_FRONT_MM[0]) & (scene.front <= WING_FRONT_MM[1])
    both = np.ones(len(scene.along), dtype=bool)
    for side in (1.0, -1.0):
        columns = (side * scene.right >= WING_SIDE_MM[0]) & (side * scene.right <= WING_SIDE_MM[1])
        both &= scene.bone[:, rows][:, :, columns].any(axis=1).mean(axis=1) >= WING_SHARE
    runs, count = ndimage.label(both)
    long = [n for n in range(1, count + 1) if (runs == n).sum() * STEP_MM >= WING_LEAST_MM]
    if not long:
        return None, "no sacrum is in view"
    top = float(scene.along[runs == long[-1]].max())
    away = np.abs(scene.discs - top)
    nearest = int(away.argmin())
    if away[nearest] > WING_DISC_MM:
        return None, f"no disc was found within {WING_DISC_MM:g} mm of the upper edge of the sacrum"
    return nearest + 2, ""


def _last_rib(scene: _Scene, fifth: int | None) -> tuple[int | None, str]:
    """Number of the lowest vertebra with ribs, and words; ``fifth`` is the one on the sacrum."""
    lowest, highest = fifth or 1, len(scene.discs) + 1
    sides = [_ribs(scene, side, lowest) for side in (1.0, -1.0)]
    both = {n: {side[n] for side in sides} for n in range(lowest, highest + 1)}
    with_ribs = [n for n, found in both.items() if found == {"rib"}]
    if not with_ribs:
        return None, "no pair of ribs is in view"
    last = min(with_ribs)
    if both.get(last - 1) != {"none"}:
        return None, "no vertebra without ribs is in view below one with ribs"
    if any("rib" in both[n] for n in range(lowest, last)) or any("none" in both[n] for n in range(last, highest + 1)):
        return None, "ribs are seen on one side of some vertebrae only"
    return last, "taken for those of T12"


def _ribs(scene: _Scene, side: float, lowest: int) -> dict[int, str]:
    """What goes to one side from each vertebra: "rib", "none" or "unknown"."""
    usual = np.array([scene.usual_mm(n) for n in (0, *range(len(scene.discs)))])
    from_disc = np.concatenate([[scene.discs[0] - usual[0]], scene.discs])
    begin = from_disc + RIB_HEIGHT * usual
    found = {n + 1: "none" if _seen(scene, side, place) else "unknown" for n, place in enumerate(begin)}
    rows = (scene.front >= RIB_FRONT_MM[0]) & (scene.front <= RIB_FRONT_MM[1])
    columns = side * scene.right >= RIB_FROM_MM
    pieces, _ = ndimage.label(scene.bone[:, rows][:, :, columns], np.ones((3, 3, 3)))
    away = side * scene.right[columns]
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        index = np.argwhere(pieces[box] == number) + [part.start for part in box]
        reach = away[index[:, 2]]
        if len(index) < LEAST_VOXELS or reach.min() > RIB_BEGINS_MM or reach.max() < PROCESS_ENDS_MM:
            continue
        start = float(scene.along[index[reach <= reach.min() + 2 * STEP_MM, 0]].mean())
        nearest = int(np.abs(begin - start).argmin())
        # the pelvis reaches down beside the sacrum
        is_pelvis = lowest > 1 and scene.along[index[:, 0]].min() < scene.discs[lowest - 2]
        if abs(begin[nearest] - start) < RIB_WINDOW * usual[nearest] and not is_pelvis:
            found[nearest + 1] = "rib" if reach.max() >= RIB_REACHES_MM else "unknown"
    return found


def _seen(scene: _Scene, side: float, place: float) -> bool:
    """Whether the way of a rib that begins at a place lies inside the image."""
    near = (scene.along > place - RIB_DROP_MM) & (scene.along < place + STEP_MM)
    rows = (scene.front > -40.0) & (scene.front < 10.0)
    columns = (side * scene.right >= RIB_FROM_MM) & (side * scene.right <= RIB_REACHES_MM)
    return bool(place - RIB_DROP_MM >= scene.along[0] and scene.known[near][:, rows][:, :, columns].mean() > WING_SHARE)
