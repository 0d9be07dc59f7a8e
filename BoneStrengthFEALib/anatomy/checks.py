"""Checks that all sites share: pieces, holes, edges of the image, sizes, metal."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from BoneStrengthFEALib.bounding_box import bounding_box
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.volume import Array, Quantity, Volume

LOOSE_SHARE = 0.05
"""Share of the label that may lie apart from its largest piece."""
HOLE_SHARE = 0.10
"""Share of the filled bone that may have been holes; more means that the label is a shell."""
TWIN_THICKNESS = 0.7
"""A second piece at least so thick, relative to the first, is a bone of its own; arches and processes are thinner."""
METAL_HU = 2500.0
"""No cortical bone is denser than this at 100 to 140 kVp in a standard kernel."""
METAL_CM3 = 0.05
"""Volume above METAL_HU that is no noise."""


def one_piece(mask: Volume) -> tuple[Array, list[QualityLine]]:
    """Fill holes and keep the largest piece.

    Parameters
    ----------
    mask
        (K, J, I) 0/1 label.

    Returns
    -------
    (K, J, I) bool, and lines for loose pieces and holes.

    Raises
    ------
    AnatomyError
        When the label is empty.
    """
    whole = np.asarray(mask.array > 0)
    if not whole.any():
        raise AnatomyError("the label is empty; choose another or segment the bone again")
    used = [np.flatnonzero(whole.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    box = tuple(slice(int(u[0]), int(u[-1]) + 1) for u in used)
    given = whole[box]
    filled = ndimage.binary_fill_holes(given)
    pieces, _ = ndimage.label(filled, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())[1:]
    bone = np.zeros(whole.shape, dtype=bool)
    bone[box] = pieces == 1 + int(sizes.argmax())
    loose = 1.0 - sizes.max() / sizes.sum()
    holes = 1.0 - float(whole[bone].sum()) / float(bone.sum())
    return bone, [
        share_line(
            "LOOSE_PIECES", float(loose), LOOSE_SHARE, "of the label apart from its largest piece",
            "clean the segmentation; only the largest piece is analysed",
        ),
        share_line(
            "HOLES_FILLED", holes, HOLE_SHARE, "of the bone were holes in the label",
            "the label is a shell or has cavities, which were filled; check that it is a whole bone",
        ),
    ]  # fmt: skip


def two_bones_line(mask: Volume, bone: Array) -> QualityLine:
    """Tell whether another bone lies in the label, apart from the one that is analysed.

    Parameters
    ----------
    mask
        (K, J, I) 0/1 label.
    bone
        (K, J, I) bool, its largest piece.

    Returns
    -------
    A line that refuses when there is one.
    """
    sampling = mask.spacing_mm[::-1]

    def thickness(part: Array) -> float:
        box = bounding_box(part, (1, 1, 1))
        return float(ndimage.distance_transform_edt(np.pad(part[box], 1), sampling).max())

    rest = np.asarray(mask.array > 0) & ~bone
    # crumbs are no bone: their thickness need not be known
    large = rest.sum() > LOOSE_SHARE * bone.sum()
    share = thickness(rest) / thickness(bone) if large else 0.0
    return QualityLine(
        "TWO_BONES",
        Outcome.REFUSE if share >= TWIN_THICKNESS else Outcome.PASS,
        f"loose pieces {100 * share:.0f} % as thick as the bone" if large else "no large loose piece",
        f"below {100 * TWIN_THICKNESS:.0f} %",
        "the label holds more than one bone: give each bone its own label",
    )


def share_line(code: str, share: float, limit: float, what: str, action: str) -> QualityLine:
    """Warn when a share is above its limit.

    Parameters
    ----------
    code
        Code of the check.
    share, limit
        Share and its limit.
    what
        What it is a share of, in words.
    action
        What to do.

    Returns
    -------
    The line.
    """
    verdict = Outcome.WARN if share > limit else Outcome.PASS
    return QualityLine(code, verdict, f"{100 * share:.1f} % {what}", f"at most {100 * limit:.0f} %", action)


def edge_line(code: str, mask: Array, verdict: Outcome, what: str) -> QualityLine:
    """Tell whether a part of the bone touches the edge of the image.

    Parameters
    ----------
    code
        Code of the check.
    mask
        (K, J, I) the part.
    verdict
        Verdict when it does.
    what
        The part in words.

    Returns
    -------
    The line.
    """
    faces = [mask.take(n, axis) for axis in range(3) for n in (0, -1)]
    touching = sum(int(face.sum()) for face in faces)
    return QualityLine(
        code,
        verdict if touching else Outcome.PASS,
        f"{touching} voxels of {what} on the edge of the image",
        "0",
        "the bone is cut by the field of view: choose another bone or a larger reconstruction",
    )


def range_line(
    code: str, value: float, unit: str, limits: tuple[float, float], action: str, verdict: Outcome = Outcome.REFUSE
) -> QualityLine:
    """Tell whether a number lies within limits.

    Parameters
    ----------
    code
        Code of the check.
    value
        The number.
    unit
        Its unit.
    limits
        Lowest and highest.
    action
        What to do when it does not.
    verdict
        Verdict when it does not.

    Returns
    -------
    The line.
    """
    inside = limits[0] <= value <= limits[1]
    expected = f"{limits[0]:g} to {limits[1]:g} {unit}"
    return QualityLine(code, Outcome.PASS if inside else verdict, f"{value:.1f} {unit}", expected, action)


def metal_line(ct: Volume, mask: Array) -> QualityLine:
    """Look for metal in the bone.

    Parameters
    ----------
    ct
        CT [HU].
    mask
        (K, J, I) bone that is analysed.

    Returns
    -------
    A line that refuses when there is some.

    Raises
    ------
    AnatomyError
        When the volume does not hold HU.
    """
    if ct.quantity is not Quantity.HU and not ct.quantity.is_density:
        raise AnatomyError(f"metal is looked for in HU or density, got {ct.quantity.value}")
    volume = float((ct.array[mask] > METAL_HU).sum()) * ct.voxel_volume_mm3 / 1000.0
    return QualityLine(
        "METAL",
        Outcome.REFUSE if volume > METAL_CM3 else Outcome.PASS,
        f"{volume:.2f} cm3 above {METAL_HU:g} {ct.quantity.unit}",
        f"at most {METAL_CM3:g} cm3",
        "an implant, cement or contrast lies in the bone: choose another bone",
    )
