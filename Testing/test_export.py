"""Models for other codes: CalculiX solves our .inp, an assembly in this test solves our .feb, vtk reads our .vtu."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from test_load_case_femur import loaded
from test_validation_codes import calculix_reactions, heterogeneous_block, reactions_of, two_materials

from BoneStrengthFEALib.case_folder import write_case
from BoneStrengthFEALib.cli import main
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.export import write_feb, write_vtu
from BoneStrengthFEALib.export.model_files import model_cells, model_points
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.settings import ModelSettings, Settings
from BoneStrengthFEALib.solver import SolverOptions, solve_linear

HEX_SIGNS = np.array(
    [(-1, -1, -1), (1, -1, -1), (1, 1, -1), (-1, 1, -1), (-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)]
)


def hex8_stiffness(points: np.ndarray, young: float, ratio: float) -> np.ndarray:
    """(24, 24) stiffness of a trilinear brick, 2 x 2 x 2 Gauss points, as FEBio's hex8 has it."""
    first = young * ratio / ((1 + ratio) * (1 - 2 * ratio))
    shear = young / (2 * (1 + ratio))
    elastic = np.zeros((6, 6))
    elastic[:3, :3] = first
    elastic += np.diag([2 * shear] * 3 + [shear] * 3)
    total = np.zeros((24, 24))
    for point in HEX_SIGNS / np.sqrt(3):
        terms = 1 + HEX_SIGNS * point
        slopes = np.stack([HEX_SIGNS[:, a] * terms[:, (a + 1) % 3] * terms[:, (a + 2) % 3] / 8 for a in range(3)])
        jacobian = slopes @ points
        x, y, z = np.linalg.solve(jacobian, slopes)
        strain = np.zeros((6, 24))
        strain[0, 0::3], strain[1, 1::3], strain[2, 2::3] = x, y, z
        strain[3, 0::3], strain[3, 1::3] = y, x
        strain[4, 1::3], strain[4, 2::3] = z, y
        strain[5, 0::3], strain[5, 2::3] = z, x
        total += strain.T @ elastic @ strain * np.linalg.det(jacobian)
    return total


def numbers(text: str | None) -> list[float]:
    return [float(v) for v in (text or "").replace("\n", "").split(",")]


class FebFile:
    """What a .feb says, read by its own names."""

    def __init__(self, path: Path) -> None:
        self.root = ElementTree.parse(path).getroot()
        self.points = np.array([numbers(n.text) for n in self.root.iterfind("Mesh/Nodes/node")])
        self.sets = {s.get("name"): [int(v) - 1 for v in numbers(s.text)] for s in self.root.iterfind("Mesh/NodeSet")}
        self.maps = {
            d.get("name"): [float(v.text or "") for v in d] for d in self.root.find("MeshData") or ()
        }  # fmt: skip

    def elements(self) -> list[tuple[list[int], float, float]]:
        ratio = {m.get("name"): float(m.findtext("v") or "") for m in self.root.iterfind("Material/material")}
        young = {m.get("name"): m.findtext("E") or "" for m in self.root.iterfind("Material/material")}
        material = {d.get("name"): d.get("mat") for d in self.root.iterfind("MeshDomains/SolidDomain")}
        found = []
        for part in self.root.iterfind("Mesh/Elements"):
            name = material[part.get("name")]
            values = self.maps[young[name]]
            assert len(values) == len(part)
            for element, value in zip(part, values, strict=True):
                found.append(([int(v) - 1 for v in numbers(element.text)], value, ratio[name]))
        return found

    def values(self, entry: ElementTree.Element, tag: str, count: int) -> np.ndarray:
        value = entry.find(tag)
        assert value is not None
        if value.get("type") == "map":
            return np.array(self.maps[value.text])
        return np.full(count, float(value.text or ""))

    def solve(self) -> dict[str | None, float]:
        size = 3 * len(self.points)
        rows, columns, entries = [], [], []
        for corners, young, ratio in self.elements():
            dofs = (3 * np.array(corners)[:, None] + np.arange(3)).ravel()
            rows.append(np.repeat(dofs, 24))
            columns.append(np.tile(dofs, 24))
            entries.append(hex8_stiffness(self.points[corners], young, ratio).ravel())
        matrix = scipy.sparse.csr_matrix(
            (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))), (size, size)
        )
        moved, force, where = np.full(size, np.nan), np.zeros(size), {}
        for entry in self.root.iterfind("Boundary/bc"):
            nodes = np.array(self.sets[entry.get("node_set")])
            if entry.get("type") == "zero displacement":
                axis = next(a for a in "xyz" if entry.findtext(f"{a}_dof") == "1")
                values = np.zeros(len(nodes))
            else:
                axis = entry.findtext("dof") or ""
                values = self.values(entry, "value", len(nodes))
            where[entry.get("name")] = 3 * nodes + "xyz".index(axis)
            moved[where[entry.get("name")]] = values
        for entry in self.root.iterfind("Loads/nodal_load"):
            nodes = np.array(self.sets[entry.get("node_set")])
            np.add.at(
                force, 3 * nodes + "xyz".index(entry.findtext("dof") or ""), self.values(entry, "scale", len(nodes))
            )
        free = np.isnan(moved)
        moved[free] = 0.0
        moved[free] = scipy.sparse.linalg.spsolve(matrix[free][:, free], (force - matrix @ moved)[free])
        reaction = matrix @ moved - force
        return {name: float(reaction[dofs].sum()) for name, dofs in where.items()}


