"""One run of the command line on what is in the scene: write, start, listen, hand over, clean up."""

import os
import shutil
import tempfile
from pathlib import Path

from slicer.i18n import tr as _

PROGRESS = "progress "
ERROR = "error ["
TAIL_LINES = 40


class Job:
    """A started computation. Its private folder is gone when it ends, however it ends."""

    def __init__(self, runner, temporaryFolder=None):
        self._runner = runner
        self._temporary = temporaryFolder
        self._folder = None
        self._lines = []
        self._listeners = None

    @property
    def isRunning(self):
        """Whether the command runs."""
        return self._folder is not None

    def start(self, study, settings, listeners, until="all"):
        """Start; listeners is (onProgress(stage, fraction), onLine(text), onDone(folder), onError(text))."""
        from BoneStrengthFEALib.case_folder import write_case

        if self._runner.isRunning:
            from BoneStrengthFEAPanel.runner import RunnerError

            raise RunnerError(_("a computation is running; wait for it or cancel it first"))
        self._listeners = listeners
        self._lines = []
        self._folder = Path(tempfile.mkdtemp(prefix="BoneStrengthFEA-", dir=self._temporary))
        try:
            (self._folder / "case").mkdir()
            write_case(study, settings, self._folder / "case")
            out = self._folder / "out"
            arguments = ["case", str(self._folder / "case"), "--out", str(out), "--until", until]
            arguments += ["--progress-lines", "--parent", str(os.getpid())]
            self._runner.start(arguments, self._onLine, self._onDone)
        except Exception:
            self._clean()
            raise

    def cancel(self):
        """End the computation; no listener is called."""
        self._runner.cancel()
        self._clean()

    def _onLine(self, line):
        onProgress, onLine = self._listeners[:2]
        if line.startswith(PROGRESS):
            _word, fraction, stage = line.split(" ", 2)
            onProgress(stage, float(fraction))
            return
        self._lines = [*self._lines[1 - TAIL_LINES :], line]
        if str(self._folder) not in line:
            # the private folder is gone when somebody reads this
            onLine(line)

    def _onDone(self, code):
        _onProgress, _onLine, onDone, onError = self._listeners
        folder = self._folder / "out"
        try:
            if code == 0:
                onDone(folder)
            else:
                onError(self._reason(code))
        finally:
            self._clean()

    def _reason(self, code):
        text = "\n".join(self._lines[-12:]) or _("no message")
        return errorIn(self._lines) or _("The computation ended with code {code}:").format(code=code) + "\n" + text

    def _clean(self):
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def errorIn(lines):
    """The error that the command line reported, with all its lines; empty when there is none."""
    first = max((n for n, line in enumerate(lines) if line.startswith(ERROR)), default=None)
    return "" if first is None else "\n".join([lines[first].partition("]: ")[2], *lines[first + 1 :]])
