"""The usual conversions between density kinds by name, both ways; each is a row of conversions.CONVERSIONS."""

from __future__ import annotations

from BoneStrengthFEALib.calibration.conversions import conversion
from BoneStrengthFEALib.volume import FloatArray


def k2hpo4_to_caha(density_mg_cm3: FloatArray | float) -> FloatArray:
    """CaHA-equivalent from K2HPO4-equivalent density.

    Parameters
    ----------
    density_mg_cm3
        (...) K2HPO4-equivalent density [mg/cm3]; range in the row.

    Returns
    -------
    (...) CaHA-equivalent density [mg/cm3].

    References
    ----------
    Faulkner 1993 (row ``faulkner1993-k2hpo4-caha``; unverified).
    """
    return conversion("faulkner1993-k2hpo4-caha").forward(density_mg_cm3)


def caha_to_k2hpo4(density_mg_cm3: FloatArray | float) -> FloatArray:
    """K2HPO4-equivalent from CaHA-equivalent density, inverse of k2hpo4_to_caha.

    Parameters
    ----------
    density_mg_cm3
        (...) CaHA-equivalent density [mg/cm3]; range in the row.

    Returns
    -------
    (...) K2HPO4-equivalent density [mg/cm3].

    References
    ----------
    Faulkner 1993 (row ``faulkner1993-k2hpo4-caha``; unverified).
    """
    return conversion("faulkner1993-k2hpo4-caha").backward(density_mg_cm3)


def k2hpo4_to_ash(density_mg_cm3: FloatArray | float) -> FloatArray:
    """Ash from K2HPO4-equivalent density.

    Parameters
    ----------
    density_mg_cm3
        (...) K2HPO4-equivalent density [mg/cm3]; range in the row.

    Returns
    -------
    (...) ash density [mg/cm3].

    References
    ----------
    Keyak 1994 (row ``keyak1994-k2hpo4-ash``; unverified).
    """
    return conversion("keyak1994-k2hpo4-ash").forward(density_mg_cm3)


def ash_to_k2hpo4(density_mg_cm3: FloatArray | float) -> FloatArray:
    """K2HPO4-equivalent from ash density, inverse of k2hpo4_to_ash.

    Parameters
    ----------
    density_mg_cm3
        (...) ash density [mg/cm3]; range in the row.

    Returns
    -------
    (...) K2HPO4-equivalent density [mg/cm3].

    References
    ----------
    Keyak 1994 (row ``keyak1994-k2hpo4-ash``; unverified).
    """
    return conversion("keyak1994-k2hpo4-ash").backward(density_mg_cm3)


def caha_to_ash(density_mg_cm3: FloatArray | float) -> FloatArray:
    """Ash from CaHA-equivalent density.

    Parameters
    ----------
    density_mg_cm3
        (...) CaHA-equivalent density [mg/cm3]; range in the row.

    Returns
    -------
    (...) ash density [mg/cm3].

    References
    ----------
    Schileo 2008 (row ``schileo2008-caha-ash``; unverified).
    """
    return conversion("schileo2008-caha-ash").forward(density_mg_cm3)


def ash_to_caha(density_mg_cm3: FloatArray | float) -> FloatArray:
    """CaHA-equivalent from ash density, inverse of caha_to_ash.

    Parameters
    ----------
    density_mg_cm3
        (...) ash density [mg/cm3]; range in the row.

    Returns
    -------
    (...) CaHA-equivalent density [mg/cm3].

    References
    ----------
    Schileo 2008 (row ``schileo2008-caha-ash``; unverified).
    """
    return conversion("schileo2008-caha-ash").backward(density_mg_cm3)


def ash_to_apparent(density_mg_cm3: FloatArray | float) -> FloatArray:
    """Apparent from ash density.

    Parameters
    ----------
    density_mg_cm3
        (...) ash density [mg/cm3]; range in the row.

    Returns
    -------
    (...) apparent density [mg/cm3].

    References
    ----------
    Schileo 2008 (row ``schileo2008-ash-apparent``).
    """
    return conversion("schileo2008-ash-apparent").forward(density_mg_cm3)


def apparent_to_ash(density_mg_cm3: FloatArray | float) -> FloatArray:
    """Ash from apparent density, inverse of ash_to_apparent.

    Parameters
    ----------
    density_mg_cm3
        (...) apparent density [mg/cm3]; range in the row.

    Returns
    -------
    (...) ash density [mg/cm3].

    References
    ----------
    Schileo 2008 (row ``schileo2008-ash-apparent``).
    """
    return conversion("schileo2008-ash-apparent").backward(density_mg_cm3)
