"""The cohort report: flow of cases, checks, outliers, strength by sex and age, time and memory."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.cohort import plots
from BoneStrengthFEALib.cohort.case import Case, CaseState, Outcome
from BoneStrengthFEALib.cohort.longitudinal import Change
from BoneStrengthFEALib.cohort.measure_rows import MeasureRow
from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.report.style import STYLE
from BoneStrengthFEALib.results import DISCLAIMER
from BoneStrengthFEALib.version import __version__

FILE_NAME = "report.html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:"
OUTLIER_Z = 3.5
"""Modified z-score above which a value is shown as an outlier (Iglewicz and Hoaglin 1993)."""
Z_PER_MAD = 0.6745
MOST_LINES = 60


def write_report(
    cases: Sequence[Case],
    states: Mapping[str, CaseState],
    rows: Sequence[MeasureRow],
    changes: Sequence[Change],
    out: Path,
) -> None:
    """Write report.html of a cohort.

    Parameters
    ----------
    cases
        Cases.
    states
        Case id to final state.
    rows
        All values.
    changes
        Changes over time.
    out
        Cohort folder.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    ordered = [states[case.id] for case in cases]
    body = [
        '<div class="title"><h1>Bone strength cohort</h1><p class="badge">Research use only</p></div>',
        _flow(ordered),
        _strengths(rows),
        _checks([case for case in cases if states[case.id].outcome is Outcome.DONE], out),
        _outliers(rows),
        _changes(changes),
        _not_done(cases, states),
        _cost(ordered),
        f"<footer>{escape(DISCLAIMER)} BoneStrengthFEA {escape(__version__)}. Tables: cohort.csv, cohort.parquet, "
        "data_dictionary.csv, cases.csv.</footer>",
    ]
    write_text(
        out / FILE_NAME,
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>Bone strength cohort</title>'
        f"<style>{STYLE}</style></head><body><main>{''.join(body)}</main></body></html>\n",
    )


def outliers(rows: Sequence[MeasureRow]) -> list[tuple[MeasureRow, float]]:
    """Values far from the others of the same bone, measure and sex.

    Parameters
    ----------
    rows
        All values.

    Returns
    -------
    Row and modified z-score 0.6745 (x - median) / MAD, farthest first.

    References
    ----------
    Iglewicz B, Hoaglin DC (1993) How to detect and handle outliers, ASQC Quality Press (limit 3.5).
    """
    groups: dict[tuple[str, str, str, str], list[MeasureRow]] = defaultdict(list)
    for row in rows:
        if np.isfinite(row.value):
            groups[row.site, row.level, row.measure, row.case.sex].append(row)
    found = []
    for group in groups.values():
        values = np.array([row.value for row in group])
        distance = np.abs(values - np.median(values))
        spread = float(np.median(distance))
        if len(group) < 5 or spread == 0.0:
            continue
        scores = Z_PER_MAD * (values - np.median(values)) / spread
        found += [(row, float(z)) for row, z in zip(group, scores, strict=True) if abs(z) > OUTLIER_Z]
    return sorted(found, key=lambda item: -abs(item[1]))


def _flow(states: Sequence[CaseState]) -> str:
    counts = Counter(state.outcome for state in states)
    reasons = Counter((state.outcome.value, state.code) for state in states if state.outcome is not Outcome.DONE)
    lines = [("screened", "", len(states)), ("done", "", counts[Outcome.DONE])]
    lines += [(outcome, code, number) for (outcome, code), number in sorted(reasons.items())]
    return f"<section><h2>Flow</h2>{_table(('state', 'code', 'cases'), lines)}</section>"


