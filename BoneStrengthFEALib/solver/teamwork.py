"""Vector kernels shared out over the threads of a team."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from BoneStrengthFEALib.solver import vector_kernels as vk
from BoneStrengthFEALib.solver.compiling import Team
from BoneStrengthFEALib.volume import FloatArray

SERIAL_BELOW = 60_000
"""Below so many numbers handing work to threads costs more than it saves."""


def sum_over(team: Team, kernel: Callable[..., Any], *arguments: Any) -> float:
    """Sum the results of a vector kernel over equal pieces of its arrays.

    Parameters
    ----------
    team
        Threads.
    kernel
        Compiled kernel over flat arrays that returns a number.
    arguments
        Arrays of equal size and numbers.

    Returns
    -------
    The sum, the same for the same number of threads.
    """
    return float(sum(run_over(team, kernel, *arguments)))


def run_over(team: Team, kernel: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run a vector kernel over equal pieces of its arrays.

    Parameters
    ----------
    team
        Threads.
    kernel
        Compiled kernel over flat arrays.
    arguments
        Arrays of equal size and numbers.

    Returns
    -------
    The kernel's results, piece by piece.
    """
    size = next(a.size for a in arguments if isinstance(a, np.ndarray))
    flat = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in arguments]
    calls = [
        tuple(a[first:last] if isinstance(a, np.ndarray) else a for a in flat)
        for first, last in pieces(size, team.threads)
    ]
    return team.run(kernel, calls)


def copy_rows(team: Team, target: FloatArray, source: FloatArray) -> None:
    """Copy rows of three numbers from one type to another.

    Parameters
    ----------
    team
        Threads.
    target, source
        (n, 3); the target is changed.
    """
    parts = pieces(len(target), team.threads)
    team.run(vk.copy_rows, [(target, source, *part) for part in parts])


@lru_cache(maxsize=256)
def pieces(size: int, threads: int) -> tuple[tuple[int, int], ...]:
    """Cut a range into one piece per thread.

    Parameters
    ----------
    size
        Length of the range.
    threads
        Number of pieces, unless the range is too short to share.

    Returns
    -------
    Pairs (first, last).
    """
    if threads == 1 or size < SERIAL_BELOW:
        return ((0, size),)
    cuts = np.linspace(0, size, threads + 1).astype(int).tolist()
    return tuple(zip(cuts[:-1], cuts[1:], strict=True))
