"""Unstructured grids as .vtu files (VTK XML, inline base64), for 3D Slicer and ParaView; written without vtk."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.volume import Array, FloatArray

VTK_HEXAHEDRON = 12
CORNERS_XYZ = ((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))
"""Corner order of a VTK hexahedron as offsets along x, y, z."""
_TYPES = {"f4": "Float32", "f8": "Float64", "i8": "Int64", "u1": "UInt8"}


def write_vtu(
    path: Path,
    model: FeModel,
    elements: Array,
    cell_data: Mapping[str, Array],
    displacement_mm: FloatArray | None = None,
    node_data: Mapping[str, Array] | None = None,
) -> None:
    """Write elements of a model as hexahedra in RAS.

    Parameters
    ----------
    path
        File to write, atomically.
    model
        The model; its grid places the elements.
    elements
        (K, J, I) bool, elements to write.
    cell_data
        Name with unit to (n,) or (n, c) values, in C order of (k, j, i) of the elements.
    displacement_mm
        (K+1, J+1, I+1, 3) displacement along the model's x, y, z [mm], or None.

    node_data
        Name to (nodes,) or (nodes, c) values for every node of the node grid, written as they are.

    Raises
    ------
    OutputError
        When it cannot be written.

    References
    ----------
    VTK File Formats, XML file formats, UnstructuredGrid; DataArray format="binary" with header_type UInt64.
    """
    nodes, cells = _connect(elements, model.node_shape)
    rows, columns, slices = np.unravel_index(nodes, model.node_shape)[::-1]
    # node (0, 0, 0) is the corner of the first element, half a voxel before its centre
    points = model.grid.to_ras(np.stack([rows, columns, slices], axis=-1).astype(np.float64) - 0.5)
    point_data = {name: np.asarray(values)[nodes] for name, values in (node_data or {}).items()}
    if displacement_mm is not None:
        axes = model.grid.ijk_to_ras[:3, :3] / np.asarray(model.grid.spacing_mm)
        local = np.nan_to_num(displacement_mm.reshape(-1, 3)[nodes])
        point_data["displacement_mm"] = (local @ axes.T).astype("f4")
    write_text(path, _document(points.astype("f4"), cells, cell_data, point_data))


def _connect(elements: Array, node_shape: tuple[int, int, int]) -> tuple[Array, Array]:
    kji = np.argwhere(elements)
    corners = np.array(CORNERS_XYZ)[:, ::-1]
    ids = np.ravel_multi_index(tuple((kji[:, None, :] + corners[None]).reshape(-1, 3).T), node_shape)
    nodes, places = np.unique(ids, return_inverse=True)
    return nodes, places.reshape(-1, 8)


def _document(points: Array, cells: Array, cell_data: Mapping[str, Array], point_data: Mapping[str, Array]) -> str:
    count = len(cells)
    lines = [
        '<?xml version="1.0"?>',
        '<VTKFile type="UnstructuredGrid" version="1.0" byte_order="LittleEndian" header_type="UInt64">',
        f'<UnstructuredGrid><Piece NumberOfPoints="{len(points)}" NumberOfCells="{count}">',
        "<Points>",
        _array("Points", points),
        "</Points>",
        "<Cells>",
        _array("connectivity", cells.astype("i8").ravel()),
        _array("offsets", (8 * np.arange(1, count + 1)).astype("i8")),
        _array("types", np.full(count, VTK_HEXAHEDRON, "u1")),
        "</Cells>",
        "<CellData>",
        *(_array(name, np.asarray(values)) for name, values in cell_data.items()),
        "</CellData>",
        "<PointData>",
        *(_array(name, values) for name, values in point_data.items()),
        "</PointData>",
        "</Piece></UnstructuredGrid></VTKFile>",
    ]
    return "\n".join(lines) + "\n"


def _array(name: str, values: Array) -> str:
    kind = values.dtype.str[1:]
    if kind not in _TYPES:
        values, kind = values.astype("f4"), "f4"
    raw = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
    text = base64.b64encode(np.uint64(len(raw)).astype("<u8").tobytes() + raw).decode("ascii")
    width = values.shape[1] if values.ndim == 2 else 1
    head = f'type="{_TYPES[kind]}" Name="{name}" NumberOfComponents="{width}" format="binary"'
    return f"<DataArray {head}>{text}</DataArray>"