def _strengths(rows: Sequence[MeasureRow]) -> str:
    groups: dict[tuple[str, str, str], list[MeasureRow]] = defaultdict(list)
    for row in rows:
        groups[row.bone, row.measure, row.unit].append(row)
    lines = []
    for (bone, measure, unit), group in sorted(groups.items()):
        values = np.array([row.value for row in group if np.isfinite(row.value)])
        if values.size:
            low, middle, high = np.percentile(values, [5, 50, 95])
            lines.append((bone, measure, unit, values.size, *(words.number(v, unit) for v in (low, middle, high))))
    pictures = []
    loads = sorted({(r.bone, r.measure) for r in rows if r.measure.startswith("failure_load_")})
    for bone, measure in loads:
        group = [r for r in rows if (r.bone, r.measure) == (bone, measure) and r.case.age_years is not None]
        if group:
            points = [(float(r.case.age_years or 0.0), r.value, r.case.sex) for r in group]
            pictures.append(
                plots.by_age(points, f"{bone}, {measure.removeprefix('failure_load_')}", "failure load (N)")
            )
    header = ("bone", "measure", "unit", "n", "5 %", "median", "95 %")
    figures = f'<div class="split">{"".join(pictures)}</div>'
    return f"<section><h2>Strength and density</h2>{figures}{_table(header, lines)}</section>"


def _checks(cases: Sequence[Case], out: Path) -> str:
    counts: Counter[tuple[str, str]] = Counter()
    for case in cases:
        try:
            data = json.loads((out / "cases" / case.id / "results.json").read_text(encoding="utf-8"))
            lines = [*data["quality"]["lines"], *(line for s in data["sites"] for line in s["quality"]["lines"])]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        counts.update((str(line["check"]), str(line["outcome"]).lower()) for line in lines)
    checks = sorted({check for check, _ in counts})
    outcomes = sorted({outcome for _, outcome in counts})
    lines = [(check, *(counts[check, outcome] for outcome in outcomes)) for check in checks]
    return f"<section><h2>Checks of the cases done</h2>{_table(('check', *outcomes), lines)}</section>"


def _outliers(rows: Sequence[MeasureRow]) -> str:
    found = outliers(rows)
    lines = [
        (
            _link(row.case.id),
            escape(row.bone),
            escape(row.measure),
            f"{words.number(row.value, row.unit)} {escape(row.unit)}",
            f"{z:+.1f}",
        )
        for row, z in found[:MOST_LINES]
    ]
    text = f"<p class='notes'>Modified z-score above {OUTLIER_Z:g} among cases of the same bone and sex.</p>"
    table = _raw_table(("case", "bone", "measure", "value", "z"), lines)
    return f"<section><h2>Outliers ({len(found)})</h2>{text}{table}</section>"


def _changes(changes: Sequence[Change]) -> str:
    if not changes:
        return ""
    verdicts = Counter((change.measure, change.verdict) for change in changes)
    lines = [(measure, verdict, number) for (measure, verdict), number in sorted(verdicts.items())]
    table = _table(("measure", "change since the first scan", "comparisons"), lines)
    return f"<section><h2>Change over time</h2>{table}<p class='notes'>Each one: longitudinal.csv.</p></section>"


def _not_done(cases: Sequence[Case], states: Mapping[str, CaseState]) -> str:
    left = [(case, states[case.id]) for case in cases if states[case.id].outcome is not Outcome.DONE]
    lines = [(case.id, s.outcome.value, s.code, s.message) for case, s in left[:MOST_LINES]]
    more = f"<p class='notes'>All {len(left)}: cases.csv.</p>" if len(left) > MOST_LINES else ""
    table = _table(("case", "state", "code", "reason"), lines)
    return f"<section><h2>Refused and failed ({len(left)})</h2>{table}{more}</section>"


def _cost(states: Sequence[CaseState]) -> str:
    run = [state for state in states if state.seconds > 0]
    if not run:
        return ""
    seconds = np.array([state.seconds for state in run])
    peaks = np.array([state.peak_bytes for state in run]) / 1e9
    lines = [
        (
            name,
            f"{np.median(v):.3g}",
            f"{np.percentile(v, 95):.3g}",
            f"{v.max():.3g}",
            f"{v.sum():.4g}" if total else "",
        )
        for name, v, total in (("wall time (s)", seconds, True), ("peak memory (GB)", peaks, False))
    ]
    table = _table(("per case", "median", "95 %", "most", "sum"), lines)
    return f"<section><h2>Time and memory</h2>{table}</section>"


def _link(case: str) -> str:
    return f'<a href="cases/{escape(case)}/report.html">{escape(case)}</a>'


def _table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    return _raw_table(header, [[escape(str(cell)) for cell in line] for line in lines])


def _raw_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    if not lines:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in line)}</tr>" for line in lines)
    return f"<table><tr>{head}</tr>{body}</table>"
