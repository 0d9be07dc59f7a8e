"""Process of one cohort case: argument is its result folder, the first line of standard input the case as JSON."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path

import psutil

from BoneStrengthFEALib.cli.run import run_parser
from BoneStrengthFEALib.cohort.case import Case, CaseState, Outcome, fingerprint, request_sha256, write_state
from BoneStrengthFEALib.cohort.execute import case_from_json
from BoneStrengthFEALib.cohort.memory import peak_memory
from BoneStrengthFEALib.errors import BoneStrengthError
from BoneStrengthFEALib.output_folder import filling

# own faults and a full disk are failures, whatever else we raise on purpose is a verdict on the examination
_FAILURES = ("OUTPUT", "DEPENDENCY", "CONVERGENCE", "MODEL", "ERROR")


def main() -> int:
    """Run one case.

    Returns
    -------
    Exit code: 0 when a state was written.
    """
    case = case_from_json(sys.stdin.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    with filling(Path(sys.argv[1]), overwrite=True) as working:
        write_state(_attempt(case, working), working)
    return 0


def _stop_with_parent() -> None:
    sys.stdin.read()
    os._exit(3)


def _attempt(case: Case, working: Path) -> CaseState:
    outcome, code, message, trace = Outcome.DONE, "", "", ""
    inputs: dict[str, tuple[int, int, str]] = {}
    try:
        inputs = fingerprint(case.files, {})
        arguments = run_parser().parse_args([f"--out={working}", *case.arguments])
        arguments.run(arguments)
    except BoneStrengthError as error:
        outcome = Outcome.FAILED if error.code in _FAILURES else Outcome.REFUSED
        code, message = error.code, str(error)
        trace = traceback.format_exc() if outcome is Outcome.FAILED else ""
    except Exception as error:
        outcome, code, message, trace = Outcome.FAILED, type(error).__name__.upper(), str(error), traceback.format_exc()
    if outcome is not Outcome.DONE:
        _keep_report_only(working)
    # with the start of the interpreter and its libraries: what the case cost the machine
    seconds = time.time() - psutil.Process().create_time()
    return CaseState(outcome, code, message, request_sha256(case), inputs, seconds, peak_memory(), trace)


def _keep_report_only(working: Path) -> None:
    """A refusal's report stays; numbers of a run that did not end well do not."""
    for path in working.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in {"report.html", "report.pdf"}:
            path.unlink()


if __name__ == "__main__":
    raise SystemExit(main())
