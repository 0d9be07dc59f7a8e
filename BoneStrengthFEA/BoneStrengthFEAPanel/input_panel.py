"""The section Input of the panel: CT with its checks, segments with what they are, the subject."""

import contextlib
import json

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from BoneStrengthFEAPanel import study_nodes, views
from BoneStrengthFEAPanel.preview_nodes import removeFrames


class InputMixin:
    """Section (a) of the panel."""

    def initializeInput(self):
        """Attributes of this section."""
        self._observed = {}
        self._judged = None
        self._segmentsChanging = False

    def onLoadSample(self, *_unused):
        from BoneStrengthFEAPanel import sample_data

        with self.errorsShown(_("The sample data could not be loaded.")):
            ct, bones, tissues, bodies = sample_data.load()
            p = self._parameterNode
            p.ctVolume, p.boneSegmentation = ct, bones
            p.tissueSegmentation, p.bodySegmentation = tissues, bodies
            self.onSegmentationChanged(bones)
            self.onVolumeChanged(ct)
            if views.hasViews():
                slicer.util.setSliceViewerLayers(background=ct, fit=True)

    def onVolumeChanged(self, node=None):
        """Judge the CT at once, and fill what its header says of the subject."""
        node = self.ui.ctSelector.currentNode() or node
        self._takeCt(node)
        self._judged = _identity(node)
        self._observeOnly("volume", node, [vtk.vtkCommand.ModifiedEvent], self.onVolumeModified)
        self.offerToAccept([])
        self.ui.qualityLabel.text = self._qualityText(node)
        self.updateRunButton()

    def _takeCt(self, node):
        """Keep the choice before anything else is set: Slicer then writes all widgets again from the parameters.

        What was said of the subject, accepted, segmented as tissue or moved as a frame belongs to the CT before.
        """
        p = self._parameterNode
        if p is None:
            return
        if p.ctVolume is not node:
            p.ctVolume = node
        if node is None or p.subjectVolume is node:
            return
        if p.subjectVolume is not None:
            removeFrames()
            p.sex, p.ageYears, p.heightM, p.weightKg, p.accept = "", 0.0, 0.0, 0.0, ""
            for name in ("tissueSegmentation", "bodySegmentation"):
                if not study_nodes.isMadeFor(getattr(p, name), node):
                    setattr(p, name, None)
        p.subjectVolume = node

    def onVolumeModified(self, *_unused):
        """Judge again what was chosen before its image or its DICOM header came, as readers do it."""
        if self._parameterNode is not None and _identity(self.ui.ctSelector.currentNode()) != self._judged:
            self.onVolumeChanged()

    def _qualityText(self, node):
        if node is None:
            return _("No CT chosen.")
        try:
            acquisition, quality = study_nodes.acquisitionOf(node)
        except Exception as error:
            return _("Not measurable: {reason}").format(reason=error)
        self._fillSubject(acquisition.subject)
        self.offerToAccept([line.check for line in quality.refused])
        spacing = " x ".join(f"{value:.3g}" for value in node.GetSpacing())
        lines = [_("Voxels {spacing} mm").format(spacing=spacing)]
        if acquisition.kvp:
            lines.append(
                f"{acquisition.kvp:g} kV, {acquisition.kernel}, {acquisition.contrast_agent or _('no contrast')}"
            )
        if acquisition.source != "dicom":
            lines.append(_("Not from the DICOM database: tube voltage, kernel and contrast medium are unknown."))
        for mark, found in ((_("Refused"), quality.refused), (_("Warning"), quality.warnings)):
            lines += [f"{mark}: {line.check}: {line.found}; {line.action}" for line in found]
        passed = len(quality.lines) - len(quality.refused) - len(quality.warnings)
        if quality.lines:
            lines.append(_("{count} checks of the examination passed.").format(count=passed))
        return "\n".join(lines)

    def _fillSubject(self, subject):
        p = self._parameterNode
        if p is None:
            return
        # what a person has typed is kept
        if not p.sex and subject.sex.value in ("F", "M", "O"):
            p.sex = subject.sex.value
        for name, value in (
            ("ageYears", subject.age_years),
            ("heightM", subject.height_m),
            ("weightKg", subject.weight_kg),
        ):
            if value and not getattr(p, name):
                # a header may hold centimetres for metres: what cannot be is left unknown
                with contextlib.suppress(ValueError):
                    setattr(p, name, float(value))

    def onSegmentationChanged(self, node=None):
        """List the segments; those whose name tells a bone that can be loaded are ticked."""
        node = self.ui.segmentationSelector.currentNode() or node
        if self._parameterNode is not None and self._parameterNode.boneSegmentation is not node:
            # before the table of bones is: Slicer then writes all widgets again from the parameters
            self._parameterNode.boneSegmentation = node
        self._observeSegmentation(node)
        self._fillBones(node)

    def _fillBones(self, node):
        names = list(study_nodes.segmentNames(node).values())
        kept = study_nodes.targetsFromJson(self._parameterNode.bones) if self._parameterNode else {}
        rows = []
        for name in names:
            use, site, level, side = kept.get(
                name, [study_nodes.isAnalysable(name), *study_nodes.recogniseSegment(name)]
            )
            rows.append((name, use, site, level, side))
        if len(rows) == 1 and rows[0][0] not in kept:
            # one segment is meant to be analysed; the commonest site stands in for a name that tells none
            name, _use, site, level, side = rows[0]
            rows = [(name, True, site or "vertebra", level, side)]
        self._updating = True
        self._bones.fill(rows)
        self._updating = False
        if rows:
            self.onBonesChanged()
        else:
            # while a scene is read the segments come last: what was saved about them must stay
            self.updateRunButton()

    def onBonesChanged(self, *_unused):
        if self._updating or self._parameterNode is None:
            return
        text = json.dumps(self._bones.rows())
        if text != self._parameterNode.bones:
            self._parameterNode.bones = text
        self.updateChoices()
        self.updateRunButton()

    def _observeSegmentation(self, node):
        names = ("SegmentAdded", "SegmentRemoved", "SegmentModified")
        segmentation = node.GetSegmentation() if node is not None else None
        events = [getattr(slicer.vtkSegmentation, name) for name in names]
        self._observeOnly("segmentation", segmentation, events, self.onSegmentsChanged)

    def _observeOnly(self, role, watched, events, method):
        """Observe this object in this role, and no longer the one before."""
        before = self._observed.get(role)
        if watched is before:
            return
        for event in events:
            if before is not None:
                self.removeObserver(before, event, method)
            if watched is not None:
                self.addObserver(watched, event, method)
        self._observed[role] = watched

    def onSegmentsChanged(self, *_unused):
        """Segments were added, removed or renamed; painting in one changes nothing here.

        A hundred segments that are added one by one fill the table once.
        """
        if not self._segmentsChanging:
            self._segmentsChanging = True
            qt.QTimer.singleShot(0, self._updateSegments)

    def _updateSegments(self):
        self._segmentsChanging = False
        if self._parameterNode is None:
            return
        node = self.ui.segmentationSelector.currentNode()
        if list(study_nodes.segmentNames(node).values()) != list(self._bones.rows()):
            self._fillBones(node)


def _identity(node):
    """What tells whether a CT must be judged again: its image, and where it came from."""
    return None if node is None else (node.GetID(), node.GetImageData(), node.GetAttribute("DICOM.instanceUIDs"))
