"""What a material law is: density of one kind in, elastic and strength constants out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.errors import MaterialError
from BoneStrengthFEALib.volume import FloatArray, Quantity


@dataclass(frozen=True)
class Piece:
    """One piece of a curve: intercept + coefficient * rho^exponent, up to and including upper_g_cm3.

    Parameters
    ----------
    coefficient
        Factor of the power [unit of the curve / (g/cm3)^exponent].
    exponent
        Exponent of the density.
    intercept
        Constant term [unit of the curve].
    upper_g_cm3
        Largest density of the piece [g/cm3].
    """

    coefficient: float
    exponent: float
    intercept: float = 0.0
    upper_g_cm3: float = np.inf


@dataclass(frozen=True)
class Factor:
    """A published factor on a curve, kept apart from its coefficients.

    Parameters
    ----------
    value
        Dimensionless.
    reason
        What it corrects, with its source.
    """

    value: float
    reason: str


@dataclass(frozen=True)
class Curve:
    """A piecewise power law of density, as printed in its source.

    Parameters
    ----------
    pieces
        Pieces by increasing upper density; the last has no upper end.
    factors
        Factors to multiply with.
    """

    pieces: tuple[Piece, ...]
    factors: tuple[Factor, ...] = ()

    def __post_init__(self) -> None:
        """Refuse pieces that leave a gap."""
        uppers = [piece.upper_g_cm3 for piece in self.pieces]
        if not uppers or uppers != sorted(set(uppers)) or np.isfinite(uppers[-1]):
            raise MaterialError("pieces of a curve must have increasing upper densities and end without one")

    def __call__(self, density_g_cm3: FloatArray | float) -> FloatArray:
        """Evaluate; densities at or below zero count as zero, results below zero as zero.

        Parameters
        ----------
        density_g_cm3
            (...) density [g/cm3].

        Returns
        -------
        (...) value [unit of the curve].
        """
        rho = np.maximum(np.asarray(density_g_cm3, dtype=np.float64), 0.0)
        uppers = np.array([piece.upper_g_cm3 for piece in self.pieces[:-1]])
        index = np.searchsorted(uppers, rho, side="left")
        values = [piece.intercept + piece.coefficient * rho**piece.exponent for piece in self.pieces]
        scale = float(np.prod([factor.value for factor in self.factors]))
        return np.asarray(np.maximum(np.choose(index, values) * scale, 0.0))


def power(coefficient: float, exponent: float, *factors: Factor) -> Curve:
    """One power law, coefficient * rho^exponent.

    Parameters
    ----------
    coefficient, exponent
        As printed, density in g/cm3.
    factors
        Factors on top.

    Returns
    -------
    The curve.
    """
    return Curve((Piece(coefficient, exponent),), factors)


def linear(intercept: float, slope: float) -> Curve:
    """A straight line, intercept + slope * rho.

    Parameters
    ----------
    intercept, slope
        As printed, density in g/cm3.

    Returns
    -------
    The curve.
    """
    return Curve((Piece(slope, 1.0, intercept),))


def constant(value: float) -> Curve:
    """A value that does not depend on density.

    Parameters
    ----------
    value
        The value.

    Returns
    -------
    The curve.
    """
    return Curve((Piece(0.0, 1.0, value),))


@dataclass(frozen=True)
class YieldStrain:
    """A strength given as yield strain times modulus.

    Parameters
    ----------
    strain
        Uniaxial yield strain, positive.
    """

    strain: float


@dataclass(frozen=True)
class PostYield:
    """Softening after a plateau.

    Parameters
    ----------
    plateau_strain
        Strain of the plateau after first yield.
    slope_mpa
        Magnitude of the falling slope dsigma/deps [MPa].
    residual_mpa
        Stress the softening ends at [MPa].
    element_mm
        Element size the slope was measured for [mm], or None when it was not stated; other sizes scale the slope so
        that the energy dissipated per area stays.
    """

    plateau_strain: Curve
    slope_mpa: Curve
    residual_mpa: Curve
    element_mm: float | None = None


@dataclass(frozen=True)
class MaterialLaw:
    """One row of the law table.

    Parameters
    ----------
    id
        Stable id.
    site
        What the law was measured on.
    quantity
        Kind of density it takes; None for a homogeneous law, which takes any.
    young_mpa
        Young's modulus [MPa].
    compression, tension
        Yield stress [MPa] or yield strain, or None when the source gives none.
    poisson
        Poisson's ratio.
    valid_g_cm3
        Density range of the measurements [g/cm3], or None when no range was read.
    source
        Citation.
    unverified
        True when a number of the row was not read in a source.
    note
        What is unverified, and traps.
    post_yield
        Softening, or None.
    """

    id: str
    site: str
    quantity: Quantity | None
    young_mpa: Curve
    compression: Curve | YieldStrain | None
    tension: Curve | YieldStrain | None
    poisson: float
    valid_g_cm3: tuple[float, float] | None
    source: str
    unverified: bool
    note: str = ""
    post_yield: PostYield | None = None

    def require(self, quantity: Quantity) -> None:
        """Refuse a density of another kind.

        Parameters
        ----------
        quantity
            Kind at hand.

        Raises
        ------
        MaterialError
            Naming the conversions that lead from one to the other.
        """
        if self.quantity is None or quantity is self.quantity:
            return
        raise MaterialError(
            f"law {self.id} takes {self.quantity.value}, this volume holds {quantity.value}; {_way(quantity, self)}",
            code="DENSITY_KIND",
        )

    def strength_mpa(self, sign: str, density_g_cm3: FloatArray | float) -> FloatArray | None:
        """Yield stress in one direction.

        Parameters
        ----------
        sign
            "compression" or "tension".
        density_g_cm3
            (...) density [g/cm3].

        Returns
        -------
        (...) positive yield stress [MPa], or None when the law has none.
        """
        rule = {"compression": self.compression, "tension": self.tension}[sign]
        if rule is None:
            return None
        return rule.strain * self.young_mpa(density_g_cm3) if isinstance(rule, YieldStrain) else rule(density_g_cm3)


# Names of conversions of BoneStrengthFEALib.calibration.conversions, in the order to apply them.
_WAYS: dict[tuple[Quantity, Quantity], tuple[str, ...]] = {
    (Quantity.K2HPO4, Quantity.CAHA): ("faulkner1993-k2hpo4-caha",),
    (Quantity.K2HPO4, Quantity.ASH): ("keyak1994-k2hpo4-ash",),
    (Quantity.K2HPO4, Quantity.APPARENT): ("keyak1994-k2hpo4-ash", "schileo2008-ash-apparent"),
    (Quantity.CAHA, Quantity.K2HPO4): ("the inverse of faulkner1993-k2hpo4-caha (caha_to_k2hpo4)",),
    (Quantity.CAHA, Quantity.ASH): ("schileo2008-caha-ash",),
    (Quantity.CAHA, Quantity.APPARENT): ("schileo2008-caha-ash", "schileo2008-ash-apparent"),
    (Quantity.ASH, Quantity.APPARENT): ("schileo2008-ash-apparent",),
    (Quantity.APPARENT, Quantity.ASH): ("the inverse of schileo2008-ash-apparent",),
}


def usual_conversions(quantity: Quantity, law: MaterialLaw) -> tuple[str, ...]:
    """Published conversions from a kind of density to the one a law takes.

    Parameters
    ----------
    quantity
        Kind at hand.
    law
        Law.

    Returns
    -------
    Ids in order, applied backward where only the other direction was published; empty when none is needed.
    """
    if law.quantity is None or quantity is law.quantity:
        return ()
    steps = _WAYS.get((quantity, law.quantity), ())
    return tuple(step.removeprefix("the inverse of ").split(" (")[0] for step in steps)


def _way(quantity: Quantity, law: MaterialLaw) -> str:
    steps = _WAYS.get((quantity, law.quantity)) if law.quantity else None
    if steps:
        return f"convert it first with {', then '.join(steps)}"
    if quantity.is_density:
        return "no published conversion leads there; take a law for this kind of density"
    return "calibrate the image to a density first"
