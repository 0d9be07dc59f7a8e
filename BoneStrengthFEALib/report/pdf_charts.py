"""Charts of the PDF as vector drawings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from BoneStrengthFEALib.calibration import Calibration
from BoneStrengthFEALib.report.pdf_text import ACCENT, INK

LOW, MIDDLE, HIGH, MARK, RULE = "#d9694f", "#e9c46a", "#7fb685", "#c8553d", "#8a94a0"


def threshold_bar(value: float, limits: Sequence[float], names: Sequence[str], unit: str, width: float) -> Any:
    """A value on a bar of three classes.

    Parameters
    ----------
    value
        Value.
    limits
        Two ascending limits.
    names
        Three class names, low to high.
    unit
        Unit.
    width
        Width [pt].

    Returns
    -------
    Drawing.
    """
    from reportlab.graphics.shapes import Drawing, Polygon, Rect
    from reportlab.lib.colors import HexColor

    top = max(limits[-1] * 1.4, value * 1.1)
    edges = [0.0, *limits, top]
    drawing = Drawing(width, 40)
    for n, (name, colour) in enumerate(zip(names, (LOW, MIDDLE, HIGH), strict=True)):
        x0, x1 = (width * edge / top for edge in edges[n : n + 2])
        drawing.add(Rect(x0, 12, x1 - x0, 12, fillColor=HexColor(colour), strokeColor=None))
        drawing.add(_string((x0 + x1) / 2, 15.5, name, "middle", 6.0))
        if n:
            drawing.add(_string(x0, 3, f"{edges[n]:g}", "middle", 6.0))
    x = width * min(max(value, 0.0), top) / top
    drawing.add(Polygon([x, 24, x - 3.5, 29, x + 3.5, 29], fillColor=HexColor(INK), strokeColor=None))
    anchor = "start" if x < 30 else "end" if x > width - 30 else "middle"
    drawing.add(_string(x, 31, f"{value:g} {unit}", anchor, 7.0))
    return drawing


def calibration_plot(calibration: Calibration, width: float, height: float) -> Any:
    """Density over HU with the samples.

    Parameters
    ----------
    calibration
        Calibration.
    width, height
        Size [pt].

    Returns
    -------
    Drawing.
    """
    means = np.array([point.hu_mean for point in calibration.points])
    low, high = min([-150.0, *means]) - 50, max([700.0, *means]) + 50
    hu = np.linspace(low, high, 60)
    marks = [(p.hu_mean, float(calibration.density(p.hu_mean)), p.name) for p in calibration.points]
    title = f"{calibration.quantity.value} (mg/cm³)"
    return xy_plot((hu, calibration.density(hu)), marks, ("HU", title), width, height)


def xy_plot(
    line: tuple[Any, Any],
    marks: Sequence[tuple[float, float, str]],
    titles: tuple[str, str],
    width: float,
    height: float,
) -> Any:
    """A line with marked points.

    Parameters
    ----------
    line
        x (n,) and y (n,).
    marks
        Points with names.
    titles
        Titles of x and y.
    width, height
        Size [pt].

    Returns
    -------
    Drawing.
    """
    from reportlab.graphics.shapes import Circle, Drawing, PolyLine, Rect
    from reportlab.lib.colors import HexColor

    x, y = (np.asarray(values, dtype=np.float64) for values in line)
    low, span = np.array([x.min(), y.min()]), np.array([np.ptp(x), np.ptp(y)])
    span[span == 0] = 1.0
    corner, size = np.array([46.0, 26.0]), np.array([width - 56.0, height - 44.0])
    drawing = Drawing(width, height)
    drawing.add(Rect(*corner, *size, fillColor=None, strokeColor=HexColor(RULE), strokeWidth=0.5))
    for n in range(5):
        value = low + span * n / 4
        place = corner + size * n / 4
        drawing.add(_string(place[0], corner[1] - 9, f"{value[0]:.4g}", "middle", 6.0))
        drawing.add(_string(corner[0] - 3, place[1] - 2, f"{value[1]:.4g}", "end", 6.0))
    points = (np.stack([x, y], axis=1) - low) / span * size + corner
    drawing.add(PolyLine(points.ravel().tolist(), strokeColor=HexColor(ACCENT), strokeWidth=1.2))
    for n, (mx, my, name) in enumerate(marks):
        px, py = (np.array([mx, my]) - low) / span * size + corner
        drawing.add(Circle(px, py, 2, fillColor=HexColor(MARK), strokeColor=None))
        drawing.add(_string(px + 4, py - 8 if n % 2 else py + 4, name, "end" if n % 2 == 0 else "start", 6.0))
    drawing.add(_string(corner[0] + size[0] / 2, 4, titles[0], "middle", 7.0))
    drawing.add(_string(corner[0], height - 11, titles[1], "start", 7.0))
    return drawing


def _string(x: float, y: float, text: str, anchor: str, size: float) -> Any:
    from reportlab.graphics.shapes import String
    from reportlab.lib.colors import HexColor

    return String(x, y, text, fontName="Report", fontSize=size, textAnchor=anchor, fillColor=HexColor(INK))
