"""Numbers as table nodes."""

import slicer
import vtk

EXACT = "exact value"
"""Column with all digits."""
COLUMNS = ("bone", "measure", "value", "unit", "standard uncertainty", "class", "source", EXACT, "id")
MEASURES_OF = "BoneStrengthFEA.measuresOf"
"""Node reference from a table of density measures to its CT."""


def fillMeasures(node, results):
    """Write all numbers of results into a table node, a row each; returns the node."""
    from BoneStrengthFEALib.outcome_files import measures_rows

    labels = {m.id: m.label for m in (*results.measures, *(m for site in results.sites for m in site.bmd))}
    node.SetLocked(False)
    node.RemoveAllColumns()
    node.SetUseColumnTitleAsColumnHeader(True)
    for name in COLUMNS:
        column = vtk.vtkStringArray()
        column.SetName(name)
        node.AddColumn(column)
    for row in measures_rows(results):
        index = node.AddEmptyRow()
        for column, text in enumerate(_forPeople(row, labels)):
            node.SetCellText(index, column, text)
    # results are read, not edited
    node.SetLocked(True)
    return node


def _forPeople(row, labels):
    """Texts in the order of COLUMNS: at the resolution a number is known to, and all its digits at the end."""
    from BoneStrengthFEALib.report.words import number, unit_words

    # site, level and side are in the bone's name; a source says itself when it is unverified
    _site, _level, _side, measure, value, unit, uncertainty, kind, source, _unverified, bone = row
    name = labels.get(measure, measure.replace("_", " ").capitalize())
    doubt = number(float(uncertainty), unit) if uncertainty else ""
    return bone, name, number(float(value), unit), unit_words(unit), doubt, kind, source, value, measure


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
