"""Compiled kernels: numba when it is installed, disk-cached also from a read-only install; threads of our own.

Kernels run without the interpreter lock on a small thread pool. Numba's own parallel loops are not used: their
spinning barriers slow down many-fold on a loaded machine, and the pool gives the same sums for the same
number of threads.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

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
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None

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
        """
        if self._pool is None or len(calls) < 2:
            return [kernel(*arguments) for arguments in calls]
        others = [self._pool.submit(kernel, *arguments) for arguments in calls[1:]]
        return [kernel(*calls[0]), *(future.result() for future in others)]

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
