"""Progress on a terminal as a bar, elsewhere as lines a parent process can parse."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from tqdm import tqdm

from BoneStrengthFEALib.progress import ProgressCallback, no_progress

LINE_PREFIX = "progress"


class TerminalProgress:
    """A bar per stage on standard error."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._stage = ""

    def __call__(self, stage: str, fraction: float) -> None:
        """Show progress.

        Parameters
        ----------
        stage
            Name of the stage.
        fraction
            Done part, 0..1.
        """
        if stage != self._stage:
            self.close()
            self._stage = stage
            self._bar = tqdm(total=100, desc=f"{stage:<34.34}", file=sys.stderr, leave=True, bar_format=_BAR)
        if self._bar is not None:
            self._bar.n = round(100 * fraction)
            self._bar.refresh()

    def close(self) -> None:
        """End the current bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


_BAR = "{desc} {percentage:3.0f}% |{bar:24}| {elapsed}"


class LineProgress:
    """Lines "progress <fraction> <stage>" on standard output, flushed, at most ten a second."""

    def __init__(self) -> None:
        self._last = ("", 0.0)

    def __call__(self, stage: str, fraction: float) -> None:
        """Print progress.

        Parameters
        ----------
        stage
            Name of the stage.
        fraction
            Done part, 0..1.
        """
        now = time.monotonic()
        if stage == self._last[0] and fraction < 1.0 and now - self._last[1] < 0.1:
            return
        self._last = (stage, now)
        print(f"{LINE_PREFIX} {fraction:.3f} {stage}", flush=True)


@contextlib.contextmanager
def showing_progress(lines: bool) -> Iterator[ProgressCallback]:
    """Show the progress of what is done inside.

    Parameters
    ----------
    lines
        Whether a parent process wants lines.

    Yields
    ------
    What to call with stage and fraction; it shows nothing when standard error is no terminal.
    """
    if lines:
        yield LineProgress()
    elif sys.stderr.isatty():
        bar = TerminalProgress()
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield no_progress
