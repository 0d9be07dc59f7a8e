"""Numbers as table nodes."""

import slicer
import vtk

MEASURES_OF = "BoneStrengthFEA.measuresOf"
"""Node reference from a table of density measures to its CT."""


def fillMeasures(node, results):
    """Write all numbers of results into a table node, a row each; returns the node."""
    from BoneStrengthFEALib.outcome_files import COLUMNS, measures_rows

    node.SetLocked(False)
    node.RemoveAllColumns()
    node.SetUseColumnTitleAsColumnHeader(True)
    for name in COLUMNS:
        column = vtk.vtkStringArray()
        column.SetName(name)
        node.AddColumn(column)
    for row in measures_rows(results):
        index = node.AddEmptyRow()
        for column, text in enumerate(row):
            node.SetCellText(index, column, text)
    # results are read, not edited
    node.SetLocked(True)
    return node


def measuresTable(volumeNode, results):
    """Table node with the density measures of a CT; the one made before is filled again."""
    name = f"{volumeNode.GetName()} density measures"
    nodes = slicer.mrmlScene.GetNodesByClass("vtkMRMLTableNode")
    nodes.UnRegister(None)
    found = [nodes.GetItemAsObject(n) for n in range(nodes.GetNumberOfItems())]
    kept = next((node for node in found if node.GetNodeReferenceID(MEASURES_OF) == volumeNode.GetID()), None)
    node = kept or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetNodeReferenceID(MEASURES_OF, volumeNode.GetID())
    for key, value in results.provenance.items():
        node.SetAttribute(f"BoneStrengthFEA.{key}", str(value))
    return fillMeasures(node, results)
