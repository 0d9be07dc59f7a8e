"""Frames of bones as regions of interest with handles, and back; the calibration as a plot."""

import numpy as np
import slicer
import vtk

from BoneStrengthFEAPanel.to_nodes import removeWithDisplay, vtkMatrix

FRAME = "BoneStrengthFEA.frameOf"
CALIBRATION = "BoneStrengthFEA.calibrationOf"


def showFrame(entry):
    """ROI node aligned with the loading frame, as long along z as the bone with its caps: its faces press."""
    frame = np.array(entry["local_to_ras"], dtype=float)
    low, high = np.array(entry["box_mm"], dtype=float)
    cap = np.array([0.0, 0.0, entry["cap_mm"]])
    low, high = low - cap, high + cap
    node = _existing(FRAME, entry["label"]) or slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLMarkupsROINode", f"{entry['name']} frame and caps"
    )
    node.SetAttribute(FRAME, entry["label"])
    placed = frame.copy()
    placed[:3, 3] = frame[:3, 3] + frame[:3, :3] @ (0.5 * (low + high))
    node.SetAndObserveObjectToNodeMatrix(vtkMatrix(placed))
    node.SetSize(*(high - low))
    # where the frame's origin lies in the box, so that a moved box tells a moved frame
    node.SetAttribute("BoneStrengthFEA.offset", " ".join(repr(float(v)) for v in 0.5 * (low + high)))
    node.SetAttribute("BoneStrengthFEA.found", " ".join(repr(float(v)) for v in placed.ravel()))
    display = node.GetDisplayNode()
    if display is None:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
    if display is not None:
        display.SetFillOpacity(0.05)
        # its name over every slice hides the bone
        display.SetPropertiesLabelVisibility(False)
        display.SetHandlesInteractive(True)
        display.SetRotationHandleVisibility(True)
        display.SetTranslationHandleVisibility(True)
        display.SetScaleHandleVisibility(False)
    return node


def movedFrame(label):
    """(4, 4) frame of the bone of a segment whose box a person has moved, or None when it was not moved."""
    node = _existing(FRAME, label)
    if node is None:
        return None
    placed = np.empty((4, 4))
    matrix = node.GetObjectToWorldMatrix()
    for row in range(4):
        for column in range(4):
            placed[row, column] = matrix.GetElement(row, column)
    found = np.array([float(v) for v in node.GetAttribute("BoneStrengthFEA.found").split()]).reshape(4, 4)
    if np.allclose(placed, found, atol=1e-3):
        return None
    offset = np.array([float(v) for v in node.GetAttribute("BoneStrengthFEA.offset").split()])
    # handles leave axes orthonormal to about seven digits; the library asks for an exact rotation
    left, _lengths, right = np.linalg.svd(placed[:3, :3])
    frame = np.eye(4)
    frame[:3, :3] = left @ right
    frame[:3, 3] = placed[:3, 3] - frame[:3, :3] @ offset
    return frame


def removeFrames():
    """Take all previews out of the scene."""
    for node in _all(FRAME):
        removeWithDisplay(node)


def showCalibration(calibration, volumeNode):
    """Plot chart of the calibration's points (HU against reference) with its fit; returns the chart node."""
    volumeId = volumeNode.GetID()
    for node in _all(CALIBRATION):
        if node.GetAttribute(CALIBRATION) == volumeId:
            slicer.mrmlScene.RemoveNode(node)
    points = calibration["points"]
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Calibration points")
    table.AddColumn(_texts("name", [point["name"] for point in points]))
    for title, key in (
        ("HU", "hu_mean"),
        ("HU standard deviation", "hu_sd"),
        ("reference", "reference"),
        ("fitted", "fitted"),
    ):
        table.AddColumn(_numbers(title, [point[key] for point in points]))
    table.SetAttribute(CALIBRATION, volumeId)
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "Calibration plot")
    chart.SetAttribute(CALIBRATION, volumeId)
    for title, key, line in (("reference", "reference", False), ("fit", "fitted", True)):
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", title)
        series.SetAttribute(CALIBRATION, volumeId)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeScatter)
        series.SetXColumnName("HU")
        series.SetYColumnName(key)
        series.SetLineStyle(series.LineStyleSolid if line else series.LineStyleNone)
        series.SetMarkerStyle(series.MarkerStyleNone if line else series.MarkerStyleCircle)
        series.SetColor(*((0.2, 0.2, 0.2) if line else (0.1, 0.4, 0.8)))
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(f"Calibration {calibration['method']}")
    # Slicer lays it over the last point
    chart.SetLegendVisibility(False)
    chart.SetXAxisTitle("CT number [HU]")
    chart.SetYAxisTitle("reference value of the method")
    return chart


def _texts(title, values):
    column = vtk.vtkStringArray()
    column.SetName(title)
    for value in values:
        column.InsertNextValue(str(value))
    return column


def _numbers(title, values):
    column = vtk.vtkDoubleArray()
    column.SetName(title)
    for value in values:
        column.InsertNextValue(float("nan") if value is None else float(value))
    return column


def _all(attribute):
    collection = slicer.mrmlScene.GetNodes()
    nodes = [collection.GetItemAsObject(n) for n in range(collection.GetNumberOfItems())]
    return [node for node in nodes if node.GetAttribute(attribute)]


def _existing(attribute, value):
    return next((node for node in _all(attribute) if node.GetAttribute(attribute) == value), None)
