"""Evidence of a calibration for the PDF: histograms of its samples, and HU of phantom rods along the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from BoneStrengthFEALib.calibration import Calibration, CalibrationPoint
from BoneStrengthFEALib.report.calibration_charts import AXIS, BAR, COLOURS, MARK
from BoneStrengthFEALib.report.pdf_text import INK

COLUMNS, PANEL, GAP = 4, 62.0, 8.0
"""Histograms in a row; their height and distance [pt]."""


def evidence(calibration: Calibration, width: float) -> list[Any]:
    """All charts of a calibration's samples.

    Parameters
    ----------
    calibration
        Calibration.
    width
        Width [pt].

    Returns
    -------
    Drawings; none when no sample was kept.
    """
    shown = [p for p in calibration.points if p.histogram_counts]
    rods = [p for p in calibration.points if np.isfinite(p.slice_hu).sum() > 1]
    drawings = [histograms(shown, width)] if shown else []
    return [*drawings, rods_along_table(rods, width)] if rods else drawings


def histograms(points: Sequence[CalibrationPoint], width: float) -> Any:
    """Histograms side by side.

    Parameters
    ----------
    points
        Samples with histograms.
    width
        Width [pt].

    Returns
    -------
    Drawing.
    """
    from reportlab.graphics.shapes import Drawing

    rows = -(-len(points) // COLUMNS)
    drawing = Drawing(width, rows * (PANEL + GAP))
    panel = (width - GAP * (COLUMNS - 1)) / COLUMNS
    for n, point in enumerate(points):
        row, column = divmod(n, COLUMNS)
        corner = (column * (panel + GAP), (rows - 1 - row) * (PANEL + GAP) + 10.0)
        _histogram(drawing, point, corner, (panel, PANEL - 20.0))
    return drawing


def _histogram(drawing: Any, point: CalibrationPoint, corner: tuple[float, float], size: tuple[float, float]) -> None:
    from reportlab.graphics.shapes import Line, Rect
    from reportlab.lib.colors import HexColor

    edges, counts = np.array(point.histogram_edges_hu), np.array(point.histogram_counts)
    x = corner[0] + (edges - edges[0]) / np.ptp(edges) * size[0]
    heights = counts / max(int(counts.max()), 1) * size[1]
    for left, right, height in zip(x[:-1], x[1:], heights, strict=True):
        drawing.add(Rect(left, corner[1], right - left, height, fillColor=HexColor(BAR), strokeColor=None))
    mean = corner[0] + (point.hu_mean - edges[0]) / np.ptp(edges) * size[0]
    drawing.add(Line(corner[0], corner[1], corner[0] + size[0], corner[1], strokeColor=HexColor(AXIS), strokeWidth=0.5))
    drawing.add(Line(mean, corner[1], mean, corner[1] + size[1], strokeColor=HexColor(MARK), strokeWidth=0.8))
    words = f"{point.name.replace('_', ' ')}: {point.hu_mean:.0f} HU, SD {point.hu_sd:.0f}"
    drawing.add(_text(corner[0], corner[1] + size[1] + 2.5, words, "start"))
    drawing.add(_text(corner[0], corner[1] - 7.5, f"{edges[0]:g}", "start"))
    drawing.add(_text(corner[0] + size[0], corner[1] - 7.5, f"{edges[-1]:g} HU", "end"))


def rods_along_table(points: Sequence[CalibrationPoint], width: float, height: float = 96.0) -> Any:
    """HU of each rod less its mean, slice by slice.

    Parameters
    ----------
    points
        Rods with slice_hu.
    width, height
        Size [pt].

    Returns
    -------
    Drawing.
    """
    from reportlab.graphics.shapes import Drawing, Line, PolyLine, Rect
    from reportlab.lib.colors import HexColor

    values = [np.array(p.slice_hu) - np.nanmean(p.slice_hu) for p in points]
    reach = max(5.0, *(float(np.nanmax(np.abs(v))) for v in values)) * 1.05
    slices = max(v.size for v in values)
    left, below, wide, half = 34.0, 14.0, width - 120.0, (height - 18.0) / 2
    middle = below + half
    drawing = Drawing(width, height)
    drawing.add(Rect(left, below, wide, 2 * half, fillColor=None, strokeColor=HexColor(AXIS), strokeWidth=0.5))
    drawing.add(Line(left, middle, left + wide, middle, strokeColor=HexColor(AXIS), strokeWidth=0.4))
    for place, text in ((below, f"-{reach:.0f}"), (middle, "0 HU"), (below + 2 * half, f"+{reach:.0f}")):
        drawing.add(_text(left - 3, place - 2, text, "end"))
    for n, (point, series) in enumerate(zip(points, values, strict=True)):
        known = np.flatnonzero(np.isfinite(series))
        x, y = left + wide * known / max(slices - 1, 1), middle + half * series[known] / reach
        colour = COLOURS[n % len(COLOURS)]
        path = np.stack([x, y], axis=1).ravel().tolist()
        drawing.add(PolyLine(path, strokeColor=HexColor(colour), strokeWidth=0.8))
        drawing.add(_text(left + wide + 6, below + 2 * half - 7 - 8 * n, point.name, "start", colour))
    drawing.add(
        _text(left + wide / 2, 3, f"rods along the table, slice 1 to {slices}: HU less the rod's mean", "middle")
    )
    return drawing


def _text(x: float, y: float, text: str, anchor: str, colour: str = INK) -> Any:
    from reportlab.graphics.shapes import String
    from reportlab.lib.colors import HexColor

    return String(x, y, text, fontName="Report", fontSize=6, textAnchor=anchor, fillColor=HexColor(colour))
