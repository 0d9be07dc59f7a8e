"""One call of the command line on what is in the scene: write, start, listen, hand over, clean up."""

import os
import shutil
import tempfile
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from BoneStrengthFEAPanel.runner import RunnerError

PREFIX = "BoneStrengthFEA-job-"
PROGRESS = "progress "
ERROR = "error ["
ACCEPTABLE = "to take responsibility for a check: --set accept="
TAIL_LINES = 40
KILLED = (-9, 137)
"""Exit codes of a process that the system has killed."""


class Job:
    """A started computation. Its private folder is gone when it ends, however it ends."""

    def __init__(self, runner):
        self._runner = runner
        self._folder = None
        self._lines = []
        self._listeners = None

    @property
    def isRunning(self):
        """Whether the command runs."""
        return self._folder is not None

    def start(self, prepare, listeners):
        """Start a command.

        prepare: function (private folder, folder of the results) that writes the input and gives the arguments;
        listeners: (onProgress(stage, fraction), onLine(text), onDone(folder of the results), onError(text)).
        """
        if self._runner.isRunning:
            raise RunnerError(_("a computation is running; wait for it or cancel it first"))
        self._listeners = listeners
        self._lines = []
        removeOrphans()
        self._folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=temporaryFolder()))
        try:
            self._runner.start(prepare(self._folder, self._results), self._onLine, self._onDone)
        except Exception:
            self._clean()
            raise

    def cancel(self):
        """End the computation; no listener is called."""
        self._runner.cancel()
        self._clean()

    @property
    def _results(self):
        return self._folder / "out"

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
        try:
            if code == 0:
                onDone(self._results)
            else:
                onError(self._reason(code))
        finally:
            self._clean()

    @property
    def refusedChecks(self):
        """Codes of the checks that have refused and that a person may take responsibility for."""
        return [line[len(ACCEPTABLE) :].strip() for line in self._lines if line.startswith(ACCEPTABLE)]

    def _reason(self, code):
        if code in KILLED:
            return _(
                "The system has ended the computation, as it does when memory runs out. Choose larger voxels, tick "
                "fewer bones, or close other programs."
            )
        text = "\n".join(self._lines[-12:]) or _("no message")
        return errorIn(self._lines) or _("The computation ended with code {code}:").format(code=code) + "\n" + text

    def _clean(self):
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def caseCommand(study, settings, until="all"):
    """What Job.start needs to run an examination up to this step."""

    def prepare(folder, results):
        from BoneStrengthFEALib.case_folder import write_case

        write_case(study, settings, folder)
        return ["case", str(folder), "--out", str(results), "--until", until, "--progress-lines"]

    return prepare


def removeOrphans():
    """Remove private folders of applications that have crashed: a CT of somebody is in them."""
    from BoneStrengthFEALib.parent_watch import process_exists

    for folder in Path(temporaryFolder() or tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not process_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def temporaryFolder():
    """Slicer's folder for temporary files, or None for the system's."""
    path = getattr(slicer.app, "temporaryPath", None) if hasattr(slicer, "app") else None
    return path if path and Path(path).is_dir() else None


def errorIn(lines):
    """The error that the command line reported, with all its lines; empty when there is none."""
    first = max((n for n, line in enumerate(lines) if line.startswith(ERROR)), default=None)
    if first is None:
        return ""
    # how to accept a check is said in the command line's words
    following = [line for line in lines[first + 1 :] if not line.startswith(ACCEPTABLE)]
    return "\n".join([lines[first].partition("]: ")[2], *following])
