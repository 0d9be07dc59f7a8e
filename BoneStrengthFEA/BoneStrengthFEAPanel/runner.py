"""The command line as a process of its own: lines as they come, an exit code at the end, cancel at any time.

One way for every Slicer: slicer.util.launchConsoleProcess(blocking=False) exists from 5.12 on only and gives no process
group, without which ending PythonSlicer (a launcher) leaves the Python it started behind.
"""

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from slicer.i18n import tr as _

POLL_MS = 50
GRACE_SECONDS = 5


class RunnerError(RuntimeError):
    """The process cannot be started; the text says what to do."""


def pythonCommand():
    """Slicer's Python as an executable outside Slicer's process."""
    import slicer

    found = shutil.which("PythonSlicer")
    if found is None and hasattr(slicer, "app"):
        for name in ("PythonSlicer", "PythonSlicer.exe"):
            path = Path(slicer.app.slicerHome) / "bin" / name
            found = str(path) if path.is_file() else found
    if found is None:
        raise RunnerError(_("PythonSlicer was not found in Slicer's folder bin; install or start Slicer again"))
    return [found]


class ProcessRunner:
    """Runs one command at a time beside the application.

    python
        Function giving the command of a Python interpreter; Slicer's by default.
    timer
        Function making a timer with start(ms), stop() and the signal timeout(); qt.QTimer by default.
    """

    def __init__(self, python=None, timer=None):
        self._python = python or pythonCommand
        self._makeTimer = timer
        self._process = None
        self._lines = None
        self._timer = None
        self._onLine = None
        self._onDone = None

    @property
    def isRunning(self):
        """Whether a command runs or its end was not reported yet."""
        return self._process is not None

    @property
    def pid(self):
        """Process id, or None."""
        return self._process.pid if self._process else None

    def start(self, arguments, onLine, onDone):
        """Start ``python -m BoneStrengthFEALib.cli arguments``; both functions run in the panel's thread."""
        if self.isRunning:
            raise RunnerError(_("a computation is running; wait for it or cancel it first"))
        command = [*self._python(), "-m", "BoneStrengthFEALib.cli", *arguments]
        try:
            self._process = subprocess.Popen(command, **self._options())
        except OSError as error:
            raise RunnerError(
                _("{program} cannot be started: {reason}; install Slicer again").format(
                    program=command[0], reason=error.strerror
                )
            ) from error
        self._onLine, self._onDone = onLine, onDone
        self._lines = queue.Queue()
        threading.Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        self._timer = self._newTimer()
        self._timer.start(POLL_MS)

    def cancel(self):
        """End the command and everything it started, without a word to onDone."""
        if self._process is None:
            return
        self._stopTimer()
        process, self._process = self._process, None
        _endTree(process)

    def poll(self):
        """Hand over waiting lines; the timer calls it."""
        while self._process is not None:
            try:
                line = self._lines.get_nowait()
            except queue.Empty:
                return
            if line is None:
                self._finish()
                return
            self._onLine(line)

    def _finish(self):
        self._stopTimer()
        process, self._process = self._process, None
        self._onDone(process.wait())

    def _newTimer(self):
        if self._makeTimer is None:
            import qt

            self._makeTimer = qt.QTimer
        timer = self._makeTimer()
        timer.connect("timeout()", self.poll)
        return timer

    def _stopTimer(self):
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def _options(self):
        import BoneStrengthFEALib
        from BoneStrengthFEALib.parent_watch import PARENT_VARIABLE

        environment = _environment()
        # what is started ends with the application, however that ends
        environment.update({"PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", PARENT_VARIABLE: str(os.getpid())})
        options = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "stdin": subprocess.DEVNULL,
            "encoding": "utf-8",
            "errors": "replace",
            "env": environment,
            "cwd": str(Path(BoneStrengthFEALib.__file__).resolve().parents[1]),
        }
        if sys.platform == "win32":
            options["creationflags"] = subprocess.CREATE_NO_WINDOW
        else:
            options["start_new_session"] = True
        return options


def _environment():
    import slicer

    start = getattr(slicer.util, "startupEnvironment", None)
    try:
        return dict(start()) if start is not None else dict(os.environ)
    except (AttributeError, RuntimeError):
        # no application object: the library's tests and plain Python
        return dict(os.environ)


def _read(stream, lines):
    for line in stream:
        lines.put(line.rstrip("\r\n"))
    stream.close()
    lines.put(None)


def _endTree(process):
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/T", "/F", "/PID", str(process.pid)],
            check=False,
            capture_output=True,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
    else:
        with contextlib.suppress(ProcessLookupError):
            # the process leads a session of its own, so the group is it and what it started
            os.killpg(process.pid, 9)
    try:
        process.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
