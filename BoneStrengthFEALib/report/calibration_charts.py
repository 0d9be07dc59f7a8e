"""Evidence of a calibration as SVG: histograms of its samples, and HU of phantom rods along the table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from BoneStrengthFEALib.calibration import Calibration, CalibrationPoint

WIDTH, HEIGHT = 230, 120
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 16, 20
RODS = (980, 210, 50, 110)
"""Width, height, left and right margin of the chart of rods."""
BAR, MARK, AXIS = "#7fb0c4", "#c8553d", "#8a94a0"
COLOURS = ("#1f6f8b", "#c8553d", "#5b8c5a", "#8a5a9e", "#b07a12", "#3a4a5a", "#d97b93", "#4aa3a3")


def evidence(calibration: Calibration) -> str:
    """All charts of a calibration's samples.

    Parameters
    ----------
    calibration
        Calibration.

    Returns
    -------
    HTML; empty when no sample was kept.
    """
    parts = [f"<figure>{histogram(p)}</figure>" for p in calibration.points if p.histogram_counts]
    text = f"<h3>Histograms of the samples</h3><div class='histograms'>{''.join(parts)}</div>" if parts else ""
    followed = [p for p in calibration.points if np.isfinite(p.slice_hu).sum() > 1]
    if followed:
        text += f"<h3>Rods along the table</h3><figure>{rods_along_table(followed)}</figure>"
    return text


def histogram(point: CalibrationPoint) -> str:
    """Histogram of one sample with its mean.

    Parameters
    ----------
    point
        Sample with a histogram.

    Returns
    -------
    SVG element.
    """
    edges, counts = np.array(point.histogram_edges_hu), np.array(point.histogram_counts)
    low, high, top = edges[0], edges[-1], max(int(counts.max()), 1)

    def x(hu: float) -> float:
        return float(LEFT + (hu - low) / (high - low) * (WIDTH - LEFT - RIGHT))

    bottom = HEIGHT - BOTTOM
    bars = "".join(
        f'<rect x="{x(a):.1f}" y="{bottom - (bottom - TOP) * n / top:.1f}" width="{max(x(b) - x(a), 0.5):.2f}" '
        f'height="{(bottom - TOP) * n / top:.1f}" fill="{BAR}"/>'
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    mean = x(point.hu_mean)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="histogram of {escape(point.name)}">{bars}'
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" stroke="{AXIS}"/>'
        f'<line x1="{mean:.1f}" x2="{mean:.1f}" y1="{TOP}" y2="{bottom}" stroke="{MARK}" stroke-width="1.5"/>'
        f'<text x="{LEFT}" y="11"><tspan font-weight="bold">{escape(point.name.replace("_", " "))}</tspan> '
        f"{point.hu_mean:.0f} HU, SD {point.hu_sd:.0f}</text>"
        f'<text x="{LEFT}" y="{HEIGHT - 6}">{low:g}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{high:g} HU</text></svg>'
    )


def rods_along_table(points: Sequence[CalibrationPoint]) -> str:
    """HU of each rod less its mean, slice by slice.

    Parameters
    ----------
    points
        Rods with slice_hu.

    Returns
    -------
    SVG element.
    """
    width, height, left, right = RODS
    values = [np.array(p.slice_hu) - np.nanmean(p.slice_hu) for p in points]
    reach = max(5.0, *(float(np.nanmax(np.abs(v))) for v in values)) * 1.05
    slices = max(v.size for v in values)
    middle, half = (TOP + height - BOTTOM) / 2, (height - BOTTOM - TOP) / 2

    def place(n: int, hu: float) -> str:
        return f"{left + (width - left - right) * n / max(slices - 1, 1):.1f},{middle - half * hu / reach:.1f}"

    lines = []
    for n, (point, series) in enumerate(zip(points, values, strict=True)):
        path = " ".join(place(k, float(v)) for k, v in enumerate(series) if np.isfinite(v))
        colour, y = COLOURS[n % len(COLOURS)], TOP + 10 + 14 * n
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.3"/>')
        lines.append(f'<text x="{width - right + 8}" y="{y}" fill="{colour}">{escape(point.name)}</text>')
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="rods along the table">'
        f'<rect x="{left}" y="{TOP}" width="{width - left - right}" height="{2 * half:.1f}" fill="none" '
        f'stroke="{AXIS}"/>'
        f'<line x1="{left}" x2="{width - right}" y1="{middle}" y2="{middle}" stroke="{AXIS}" stroke-dasharray="4 3"/>'
        f'<text x="{left - 5}" y="{TOP + 8}" text-anchor="end">+{reach:.0f}</text>'
        f'<text x="{left - 5}" y="{middle + 4:.1f}" text-anchor="end">0 HU</text>'
        f'<text x="{left - 5}" y="{height - BOTTOM}" text-anchor="end">-{reach:.0f}</text>'
        f'<text x="{(left + width - right) / 2}" y="{height - 5}" text-anchor="middle">slice 1 to {slices}; HU '
        f"less the rod's mean</text>{''.join(lines)}</svg>"
    )
