"""Errors a user can act on: the text says what was found, what was expected and what to do."""

from __future__ import annotations

from typing import Any


class BoneStrengthError(ValueError):
    """Base of every error this library raises on purpose.

    Parameters
    ----------
    message
        What was found, what was expected, what to do; no patient identity.
    code
        Stable upper-case word for tables, logs and tests, for example ``MISSING_SLICE``.
    """

    code = "ERROR"

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        if code:
            self.code = code


class InputError(BoneStrengthError):
    """A file, folder, label map or setting that cannot be used."""

    code = "INPUT"


class GeometryError(BoneStrengthError):
    """Two grids that do not belong together, or a grid that cannot be measured on."""

    code = "GEOMETRY"


class RefusedError(BoneStrengthError):
    """An examination that must not be measured: the quality gate refused it.

    Parameters
    ----------
    message, code
        See BoneStrengthError.
    acceptable
        Whether a user may take responsibility and go on, with the setting ``accept``.
    lines
        Refusing checks (quality.QualityLine) behind it, when there are any.
    """

    code = "REFUSED"

    def __init__(self, message: str, code: str = "", acceptable: bool = False, lines: tuple[Any, ...] = ()) -> None:
        super().__init__(message, code)
        self.acceptable = acceptable
        self.lines = lines


class CalibrationError(BoneStrengthError):
    """A density calibration that cannot be made or must not be used."""

    code = "CALIBRATION"


class AnatomyError(BoneStrengthError):
    """A bone that is not what its label says, is incomplete, or cannot be oriented."""

    code = "ANATOMY"


class MaterialError(BoneStrengthError):
    """A material law given the wrong kind of density or an impossible value."""

    code = "MATERIAL"


class ModelError(BoneStrengthError):
    """A finite-element model that is empty, unconstrained or contradictory."""

    code = "MODEL"


class MemoryLimitError(BoneStrengthError):
    """A model that will not fit into memory; raised before anything is allocated."""

    code = "MEMORY"


class ConvergenceError(BoneStrengthError):
    """A solver that did not reach its tolerance.

    Parameters
    ----------
    message
        What was tried and what was reached.
    history
        (n,) relative residuals, first to last.
    """

    code = "CONVERGENCE"

    def __init__(self, message: str, history: tuple[float, ...] = (), code: str = "") -> None:
        super().__init__(message, code)
        self.history = history


class OutputError(BoneStrengthError):
    """A result that cannot be written (disk full, no permission); nothing half-written stays."""

    code = "OUTPUT"


class PacsError(BoneStrengthError):
    """A picture archive that cannot be reached, refuses us, or did not send or take everything."""

    code = "PACS"


class DependencyError(BoneStrengthError):
    """An optional package that a requested feature needs is not installed."""

    code = "DEPENDENCY"


class CancelledError(Exception):
    """Raised by a progress callback to stop the work; deliberately no BoneStrengthError."""
