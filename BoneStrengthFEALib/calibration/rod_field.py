"""How HU change along and across a phantom, and what that leaves unknown of bone that lies elsewhere."""

from __future__ import annotations

import numpy as np

from BoneStrengthFEALib.calibration.phantom_definition import Phantom
from BoneStrengthFEALib.calibration.rod_cupping import Cupping
from BoneStrengthFEALib.volume import FloatArray

UNIFORM_HU = 5.0
"""HU of water differ by no more between the centre and the edge of a phantom of 20 cm on an accredited scanner (ACR CT
accreditation; McCollough 2004, Med Phys 31:2423, doi 10.1118/1.1769632; the page was not read: `unverified`)."""
SEEN = 2.0
"""Standard errors beyond which a drift or a bow counts in the uncertainty."""


def drift(by_slice: FloatArray, standard_errors: float = 0.0) -> float:
    """Largest change of a rod from end to end of the phantom, by a straight line through its slices.

    Parameters
    ----------
    by_slice
        (n, s) means per slice [HU].
    standard_errors
        Only changes count that are larger than so many of their own standard errors: noise makes lines slope too.

    Returns
    -------
    Change [HU]; the sign of the rod with the largest.
    """
    changes = [0.0]
    for row in by_slice:
        good = np.flatnonzero(np.isfinite(row))
        if good.size >= 3:
            line = np.polynomial.polynomial.polyfit(good, row[good], 1)
            left = row[good] - np.polynomial.polynomial.polyval(good, line)
            error = np.sqrt((left @ left) / (good.size - 2) / ((good - good.mean()) ** 2).sum())
            if abs(line[1]) > standard_errors * error:
                changes.append(float(line[1] * np.ptp(good)))
    return max(changes, key=abs)


def likely_bow(cupping: Cupping | None) -> float:
    """Size of the bow of HU across the phantom that has to be reckoned with.

    Parameters
    ----------
    cupping
        What the rods show of it; None where they cannot show any.

    Returns
    -------
    Standard uncertainty [HU]: that of a difference anywhere within +-UNIFORM_HU (rectangular, JCGM 100:2008, 4.3.7), or
    the bow seen where it is larger. A smaller one seen does not lower it: bone lies elsewhere in the image.
    """
    seen = 0.0 if cupping is None or abs(cupping.hu) <= SEEN * cupping.uncertainty_hu else abs(cupping.hu)
    return float(max(seen, UNIFORM_HU / np.sqrt(3.0)))


def bow_of_rods(phantom: Phantom, bow_hu: float) -> FloatArray:
    """What a bow adds to each rod against bone that lies halfway down the bow.

    Parameters
    ----------
    phantom
        Definition.
    bow_hu
        HU at the ends of the row less HU in its middle.

    Returns
    -------
    (n,) [HU]; zero for inserts, which are not laid out across the image.
    """
    if phantom.rod_shape == "insert":
        return np.zeros(len(phantom.rods))
    return np.asarray(bow_hu * (np.linspace(-1.0, 1.0, len(phantom.rods)) ** 2 - 0.5))


def with_bone_anywhere(slope: float, covariance: FloatArray, by_slice: FloatArray, bow_hu: float) -> FloatArray:
    """Add to a covariance that bone lies anywhere along the drift and the bow (rectangular, JCGM 100:2008, 4.3.7).

    Parameters
    ----------
    slope
        Of the calibration [mg/cm3 per HU].
    covariance
        (2, 2) of intercept and slope.
    by_slice
        (n, s) means per slice [HU]; the drift that all whole rods share counts where it is seen.
    bow_hu
        Bow across the phantom [HU].

    Returns
    -------
    (2, 2) covariance.
    """
    rows = by_slice[np.isfinite(by_slice).all(axis=1)]
    # rods off their certificate do not change along the table: what they share is the scanner's
    shared = drift(rows.mean(axis=0, keepdims=True), SEEN) if len(rows) else 0.0
    widened = np.array(covariance)
    widened[0, 0] += slope**2 * (shared**2 + bow_hu**2) / 12.0
    return widened
