"""The stack: slices in order along their normal, even and not sheared; positions decide, never instance numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from BoneStrengthFEALib.dicom_in.refusal import refuse
from BoneStrengthFEALib.dicom_in.slices import Slice
from BoneStrengthFEALib.volume import FloatArray

FEWEST_SLICES = 5
SAME_PLACE_MM = 1e-3
SPACING_SHARE, SPACING_MM = 0.01, 0.02
"""A position may differ from an even stack by this share of the spacing, or this much: positions are rounded."""
TILT_DEG = 0.1
DRIFT_MM = 0.1
"""Sideways drift over the whole stack below which a tilt is rounding."""
FEW_GAPS = 0.2
"""Share of gaps that may be multiples of the others for slices to be missing, rather than spacing to vary."""
_RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ordered(slices: Sequence[Slice]) -> list[Slice]:
    """Check that planes make one even stack, and put them in order.

    Parameters
    ----------
    slices
        Planes in any order.

    Returns
    -------
    Planes along their normal.

    Raises
    ------
    RefusedError
        MIXED_*, DUPLICATE_POSITION, TOO_FEW_SLICES, GANTRY_TILT, MISSING_SLICE or NONUNIFORM_SPACING.
    """
    first = slices[0]
    _check_alike(slices)
    if len(slices) < FEWEST_SLICES:
        raise refuse("TOO_FEW_SLICES", f"{len(slices)}, expected at least {FEWEST_SLICES}")
    along = np.array([float(s.position @ first.normal) for s in slices])
    order = np.argsort(along, kind="stable")
    if np.diff(along[order]).min() < SAME_PLACE_MM:
        raise refuse("DUPLICATE_POSITION", f"{int((np.diff(along[order]) < SAME_PLACE_MM).sum()) + 1} images")
    planes = [slices[n] for n in order]
    _check_tilt(planes)
    _check_even(along[order])
    return planes


def spacing_mm(planes: Sequence[Slice]) -> float:
    """Distance between slices.

    Parameters
    ----------
    planes
        Planes in order.

    Returns
    -------
    Mean distance along the normal [mm].
    """
    return float((planes[-1].position - planes[0].position) @ planes[0].normal) / (len(planes) - 1)


def ijk_to_ras(planes: Sequence[Slice]) -> FloatArray:
    """Affine of the stack.

    Parameters
    ----------
    planes
        Planes in order.

    Returns
    -------
    (4, 4): i along a row, j along a column, k from plane to plane, to RAS [mm].
    """
    first = planes[0]
    lps = np.eye(4)
    # pixel spacing is (between rows, between columns)
    lps[:3, 0] = first.orientation[0] * first.spacing[1]
    lps[:3, 1] = first.orientation[1] * first.spacing[0]
    lps[:3, 2] = (planes[-1].position - first.position) / (len(planes) - 1)
    lps[:3, 3] = first.position
    return _RAS_FROM_LPS @ lps


def _check_alike(slices: Sequence[Slice]) -> None:
    first = slices[0]
    if any(np.abs(s.orientation - first.orientation).max() > 1e-3 for s in slices):
        raise refuse("MIXED_ORIENTATION")
    if any(not np.allclose(s.spacing, first.spacing, rtol=1e-3, atol=0) for s in slices):
        raise refuse("MIXED_SPACING")
    sizes = {(s.header.get("Rows"), s.header.get("Columns")) for s in slices}
    if len(sizes) > 1:
        raise refuse("MIXED_MATRIX", f"{len(sizes)} sizes")


def _check_tilt(planes: Sequence[Slice]) -> None:
    normal = planes[0].normal
    path = planes[-1].position - planes[0].position
    drift = float(np.linalg.norm(path - (path @ normal) * normal))
    angle = float(np.degrees(np.arctan2(drift, path @ normal)))
    if angle > TILT_DEG and drift > DRIFT_MM:
        raise refuse("GANTRY_TILT", f"{angle:.1f} degrees between slice normal and table direction")
    # single planes may be moved sideways although first and last are not
    line = planes[0].position + np.linspace(0, 1, len(planes))[:, None] * path
    places = np.array([p.position for p in planes])
    aside = places - line - ((places - line) @ normal)[:, None] * normal
    if float(np.linalg.norm(aside, axis=1).max()) > max(DRIFT_MM, SPACING_SHARE * min(planes[0].spacing)):
        raise refuse("GANTRY_TILT", "slices are shifted against each other")


def _check_even(along: FloatArray) -> None:
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    tolerance = max(SPACING_SHARE * usual, SPACING_MM)
    even = np.linspace(along[0], along[-1], along.size)
    if np.abs(along - even).max() <= tolerance:
        return
    multiples = np.rint(gaps / usual)
    odd = multiples >= 2
    fits = np.abs(gaps - multiples * usual) <= 2 * tolerance * np.maximum(multiples, 1)
    if fits.all() and odd.any() and odd.mean() <= FEW_GAPS:
        raise refuse("MISSING_SLICE", f"{int((multiples[odd] - 1).sum())} missing in {int(odd.sum())} places")
    raise refuse("NONUNIFORM_SPACING", f"gaps of {gaps.min():.3f} to {gaps.max():.3f} mm")
