"""Results in the panel: which run, its headline, and what of it is shown in the views."""

import importlib.util
import math
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from BoneStrengthFEAPanel import to_nodes, views


class ResultsMixin:
    """Sections Measures and Results."""

    def setupResults(self):
        """Connect the widgets of the results."""
        ui = self.ui
        self._refusedCodes = []
        self._shownRoles = {}
        self._casesChanging = False
        ui.caseSelector.connect("currentIndexChanged(int)", self.onCaseChanged)
        ui.boneSelector.connect("currentIndexChanged(int)", self.onBoneChanged)
        ui.fieldSelector.connect("currentIndexChanged(int)", self.onFieldChanged)
        ui.thresholdSlider.connect("valueChanged(double)", self.onThresholdChanged)
        ui.plotButton.connect("clicked(bool)", self.onShowPlot)
        ui.densityButton.connect("toggled(bool)", self.onShowDensity)
        ui.reportButton.connect("clicked(bool)", self.onOpenReport)
        ui.pdfButton.connect("clicked(bool)", self.onOpenPdf)
        ui.saveButton.connect("clicked(bool)", self.onSaveFiles)
        ui.sendButton.connect("clicked(bool)", self.onSend)
        self.showCase(None)

    def updateCases(self):
        """List the runs in the scene; the one shown last is shown again."""
        wanted = self._parameterNode.shownCase if self._parameterNode else ""
        cases = self.logic.cases()
        combo = self.ui.caseSelector
        self._updating = True
        combo.clear()
        for text, caseId in cases:
            combo.addItem(text, caseId)
        index = combo.findData(wanted)
        combo.currentIndex = index if index >= 0 else len(cases) - 1
        self._updating = False
        self.showCase(combo.itemData(combo.currentIndex) if cases else None)

    def onNodeRemoved(self, *_unused):
        """A run may have been deleted elsewhere, as in the Data module; many removed nodes are looked at once."""
        if self._parameterNode is not None and not self._casesChanging:
            self._casesChanging = True
            qt.QTimer.singleShot(0, self._forgetRemovedCases)

    def _forgetRemovedCases(self):
        self._casesChanging = False
        combo = self.ui.caseSelector
        listed = [combo.itemData(n) for n in range(combo.count)]
        if self._parameterNode is not None and listed != [caseId for _text, caseId in self.logic.cases()]:
            self.updateCases()

    def onCaseChanged(self, *_unused):
        if self._updating or self._parameterNode is None:
            return
        combo = self.ui.caseSelector
        caseId = combo.itemData(combo.currentIndex) or ""
        self._parameterNode.shownCase = caseId
        self.showCase(caseId)

    def showCase(self, caseId):
        """Show headline, table and buttons of a run; None shows that there is none."""
        ui = self.ui
        results = self.logic.resultsOf(caseId) if caseId and self.logic else None
        if ui.densityButton.checked:
            ui.densityButton.checked = False
        self._shownRoles = to_nodes.nodesOfCase(caseId) if results else {}
        ui.headlineLabel.text = headline(results) if results else _("No results yet.")
        self.showTable(self._shownRoles.get("table"))
        self._updating = True
        ui.boneSelector.clear()
        for site in results.sites if results else ():
            ui.boneSelector.addItem(site.name)
        self._updating = False
        for button in (ui.reportButton, ui.pdfButton, ui.saveButton, ui.densityButton):
            button.enabled = bool(results)
        ui.sendButton.enabled = bool(results) and canSend()
        ui.sendButton.toolTip = (
            _("Send the DICOM results and the FHIR bundle")
            if canSend()
            else _("Sending is not part of this version of the library; save the files and send them from there")
        )
        self.onBoneChanged()

    def showTable(self, node):
        """Show a table node in the section Measures; None empties it."""
        self.ui.measuresTable.setMRMLTableNode(node)

    def onBoneChanged(self, *_unused):
        if self._updating:
            return
        ui = self.ui
        name = ui.boneSelector.currentText
        model = self._shownRoles.get(f"model:{name}")
        self._updating = True
        ui.fieldSelector.clear()
        for field in views.modelFields(model) if model is not None and model.GetMesh() is not None else ():
            ui.fieldSelector.addItem(views.fieldTitle(field), field)
        index = ui.fieldSelector.findData("effective_strain_percent")
        ui.fieldSelector.currentIndex = max(index, 0)
        self._updating = False
        ui.plotButton.enabled = f"plot:{name}" in self._shownRoles
        ui.thresholdSlider.enabled = model is not None
        self._showOnlyShownCase(name)
        self.onFieldChanged()

    def _showOnlyShownCase(self, name):
        """Models and regions of other bones and other runs are hidden: they lie in the same place."""
        for role, node in to_nodes.resultNodes():
            if role.startswith("model:"):
                views.setShown(node, node is self._shownRoles.get(f"model:{name}"))
            elif role.startswith("regions:"):
                views.setShown(node, node in self._shownRoles.values())

    def onFieldChanged(self, *_unused):
        """Another field: the slider takes its range."""
        if self._updating:
            return
        model, field = self._shownField()
        if model is None or not field:
            return
        low, high = views.fieldRange(model, field)
        slider = self.ui.thresholdSlider
        self._updating = True
        slider.minimum, slider.maximum = low, high
        # three digits that count: ctkSliderWidget refuses steps finer than its decimals
        slider.decimals = max(2 - math.floor(math.log10(high - low)), 0)
        slider.singleStep = max((high - low) / 100, 10.0**-slider.decimals)
        slider.value = low
        self._updating = False
        self.onThresholdChanged()

    def onThresholdChanged(self, *_unused):
        if self._updating:
            return
        model, field = self._shownField()
        if model is not None and field:
            views.showField(model, field, self.ui.thresholdSlider.value)

    def _shownField(self):
        model = self._shownRoles.get(f"model:{self.ui.boneSelector.currentText}")
        there = model is not None and model.GetMesh() is not None
        return (model, self.ui.fieldSelector.itemData(self.ui.fieldSelector.currentIndex)) if there else (None, "")

    def onShowPlot(self, *_unused):
        chart = self._shownRoles.get(f"plot:{self.ui.boneSelector.currentText}")
        if chart is not None:
            views.showChart(chart)

    def onShowDensity(self, shown):
        """Lay the density of the run over the CT, or take it off."""
        node = self._shownRoles.get("density")
        if node is not None:
            regions = [other for role, other in self._shownRoles.items() if role.startswith("regions:")]
            bones = self._parameterNode.boneSegmentation if self._parameterNode else None
            views.showDensity(node, shown, [*regions, *([bones] if bones else [])])

    def onOpenReport(self, *_unused):
        self._open("report.html")

    def onOpenPdf(self, *_unused):
        self._open("report.pdf")

    def _open(self, name):
        with self.errorsShown(_("The report could not be opened.")):
            folder = self.temporaryFolder()
            self.logic.writeFiles(self._parameterNode.shownCase or self._lastCase(), folder)
            self.openFile(folder / name)

    def _lastCase(self):
        return self.ui.caseSelector.itemData(self.ui.caseSelector.currentIndex) or ""

    def onSaveFiles(self, *_unused):
        with self.errorsShown(_("The files could not be saved.")):
            chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder for report and tables"))
            if not chosen:
                return
            target = Path(chosen) / f"BoneStrengthFEA-{(self._lastCase())[:8]}"
            target.mkdir(exist_ok=True)
            self.logic.writeFiles(self._lastCase(), target)
            self.ui.stageLabel.text = _("Saved in {folder}").format(folder=target)

    def onSend(self, *_unused):
        with self.errorsShown(_("The results could not be sent.")):
            words = [word.strip() for word in self._parameterNode.sendTo.split(",") if word.strip()]
            self.logic.send(self._lastCase(), words, self._onSent, self.onFailed)
            self.setRunning(True)
            self.ui.stageLabel.text = _("sending")

    def _onSent(self, text):
        self.setRunning(False)
        self.ui.stageLabel.text = "\n".join([_("Sent."), text])


def canSend():
    """Whether this version of the library sends results."""
    return importlib.util.find_spec("BoneStrengthFEALib.cli.send") is not None


def headline(results):
    """The numbers a clinician asks for first, one line per bone."""
    lines = [_headlineOf(site) for site in results.sites]
    if results.risk is not None:
        lines.append(_("Overall: {name}").format(name=results.risk.classification))
    lines.append(_("Research use only. Not a medical device."))
    return "\n".join(lines)


def _headlineOf(site):
    from BoneStrengthFEALib.report.sentences import criterion_name
    from BoneStrengthFEALib.report.words import number, with_unit, words_of

    if not site.strengths:
        refused = "; ".join(f"{line.check}: {line.found}" for line in site.quality.refused)
        return f"{site.name}: {_('refused')} ({refused})" if refused else f"{site.name}: {_('no strength')}"
    strength = site.strengths[0]
    criterion = criterion_name(strength.criterion, words_of("en")).partition(" (")[0]
    parts = [f"{site.name}: {strength.force_n:.0f} N ({criterion})"]
    parts += [f"{m.label} {with_unit(number(m.value, m.unit), m.unit)}" for m in site.bmd[:1]]
    parts += [line.classification for line in site.risk[:1]]
    return ", ".join(parts)
