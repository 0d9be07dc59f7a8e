"""Compile the kernels before they are needed, visibly and so that it can be cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from BoneStrengthFEALib.progress import ProgressCallback

STAGE_COMPILE = "compiling the solver (once after installation)"
POLL_S = 0.2
"""The callback is called this often, so a cancel is honoured within a second."""
EXPECTED_S = 15.0
"""Compiling takes about so long; only the progress shown depends on it."""
QUIET_S = 1.0
"""Loading kernels from the disk cache is faster than this and not worth a message."""
_done: set[str] = set()


def warm_up(name: str, work: Callable[[], object], callback: ProgressCallback) -> None:
    """Run something that compiles kernels on a thread of its own, once per process, and report progress meanwhile.

    Parameters
    ----------
    name
        What is compiled; the same name is compiled once.
    work
        Calls the kernels on something tiny.
    callback
        Progress; may raise to cancel: compiling then goes on in the background and serves the next call.
    """
    if name in _done:
        return
    failure: list[BaseException] = []
    thread = threading.Thread(target=_run, args=(name, work, failure), daemon=True)
    began = time.perf_counter()
    thread.start()
    while True:
        thread.join(POLL_S)
        if not thread.is_alive():
            break
        elapsed = time.perf_counter() - began
        if elapsed > QUIET_S:
            callback(STAGE_COMPILE, min(0.99, elapsed / EXPECTED_S))
    if failure:
        raise failure[0]


def _run(name: str, work: Callable[[], object], failure: list[BaseException]) -> None:
    try:
        work()
        _done.add(name)
    except BaseException as error:
        failure.append(error)
