"""Evidence of a calibration as drawings: its curve, residuals, histograms of its samples, rods along the table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from BoneStrengthFEALib.calibration import Calibration, CalibrationPoint
from BoneStrengthFEALib.report.charts import HEIGHT, WIDTH, Frame, sample
from BoneStrengthFEALib.report.drawing import (
    ACCENT,
    AXIS,
    MARK,
    SMALL,
    Disc,
    Drawing,
    Label,
    Path,
    Shape,
    polyline,
    rectangle,
)
from BoneStrengthFEALib.report.view import Block, Figures
from BoneStrengthFEALib.report.words import Words
from BoneStrengthFEALib.volume import FloatArray

HISTOGRAM = (126.0, 62.0)
RODS = (525.0, 96.0)
"""Sizes [pt]."""
BAR = "#7fb0c4"
COLOURS = ("#1f6f8b", "#c8553d", "#5b8c5a", "#8a5a9e", "#b07a12", "#3a4a5a", "#d97b93", "#4aa3a3")


def calibration_chart(calibration: Calibration, say: Words) -> Drawing:
    """Density over HU, with the samples the calibration rests on.

    Parameters
    ----------
    calibration
        Calibration.
    say
        Words.

    Returns
    -------
    Drawing.
    """
    frame, hu = _frame(calibration)
    density = calibration.density(hu)
    shapes = frame.axes("HU", f"{say.text(calibration.quantity.value)} (mg/cm³)")
    shapes.append(polyline([frame.at(a, b) for a, b in zip(hu, density, strict=True)], ACCENT))
    told = has_densities(calibration)
    last = HEIGHT
    for point in sorted(calibration.points, key=lambda p: p.hu_mean):
        x, y = frame.at(point.hu_mean, point.reference if told else float(calibration.density(point.hu_mean)))
        shapes.append(Disc(x, y, 2.2))
        # each name above the one before, so that none covers another
        last = min(y + 2.0, last - SMALL)
        near = x < WIDTH - 70
        shapes.append(Label(x + 5 if near else x - 5, last, sample(point.name, say), "start" if near else "end"))
    return Drawing(WIDTH, HEIGHT, tuple(shapes), say("chart_calibration"))


def residual_chart(calibration: Calibration, say: Words) -> Drawing:
    """Fitted less reference density of each sample, over HU.

    Parameters
    ----------
    calibration
        Calibration whose references are densities.
    say
        Words.

    Returns
    -------
    Drawing.
    """
    residuals = {p.name: p.fitted - p.reference for p in calibration.points}
    reach = 1.15 * max(5.0, *map(abs, residuals.values()))
    whole, _ = _frame(calibration)
    frame = Frame((whole.low[0], -reach), (whole.high[0], reach))
    shapes = frame.axes("HU", say("residuals_axis"))
    shapes.append(Path((frame.at(frame.low[0], 0.0), frame.at(frame.high[0], 0.0)), AXIS, width=0.9))
    for point in calibration.points:
        foot, tip = frame.at(point.hu_mean, 0.0), frame.at(point.hu_mean, residuals[point.name])
        shapes += [Path((foot, tip), MARK, width=0.9), Disc(*tip, 2.2)]
    return Drawing(WIDTH, HEIGHT, tuple(shapes), say("chart_residuals"))


def has_densities(calibration: Calibration) -> bool:
    """Whether the references of the samples are densities; other methods compare mass attenuations.

    Parameters
    ----------
    calibration
        Calibration.

    Returns
    -------
    True when what the fit gives for a sample is the density of its mean HU.
    """
    fitted = [(p.fitted, float(calibration.density(p.hu_mean))) for p in calibration.points]
    return bool(fitted) and all(abs(a - b) < 1.0 for a, b in fitted)


def _frame(calibration: Calibration) -> tuple[Frame, FloatArray]:
    means = [point.hu_mean for point in calibration.points]
    hu = np.linspace(min([-150.0, *means]) - 50.0, max([700.0, *means]) + 50.0, 60)
    density = calibration.density(hu)
    return Frame((float(hu[0]), float(density.min())), (float(hu[-1]), float(density.max()))), hu


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
    shapes.append(Label(2, 7, f"{sample(point.name, say)}: {point.hu_mean:.0f} HU, SD {point.hu_sd:.0f}", bold=True))
    shapes.append(Label(2, height - 3, f"{edges[0]:g}"))
    shapes.append(Label(width - 2, height - 3, f"{edges[-1]:g} HU", "end"))
    return Drawing(width, height, tuple(shapes), say("chart_histogram", name=sample(point.name, say)))


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
        shapes.append(Label(left + wide + 6, top + 6 + 8.5 * n, sample(point.name, say), "start", SMALL, colour))
    return Drawing(width, height, tuple(shapes), say("chart_rods"))
