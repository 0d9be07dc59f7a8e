"""Running cases on Dask: a local cluster, or any scheduler by address."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.cohort.case import Case, CaseState, Outcome, is_current, read_state, request_sha256
from BoneStrengthFEALib.cohort.execute import give_up, run_case
from BoneStrengthFEALib.cohort.memory import estimate
from BoneStrengthFEALib.errors import DependencyError, InputError

RESOURCE = "MEMORY"
WINDOW = 2000
"""Tasks known to the scheduler at one time; more only cost it memory."""
ALLOWED_WORKER_DEATHS = 20
"""Deaths of workers a waiting task may have witnessed; its own process is counted in ``execute``."""
Finished = Callable[[Case, CaseState], None]


@dataclass(frozen=True)
class Resources:
    """What the cases may use.

    Parameters
    ----------
    slots
        Cases at one time on this machine.
    threads
        Threads per case.
    memory_bytes
        Memory all cases of this machine may use together.
    scheduler
        Address of a running Dask scheduler; empty starts a local cluster.
    """

    slots: int
    threads: int
    memory_bytes: int
    scheduler: str = ""


def cases_folder(out: Path) -> Path:
    """Where case folders lie.

    Parameters
    ----------
    out
        Cohort folder.

    Returns
    -------
    Folder.
    """
    return out / "cases"


@contextlib.contextmanager
def sole_use(out: Path) -> Iterator[None]:
    """Hold a cohort folder, and clear what killed cases left half-written in it.

    Parameters
    ----------
    out
        Cohort folder; made when missing.

    Yields
    ------
    Nothing.

    Raises
    ------
    InputError
        When another run holds it.
    """
    filelock = _need("filelock")
    cases_folder(out).mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InputError(f"another run is using {out}; wait for it to end, or choose another folder") from error
    try:
        _clear(out)
        yield
    finally:
        _clear(out)
        lock.release()


def _clear(out: Path) -> None:
    for left_over in cases_folder(out).glob(".partial-*"):
        shutil.rmtree(left_over, ignore_errors=True)


def to_do(cases: Sequence[Case], out: Path) -> tuple[list[Case], list[tuple[Case, CaseState]]]:
    """Separate what must be run from what is in its final state.

    Parameters
    ----------
    cases
        All cases.
    out
        Cohort folder.

    Returns
    -------
    Cases to run; cases with states that hold.
    """
    waiting, done = [], []
    for case in cases:
        state = read_state(cases_folder(out) / case.id)
        if state is not None and is_current(state, case):
            done.append((case, state))
        else:
            waiting.append(case)
    return waiting, done


def run_cases(cases: Sequence[Case], out: Path, resources: Resources, finished: Finished) -> None:
    """Bring all cases to a final state.

    Parameters
    ----------
    cases
        Cases to run.
    out
        Cohort folder, held by ``sole_use``.
    resources
        What may be used.
    finished
        Called with each case and its state as it ends.

    Raises
    ------
    DependencyError
        When distributed is not installed.
    """
    fitting = []
    for case in cases:
        needed = estimate(case)
        if not resources.scheduler and needed > resources.memory_bytes:
            text = f"needs about {needed / 1e9:.1f} GB, {resources.memory_bytes / 1e9:.1f} GB are allowed; "
            state = give_up(case, cases_folder(out) / case.id, RESOURCE, text + "raise --memory-limit")
            finished(case, state)
        else:
            fitting.append((case, needed))
    if fitting:
        with _client(resources) as client:
            _run_window(client, fitting, out, resources, finished)


@contextlib.contextmanager
def _client(resources: Resources) -> Iterator[Any]:
    distributed = _need("distributed")
    import dask

    settings = {
        "distributed.scheduler.allowed-failures": ALLOWED_WORKER_DEATHS,
        # a case's memory is in its own process; the worker that waits for it needs no guard
        "distributed.worker.memory.terminate": False,
    }
    with dask.config.set(settings):
        if resources.scheduler:
            with distributed.Client(resources.scheduler) as client:
                yield client
            return
        with (
            distributed.LocalCluster(
                n_workers=1,
                threads_per_worker=resources.slots,
                processes=True,
                memory_limit=0,
                resources={RESOURCE: resources.memory_bytes},
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=50,
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def _run_window(
    client: Any, cases: Sequence[tuple[Case, int]], out: Path, resources: Resources, finished: Finished
) -> None:
    from distributed import as_completed

    limited = _workers_declare_memory(client)
    waiting = iter(cases)
    owners: dict[str, Case] = {}

    def submit(case: Case, needed: int) -> Any:
        future = client.submit(
            run_case,
            case,
            (cases_folder(out) / case.id).absolute(),
            resources.threads,
            key=f"case-{case.id}-{request_sha256(case)[:16]}",
            resources={RESOURCE: needed} if limited else None,
        )
        owners[future.key] = case
        return future

    pending = as_completed([submit(*item) for _, item in zip(range(WINDOW), waiting, strict=False)])
    for future in pending:
        case = owners.pop(future.key)
        finished(case, _state_of(future, case, cases_folder(out) / case.id))
        future.release()
        for item in waiting:
            pending.add(submit(*item))
            break


def _workers_declare_memory(client: Any) -> bool:
    client.wait_for_workers(1)
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return all(RESOURCE in worker.get("resources", {}) for worker in workers)


def _state_of(future: Any, case: Case, folder: Path) -> CaseState:
    if future.status == "finished":
        return future.result()
    error = future.exception()
    state = read_state(folder)
    if state is not None and is_current(state, case):
        return state
    return give_up(case, folder, "WORKER", f"the Dask worker failed: {type(error).__name__}: {error}")


def summary(states: Sequence[CaseState]) -> dict[Outcome, int]:
    """Count states.

    Parameters
    ----------
    states
        States.

    Returns
    -------
    Outcome to number.
    """
    return {outcome: sum(state.outcome is outcome for state in states) for outcome in Outcome}


def _need(package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError as error:
        text = f"cohorts need the package {package}; install it with: pip install 'bone-strength-fea[cohort]'"
        raise DependencyError(text) from error
