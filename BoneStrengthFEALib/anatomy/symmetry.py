"""Plane in which the left and right halves of a bone mirror each other, from its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from BoneStrengthFEALib.anatomy.surface import perpendicular, unit
from BoneStrengthFEALib.volume import FloatArray

SEARCH_DEG = 10.0
"""Step of the search for planes to start from."""
SEARCH_POINTS = 1200
OTHER_COSINE = 0.7
"""Another plane stands at least 45 degrees from the best."""
ROUNDS = 12
NEAR_MM = 8.0
"""A mirrored point farther from the surface has no partner: one half of the bone is unlike the other there."""
SCATTER_MM = 1.0
"""Distances well beyond this one count less and less (Cauchy weights)."""
SAME_SIDE_COSINE = 0.5
"""Partners face the same way."""


@dataclass(frozen=True, eq=False)
class Mirror:
    """A plane of symmetry.

    Parameters
    ----------
    normal
        (3,) unit normal.
    point
        (3,) point of the plane [mm].
    distance_mm
        Mean distance of mirrored points from the surface, none counted farther than NEAR_MM.
    """

    normal: FloatArray
    point: FloatArray
    distance_mm: float


@dataclass(frozen=True, eq=False)
class _Surface:
    """Points with outward normals, and a tree to look them up."""

    points: FloatArray
    normals: FloatArray
    tree: cKDTree


def mirror_plane(points: FloatArray, normals: FloatArray, start: Mirror, front: FloatArray, reach_deg: float) -> Mirror:
    """Find the plane in which a surface is most alike its mirror image.

    Parameters
    ----------
    points, normals
        (n, 3) points of the surface [mm] and outward unit normals.
    start
        Plane the search turns from; its distance is not used.
    front
        (3,) axis the search turns about.
    reach_deg
        How far it turns to either side [degrees].

    Returns
    -------
    The plane; its normal points to the side of the start's.
    """
    surface = _Surface(points, normals, cKDTree(points))
    step = max(len(points) // SEARCH_POINTS, 1)
    first = unit(start.normal - (start.normal @ front) * front)
    second = np.cross(front, first)
    angles = np.radians(np.arange(-reach_deg, reach_deg + 1e-9, SEARCH_DEG))
    planes = [_placed(np.cos(a) * first + np.sin(a) * second, start.point, surface, step) for a in angles]
    best = min(planes, key=lambda plane: plane.distance_mm)
    # a vertebra is nearly as symmetric up and down as left and right: both are looked at closely
    other = [plane for plane in planes if abs(plane.normal @ best.normal) < OTHER_COSINE]
    starts = [best, min(other, key=lambda plane: plane.distance_mm)] if other else [best]
    found = min((_refined(plane, surface) for plane in starts), key=lambda plane: plane.distance_mm)
    return Mirror(found.normal * np.sign(found.normal @ start.normal), found.point, found.distance_mm)


def _placed(normal: FloatArray, point: FloatArray, surface: _Surface, step: int = 1) -> Mirror:
    image = _mirrored(surface.points[::step], normal, point)
    distance = surface.tree.query(image, distance_upper_bound=NEAR_MM)[0]
    return Mirror(normal, point, float(np.minimum(distance, NEAR_MM).mean()))


def _mirrored(points: FloatArray, normal: FloatArray, point: FloatArray) -> FloatArray:
    return np.asarray(points - 2.0 * ((points - point) @ normal)[:, None] * normal)


def _refined(plane: Mirror, surface: _Surface) -> Mirror:
    """Gauss-Newton steps on the distances of mirrored points from the tangent planes of their partners."""
    normal, point = plane.normal, plane.point
    for _ in range(ROUNDS):
        image = _mirrored(surface.points, normal, point)
        distance, partner = surface.tree.query(image, distance_upper_bound=NEAR_MM)
        near = np.isfinite(distance)
        face = surface.normals[partner[near]]
        own = surface.normals[near] - 2.0 * (surface.normals[near] @ normal)[:, None] * normal
        same = np.einsum("ij,ij->i", face, own) > SAME_SIDE_COSINE
        face, away = face[same], (surface.points[near] - point)[same]
        residual = np.einsum("ij,ij->i", face, (image[near] - surface.points[partner[near]])[same])
        slopes = _slopes(away, face, normal)
        weight = 1.0 / (1.0 + (residual / SCATTER_MM) ** 2)
        a, b, shift = np.linalg.lstsq(slopes * np.sqrt(weight)[:, None], -residual * np.sqrt(weight), rcond=None)[0]
        u, v = perpendicular(normal)
        point = point + shift * normal
        normal = unit(normal + a * u + b * v)
    return _placed(normal, point, surface)


def _slopes(away: FloatArray, face: FloatArray, normal: FloatArray) -> FloatArray:
    """Change of each distance when the normal turns toward either perpendicular, and when the plane moves."""
    along = away @ normal
    columns = [-2.0 * ((away @ side) * (face @ normal) + along * (face @ side)) for side in perpendicular(normal)]
    return np.column_stack([*columns, 2.0 * (face @ normal)])
