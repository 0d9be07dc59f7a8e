"""Small charts as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from BoneStrengthFEALib.calibration import Calibration
from BoneStrengthFEALib.results import CurvePoint, SweepPoint

WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 44
AXIS, LINE, MARK = "#8a94a0", "#1f6f8b", "#c8553d"


def calibration_chart(calibration: Calibration) -> str:
    """Density over HU, with the samples the calibration rests on.

    Parameters
    ----------
    calibration
        Calibration.

    Returns
    -------
    SVG element.
    """
    means = [point.hu_mean for point in calibration.points]
    low, high = min([-150.0, *means]) - 50.0, max([700.0, *means]) + 50.0
    hu = np.linspace(low, high, 120)
    density = calibration.density(hu)
    ticks = (low, high, float(density.min()), float(density.max()))
    path = " ".join(f"{_x(a, ticks):.1f},{_y(b, ticks):.1f}" for a, b in zip(hu, density, strict=True))
    parts = [_axes(ticks, "HU", f"{calibration.quantity.value} (mg/cm³)")]
    parts.append(f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    for number, point in enumerate(calibration.points):
        x, y = _x(point.hu_mean, ticks), _y(float(calibration.density(point.hu_mean)), ticks)
        lift = -9 if number % 2 else 17
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{MARK}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + lift:.1f}" text-anchor="middle">{escape(point.name)}</text>')
    return _svg(parts, "Calibration curve")


def curve_chart(curve: Sequence[CurvePoint]) -> str:
    """Force over displacement of a nonlinear analysis, with the share of yielded elements at the points.

    Parameters
    ----------
    curve
        Points by increasing displacement.

    Returns
    -------
    SVG element.
    """
    points = [(0.0, 0.0), *((p.displacement_mm, p.force_n) for p in curve)]
    ticks = (0.0, max(x for x, _ in points) * 1.04, 0.0, max(y for _, y in points) * 1.08)
    path = " ".join(f"{_x(x, ticks):.1f},{_y(y, ticks):.1f}" for x, y in points)
    parts = [_axes(ticks, "displacement (mm)", "force (N)")]
    parts.append(f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    for point in curve:
        x, y = _x(point.displacement_mm, ticks), _y(point.force_n, ticks)
        words = f"{point.force_n:.0f} N, {100 * point.plastic_fraction:.0f} % yielded"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{MARK}"><title>{words}</title></circle>')
    return _svg(parts, "Force-displacement curve")


def sweep_chart(falls: Sequence[SweepPoint]) -> str:
    """Failure load over the direction of the fall.

    Parameters
    ----------
    falls
        At least two falls.

    Returns
    -------
    SVG element.
    """
    points = sorted((p.rotation_deg, p.force_n) for p in falls)
    least = min(force for _, force in points)
    ticks = (points[0][0] - 2.0, points[-1][0] + 2.0, 0.0, 1.15 * max(force for _, force in points))
    path = " ".join(f"{_x(x, ticks):.1f},{_y(y, ticks):.1f}" for x, y in points)
    parts = [_axes(ticks, "internal rotation (degrees)", "failure load (N)")]
    parts.append(f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    for angle, force in points:
        x, y = _x(angle, ticks), _y(force, ticks)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{6 if force == least else 3}" fill="{MARK}"/>')
    return _svg(parts, "Failure load by direction of fall")


def threshold_bar(value: float, limits: Sequence[float], names: Sequence[str], unit: str) -> str:
    """A value on a bar of classes.

    Parameters
    ----------
    value
        The value.
    limits
        Ascending limits between classes.
    names
        Names of the classes, one more than limits, from low to high.
    unit
        Unit.

    Returns
    -------
    SVG element.
    """
    top = max(limits[-1] * 1.4, value * 1.1)
    edges = [0.0, *limits, top]
    colours = ("#d9694f", "#e9c46a", "#7fb685")
    width, parts = 460.0, []
    for n, name in enumerate(names):
        x0, x1 = (width * edge / top for edge in edges[n : n + 2])
        parts.append(f'<rect x="{x0:.1f}" y="22" width="{x1 - x0:.1f}" height="16" fill="{colours[n]}"/>')
        parts.append(f'<text x="{(x0 + x1) / 2:.1f}" y="34" text-anchor="middle" font-size="10">{escape(name)}</text>')
        if n:
            parts.append(f'<text x="{x0:.1f}" y="52" text-anchor="middle">{edges[n]:g}</text>')
    x = width * min(max(value, 0.0), top) / top
    anchor = "start" if x < 60 else "end" if x > width - 60 else "middle"
    parts.append(f'<path d="M{x:.1f} 22 l-6 -8 h12 z" fill="#1c2733"/>')
    parts.append(f'<text x="{x:.1f}" y="10" text-anchor="{anchor}" font-weight="bold">{value:g} {escape(unit)}</text>')
    body = "".join(parts)
    return f'<svg viewBox="0 0 460 56" role="img" aria-label="value against class limits">{body}</svg>'


def _x(value: float, ticks: tuple[float, float, float, float]) -> float:
    return LEFT + (value - ticks[0]) / (ticks[1] - ticks[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, ticks: tuple[float, float, float, float]) -> float:
    return HEIGHT - BOTTOM - (value - ticks[2]) / max(ticks[3] - ticks[2], 1e-9) * (HEIGHT - TOP - BOTTOM)


def _axes(ticks: tuple[float, float, float, float], x_title: str, y_title: str) -> str:
    parts = [
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" '
        f'fill="none" stroke="{AXIS}"/>'
    ]
    for value in _nice(ticks[0], ticks[1]):
        x = _x(value, ticks)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e4e8ec"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{value:g}</text>')
    for value in _nice(ticks[2], ticks[3]):
        y = _y(value, ticks)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e8ec"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_title)}</text>'
    )
    parts.append(f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>')
    return "".join(parts)


def _nice(low: float, high: float) -> list[float]:
    step = 10.0 ** np.floor(np.log10((high - low) / 2))
    while (high - low) / step > 6:
        step *= 2 if (high - low) / step < 12 else 5
    first = np.ceil(low / step) * step
    return [float(v) + 0.0 for v in np.arange(first, high + 1e-9, step)]


def _svg(parts: Sequence[str], label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
