"""Sphere of a femoral head and direction of its neck in a CT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.segmentation.sphere_votes import RADII_MM, Ball
from BoneStrengthFEALib.volume import Array, FloatArray, Grid

DIRECTIONS = 1500
REACH_MM = 6.0
RAY_STEP_MM = 0.5
LEAST_DROP_HU_MM = 15.0
"""Edges weaker than this say nothing about the surface."""
WITHIN_MM = (4.0, 3.0, 2.5, 2.0, 2.0, 2.0)
"""Edges farther from the sphere than this are dropped, fit after fit."""
STARTS_MM, AGREE_MM = 3.0, 0.7
STRAY_MM = 3.5
LEAST_EDGES = 120
NECK_COSINE = 0.5
NECK_RADII = np.linspace(0.9, 1.7, 9)
"""Where along a neck the thickness is asked for, in radii of the head."""
BELOW = (0.15, 0.95)
"""Sine of the angle of a neck below the horizontal."""
LATERAL = 0.2
"""Least part of a neck that points away from the pelvis."""
PELVIS_RADII = (-0.3, 1.8)
NECK_BLUR_MM = 3.0
"""Single weak trabeculae must not steer a neck."""
LEAST_NECK_MM = 5.0
NOT_FOUND = "the femoral head was not found: "
HOLE_BLUR_MM = 2.4
"""Holes narrower than about twice this are closed."""


@dataclass(frozen=True, eq=False)
class Head:
    """A femoral head.

    Parameters
    ----------
    centre
        (3,) RAS [mm].
    radius_mm
        Radius.
    neck
        (3,) unit vector from the centre along the neck, RAS.
    residual_mm
        Median distance of the surface's edges from the sphere.
    seen
        Share of directions away from the neck in which an edge lies on the sphere.
    """

    centre: FloatArray
    radius_mm: float
    neck: FloatArray
    residual_mm: float
    seen: float


def fit_head(ball: Ball, values: FloatArray, solid: Array, grid: Grid) -> Head:
    """Fit a sphere to the edges around a candidate and find its neck.

    Parameters
    ----------
    ball
        Candidate.
    values
        (K, J, I) HU on an isotropic upright grid.
    solid
        (K, J, I) booleans: bone with marrow.
    grid
        The grid.

    Returns
    -------
    The head.

    Raises
    ------
    RefusedError
        HEAD_NOT_FOUND when there is no sphere or no neck.
    """
    directions = even_directions(DIRECTIONS)
    smooth = ndimage.gaussian_filter(values, 0.8 / grid.spacing_mm[0], truncate=3.0)
    first, radius, _ = _fitted(smooth, grid, (ball.centre, ball.radius_mm), directions)
    neck = _neck(solid, grid, first, radius)
    # toward the neck there is no surface: edges there are those of the neck
    free = directions[directions @ neck < NECK_COSINE]
    centre, radius, left = _fitted(smooth, grid, (first, radius), free)
    if not RADII_MM[0] <= radius <= RADII_MM[1]:
        raise _not_found(f"a radius of {radius:.1f} mm, {RADII_MM[0]:g} to {RADII_MM[1]:g} mm are possible")
    neck = _neck(solid, grid, centre, radius)
    return Head(centre, radius, neck, float(np.median(left)), len(left) / len(free))


def even_directions(count: int) -> FloatArray:
    """Unit vectors spread evenly.

    Parameters
    ----------
    count
        Number.

    Returns
    -------
    (count, 3) unit vectors on a spiral.
    """
    index = np.arange(count) + 0.5
    polar, turn = np.arccos(1 - 2 * index / count), np.pi * (1 + 5**0.5) * index
    return np.stack([np.cos(turn) * np.sin(polar), np.sin(turn) * np.sin(polar), np.cos(polar)], axis=-1)


def along_rays(field: FloatArray, grid: Grid, centre: FloatArray, directions: FloatArray, radii: FloatArray) -> Array:
    """Values on rays from a point.

    Parameters
    ----------
    field
        (K, J, I) on the grid.
    grid
        Upright grid.
    centre
        (3,) RAS [mm].
    directions
        (n, 3) unit vectors.
    radii
        (m,) distances [mm].

    Returns
    -------
    (n, m) values; 0 beyond the grid, so that a neck must be in the image.
    """
    points = grid.to_ijk(centre + directions[:, None, :] * radii[None, :, None])
    return np.asarray(ndimage.map_coordinates(field, points[..., ::-1].transpose(2, 0, 1), order=1, mode="constant"))


def _fitted(
    smooth: FloatArray, grid: Grid, start: tuple[FloatArray, float], directions: FloatArray
) -> tuple[FloatArray, float, FloatArray]:
    """Centre, radius and distances of the edges from the sphere, of the start that most edges agree with."""
    best: tuple[FloatArray, float, FloatArray] | None = None
    count, most = 0, 0
    for offset in STARTS_MM * np.vstack([np.zeros(3), np.eye(3), -np.eye(3)]):
        for grow in (0.0, -STARTS_MM / 2):
            found, edges = _fit(smooth, grid, (start[0] + offset, start[1] + grow), directions)
            most = max(most, edges)
            agree = 0 if found is None or _strayed(found, start) else int((found[2] < AGREE_MM).sum())
            if agree > count:
                best, count = found, agree
    if best is None:
        raise _not_found(f"{most} edges on its sphere, {LEAST_EDGES} are needed")
    return best


def _strayed(found: tuple[FloatArray, float, FloatArray], start: tuple[FloatArray, float]) -> bool:
    """Whether a fit has walked to another surface, such as the outer one of the socket."""
    return abs(found[1] - start[1]) > STRAY_MM or float(np.linalg.norm(found[0] - start[0])) > 2 * STRAY_MM


def _fit(
    smooth: FloatArray, grid: Grid, start: tuple[FloatArray, float], directions: FloatArray
) -> tuple[tuple[FloatArray, float, FloatArray] | None, int]:
    centre, radius = start
    left = np.zeros(0)
    for within in WITHIN_MM:
        points = _edges(smooth, grid, centre, radius, directions)
        away = np.linalg.norm(points - centre, axis=1) - radius
        points = points[np.abs(away) < within]
        if len(points) < LEAST_EDGES:
            return None, len(points)
        centre, radius = _sphere(points)
        left = np.abs(np.linalg.norm(points - centre, axis=1) - radius)
    return (centre, radius, left), len(left)


def _edges(smooth: FloatArray, grid: Grid, centre: FloatArray, radius: float, directions: FloatArray) -> FloatArray:
    """Steepest falls outward."""
    radii = radius + np.arange(-REACH_MM, REACH_MM + RAY_STEP_MM / 2, RAY_STEP_MM)
    fall = -np.diff(along_rays(smooth, grid, centre, directions, radii), axis=1) / RAY_STEP_MM
    # the nearest edge counts: beyond the joint the pelvis has its own
    middle = 0.5 * (radii[1:] + radii[:-1])
    at = (fall - 1.5 * np.abs(middle - radius)).argmax(axis=1)
    strong = np.take_along_axis(fall, at[:, None], axis=1)[:, 0] > LEAST_DROP_HU_MM
    return centre + directions[strong] * middle[at[strong]][:, None]


def _sphere(points: FloatArray) -> tuple[FloatArray, float]:
    """Algebraic least squares."""
    matrix = np.column_stack([2 * points, np.ones(len(points))])
    mean = points.mean(axis=0)
    matrix[:, :3] -= 2 * mean
    solution = np.linalg.lstsq(matrix, ((points - mean) ** 2).sum(axis=1), rcond=None)[0]
    return solution[:3] + mean, float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def _neck(solid: Array, grid: Grid, centre: FloatArray, radius: float) -> FloatArray:
    """Direction, below the horizontal, along which bone without a gap is thickest at its thinnest place."""
    # marrow as fat as the tissue outside leaves small holes, which must not count as thin places
    whole = ndimage.gaussian_filter(solid.astype(np.float32), HOLE_BLUR_MM / grid.spacing_mm[0], truncate=2.0) > 0.5
    depth = ndimage.distance_transform_edt(whole).astype(np.float32) * grid.spacing_mm[0]
    depth = ndimage.gaussian_filter(depth, NECK_BLUR_MM / grid.spacing_mm[0], truncate=2.0)
    directions = even_directions(DIRECTIONS)
    below = (directions[:, 2] < -BELOW[0]) & (directions[:, 2] > -BELOW[1])
    below &= directions[:, 0] * _lateral(solid, grid, centre, radius) > LATERAL
    directions = directions[below]
    thin = along_rays(depth, grid, centre, directions, NECK_RADII * radius).min(axis=1)
    if thin.max() < LEAST_NECK_MM:
        raise _not_found(f"no neck: bone of at most {thin.max():.1f} mm half thickness leaves the sphere downward")
    weights = np.where(thin > 0.8 * thin.max(), thin, 0.0) * (directions @ directions[thin.argmax()] > 0.8)
    mean = (directions * weights[:, None]).sum(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _lateral(solid: Array, grid: Grid, centre: FloatArray, radius: float) -> float:
    """Sign of R away from the pelvis: at the height of the head and above, bone lies medial of it."""
    i, _, k = grid.to_ijk(centre)
    low, high = (max(0, round(float(k) + part * radius / grid.spacing_mm[0])) for part in PELVIS_RADII)
    across = solid[low:high].sum(axis=(0, 1)).astype(np.float64)
    mean = float(across @ np.arange(len(across)) / max(across.sum(), 1.0))
    return 1.0 if mean < float(i) else -1.0


def _not_found(why: str) -> RefusedError:
    return RefusedError(
        f"{NOT_FOUND}{why}; the head must be in the image, without implant, within about 17 cm "
        "of the point: set the point in the head or neck, or segment the femur by hand",
        "HEAD_NOT_FOUND",
    )
