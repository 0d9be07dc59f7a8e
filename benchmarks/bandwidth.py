"""The element operator against a triad, measured in turn: ``python -m benchmarks.bandwidth [--models trab100,cube64]``.

Minimum traffic of f += K u: three float32 numbers read, three read and written per node, one factor read per element.
STREAM counts reads and writes, so the triad a = b + s c moves three numbers per entry. Of f = K u it would be three
read and three written; that share is given too. Operator and triad take turns in one process, so that other work on
the machine disturbs both and neither finds its arrays in a cache; medians of all rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.linear import MODELS
from BoneStrengthFEALib.solver.compiling import Team, compiled
from BoneStrengthFEALib.solver.operator import ElementOperator
from BoneStrengthFEALib.solver.system import build_system
from BoneStrengthFEALib.solver.teamwork import run_over
from BoneStrengthFEALib.synthetic.fields import compressed

TRIAD_SIZE = 20_000_000
"""Numbers in each array of the triad: 80 MB, far above any cache."""
ADDED, WRITTEN = 36, 24
"""Bytes per node of f += K u and of f = K u."""
BYTES_PER_ELEMENT, BYTES_PER_TRIAD = 4, 12


@compiled
def triad(a: Any, b: Any, c: Any, s: Any) -> None:
    """A = b + s c; flat."""
    for n in range(a.size):
        a[n] = b[n] + s * c[n]


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(name: str, team: Team, rounds: int) -> str:
    """Measure one model; returns a line of text."""
    operator = build_system(compressed(MODELS[name]()), team, "numba").operator
    assert isinstance(operator, ElementOperator)
    nodes, elements = operator.bricks.node_count, len(operator.bricks.corners)
    u = np.random.default_rng(71).random((nodes, 4), np.float32)
    f = np.zeros_like(u)
    a, b, c = (np.full(TRIAD_SIZE, value, np.float32) for value in (0.0, 1.0, 2.0))
    steps = (lambda: operator.add_rows(u, f), lambda: run_over(team, triad, a, b, c, np.float32(0.5)))
    taken = [[seconds(step) for step in steps] for _ in range(rounds + 1)][1:]
    ours, peak = (statistics.median(row[n] for row in taken) for n in range(2))
    bandwidth = BYTES_PER_TRIAD * TRIAD_SIZE / peak / 1e9
    added, written = ((per_node * nodes + BYTES_PER_ELEMENT * elements) / ours / 1e9 for per_node in (ADDED, WRITTEN))
    return (
        f"{name}: {3 * nodes / ours / 1e6:.0f} million dofs/s, {1e9 * ours * team.threads / elements:.1f} ns per "
        f"element and thread; triad {bandwidth:.1f} GB/s; f += K u {added:.1f} GB/s, {100 * added / bandwidth:.0f} %; "
        f"f = K u {written:.1f} GB/s, {100 * written / bandwidth:.0f} %"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="trab100,cube64,cube100", help=f"of {','.join(MODELS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=41)
    choice = parser.parse_args()
    team = Team(choice.threads)
    for name in choice.models.split(","):
        print(measure(name, team, choice.rounds), flush=True)
    if hasattr(os, "getloadavg"):
        print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
