"""Endplates of a vertebral body: where they are, how high the body is in front, middle and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.volume import Array, FloatArray, Volume

CENTRAL_SHARE = 0.7
"""Endplates are fitted within this share of the body's half-axes, inside the rims."""
COLUMNS = 15
MINIMUM_COLUMNS = 12
ENDPLATE_SEARCH_MM = 6.0
ENDPLATE_STEP_MM = 0.5
BLUR_MM = 2.0
END_SHARE = 0.4
"""Columns farther forward (or back) than this share of the half-depth count as the anterior (posterior) height."""
MIDDLE_SHARE = 0.2
"""Columns nearer to the middle of the depth count as the middle height."""


@dataclass(frozen=True, eq=False)
class Heights:
    """Heights of a body, means over columns of its central part.

    Parameters
    ----------
    anterior_mm, middle_mm, posterior_mm
        Heights in front, in the middle and at the back.
    mean_mm
        Mean over all columns.
    depth_mm
        Extent from front to back.
    """

    anterior_mm: float
    middle_mm: float
    posterior_mm: float
    mean_mm: float
    depth_mm: float

    def least_ratio(self) -> float:
        """Lowest of anterior over posterior, middle over posterior and middle over anterior.

        A lower lumbar body may well be lower at its back than in front.
        """
        front = min(self.anterior_mm, self.middle_mm) / self.posterior_mm
        return min(front, self.middle_mm / self.anterior_mm)

    def least_mm(self) -> float:
        """Lowest of the three heights."""
        return min(self.anterior_mm, self.middle_mm, self.posterior_mm)


def endplates(body: Array, volume: Volume, frame: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points of the upper and the lower endplate, in the central part of the cross-section.

    The surface is where the blurred mask crosses one half: voxel steps of thick slices would tilt a plane through
    voxel centres by degrees.

    Parameters
    ----------
    body
        (K, J, I) bool.
    volume
        Volume whose grid it lies on.
    frame
        (4, 4) local frame to RAS.

    Returns
    -------
    (n, 3) local points of the upper and of the lower endplate, of the same columns [mm].

    Raises
    ------
    AnatomyError
        When too few columns hold bone.
    """
    local = _local(body, volume, frame)
    low, high = np.percentile(local, 1, axis=0), np.percentile(local, 99, axis=0)
    half = CENTRAL_SHARE * (high - low)[:2] / 2
    x, y = np.meshgrid(np.linspace(-1, 1, COLUMNS), np.linspace(-1, 1, COLUMNS))
    inside = x**2 + y**2 <= 1.0
    middle = ((low + high) / 2)[:2]
    columns = np.column_stack([x[inside] * half[0] + middle[0], y[inside] * half[1] + middle[1]])
    z = np.arange(low[2] - ENDPLATE_SEARCH_MM, high[2] + ENDPLATE_SEARCH_MM, ENDPLATE_STEP_MM)
    points = np.concatenate([np.repeat(columns, len(z), axis=0), np.tile(z, len(columns))[:, None]], axis=1)
    places = volume.grid.to_ijk(points @ frame[:3, :3].T + frame[:3, 3])[:, ::-1].T
    depth = _blurred_depth(body, volume, places).reshape(len(columns), len(z))
    covered = (depth > 0).any(axis=1)
    if covered.sum() < MINIMUM_COLUMNS:
        raise AnatomyError("the bone has no height to load; its label is a sliver")
    return tuple(  # type: ignore[return-value]
        np.column_stack([columns[covered], _crossing(depth[covered][:, ::step], z[::step])]) for step in (-1, 1)
    )


def heights(surfaces: tuple[FloatArray, FloatArray]) -> Heights:
    """Heights of a body from its endplates.

    Parameters
    ----------
    surfaces
        (n, 3) points of the upper and of the lower endplate, y forward.

    Returns
    -------
    The heights.

    Raises
    ------
    AnatomyError
        When a part of the body has no column.
    """
    top, bottom = surfaces
    height = top[:, 2] - bottom[:, 2]
    y = top[:, 1]
    middle, half = (y.max() + y.min()) / 2, max(float(np.ptp(y)) / 2, 1e-9)
    place = CENTRAL_SHARE * (y - middle) / half
    parts = (place > END_SHARE, np.abs(place) < MIDDLE_SHARE, place < -END_SHARE)
    if not all(part.any() for part in parts):
        raise AnatomyError("the body has no bone in front, in the middle or at the back; its label is incomplete")
    anterior, middle_height, posterior = (float(height[part].mean()) for part in parts)
    return Heights(anterior, middle_height, posterior, float(height.mean()), 2 * half / CENTRAL_SHARE)


def _local(body: Array, volume: Volume, frame: FloatArray) -> FloatArray:
    ras = volume.grid.to_ras(np.argwhere(body)[:, ::-1].astype(np.float64))
    return np.asarray((ras - frame[:3, 3]) @ frame[:3, :3])


def _blurred_depth(body: Array, volume: Volume, places: FloatArray) -> FloatArray:
    # a blurred mask crosses one half on a plane of any tilt; distances between voxel centres do not
    sigma = [BLUR_MM / h for h in volume.spacing_mm[::-1]]
    box = bounding_box(body)
    depth = ndimage.gaussian_filter(np.pad(body[box], 4).astype(np.float32), sigma) - 0.5
    offset = np.array([[side.start - 4] for side in box])
    return np.asarray(ndimage.map_coordinates(depth, places - offset, order=1, mode="nearest"))


def _crossing(depth: FloatArray, z: FloatArray) -> FloatArray:
    """First place along z where the depth becomes positive, (columns,) from (columns, steps)."""
    first = np.maximum((depth > 0).argmax(axis=1), 1)
    rows = np.arange(len(depth))
    before, after = depth[rows, first - 1], depth[rows, first]
    share = np.clip(-before / np.maximum(after - before, 1e-9), 0.0, 1.0)
    return np.asarray(z[first - 1] + share * (z[first] - z[first - 1]))
