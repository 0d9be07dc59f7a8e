"""History of a calibration store as one HTML file: a table and control charts of slope and intercept."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.calibration.control import FEWEST, SOURCE, ControlChart, charts_of, groups
from BoneStrengthFEALib.calibration.store import StoredCalibration
from BoneStrengthFEALib.report.style import STYLE

WIDTH, HEIGHT = 900, 230
LEFT, RIGHT, TOP, BOTTOM = 74, 120, 18, 38
OWN_STYLE = ".history{font-size:12px}.history td{white-space:nowrap}main{max-width:1200px}"
LINE, MARK, GOOD, RULE = "#1f6f8b", "#c8553d", "#1f6f8b", "#8a94a0"
COLUMNS = ("Scanned", "Entry", "Phantom", "HU per mg/cm³", "HU at 0", "R²", "Warnings at calibration", "Control")


def write_history(entries: Sequence[StoredCalibration], path: Path) -> None:
    """Write the history.

    Parameters
    ----------
    entries
        Entries of a store.
    path
        .html file with tables and charts, or .svg file with the charts of the first scanner and protocol.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    found = groups(entries)
    if path.suffix.lower() == ".svg":
        write_text(path, _standalone(found[0]))
        return
    body = "".join(_group(group) for group in found)
    write_text(
        path,
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>History of stored calibrations</title><style>{STYLE}{OWN_STYLE}</style></head><body><main>"
        f"<h1>History of stored calibrations</h1>{body}<p class='fine'>{escape(SOURCE)}. Limits are stated from "
        f"{FEWEST} scans on and rest on the first 20.</p></main></body></html>\n",
    )


def history_rows(group: Sequence[StoredCalibration]) -> list[tuple[str, ...]]:
    """Table of one scanner and protocol.

    Parameters
    ----------
    group
        Entries that are alike, by day.

    Returns
    -------
    One row per entry, in the order of COLUMNS.
    """
    signals = [chart.signals() for chart in charts_of(group)]
    names = [chart.title.split(" (")[0] for chart in charts_of(group)]
    limits = len(group) >= FEWEST
    rows: list[tuple[str, ...]] = []
    for n, entry in enumerate(group):
        numbers = entry.calibration.numbers
        told = "; ".join(f"{name} {signal[n]}" for name, signal in zip(names, signals, strict=True) if signal[n])
        rows.append(
            (
                entry.scanned.isoformat(),
                entry.id,
                entry.phantom.get("id", ""),
                f"{numbers.get('hu_per_mg_cm3', float('nan')):.4f}",
                f"{numbers.get('hu_at_zero', float('nan')):.2f}",
                f"{numbers.get('r_squared', float('nan')):.5f}",
                ", ".join(line.check for line in entry.calibration.quality.warnings),
                told or ("in control" if limits else "no limits yet"),
            )
        )
    return rows


def _group(group: Sequence[StoredCalibration]) -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in history_rows(group)
    )
    days = [entry.scanned.isoformat() for entry in group]
    charts = "".join(f"<figure>{_svg(chart, days)}</figure>" for chart in charts_of(group))
    title = escape(group[-1].scanner.words)
    return f"<section><h2>{title}</h2>{charts}<table class='history'><tr>{head}</tr>{rows}</table></section>"


def _standalone(group: Sequence[StoredCalibration]) -> str:
    days = [entry.scanned.isoformat() for entry in group]
    parts = [
        f'<g transform="translate(0 {n * (HEIGHT + 10)})">{_drawing(chart, days)}</g>'
        for n, chart in enumerate(charts_of(group))
    ]
    height = len(parts) * (HEIGHT + 10)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="11"><rect width="{WIDTH}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _svg(chart: ControlChart, days: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="control chart of {escape(chart.title)}">'
        f"{_drawing(chart, days)}</svg>"
    )


def _drawing(chart: ControlChart, days: Sequence[str]) -> str:
    levels = [*chart.values.tolist(), *(chart.limits or ())]
    low, high = min(levels), max(levels)
    margin = 0.08 * (high - low) or 0.01 * abs(high) or 1.0
    low, high = low - margin, high + margin
    count = len(days)

    def x(n: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (n + 0.5) / count

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low)

    parts = [
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" fill="none" '
        f'stroke="{RULE}"/><text x="{LEFT}" y="{TOP - 6}">{escape(chart.title)}</text>'
    ]
    if chart.limits is not None and chart.centre is not None:
        named = ((chart.limits[1], "+3 sigma", "5 4"), (chart.centre, "mean", ""), (chart.limits[0], "-3 sigma", "5 4"))
        for value, text, dash in named:
            at = y(value)
            parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="{RULE}" '
                f'stroke-dasharray="{dash}"/><text x="{WIDTH - RIGHT + 6}" y="{at + 4:.1f}">{text} {value:.4g}</text>'
            )
    for value in (low + margin, high - margin):
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    path = " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in enumerate(chart.values))
    parts.append(f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="1.5"/>')
    every = max(1, -(-count // 10))
    for n, (value, signal) in enumerate(zip(chart.values, chart.signals(), strict=True)):
        colour = MARK if signal else GOOD
        words = escape(f"{days[n]}: {value:.5g} {signal}".strip())
        parts.append(
            f'<circle cx="{x(n):.1f}" cy="{y(value):.1f}" r="{5 if signal else 3.5}" fill="{colour}">'
            f"<title>{words}</title></circle>"
        )
        if n % every == 0:
            parts.append(f'<text x="{x(n):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{days[n]}</text>')
    return "".join(parts)
