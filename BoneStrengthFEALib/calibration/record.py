"""What every calibration method returns: a polynomial from HU to one kind of density, with its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.quality import QualityReport
from BoneStrengthFEALib.volume import FloatArray, Quantity, Volume

GIVEN_DENSITY = "given-density"
"""Method of images that hold calibrated density already."""


@dataclass(frozen=True)
class CalibrationPoint:
    """One rod or tissue the calibration rests on.

    Parameters
    ----------
    name
        Rod or tissue.
    hu_mean, hu_sd
        Mean and standard deviation of its sample [HU].
    voxels
        Number of voxels in the sample.
    reference
        Reference value the method assigns: density [mg/cm3] or mass attenuation [cm2/g], see the method.
    fitted
        Same quantity as the fit gives it.
    histogram_edges_hu
        (n + 1,) bin edges of the sample's histogram [HU]; empty when none was kept.
    histogram_counts
        (n,) voxels per bin.
    slice_hu
        (s,) mean per axial slice, in the order of the slices [HU]; NaN where a slice has none; empty when not kept.
    """

    name: str
    hu_mean: float
    hu_sd: float
    voxels: int
    reference: float
    fitted: float
    histogram_edges_hu: tuple[float, ...] = ()
    histogram_counts: tuple[int, ...] = ()
    slice_hu: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Calibration:
    """A calibration of one scan.

    Parameters
    ----------
    method
        Stable id, for example ``phantom-linear``, ``phantom-mindways``, ``internal-michalski2020``, ``given-linear``.
    quantity
        Kind of density that comes out.
    coefficients
        (n,) polynomial in HU, constant term first; result in mg/cm3.
    covariance
        (n, n) covariance of the coefficients, or None when unknown.
    points
        Evidence.
    numbers
        Numbers of the fit by name with unit in the name, for example ``fit_energy_kev``, ``r_squared``.
    quality
        Checks made on the way.
    source
        Citation of the method and of the reference values.
    details
        Facts in words by name, for example the stored entry that an asynchronous calibration used.
    """

    method: str
    quantity: Quantity
    coefficients: tuple[float, ...]
    covariance: FloatArray | None = None
    points: tuple[CalibrationPoint, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    quality: QualityReport = QualityReport()
    source: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check kind and coefficients, freeze the covariance."""
        if not self.quantity.is_density:
            raise CalibrationError(f"a calibration gives a density, not {self.quantity.value}")
        if len(self.coefficients) < 2 or not np.isfinite(self.coefficients).all():
            raise CalibrationError(f"a calibration needs at least two finite coefficients, got {self.coefficients}")
        if self.covariance is None:
            return
        covariance = np.array(self.covariance, dtype=np.float64)
        if covariance.shape != (len(self.coefficients),) * 2:
            raise CalibrationError(f"covariance of {len(self.coefficients)} coefficients has shape {covariance.shape}")
        covariance.setflags(write=False)
        object.__setattr__(self, "covariance", covariance)

    def density(self, hu: FloatArray | float) -> FloatArray:
        """Density of given HU.

        Parameters
        ----------
        hu
            (...) [HU].

        Returns
        -------
        (...) density [mg/cm3] of the calibration's kind.
        """
        return np.asarray(np.polynomial.polynomial.polyval(np.asarray(hu, dtype=np.float64), self.coefficients))

    def standard_uncertainty(self, hu: FloatArray | float) -> FloatArray | None:
        """Standard uncertainty of the density that comes from the fit.

        Parameters
        ----------
        hu
            (...) [HU].

        Returns
        -------
        (...) [mg/cm3], or None when the covariance is unknown.
        """
        if self.covariance is None:
            return None
        powers = np.vander(np.ravel(hu).astype(np.float64), len(self.coefficients), increasing=True)
        variance = np.einsum("ni,ij,nj->n", powers, self.covariance, powers)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)).reshape(np.shape(hu)))


def apply(calibration: Calibration, ct: Volume) -> Volume:
    """Turn a CT into a density volume.

    Parameters
    ----------
    calibration
        Calibration of this scan.
    ct
        (K, J, I) volume [HU]; density of the calibration's kind where the image was calibrated already.

    Returns
    -------
    (K, J, I) float32 volume [mg/cm3] of the calibration's kind.

    Raises
    ------
    CalibrationError
        When the volume does not hold what the calibration starts from.
    """
    takes = calibration.quantity if calibration.method == GIVEN_DENSITY else Quantity.HU
    if ct.quantity is not takes:
        raise CalibrationError(f"a calibration applies to {takes.value}, this volume holds {ct.quantity.value}")
    density = np.empty(ct.array.shape, dtype=np.float32)
    # slice by slice: the double precision of a whole scan would be the largest array of a run
    for k, layer in enumerate(ct.array):
        density[k] = calibration.density(layer)
    return ct.with_array(density, calibration.quantity)
