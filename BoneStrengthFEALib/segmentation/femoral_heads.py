"""Both femoral heads of a CT without any click."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from BoneStrengthFEALib.anatomy.specimen import Side
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.segmentation.cut_sides import of_the_image
from BoneStrengthFEALib.segmentation.femoral_head import NOT_FOUND, Head, fit_head
from BoneStrengthFEALib.segmentation.hip_socket import lies_in_one_of, require_socket
from BoneStrengthFEALib.segmentation.hip_work import LEAST_SHARE, hip_work
from BoneStrengthFEALib.segmentation.seed_checks import require_ball_in_view
from BoneStrengthFEALib.segmentation.sphere_votes import Ball, find_balls
from BoneStrengthFEALib.segmentation.work_grid import image_box
from BoneStrengthFEALib.volume import Quantity, Volume

MOST_CANDIDATES = 8
LEAST_SEEN = 0.35
"""A head shows its edge in at least this share of directions away from the neck; the real hip at hand shows 0.55."""
MOST_RESIDUAL_MM = 1.0
LEAST_LATERAL = 0.4
"""Least part of a neck to its side: 0.57 to 0.85 in ten hips; a vertebral body on its neighbours below has less."""
APART_MM = (120.0, 260.0)
"""Distance of the two heads of adults, generous."""
LEVEL_MM = 50.0
"""Heads of a lying patient differ in height by less."""
RADIUS_RATIO = 1.25
MOST_REASONS = 3
"""Candidates that a refusal explains, the best first."""


def find_femoral_heads(volume: Volume, callback: ProgressCallback = no_progress) -> Mapping[Side, Head]:
    """Find the femoral heads in view.

    Parameters
    ----------
    volume
        CT [HU].
    callback
        Called with stage and fraction; may raise CancelledError.

    Returns
    -------
    Head of each side that was found; one side alone when the image shows one hip only.

    Raises
    ------
    InputError
        When the volume is no CT in HU.
    RefusedError
        HEAD_NOT_FOUND when no ball is a head with a neck; HEADS_AMBIGUOUS when two are found that cannot be a pair.
    """
    if volume.quantity is not Quantity.HU:
        raise InputError(f"heads are found in HU, got {volume.quantity.value}; give the CT before calibration")
    stage = "finding femoral heads"
    callback(stage, 0.0)
    balls = [ball for ball in find_balls(volume, image_box(volume), MOST_CANDIDATES) if ball.share >= LEAST_SHARE]
    found: dict[Side, Head] = {}
    reasons: list[str] = []
    bare: list[Ball] = []
    for n, ball in enumerate(balls):
        callback(stage, 0.3 + 0.7 * n / len(balls))
        if lies_in_one_of(ball, bare):
            continue
        try:
            head = _head_of(volume, ball)
        except RefusedError as error:
            reasons.append(str(error).removeprefix(NOT_FOUND).split(";")[0])
            if error.code == "NO_SOCKET":
                bare.append(ball)
            continue
        found.setdefault(Side.RIGHT if head.neck[0] > 0 else Side.LEFT, head)
        if len(found) == 2:
            break
    if not found:
        tried = "; ".join(reasons[:MOST_REASONS]) or "no ball of bone of their size"
        cut = of_the_image(volume)
        raise RefusedError(
            f"no femoral head was found without a click ({tried}){cut and f'; {cut}'}; set a point in the head of each "
            "femur, or check that the image shows the hips whole",
            "HEAD_NOT_FOUND",
        )
    _require_pair(found)
    return found


def _head_of(volume: Volume, ball: Ball) -> Head:
    """Head at a candidate, stricter than where a click says that there is one."""
    try:
        require_ball_in_view(volume, ball.centre, ball.radius_mm, "what may be a femoral head")
        work = hip_work(volume, ball)
        head = fit_head(ball, work.values, work.solid, work.grid)
        require_socket(head, work)
        if head.seen < LEAST_SEEN or head.residual_mm > MOST_RESIDUAL_MM:
            raise RefusedError(
                f"edge seen in {100 * head.seen:.0f} %, {head.residual_mm:.1f} mm off the sphere", "HEAD_NOT_FOUND"
            )
        if abs(float(head.neck[0])) < LEAST_LATERAL:
            raise RefusedError("bone goes down from the ball, not to its side as a neck does", "HEAD_NOT_FOUND")
    except RefusedError as error:
        if error.code == "NO_SOCKET":
            raise
        where = f"R {ball.centre[0]:.0f}, A {ball.centre[1]:.0f}, S {ball.centre[2]:.0f}"
        raise RefusedError(f"{where}: {str(error).removeprefix(NOT_FOUND)}", error.code) from error
    return head


def _require_pair(found: Mapping[Side, Head]) -> None:
    if len(found) < 2:
        return
    right, left = found[Side.RIGHT], found[Side.LEFT]
    offset = right.centre - left.centre
    ratio = max(right.radius_mm, left.radius_mm) / min(right.radius_mm, left.radius_mm)
    apart = float(np.linalg.norm(offset))
    fits = APART_MM[0] <= apart <= APART_MM[1] and offset[0] > 0 and abs(float(offset[2])) <= LEVEL_MM
    if fits and ratio <= RADIUS_RATIO:
        return
    raise RefusedError(
        f"two balls with necks were found that are no pair of heads: {apart:.0f} mm apart, {abs(float(offset[2])):.0f} "
        f"mm in height, radii {right.radius_mm:.1f} and {left.radius_mm:.1f} mm; {APART_MM[0]:g} to {APART_MM[1]:g} mm "
        f"apart, within {LEVEL_MM:g} mm in height and a ratio of {RADIUS_RATIO:g} expected; set a point in each head",
        "HEADS_AMBIGUOUS",
    )
