"""What of a run is seen in Slicer's views: fields on models, the legend, which nodes, where the views look."""

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

COLORS = "vtkMRMLColorTableNodeFileViridis.txt"
RED_SLICE = "vtkMRMLSliceNodeRed"
LABEL_FORMAT = "%.3g"
"""Of legends; Slicer's own has one decimal, too few for strains."""


def hasViews():
    """Whether there are views; a batch has none."""
    return slicer.app.layoutManager() is not None


def fieldTitle(name):
    """Name of a field for people, with its unit; a field that is not known here keeps its name."""
    titles = {
        "effective_strain_percent": _("effective strain [%]"),
        "minimum_principal_strain_percent": _("least principal strain [%]"),
        "von_mises_stress_mpa": _("von Mises stress [MPa]"),
        "young_mpa": _("Young's modulus [MPa]"),
        "failed_compression": _("failed in compression"),
        "failed_tension": _("failed in tension"),
        "bone": _("bone, not cap or pad"),
    }
    return titles.get(name, name)


def modelFields(modelNode):
    """Names of the fields of a model node, in order."""
    data = modelNode.GetMesh().GetCellData()
    return [data.GetArrayName(n) for n in range(data.GetNumberOfArrays())]


def showField(modelNode, name, threshold):
    """Color a model by a field; elements below the threshold are hidden."""
    display = modelNode.GetDisplayNode()
    values = modelNode.GetMesh().GetCellData().GetArray(name)
    if display is None or values is None:
        return
    low, high = values.GetRange()
    display.SetActiveScalar(name, vtk.vtkAssignAttribute.CELL_DATA)
    display.SetScalarVisibility(True)
    display.SetAndObserveColorNodeID(COLORS)
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(*fieldRange(modelNode, name))
    display.SetThresholdEnabled(threshold > low)
    display.SetThresholdRange(threshold, max(high, threshold))
    showLegend(modelNode, fieldTitle(name))


def fieldRange(modelNode, name):
    """Least value of a field (0 when none is negative) and the value that all but 0.5 % of the elements stay below."""
    values = modelNode.GetMesh().GetCellData().GetArray(name)
    low, high = values.GetRange()
    return min(low, 0.0), max(_robustHigh(values, high), low + 1e-6)


def _robustHigh(values, high):
    from vtk.util.numpy_support import vtk_to_numpy

    # a few elements at sharp corners must not take the whole color scale
    return float(np.percentile(vtk_to_numpy(values), 99.5)) or high


def showLegend(node, title):
    """Color legend of a node, in the views the node is in; without the Colors module there is none."""
    if not hasattr(slicer.modules, "colors"):
        return
    legend = slicer.modules.colors.logic().AddDefaultColorLegendDisplayNode(node)
    if legend is not None:
        legend.SetTitleText(title)
        legend.SetLabelFormat(LABEL_FORMAT)
        legend.SetVisibility(node.GetDisplayNode().GetVisibility())


def setShown(node, shown):
    """Show or hide a node with its legend."""
    for n in range(node.GetNumberOfDisplayNodes()):
        node.GetNthDisplayNode(n).SetVisibility(shown)


def lookAt(node):
    """Bring slices and 3D views to a model or a box."""
    if not hasViews() or node is None:
        return
    bounds = np.empty(6)
    node.GetRASBounds(bounds)
    middle = bounds.reshape(3, 2).mean(axis=1)
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *middle, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    layout = slicer.app.layoutManager()
    for n in range(layout.threeDViewCount):
        view = layout.threeDWidget(n).threeDView()
        # Slicer's own reset shows the whole scene, in which one bone is small
        view.renderWindow().GetRenderers().GetFirstRenderer().ResetCamera(list(bounds))
        view.scheduleRender()


def showChart(chart):
    """Show a plot chart beside the 3D view; without views it is in the scene only."""
    if not hasViews():
        return
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    layout = slicer.app.layoutManager()
    if layout.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView:
        # Slicer's answer to its usual four views, which puts the plot in the place of the 3D view
        layout.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)


def showDensity(node, shown, segmentations):
    """Lay a density volume over the CT with its legend, or take it off; meanwhile segments are outlines."""
    if not hasViews():
        return
    for segmentation in segmentations:
        segmentation.GetDisplayNode().SetVisibility2DFill(not shown)
    slicer.util.setSliceViewerLayers(foreground=node if shown else None, foregroundOpacity=0.6 if shown else 0.0)
    showLegend(node, node.GetName().removeprefix("Density "))
    for n in range(1, node.GetNumberOfDisplayNodes()):
        legend = node.GetNthDisplayNode(n)
        legend.SetVisibility(shown)
        # one is enough, and leaves the bone free in the other slices
        legend.RemoveAllViewNodeIDs()
        legend.AddViewNodeID(RED_SLICE)
