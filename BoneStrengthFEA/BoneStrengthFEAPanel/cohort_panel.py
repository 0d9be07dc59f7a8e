"""A cohort from the panel: a manifest and a folder; the command line does the rest beside the application."""

import json
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from BoneStrengthFEAPanel.job import PROGRESS, TAIL_LINES, errorIn
from BoneStrengthFEAPanel.runner import RunnerError

REQUIREMENTS = "requirements-cohort.txt"
REPORT = "report.html"


class CohortMixin:
    """The section Cohort of the panel."""

    def setupCohort(self):
        """Connect the section's buttons."""
        ui = self.ui
        for button, slot in (
            (ui.cohortManifestButton, self.onChooseManifest),
            (ui.cohortFolderButton, self.onChooseCohortFolder),
            (ui.cohortRunButton, self.onRunCohort),
            (ui.cohortCancelButton, self.onCancelCohort),
            (ui.cohortReportButton, self.onCohortReport),
        ):
            button.connect("clicked(bool)", slot)
        ui.cohortFolderEdit.connect("textChanged(QString)", self.updateCohortButtons)
        ui.cohortManifestEdit.connect("textChanged(QString)", self.updateCohortButtons)
        self._cohortLines = None
        self.updateCohortButtons()

    def updateCohortButtons(self, *_unused):
        """Show which buttons make sense."""
        ui, busy = self.ui, self.logic.isRunning
        ui.cohortRunButton.enabled = bool(ui.cohortManifestEdit.text and ui.cohortFolderEdit.text) and not busy
        ui.cohortCancelButton.enabled = busy and self._cohortLines is not None
        folder = ui.cohortFolderEdit.text
        ui.cohortReportButton.enabled = bool(folder) and (Path(folder) / REPORT).is_file() and not busy

    def onChooseManifest(self, *_unused):
        chosen = qt.QFileDialog.getOpenFileName(
            slicer.util.mainWindow(), _("Manifest of the cohort"), "", _("Tables (*.csv *.parquet)")
        )
        # PySide and newer PythonQt give the filter as well
        chosen = chosen[0] if isinstance(chosen, tuple) else chosen
        if chosen:
            self.ui.cohortManifestEdit.text = chosen

    def onChooseCohortFolder(self, *_unused):
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of the cohort"))
        if chosen:
            self.ui.cohortFolderEdit.text = chosen

    def onRunCohort(self, *_unused):
        """Start the cohort with the panel's settings; a folder that was begun is gone on with."""
        with self.errorsShown(_("The cohort could not be run.")):
            if self.logic.isRunning:
                raise RunnerError(_("a computation is running; wait for it or cancel it first"))
            if not (self.logic.ensurePackages() and self.logic.ensurePackages(REQUIREMENTS)):
                self.ui.cohortLabel.text = _("Not started: packages are missing.")
                return
            manifest, folder = Path(self.ui.cohortManifestEdit.text), Path(self.ui.cohortFolderEdit.text)
            arguments = ["cohort", str(manifest), str(folder), "--progress-lines"]
            arguments += ["--settings", str(self._writeCohortSettings(folder))]
            self.logic.runner.start(arguments, self._onCohortLine, self._onCohortDone)
            self._cohortLines = []
            self.ui.logText.clear()
            self.setRunning(True)
            self.ui.cohortLabel.text = _("checking the manifest")

    def _writeCohortSettings(self, folder):
        """Settings of the panel in a file beside the folder, where the next run finds the same ones."""
        from BoneStrengthFEALib.atomic_files import write_text

        path = folder.parent / f"{folder.name}-settings.json"
        settings = self.logic.settingsFromParameters(self._parameterNode)
        write_text(path, json.dumps(settings.to_dict(), indent=1))
        return path

    def onCancelCohort(self, *_unused):
        """End the cohort; cases that are done stay done."""
        self.logic.cancel()
        self._cohortLines = None
        self.setRunning(False)
        self.ui.cohortLabel.text = _("Stopped. Run cohort goes on where it was.")

    def onCohortReport(self, *_unused):
        self.openFile(Path(self.ui.cohortFolderEdit.text) / REPORT)

    def _onCohortLine(self, line):
        if line.startswith(PROGRESS):
            _word, fraction, stage = line.split(" ", 2)
            self.ui.progressBar.value = round(100 * float(fraction))
            self.ui.cohortLabel.text = stage
            return
        self._cohortLines = [*self._cohortLines[1 - TAIL_LINES :], line]
        self.onLogLine(line)

    def _onCohortDone(self, code):
        lines, self._cohortLines = self._cohortLines, None
        self.setRunning(False)
        finished = [line for line in lines if line.startswith("report: ")]
        if finished:
            self.ui.cohortLabel.text = "\n".join(lines[-2:])
            return
        ended = _("The cohort ended with code {code}:").format(code=code)
        text = errorIn(lines) or "\n".join([ended, *lines])
        self.ui.cohortLabel.text = text
        slicer.util.errorDisplay(text, windowTitle=_("The cohort could not be run"))
