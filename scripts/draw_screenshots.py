"""Draw the extension's pictures from a real run on the bundled CT: model with strain, density over the CT."""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
import numpy as np
import vtk

from BoneStrengthFEALib.case_folder import write_case
from BoneStrengthFEALib.cli import main as run_command
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.settings import Settings

TARGET = Path(__file__).resolve().parents[1] / "Resources" / "Screenshots"
FIELD, RANGE = "effective_strain_percent", (0.0, 1.0)
TITLES = ("L1", "L2", "L3")


def lookup() -> vtk.vtkLookupTable:
    """Viridis by five of its colors."""
    colors = vtk.vtkColorTransferFunction()
    for place, rgb in zip(
        np.linspace(0, 1, 5),
        (
            (0.267, 0.005, 0.329),
            (0.230, 0.322, 0.546),
            (0.128, 0.567, 0.551),
            (0.369, 0.789, 0.383),
            (0.993, 0.906, 0.144),
        ),
        strict=True,
    ):
        colors.AddRGBPoint(place, *rgb)
    table = vtk.vtkLookupTable()
    table.SetNumberOfTableValues(256)
    for n in range(256):
        table.SetTableValue(n, *colors.GetColor(n / 255), 1.0)
    table.SetRange(*RANGE)
    return table


def actor(path: Path, table: vtk.vtkLookupTable) -> vtk.vtkActor:
    """Half of a model, cut at its sagittal middle."""
    reader = vtk.vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    bone = vtk.vtkThreshold()
    bone.SetInputData(grid)
    bone.SetInputArrayToProcess(0, 0, 0, vtk.vtkDataObject.FIELD_ASSOCIATION_CELLS, "bone")
    bone.SetUpperThreshold(0.5)
    bone.SetThresholdFunction(vtk.vtkThreshold.THRESHOLD_UPPER)
    plane = vtk.vtkPlane()
    plane.SetOrigin(grid.GetCenter())
    plane.SetNormal(1, 0, 0)
    half = vtk.vtkExtractGeometry()
    half.SetInputConnection(bone.GetOutputPort())
    half.SetImplicitFunction(plane)
    surface = vtk.vtkDataSetSurfaceFilter()
    surface.SetInputConnection(half.GetOutputPort())
    mapper = vtk.vtkPolyDataMapper()
    mapper.SetInputConnection(surface.GetOutputPort())
    mapper.SetScalarModeToUseCellFieldData()
    mapper.SelectColorArray(FIELD)
    mapper.SetLookupTable(table)
    mapper.UseLookupTableScalarRangeOn()
    made = vtk.vtkActor()
    made.SetMapper(mapper)
    made.GetProperty().SetAmbient(0.35)
    return made


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "case").mkdir()
        write_case(demo_study(TITLES), Settings(), folder / "case")
        if run_command(["case", str(folder / "case"), "--out", str(folder / "out")]):
            return 1
        table, renderer = lookup(), vtk.vtkRenderer()
        renderer.SetBackground(1, 1, 1)
        for title in TITLES:
            part = actor(folder / "out" / f"{title}_model.vtu", table)
            renderer.AddActor(part)
            bounds = part.GetBounds()
            text = vtk.vtkBillboardTextActor3D()
            text.SetInput(title)
            text.SetPosition(bounds[0], bounds[3] + 14, 0.5 * (bounds[4] + bounds[5]))
            text.GetTextProperty().SetColor(0.1, 0.1, 0.1)
            text.GetTextProperty().SetFontSize(30)
            renderer.AddActor(text)
        bar = vtk.vtkScalarBarActor()
        bar.SetLookupTable(table)
        bar.SetTitle("Effective strain at\nfailure load [%]\n ")
        bar.SetNumberOfLabels(6)
        bar.SetLabelFormat("%.1f" if vtk.vtkVersion().GetVTKMajorVersion() < 10 else "{:.1f}")
        bar.SetUnconstrainedFontSize(True)
        bar.SetPosition(0.80, 0.15)
        bar.SetWidth(0.13)
        bar.SetHeight(0.7)
        for words in (bar.GetTitleTextProperty(), bar.GetLabelTextProperty()):
            words.SetColor(0.1, 0.1, 0.1)
            words.SetFontSize(20)
            words.ItalicOff()
            words.ShadowOff()
        renderer.AddViewProp(bar)
        save(renderer, TARGET / "results_3d.png")
    return 0


def save(renderer: vtk.vtkRenderer, path: Path) -> None:
    window = vtk.vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetSize(1100, 800)
    window.SetMultiSamples(8)
    window.AddRenderer(renderer)
    camera = renderer.GetActiveCamera()
    camera.SetPosition(-1, 0.55, 0.25)
    camera.SetFocalPoint(0, 0, 0)
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCamera()
    camera.Zoom(1.1)
    window.Render()
    shot = vtk.vtkWindowToImageFilter()
    shot.SetInput(window)
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputConnection(shot.GetOutputPort())
    writer.Write()


if __name__ == "__main__":
    sys.exit(main())
