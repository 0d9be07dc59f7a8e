"""Compiled kernels: numba when it is installed, disk-cached also from a read-only install; threads of our own.

Kernels run without the interpreter lock on a few threads. Numba's own parallel loops are not used: their
spinning barriers slow down many-fold on a loaded machine, and these threads give the same sums for the same
number of threads.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
Work = tuple[int, Callable[..., Any], tuple[Any, ...]]
Answer = tuple[int, Any, BaseException | None]

HAS_NUMBA = importlib.util.find_spec("numba") is not None
"""Whether kernels can be compiled."""
FREEDOM = {"contract", "nsz", "arcp"}
"""What a compiled kernel may do to arithmetic: fuse, ignore the sign of zero, multiply by a reciprocal."""
SUM_FREEDOM = {*FREEDOM, "reassoc"}
"""A sum may also be taken in another order, the same each time."""


def compiled(function: F) -> F:
    """Compile a kernel when numba is installed; else return it as it is (too slow to be called).

    Parameters
    ----------
    function
        Kernel in numba's Python subset.

    Returns
    -------
    The dispatcher.
    """
    return _compile(function, FREEDOM)


def compiled_sum(function: F) -> F:
    """Compile a kernel that sums: partial sums in vector registers, in an order fixed for a machine.

    Parameters
    ----------
    function
        Kernel in numba's Python subset.

    Returns
    -------
    The dispatcher.
    """
    return _compile(function, SUM_FREEDOM)


def _compile(function: F, freedom: set[str]) -> F:
    if not HAS_NUMBA:
        return function
    _use_writable_cache()
    import numba

    kernel: F = numba.njit(cache=True, nogil=True, fastmath=freedom, error_model="numpy")(function)
    return kernel


def _use_writable_cache() -> None:
    # numba caches beside the source; from a read-only install it needs a folder of the user's
    if "NUMBA_CACHE_DIR" in os.environ or os.access(Path(__file__).parent, os.W_OK):
        return
    base = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "BoneStrengthFEA" / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="bonestrengthfea-numba-"))
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    import numba

    numba.config.CACHE_DIR = str(folder)


def usable_cores() -> int:
    """Cores this process may use.

    Returns
    -------
    At least 1.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Team:
    """A fixed number of threads that run kernels side by side.

    Parameters
    ----------
    threads
        Number of threads; 0 takes the usable cores.
    """

    def __init__(self, threads: int = 0) -> None:
        self.threads = threads or usable_cores()
        # queues and not futures, which take three times as long to hand over work of a tenth of a millisecond
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._helpers = [Thread(target=self._help, daemon=True) for _ in range(self.threads - 1)]
        for helper in self._helpers:
            helper.start()

    def _help(self) -> None:
        while (work := self._work.get()) is not None:
            self._answers.put(_answer(*work))

    def run(self, kernel: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run a kernel once per argument tuple and wait.

        Parameters
        ----------
        kernel
            Compiled function that releases the interpreter lock.
        calls
            Arguments of each call; the caller's thread takes the first.

        Returns
        -------
        Results in the order of the calls.

        Raises
        ------
        Exception
            The first that a call raised, after all have ended.
        """
        if not self._helpers or len(calls) < 2:
            return [kernel(*arguments) for arguments in calls]
        for number, arguments in enumerate(calls[1:], 1):
            self._work.put((number, kernel, arguments))
        answers = [_answer(0, kernel, calls[0]), *(self._answers.get() for _ in calls[1:])]
        answers.sort(key=lambda answer: answer[0])
        for _, _, error in answers:
            if error is not None:
                raise error
        return [result for _, result, _ in answers]

    def close(self) -> None:
        """Stop the threads; what runs afterwards runs on the caller's."""
        for _ in self._helpers:
            self._work.put(None)
        for helper in self._helpers:
            helper.join()
        self._helpers = []


def _answer(number: int, kernel: Callable[..., Any], arguments: tuple[Any, ...]) -> Answer:
    try:
        return number, kernel(*arguments), None
    except BaseException as error:  # raised again where the work was asked for
        return number, None, error
