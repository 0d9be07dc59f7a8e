"""Choices of a nonlinear analysis."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.errors import InputError


@dataclass(frozen=True)
class NonlinearOptions:
    """How a model is loaded beyond its elastic range.

    Parameters
    ----------
    end_factor
        Largest multiple of the model's prescribed displacements.
    first_factor
        Multiple of the first step.
    step_factor
        Largest step.
    force_error
        A step is halved when its force differs from the straight prolongation of the two points before by more than
        this share of the largest force so far: the stated bound on what a step can overlook of the curve.
    peak_width
        The peak is bracketed when the steps around it are at most this share of its displacement.
    drop
        Loading ends when the force has fallen to this share of the peak.
    tolerance
        Residual force over reaction force.
    max_newton
        Newton iterations before a step is halved.
    smallest_step
        Smallest step as a share of end_factor; below it the analysis ends with the reason.
    bbar
        Whether the volumetric strain is averaged over the element (no locking); off is full integration.
    threads
        Threads; 0 takes the usable cores.
    memory_limit_bytes
        Refuse a model that needs more; 0 takes what is available.
    """

    end_factor: float = 3.0
    first_factor: float = 0.25
    step_factor: float = 0.5
    force_error: float = 0.05
    peak_width: float = 0.05
    drop: float = 0.8
    tolerance: float = 1e-5
    max_newton: int = 20
    smallest_step: float = 1e-3
    bbar: bool = True
    threads: int = 0
    memory_limit_bytes: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be followed."""
        if not 0 < self.first_factor <= self.end_factor or self.step_factor <= 0:
            raise InputError("a nonlinear analysis needs 0 < first_factor <= end_factor and a positive step_factor")
        if not (0 < self.tolerance < 0.1 and 0 < self.drop < 1 and 0 < self.smallest_step < 1):
            raise InputError("tolerance, drop and smallest_step of a nonlinear analysis must be small positive shares")
