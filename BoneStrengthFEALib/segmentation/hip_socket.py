"""The socket over a femoral head: it tells a hip from a shoulder, whose head has a neck and shaft too."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.segmentation.femoral_head import DIRECTIONS, NECK_COSINE, Head, along_rays, even_directions
from BoneStrengthFEALib.segmentation.hip_work import HipWork
from BoneStrengthFEALib.segmentation.sphere_votes import Ball

SOCKET_MM = np.arange(3.0, 12.5, 1.0)
"""Where bone beyond a head is socket, from its surface."""
LEAST_COVER = 0.38
"""An acetabulum covers more than half of what is not neck: 0.56 to 0.66 in three whole hips of the scans of Vallieres
2015 (doi:10.7937/K9/TCIA.2015.7GO2GSKS), 0.42 where the image ends above a head; a shoulder there 0.15, knees 0.34."""


def socket_cover(head: Head, work: HipWork) -> float:
    """Measure how much of a head lies under other bone.

    Parameters
    ----------
    head
        The head.
    work
        Its surroundings.

    Returns
    -------
    Share of the directions away from the neck, those within the image, in which bone follows 3 to 12 mm outside.
    """
    directions = even_directions(DIRECTIONS)
    free = directions[directions @ head.neck < NECK_COSINE]
    radii = head.radius_mm + SOCKET_MM
    seen = along_rays(np.ones(work.steady.shape, dtype=np.float32), work.grid, head.centre, free, radii).min(axis=1) > 0
    bone = (work.steady > work.levels.bone_hu).astype(np.float32)
    covered = along_rays(bone, work.grid, head.centre, free, radii).max(axis=1) > 0.5
    return float((covered & seen).sum() / max(int(seen.sum()), 1))


def lies_in_one_of(ball: Ball, others: list[Ball]) -> bool:
    """Tell whether a candidate is part of another, as a ball within the neck of a humerus is.

    Parameters
    ----------
    ball
        Candidate.
    others
        Balls that lie in no socket.

    Returns
    -------
    True when its centre lies in one of them.
    """
    return any(float(np.linalg.norm(ball.centre - other.centre)) < other.radius_mm for other in others)


def require_socket(head: Head, work: HipWork) -> None:
    """Refuse a ball on a neck that no acetabulum covers.

    Parameters
    ----------
    head
        The head.
    work
        Its surroundings.

    Raises
    ------
    RefusedError
        NO_SOCKET, with the share that is covered.
    """
    cover = socket_cover(head, work)
    if cover < LEAST_COVER:
        where = ", ".join(f"{name} {value:.0f}" for name, value in zip("RAS", head.centre, strict=True))
        raise RefusedError(
            f"the ball of bone at {where} lies in no hip socket: other bone covers {100 * cover:.0f} % of it, at least "
            f"{100 * LEAST_COVER:.0f} % expected; it is a shoulder or knee, a hip out of joint or a femur taken "
            "out: segment a femur by hand",
            "NO_SOCKET",
        )
