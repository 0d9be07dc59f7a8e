"""Evidence of a calibration as drawings: histograms of its samples, and HU of phantom rods along the table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from BoneStrengthFEALib.calibration import Calibration, CalibrationPoint
from BoneStrengthFEALib.report.charts import sample
from BoneStrengthFEALib.report.drawing import (
    AXIS,
    MARK,
    SMALL,
    Drawing,
    Label,
    Path,
    Shape,
    polyline,
    rectangle,
)
from BoneStrengthFEALib.report.view import Block, Figures
from BoneStrengthFEALib.report.words import Words

HISTOGRAM = (126.0, 62.0)
RODS = (525.0, 96.0)
"""Sizes [pt]."""
BAR = "#7fb0c4"
COLOURS = ("#1f6f8b", "#c8553d", "#5b8c5a", "#8a5a9e", "#b07a12", "#3a4a5a", "#d97b93", "#4aa3a3")


def evidence(calibration: Calibration, say: Words) -> list[Block]:
    """All charts of a calibration's samples.

    Parameters
    ----------
    calibration
        Calibration.
    say
        Words.

    Returns
    -------
    Blocks; none when no sample was kept.
    """
    shown = [p for p in calibration.points if p.histogram_counts]
    followed = [p for p in calibration.points if np.isfinite(p.slice_hu).sum() > 1]
    blocks: list[Block] = []
    if shown:
        blocks.append(Figures(tuple((histogram(p, say), "") for p in shown), columns=4))
    if followed:
        blocks.append(Figures(((rods_along_table(followed, say), ""),), columns=1))
    return blocks


def histogram(point: CalibrationPoint, say: Words) -> Drawing:
    """Histogram of one sample with its mean.

    Parameters
    ----------
    point
        Sample with a histogram.
    say
        Words.

    Returns
    -------
    Drawing.
    """
    width, height = HISTOGRAM
    edges, counts = np.array(point.histogram_edges_hu), np.array(point.histogram_counts)
    x = 2 + (edges - edges[0]) / np.ptp(edges) * (width - 4)
    base, top = height - 11, 11.0
    tall = (base - top) * counts / max(int(counts.max()), 1)
    shapes: list[Shape] = [
        rectangle(float(left), float(base - high), float(right - left), float(high), "", BAR)
        for left, right, high in zip(x[:-1], x[1:], tall, strict=True)
    ]
    mean = float(2 + (point.hu_mean - edges[0]) / np.ptp(edges) * (width - 4))
    shapes.append(Path(((2.0, base), (width - 2, base)), AXIS))
    shapes.append(Path(((mean, top), (mean, base)), MARK, width=0.9))
    shapes.append(Label(2, 7, f"{sample(point.name)}: {point.hu_mean:.0f} HU, SD {point.hu_sd:.0f}", bold=True))
    shapes.append(Label(2, height - 3, f"{edges[0]:g}"))
    shapes.append(Label(width - 2, height - 3, f"{edges[-1]:g} HU", "end"))
    return Drawing(width, height, tuple(shapes), say("chart_histogram", name=sample(point.name)))


def rods_along_table(points: Sequence[CalibrationPoint], say: Words) -> Drawing:
    """HU of each rod less its mean, slice by slice.

    Parameters
    ----------
    points
        Rods with slice_hu.
    say
        Words.

    Returns
    -------
    Drawing.
    """
    width, height = RODS
    values = [np.array(p.slice_hu) - np.nanmean(p.slice_hu) for p in points]
    reach = max(5.0, *(float(np.nanmax(np.abs(v))) for v in values)) * 1.05
    slices = max(v.size for v in values)
    left, top, wide, tall = 30.0, 4.0, width - 116.0, height - 20.0
    middle = top + tall / 2
    shapes: list[Shape] = [
        rectangle(left, top, wide, tall, AXIS),
        Path(((left, middle), (left + wide, middle)), AXIS, dashed=True),
        Label(left - 3, top + 6, f"+{reach:.0f}", "end"),
        Label(left - 3, middle + 2, "0 HU", "end"),
        Label(left - 3, top + tall, f"-{reach:.0f}", "end"),
        Label(left + wide / 2, height - 4, say("rods_axis", slices=slices), "middle"),
    ]
    for n, (point, series) in enumerate(zip(points, values, strict=True)):
        known = np.flatnonzero(np.isfinite(series))
        colour = COLOURS[n % len(COLOURS)]
        path = [(left + wide * k / max(slices - 1, 1), middle - tall / 2 * series[k] / reach) for k in known]
        shapes.append(polyline(path, colour, 0.9))
        shapes.append(Label(left + wide + 6, top + 6 + 8.5 * n, sample(point.name), "start", SMALL, colour))
    return Drawing(width, height, tuple(shapes), say("chart_rods"))
