"""Make a virtual environment also where the system Python has no ensurepip (Debian and Ubuntu without python3-venv)."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HELP = (
    "cannot put pip into a virtual environment: this Python has neither ensurepip nor pip. "
    "On Debian or Ubuntu run 'apt install python3-venv' and try again."
)


def main(folder: str) -> int:
    """Make the environment unless it works already."""
    if sys.version_info < (3, 10):  # noqa: UP036 - also run by a Python that is too old, to say so
        sys.stderr.write(f"Python 3.10 or later is needed, this is {sys.version.split()[0]}; set PYTHON=python3.12\n")
        return 1
    scripts = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin")
    python = scripts / ("python.exe" if sys.platform == "win32" else "python")
    if python.exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
        return 0
    venv.create(folder, with_pip=False, clear=True)
    for command in (
        [python, "-m", "ensurepip", "--default-pip"],
        [sys.executable, "-m", "pip", "--python", python, "install", "pip"],
    ):
        if subprocess.run(command, capture_output=True).returncode == 0:
            return 0
    sys.stderr.write(HELP + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
