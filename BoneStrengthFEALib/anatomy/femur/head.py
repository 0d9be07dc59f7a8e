"""Femoral head: the sphere that most of the surface votes for.

A point of a sphere votes, along its inward normal, for the sphere's centre. The head is the largest part of a sphere
on a femur, so that its centre collects the largest solid angle, whatever the pose of the bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import FloatArray

RADII_MM = (15.0, 34.0)
"""Radii of human femoral heads, children of school age to the largest adults."""
RADIUS_STEP_MM = 1.0
CELL_MM = 2.0
VOTE_BLUR_CELLS = 1.0
FIT_BAND_MM = 2.0
FIT_NORMAL_COSINE = 0.93
FIT_ROUNDS = 20
NECK_SIDE_COSINE = 0.3
"""Directions closer to the neck's axis than this cosine are left out of the second fit."""
LEAST_SHARE = 0.25
"""Least share of a full sphere that must lie on the surface."""


@dataclass(frozen=True, eq=False)
class Head:
    """The head.

    Parameters
    ----------
    centre
        (3,) RAS [mm].
    radius_mm
        Radius.
    share
        Share of the full sphere that lies on the bone's surface.
    rms_mm
        Scatter of these points about the sphere.
    open_side
        (3,) unit vector to the middle of the missing part, where the neck is.
    """

    centre: FloatArray
    radius_mm: float
    share: float
    rms_mm: float
    open_side: FloatArray


def find_head(points: FloatArray, normals: FloatArray) -> Head:
    """Find the head.

    Parameters
    ----------
    points
        (n, 3) surface points [mm].
    normals
        (n, 3) outward unit normals.

    Returns
    -------
    The head.

    Raises
    ------
    AnatomyError
        When no part of the surface is a sphere of a head's size.
    """
    centre, radius = _votes(points, normals)
    chosen = np.zeros(len(points), dtype=bool)
    for _ in range(FIT_ROUNDS):
        away = points - centre
        distance = np.linalg.norm(away, axis=1)
        aligned = np.einsum("ij,ij->i", away, normals) > FIT_NORMAL_COSINE * distance
        chosen = (np.abs(distance - radius) < FIT_BAND_MM) & aligned
        if chosen.sum() < 20:
            break
        centre, radius = fit_sphere(points[chosen])
    share = _share(points[chosen], centre) if chosen.sum() >= 20 else 0.0
    if share < LEAST_SHARE or not RADII_MM[0] - 1 <= radius <= RADII_MM[1] + 1:
        raise AnatomyError(
            f"no femoral head found: the best sphere has a radius of {radius:.1f} mm and {100 * share:.0f} % of it "
            f"lies on the surface; expected {RADII_MM[0]:g} to {RADII_MM[1]:g} mm and {100 * LEAST_SHARE:.0f} %. Check "
            "that the label holds a whole proximal femur and no pelvis, or give the landmark head_centre",
            code="NO_FEMORAL_HEAD",
        )
    scatter = np.linalg.norm(points[chosen] - centre, axis=1) - radius
    return Head(centre, float(radius), share, float(np.sqrt(np.mean(scatter**2))), _open_side(points[chosen], centre))


def refine_head(head: Head, surface: tuple[FloatArray, FloatArray], neck: FloatArray, blur_mm: float) -> Head:
    """Fit the sphere again without the side of the neck, whose fillet draws the centre towards it.

    Parameters
    ----------
    head
        Head found by votes.
    surface
        (n, 3) points [mm] and outward unit normals.
    neck
        (3,) unit vector from the head's centre along the neck.
    blur_mm
        Standard deviation of the blur; it shrinks a sphere by its square over the radius, which is put back.

    Returns
    -------
    The head.
    """
    points, normals = surface
    away = points - head.centre
    distance = np.linalg.norm(away, axis=1)
    aligned = np.einsum("ij,ij->i", away, normals) > FIT_NORMAL_COSINE * distance
    free = away @ neck < NECK_SIDE_COSINE * distance
    chosen = (np.abs(distance - head.radius_mm) < FIT_BAND_MM) & aligned & free
    centre, radius = fit_sphere(points[chosen])
    scatter = np.linalg.norm(points[chosen] - centre, axis=1) - radius
    rms = float(np.sqrt(np.mean(scatter**2)))
    return Head(centre, radius + blur_mm**2 / radius, _share(points[chosen], centre), rms, head.open_side)


