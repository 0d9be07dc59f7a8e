"""Whether what was isolated can be a vertebra of an adult: a wrong result is refused, not returned."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.volume import Volume

BODY_CM3 = (6.0, 90.0)
"""Bodies from T4 of small women to L5 of tall men, crushed ones included; limits set by hand."""
BODY_MM = {"width": (20.0, 75.0), "depth": (16.0, 55.0), "height": (8.0, 48.0)}
ARCH_SHARE = (0.15, 1.4)
"""Volume of the posterior elements per volume of the body."""
WIDTH_PER_DEPTH = (0.75, 2.2)


def require_plausible(parts: Volume) -> None:
    """Refuse parts that cannot be those of one vertebra.

    Parameters
    ----------
    parts
        (K, J, I) 1 body, 2 posterior elements (none when only the body is given).

    Raises
    ------
    RefusedError
        NOT_A_VERTEBRA, with what was found and expected.
    """
    voxel_cm3 = float(np.prod(parts.spacing_mm)) / 1000.0
    body, arch = (float((parts.array == value).sum()) * voxel_cm3 for value in (1, 2))
    _within("the volume of the body", body, BODY_CM3, "cm3")
    sizes = _sizes(parts)
    for name, size in sizes.items():
        _within(f"the {name} of the body", size, BODY_MM[name], "mm")
    _within("width per depth of the body", sizes["width"] / sizes["depth"], WIDTH_PER_DEPTH, "")
    if arch > 0:
        _within("posterior elements per body", arch / body, ARCH_SHARE, "")


def _sizes(parts: Volume) -> dict[str, float]:
    """Extent of the middle 90 % of the body along R, A and S [mm]."""
    index = np.argwhere(parts.array == 1)[:, ::-1]
    ras = index @ parts.ijk_to_ras[:3, :3].T
    spread = np.percentile(ras, 95.0, axis=0) - np.percentile(ras, 5.0, axis=0)
    return dict(zip(BODY_MM, (float(value) for value in spread), strict=True))


def _within(what: str, found: float, limits: tuple[float, float], unit: str) -> None:
    if not limits[0] <= found <= limits[1]:
        raise RefusedError(
            f"{what} is {found:.3g} {unit}, expected {limits[0]:g} to {limits[1]:g} {unit}: no vertebra, or not "
            "recognised; set the point in the middle of the body, or give a label of the bone".replace("  ", " "),
            "NOT_A_VERTEBRA",
        )
