"""The one way long work reports: ``callback(stage, fraction)``."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[str, float], None]
"""Called with a stage name and a fraction 0..1 of that stage; may raise CancelledError."""


def no_progress(stage: str, fraction: float) -> None:
    """Ignore progress.

    Parameters
    ----------
    stage
        Name of the stage.
    fraction
        Done part of the stage, 0..1.
    """