def head_about(centre: FloatArray, points: FloatArray, normals: FloatArray) -> Head:
    """The head about a centre that the user gives.

    Parameters
    ----------
    centre
        (3,) RAS [mm].
    points, normals
        (n, 3) surface points [mm] and outward unit normals.

    Returns
    -------
    The head; its radius is the median distance of the surface that faces away from the centre.

    Raises
    ------
    AnatomyError
        When there is no such surface about the point.
    """
    away = points - centre
    distance = np.linalg.norm(away, axis=1)
    facing = np.einsum("ij,ij->i", away, normals) > FIT_NORMAL_COSINE * distance
    chosen = facing & (distance > RADII_MM[0] - 1) & (distance < RADII_MM[1] + 1)
    if chosen.sum() < 20:
        raise AnatomyError("the landmark head_centre does not lie in a femoral head of the label; move it")
    radius = float(np.median(distance[chosen]))
    scatter = distance[chosen & (np.abs(distance - radius) < FIT_BAND_MM)] - radius
    rms = float(np.sqrt(np.mean(scatter**2)))
    return Head(centre, radius, _share(points[chosen], centre), rms, _open_side(points[chosen], centre))


def fit_sphere(points: FloatArray) -> tuple[FloatArray, float]:
    """Least-squares sphere: |p|^2 = 2 c.p + (r^2 - |c|^2), linear in c and r^2 - |c|^2.

    Parameters
    ----------
    points
        (n, 3) [mm].

    Returns
    -------
    Centre (3,) and radius [mm].
    """
    origin = points.mean(axis=0)
    local = points - origin
    design = np.column_stack([2 * local, np.ones(len(local))])
    solution = np.linalg.lstsq(design, (local**2).sum(axis=1), rcond=None)[0]
    return origin + solution[:3], float(np.sqrt(max(solution[3] + solution[:3] @ solution[:3], 0.0)))


def _votes(points: FloatArray, normals: FloatArray) -> tuple[FloatArray, float]:
    low = points.min(axis=0) - 2 * CELL_MM
    shape = np.ceil((points.max(axis=0) + 2 * CELL_MM - low) / CELL_MM).astype(int) + 1
    best: tuple[float, FloatArray, float] = (-1.0, points[0], RADII_MM[0])
    for radius in np.arange(RADII_MM[0], RADII_MM[1] + 0.5, RADIUS_STEP_MM):
        cell = np.rint((points - radius * normals - low) / CELL_MM).astype(int)
        cell = cell[((cell >= 0) & (cell < shape)).all(axis=1)]
        count = np.bincount(np.ravel_multi_index(tuple(cell.T), tuple(shape)), minlength=int(shape.prod()))
        votes = ndimage.gaussian_filter(count.reshape(shape).astype(np.float32), VOTE_BLUR_CELLS)
        peak = int(votes.argmax())
        # votes grow with the area of the cap: over the radius they favour large parts of spheres, not small bumps
        score = float(votes.ravel()[peak]) / radius
        if score > best[0]:
            best = (score, low + CELL_MM * np.array(np.unravel_index(peak, tuple(shape))), float(radius))
    return best[1], best[2]


def _open_side(points: FloatArray, centre: FloatArray) -> FloatArray:
    away = points - centre
    middle = -(away / np.linalg.norm(away, axis=1)[:, None]).mean(axis=0)
    return np.asarray(middle / np.linalg.norm(middle))


def _share(points: FloatArray, centre: FloatArray) -> float:
    """Share of the directions about the centre that have a point: cells of equal solid angle."""
    away = points - centre
    away /= np.linalg.norm(away, axis=1)[:, None]
    rows, columns = 12, 24
    row = np.minimum(((away[:, 2] + 1) / 2 * rows).astype(int), rows - 1)
    column = np.minimum(((np.arctan2(away[:, 1], away[:, 0]) + np.pi) / (2 * np.pi) * columns).astype(int), columns - 1)
    return len(np.unique(row * columns + column)) / (rows * columns)
