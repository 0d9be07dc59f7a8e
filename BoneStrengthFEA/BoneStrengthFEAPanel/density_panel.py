"""The sections Density and Measures of the panel, and the choices the library offers for the ticked bones."""

import json

from slicer.i18n import tr as _

from BoneStrengthFEAPanel import choices, measures_table, views

OUTCOMES = {"warn": _("Warning"), "refuse": _("Refused")}


class DensityMixin:
    """Sections (b) and (c) of the panel, and the choices of (d)."""

    def initializeChoices(self):
        """Boxes whose entries come from the library: parameter to (box, function from sites to rows)."""
        ui = self.ui
        self._combos = {
            "calibrationMethod": (ui.calibrationSelector, lambda _sites: choices.calibrationMethods()),
            "phantom": (ui.phantomSelector, lambda _sites: [(_("none"), ""), *choices.phantoms()]),
            "loadCase": (ui.loadCaseSelector, choices.loadCases),
            "law": (ui.lawSelector, choices.laws),
            "analysis": (ui.analysisSelector, lambda _sites: choices.analyses()),
        }
        for combo, _rows in self._combos.values():
            combo.connect("currentIndexChanged(int)", self.onChoiceChanged)
        for button, slot in (
            (ui.calibrateButton, self.onCalibrate),
            (ui.acceptButton, self.onAccept),
            (ui.measureButton, self.onMeasure),
        ):
            button.connect("clicked(bool)", slot)

    def updateChoices(self, *_unused):
        """Fill the boxes whose entries come from the library, for the sites that are ticked."""
        if self._parameterNode is None:
            return
        sites = sorted({row[1] for row in self._bones.rows().values() if row[0] and row[1]})
        self._updating = True
        for name, (combo, rows) in self._combos.items():
            combo.clear()
            for text, identifier in rows(sites):
                combo.addItem(text, identifier)
            index = combo.findData(getattr(self._parameterNode, name))
            combo.currentIndex = max(index, 0)
            setattr(self._parameterNode, name, combo.itemData(combo.currentIndex) or "")
        self._updating = False
        self._showChoices()

    def onChoiceChanged(self, *_unused):
        if self._updating or self._parameterNode is None:
            return
        for name, (combo, _rows) in self._combos.items():
            setattr(self._parameterNode, name, combo.itemData(combo.currentIndex) or "")
        self._showChoices()

    def _showChoices(self):
        p, ui = self._parameterNode, self.ui
        for widget in (ui.slopeSpinBox, ui.interceptSpinBox, ui.kindSelector):
            widget.enabled = p.calibrationMethod == "given-linear"
        ui.storeEdit.enabled = p.calibrationMethod == "asynchronous"
        ui.phantomSelector.enabled = "phantom" in p.calibrationMethod or p.calibrationMethod == "asynchronous"
        for combo, identifier in ((ui.lawSelector, p.law), (ui.loadCaseSelector, p.loadCase)):
            combo.toolTip = choices.sources(identifier) or _("The site's default; its source is in the report")

    def onCalibrate(self, *_unused):
        """Find rods or tissues and fit, without a model."""
        self._start("calibration", self._onCalibrated)

    def _onCalibrated(self, folder):
        from BoneStrengthFEAPanel.preview_nodes import showCalibration

        data = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
        fitted = data["calibration"]
        units = ("", " HU", *(f" HU^{n}" for n in range(2, len(fitted["coefficients"]))))
        powers = [f"{c:.5g}{unit}" for c, unit in zip(fitted["coefficients"], units, strict=False)]
        text = _("{method}: density = {terms} [mg/cm3 {kind}]")
        lines = [text.format(method=fitted["method"], kind=fitted["quantity"], terms=" + ".join(powers))]
        checks = [*fitted["quality"]["lines"], *data["quality"]["lines"]]
        lines += [
            f"{OUTCOMES.get(c['outcome'], c['outcome'])}: {c['check']}: {c['found']} (expected: {c['expected']})"
            for c in checks
            if c["outcome"] != "pass"
        ]
        self.offerToAccept([c["check"] for c in checks if c["outcome"] == "refuse"])
        self.ui.calibrationLabel.text = "\n".join(lines)
        if fitted.get("points"):
            views.showChart(showCalibration(fitted, self._parameterNode.ctVolume))

    def offerToAccept(self, codes):
        """Let a person take responsibility for these checks with one button."""
        self._refusedCodes = list(dict.fromkeys(codes))
        self.ui.acceptButton.enabled = bool(codes)

    def onAccept(self, *_unused):
        """Take responsibility for the checks that refuse; the report says so."""
        self._parameterNode.accept = ", ".join(
            dict.fromkeys([*_codes(self._parameterNode.accept), *self._refusedCodes])
        )
        self.ui.acceptButton.enabled = False

    def onMeasure(self, *_unused):
        """Measure density without a model."""
        self._start("measures", self._onMeasured)

    def _onMeasured(self, folder):
        from BoneStrengthFEALib.results_reading import read_results

        self.ui.measuresSection.collapsed = False
        self.showTable(measures_table.measuresTable(self._parameterNode.ctVolume, read_results(folder)))


def _codes(text):
    return [word for word in text.replace(",", " ").split() if word]