def wedged() -> FeModel:
    """Displacements that differ from node to node."""
    from dataclasses import replace

    model = two_materials()
    top = model.prescribed[-1]
    values = np.linspace(-0.02, -0.14, len(top.nodes))
    return replace(model, prescribed=(*model.prescribed[:-1], replace(top, value_mm=values)))


@pytest.mark.parametrize("make", [heterogeneous_block, two_materials, wedged])
def test_febio_file_holds_the_model(make: object, tmp_path: Path) -> None:
    model: FeModel = make()  # type: ignore[operator]
    write_feb(model, tmp_path / "model.feb")
    file = FebFile(tmp_path / "model.feb")
    assert file.root.get("version") == "4.0"
    order = [child.tag for child in file.root]
    assert order[:5] == ["Module", "Control", "Material", "Mesh", "MeshDomains"]
    assert {"MeshData", "Boundary", "LoadData", "Output"} <= set(order)
    theirs, ours = file.solve(), solve_linear(model, SolverOptions(tolerance=1e-10)).reactions_n
    largest = max(abs(v) for v in theirs.values())
    for condition in model.prescribed:
        assert abs(ours[condition.name][condition.component] - theirs[condition.name]) < 1e-6 * largest


def test_half_the_load_gives_half_the_reaction(tmp_path: Path) -> None:
    write_feb(heterogeneous_block(), tmp_path / "a.feb")
    write_feb(heterogeneous_block(), tmp_path / "b.feb", scale=0.5)
    whole, half = FebFile(tmp_path / "a.feb").solve(), FebFile(tmp_path / "b.feb").solve()
    assert half["top2"] == pytest.approx(0.5 * whole["top2"], rel=1e-9)


@pytest.mark.parametrize("name", ["femur-fall", "femur-stance"])
def test_femur_in_calculix_has_the_same_reaction(name: str, tmp_path: Path) -> None:
    model = loaded(name, settings=ModelSettings(), voxel_mm=4.0).model
    theirs = calculix_reactions(model, tmp_path)["head"][2]
    ours = solve_linear(model, SolverOptions(tolerance=1e-10)).reactions_n["head"][2]
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_vtu_holds_materials_and_conditions(tmp_path: Path) -> None:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    model = two_materials()
    write_vtu(tmp_path / "m.vtu", model, model.elements, model_cells(model), None, model_points(model))
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(tmp_path / "m.vtu"))
    reader.Update()
    grid = reader.GetOutput()
    young = vtk_to_numpy(grid.GetCellData().GetArray("young_mpa"))
    np.testing.assert_allclose(young, model.young_mpa.ravel())
    moved = vtk_to_numpy(grid.GetPointData().GetArray("prescribed_mm"))
    held = vtk_to_numpy(grid.GetPointData().GetArray("prescribed_xyz"))
    assert moved[:, 2].min() == pytest.approx(-0.08)
    assert held.sum() == sum(len(p.nodes) for p in model.prescribed)


def test_export_command_from_a_case_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    case.mkdir()
    write_case(demo_study(("L2",)), Settings(), case)
    forms = ["--format", "inp", "--format", "vtu", "--format", "feb"]
    out = tmp_path / "models"
    arguments = ["export", str(case), *forms, "--set", "model.voxel_mm=3", "--out", str(out)]
    assert main(arguments) == 0
    assert sorted(p.name for p in out.iterdir()) == ["L2.feb", "L2.inp", "L2.vtu", "models.json"]
    record = json.loads((out / "models.json").read_text(encoding="utf-8"))["models"][0]
    assert record["load_case"] == "vertebra-compression/1"
    assert {s["name"] for s in record["sets"]} == {"bottom", "top"}
    assert record["element_mm"] == pytest.approx([3.0, 3.0, 3.0])
    assert "L2" in capsys.readouterr().out
    assert main(arguments) != 0
    assert main([*arguments, "--overwrite"]) == 0


def test_export_command_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "ct.nii.gz"), "--format", "inp", "--out", str(tmp_path / "o")]) == 2
    assert "--labels" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["femur-fall", "femur-stance"])
def test_real_hip_exported_and_solved_by_calculix(case: str, reference_data: Path, tmp_path: Path) -> None:
    """From DICOM on the command line; the same arguments to run and export."""
    folder = reference_data / "hip_sts044"
    named = {"labels": folder / "femur_right_mask.nii.gz", "tissues": folder / "tissue_rois.nii.gz"}
    named |= {"label": "1", "site": "femur", "side": "right", "tissue-numbering": "none"}
    arguments = [str(folder / "dicom"), *(f"--{name}={value}" for name, value in named.items())]
    arguments += [f"--set=model.load_case={case}", "--set=model.voxel_mm=3", "--set=solver.tolerance=1e-9"]
    assert main(["run", *arguments, "--out", str(tmp_path / "run")]) == 0
    assert main(["export", *arguments, "--format", "inp", "--out", str(tmp_path / "inp")]) == 0
    ours = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))["sites"][0]["model"]["numbers"]
    theirs = reactions_of(tmp_path / "inp" / "right_femur.inp")["head"][2]
    assert ours["reaction_head_n"] == pytest.approx(abs(theirs), rel=1e-5)
