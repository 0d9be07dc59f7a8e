"""Charts of the report as vector drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from BoneStrengthFEALib.report.drawing import (
    ACCENT,
    AXIS,
    GRID,
    INK,
    SMALL,
    Disc,
    Drawing,
    Label,
    Path,
    Point,
    Shape,
    polyline,
    rectangle,
)
from BoneStrengthFEALib.report.words import Words, number, with_unit
from BoneStrengthFEALib.results import CurvePoint, SweepPoint
from BoneStrengthFEALib.risk.cut_offs import CutOff

WIDTH, HEIGHT = 258.0, 150.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 8.0, 16.0, 26.0
CLASSES = ("#e08d79", "#edd28a", "#9fcaa5")
"""From the worst class to the best."""


@dataclass(frozen=True)
class Frame:
    """Axes of a chart.

    Parameters
    ----------
    low, high
        Corners of what is shown, (x, y).
    """

    low: Point
    high: Point

    def at(self, x: float, y: float) -> Point:
        """Place of a value.

        Parameters
        ----------
        x, y
            Values.

        Returns
        -------
        Point [pt].
        """
        across = (x - self.low[0]) / ((self.high[0] - self.low[0]) or 1.0)
        up = (y - self.low[1]) / ((self.high[1] - self.low[1]) or 1.0)
        return (LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))

    def axes(self, x_title: str, y_title: str) -> list[Shape]:
        """Grid, numbers and titles.

        Parameters
        ----------
        x_title, y_title
            Titles with units.

        Returns
        -------
        Shapes.
        """
        shapes: list[Shape] = []
        for value in nice(self.low[0], self.high[0]):
            x = self.at(value, self.low[1])[0]
            shapes.append(Path(((x, TOP), (x, HEIGHT - BOTTOM)), GRID))
            shapes.append(Label(x, HEIGHT - BOTTOM + 8.5, f"{value:g}", "middle"))
        for value in nice(self.low[1], self.high[1]):
            y = self.at(self.low[0], value)[1]
            shapes.append(Path(((LEFT, y), (WIDTH - RIGHT, y)), GRID))
            shapes.append(Label(LEFT - 3, y + 2, f"{value:g}", "end"))
        shapes.append(rectangle(LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM, AXIS))
        shapes.append(Label((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 7, x_title, "middle"))
        shapes.append(Label(LEFT - 30, TOP - 6, y_title))
        return shapes


def nice(low: float, high: float) -> list[float]:
    """Round numbers within a range.

    Parameters
    ----------
    low, high
        Range.

    Returns
    -------
    At most seven numbers with a step of 1, 2 or 5 times a power of ten.
    """
    if not high > low:
        return [low]
    step = float(10.0 ** np.floor(np.log10((high - low) / 2)))
    while (high - low) / step > 6:
        step *= 2 if (high - low) / step < 12 else 5
    first = np.ceil(low / step) * step
    return [float(v) + 0.0 for v in np.arange(first, high + 1e-9 * step, step)]


def curve_chart(curve: Sequence[CurvePoint], say: Words) -> Drawing:
    """Force over displacement of a nonlinear analysis, with the share of yielded elements at the points.

    Parameters
    ----------
    curve
        Points by increasing displacement.
    say
        Words.

    Returns
    -------
    Drawing.
    """
    points = [(0.0, 0.0), *((p.displacement_mm, p.force_n) for p in curve)]
    frame = Frame((0.0, 0.0), (max(x for x, _ in points) * 1.04, max(y for _, y in points) * 1.08))
    shapes = frame.axes(say("displacement_mm"), say("force_n"))
    shapes.append(polyline([frame.at(*point) for point in points], ACCENT))
    for point in curve:
        tip = say("curve_point", force=f"{point.force_n:.0f}", percent=f"{100 * point.plastic_fraction:.0f}")
        shapes.append(Disc(*frame.at(point.displacement_mm, point.force_n), 1.6, tip=tip))
    return Drawing(WIDTH, HEIGHT, tuple(shapes), say("chart_curve"))


def sweep_chart(falls: Sequence[SweepPoint], say: Words) -> Drawing:
    """Failure load over the direction of the fall; the weakest is larger.

    Parameters
    ----------
    falls
        At least two falls.
    say
        Words.

    Returns
    -------
    Drawing.
    """
    points = sorted((p.rotation_deg, p.force_n) for p in falls)
    least = min(force for _, force in points)
    frame = Frame((points[0][0] - 2.0, 0.0), (points[-1][0] + 2.0, 1.15 * max(force for _, force in points)))
    shapes = frame.axes(say("rotation_axis"), say("load_axis"))
    shapes.append(polyline([frame.at(*point) for point in points], ACCENT))
    shapes += [Disc(*frame.at(*point), 3.2 if point[1] == least else 1.8) for point in points]
    return Drawing(WIDTH, HEIGHT, tuple(shapes), say("chart_sweep"))


def threshold_bar(value: float, row: CutOff, title: str, say: Words) -> Drawing:
    """A value on a bar of three classes.

    Parameters
    ----------
    value
        The value.
    row
        Limits and names of the classes.
    title
        What the value is.
    say
        Words.

    Returns
    -------
    Drawing.
    """
    between = row.normal_limit - row.low_limit
    bottom = min(row.low_limit - 1.4 * between, value - 0.2 * between)
    top = max(row.normal_limit + 1.4 * between, value + 0.2 * between)
    edges = [bottom, row.low_limit, row.normal_limit, top]

    def place(number: float) -> float:
        return WIDTH * min(max((number - bottom) / (top - bottom), 0.0), 1.0)

    shapes: list[Shape] = [Label(0, 8, title, size=SMALL + 0.5)]
    for n, (name, colour) in enumerate(zip(row.classes, CLASSES, strict=True)):
        left, right = place(edges[n]), place(edges[n + 1])
        words = say.text(name)
        # letters of the font are at most 0.62 of its size wide on average
        size = min(SMALL, (right - left - 2) / (0.62 * len(words)))
        shapes.append(rectangle(left, 25, right - left, 12, "", colour))
        shapes.append(Label((left + right) / 2, 33.4, words, "middle", size))
        if n:
            shapes.append(
                Label(left, 45, with_unit(f"{edges[n]:.{row.decimals if not row.unit else 0}f}", row.unit), "middle")
            )
    x = place(value)
    anchor = "start" if x < 30 else "end" if x > WIDTH - 30 else "middle"
    shown = f"{value:.{row.decimals}f}" if row.decimals else number(value, row.unit)
    shapes.append(Path(((x, 25.0), (x - 3.5, 20.0), (x + 3.5, 20.0), (x, 25.0)), "", INK))
    shapes.append(Label(x, 17.5, with_unit(shown, row.unit), anchor, SMALL + 0.5, INK, True))
    return Drawing(WIDTH, 48, tuple(shapes), f"{title}: {say('chart_classes')}")


def sample(name: str, say: Words) -> str:
    """Name of a calibration sample for people.

    Parameters
    ----------
    name
        As in the calibration.
    say
        Words.

    Returns
    -------
    Words.
    """
    return say.text(name.replace("_", " "))
