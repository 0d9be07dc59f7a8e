"""One case in a process of its own, as a Dask task: a crash, a leak or an exhausted memory stays with that case."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.cohort.case import (
    Case,
    CaseState,
    Outcome,
    fingerprint,
    is_current,
    read_state,
    request_sha256,
    write_state,
)
from BoneStrengthFEALib.output_folder import filling

ATTEMPTS = 3
CHILD = "BoneStrengthFEALib.cli.case_process"
_THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_case(case: Case, folder: Path, threads: int) -> CaseState:
    """Bring a case to its final state, unless it is there already.

    A task that a dying worker left behind comes here again; what it had finished is found and kept.

    Parameters
    ----------
    case
        Case.
    folder
        Its result folder; appears whole, with state.json, or not at all.
    threads
        Threads of the case's process.

    Returns
    -------
    The final state, which is on disk then.
    """
    ends = []
    for _ in range(ATTEMPTS):
        state = read_state(folder)
        if state is not None and is_current(state, case):
            return state
        ends.append(_run_process(case, folder, threads))
    state = read_state(folder)
    if state is not None and is_current(state, case):
        return state
    message = f"the process ended without a result {ATTEMPTS} times: {'; '.join(ends)}"
    return give_up(case, folder, "CRASH", message)


def give_up(case: Case, folder: Path, code: str, message: str) -> CaseState:
    """Write the state of a case that cannot be run.

    Parameters
    ----------
    case
        Case.
    folder
        Its result folder.
    code, message
        Why.

    Returns
    -------
    The state: refused when the case was not tried for lack of memory, else failed.
    """
    outcome = Outcome.REFUSED if code == "MEMORY" else Outcome.FAILED
    try:
        inputs = fingerprint(case.files, {})
    except OSError:
        inputs = {}
    state = CaseState(outcome, code, message, request_sha256(case), inputs)
    with filling(folder, overwrite=True) as working:
        write_state(state, working)
    return state


def case_to_json(case: Case) -> str:
    """One line that case_from_json reads.

    Parameters
    ----------
    case
        Case.

    Returns
    -------
    JSON without a line end.
    """
    return json.dumps(dataclasses.asdict(case) | {"files": [str(path) for path in case.files]})


def case_from_json(text: str) -> Case:
    """Read what case_to_json wrote.

    Parameters
    ----------
    text
        JSON.

    Returns
    -------
    An equal case.
    """
    data: dict[str, Any] = json.loads(text)
    data["arguments"], data["files"] = tuple(data["arguments"]), tuple(Path(p) for p in data["files"])
    return Case(**data)


def _run_process(case: Case, folder: Path, threads: int) -> str:
    environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
    with tempfile.TemporaryFile() as errors:
        # the open pipe tells the child that somebody waits for it; when this process dies the child stops as well
        process = subprocess.Popen(
            [sys.executable, "-m", CHILD, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment,
        )
        try:
            assert process.stdin is not None
            process.stdin.write(case_to_json(case).encode() + b"\n")
            process.stdin.flush()
            code = process.wait()
        except BrokenPipeError:
            code = process.wait()
        finally:
            process.kill()
        errors.seek(max(0, errors.tell() - 300))
        words = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    reason = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"{reason} ({words[0]})" if words else reason
