"""The report as one HTML file: no script, no external request, everything escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.quality import QualityReport
from BoneStrengthFEALib.report import words
from BoneStrengthFEALib.report.calibration_charts import evidence
from BoneStrengthFEALib.report.charts import calibration_chart, curve_chart, threshold_bar
from BoneStrengthFEALib.report.falls import fall_sweep
from BoneStrengthFEALib.report.style import STYLE
from BoneStrengthFEALib.results import DISCLAIMER, SiteResult, StudyResults
from BoneStrengthFEALib.risk.cut_offs import KEAVENY_2020, cut_off

FILE_NAME = "report.html"
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
CAVEAT = (
    "Strengths come from an open research model. Published strength cut-offs were validated for another, commercial "
    "model and calibration; applied here they are for research use and do not establish a diagnosis."
)


def write_html(results: StudyResults, folder: Path) -> Path:
    """Write the report.

    Parameters
    ----------
    results
        Results.
    folder
        Folder that holds the pictures the results name; the report goes there.

    Returns
    -------
    Path of the report.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    path = folder / FILE_NAME
    write_text(path, render(results, folder))
    return path


def render(results: StudyResults, folder: Path) -> str:
    """Render the report.

    Parameters
    ----------
    results
        Results.
    folder
        Folder of the pictures.

    Returns
    -------
    A complete HTML document.
    """
    body = [
        _header(results),
        f'<p class="headline">{escape(words.headline(results))}</p>',
        _summary(results),
        f'<p class="caveat">{escape(CAVEAT)}</p>',
        *(_site(site, folder) for site in results.sites),
        _calibration(results),
        _quality("Examination and calibration checks", results.quality),
        _model(results.sites),
        _references(results),
        _provenance(results),
        f"<footer>{escape(DISCLAIMER)} {escape(results.provenance.get('software', ''))}, "
        f"{escape(results.provenance.get('utc', ''))}</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>Bone strength report</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>"
    )


def _header(results: StudyResults) -> str:
    exam, person = results.acquisition, results.acquisition.subject
    age = "" if person.age_years is None else f"{person.age_years:.0f} y"
    size = " / ".join(
        text
        for text in (
            f"{person.height_m * 100:.0f} cm" if person.height_m else "",
            f"{person.weight_kg:.0f} kg" if person.weight_kg else "",
        )
        if text
    )
    facts = (
        ("Patient", words.person_name(person.name)),
        ("Patient ID", person.patient_id),
        ("Born", words.date(person.birth_date)),
        ("Sex / age", " / ".join(t for t in (person.sex.value, age) if t)),
        ("Height / weight", size),
        ("Examination", words.date(exam.study_date)),
        ("Accession", exam.accession_number),
        ("Referring physician", words.person_name(exam.referring_physician)),
        ("Scanner", " ".join(t for t in (exam.manufacturer, exam.model) if t)),
        ("Tube voltage", "" if exam.kvp is None else f"{exam.kvp:g} kV"),
        ("Kernel", exam.kernel),
        ("Series", exam.series_description),
    )
    cells = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v) or '&ndash;'}</dd></div>" for k, v in facts)
    return (
        '<header><div class="title"><h1>CT-based bone strength and density</h1>'
        f'<p class="badge">{escape(DISCLAIMER)}</p></div><dl>{cells}</dl></header>'
    )


def _summary(results: StudyResults) -> str:
    rows = []
    for site in results.sites:
        strength = site.strengths[0] if site.strengths else None
        classified = next((line for line in site.risk if line.unit == "N"), None)
        density = site.bmd[0] if site.bmd else None
        rows.append(
            (
                site.name,
                f"{words.number(strength.force_n, 'N')} N" if strength else words.no_strength(site),
                f"{words.number(strength.stiffness_n_per_mm, 'N/mm')} N/mm" if strength else "",
                classified.classification if classified else "not classified",
                f"{words.with_uncertainty(density)} {density.unit}, {density.label}" if density else "",
                density.classification if density else "",
            )
        )
    columns = ("Bone", "Failure load", "Stiffness", "Strength class", "Density", "Density class")
    over_all = [(m.label, f"{words.with_uncertainty(m)} {m.unit}", m.classification) for m in results.measures]
    extra = _table(("Over all levels", "Value", "Class"), over_all) if over_all else ""
    return _table(columns, rows) + extra + _bars(results.sites, results.acquisition.subject.sex.value)


def _bars(sites: Iterable[SiteResult], sex: str) -> str:
    """Bars of the classified numbers, and the words and sources of their limits, each once."""
    bars, notes = [], []
    for site in sites:
        for line in site.risk:
            if line.source == KEAVENY_2020:
                row = cut_off(line.measure, sex)
                bar = threshold_bar(line.value, (row.low_limit, row.normal_limit), row.classes, line.unit)
                bars.append(
                    f"<figure>{bar}<figcaption>{escape(site.name)}: {escape(line.measure)}</figcaption></figure>"
                )
            note = f"{line.measure}: {line.limits}. Source: {line.source}. {line.caveat}"
            if note not in notes:
                notes.append(note)
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="bars">{"".join(bars)}</div><ul class="notes">{items}</ul>'


def _site(site: SiteResult, folder: Path) -> str:
    pictures = "".join(
        f'<figure><img alt="{escape(site.name)} {escape(kind)}" src="{_embedded(folder / name)}">'
        f"<figcaption>{escape(kind.replace('_', ', '))}</figcaption></figure>"
        for kind, name in site.pictures.items()
    )
    measures = [
        (
            m.label,
            words.with_uncertainty(m),
            m.unit,
            m.classification + (" (unverified source)" if m.unverified else ""),
        )
        for m in site.bmd
    ]
    strengths = [(f"Failure load, {s.criterion}", words.number(s.force_n, "N"), "N", s.source) for s in site.strengths]
    columns = ("Measure", "Value", "Unit", "Class / source")
    table = _table(columns, [*measures, *strengths], "measures") if measures else ""
    return (
        f'<section><h2>{escape(site.name)}</h2><div class="pictures">{pictures}</div>'
        f"{table}{_curve(site)}{fall_sweep(site)}{_quality(f'Checks of {site.name}', site.quality)}</section>"
    )


def _curve(site: SiteResult) -> str:
    if not site.curve:
        return ""
    end = site.curve[-1]
    words_below = f"{len(site.curve)} steps; at the end {100 * end.plastic_fraction:.0f} % of the elements have yielded"
    return (
        f"<figure style='max-width:480px'>{curve_chart(site.curve)}<figcaption>Force-displacement curve, {words_below}"
        "</figcaption></figure>"
    )


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _calibration(results: StudyResults) -> str:
    calibration = results.calibration
    if calibration is None:
        return ""
    rows = [
        (p.name, f"{p.hu_mean:.1f}", f"{p.hu_sd:.1f}", str(p.voxels), f"{p.reference:.5g}", f"{p.fitted:.5g}")
        for p in calibration.points
    ]
    polynomial = " + ".join(
        f"{c:.5g}" + ("" if n == 0 else "·HU" if n == 1 else f"·HU<sup>{n}</sup>")
        for n, c in enumerate(calibration.coefficients)
    ).replace("+ -", "&minus; ")
    numbers = "; ".join(f"{k} = {v:.5g}" for k, v in calibration.numbers.items())
    return (
        f"<section><h2>Density calibration</h2><div class='split'>"
        f"<figure>{calibration_chart(calibration)}</figure><div>"
        f"<p><b>{escape(calibration.method)}</b> &rarr; {escape(calibration.quantity.value)} (mg/cm³)</p>"
        f"<p>density = {polynomial}</p>"
        f"{_table(('Sample', 'HU', 'SD', 'Voxels', 'Reference', 'Fitted'), rows)}</div></div>"
        f"{_details(calibration.details)}{evidence(calibration)}<p class='fine'>{escape(numbers)}</p>"
        f"<p class='fine'>{escape(calibration.source)}</p></section>"
    )


def _details(details: Mapping[str, str]) -> str:
    rows = [(name.replace("_", " "), text) for name, text in details.items()]
    return _table(("Stored calibration", ""), rows) if rows else ""


def _quality(title: str, report: QualityReport) -> str:
    if not report.lines:
        return ""
    order = {"refuse": 0, "warn": 1, "pass": 2}
    rows = "".join(
        f'<tr class="{line.outcome.value}"><td>{line.outcome.value}</td><td>{escape(line.check)}</td>'
        f"<td>{escape(line.found)}</td><td>{escape(line.expected)}</td>"
        f"<td>{escape(line.action) if line.outcome.value != 'pass' else ''}</td></tr>"
        for line in sorted(report.lines, key=lambda line: order[line.outcome.value])
    )
    head = "<tr><th></th><th>Check</th><th>Found</th><th>Expected</th><th>What to do</th></tr>"
    return f"<h3>{escape(title)}</h3><table class='checks'>{head}{rows}</table>"


def _model(sites: Sequence[SiteResult]) -> str:
    rows, sources = [], []
    for site in sites:
        if site.model is None:
            continue
        m, s = site.model, site.model.solver
        sources += [source for source in m.sources if source not in sources]
        rows.append(
            (
                site.name,
                m.law,
                m.load_case,
                f"{m.voxel_mm:g} mm",
                f"{m.numbers['height_mm']:.1f} mm",
                f"{m.elements:,}",
                f"{s['iterations']:.0f}",
                f"{s['relative_residual']:.1e}",
                f"{s['seconds_setup'] + s['seconds_solve']:.1f} s",
            )
        )
    columns = ("Bone", "Law", "Load case", "Voxel", "Height", "Elements", "Iterations", "Residual", "Time")
    items = "".join(f"<li>{escape(source)}</li>" for source in sources)
    return f"<section><h2>Finite-element model</h2>{_table(columns, rows)}<ul class='notes'>{items}</ul></section>"


def _references(results: StudyResults) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in words.references(results))
    return f"<section><h2>References</h2><ol class='notes'>{items}</ol></section>" if items else ""


def _provenance(results: StudyResults) -> str:
    rows = [(key, value) for key, value in results.provenance.items()]
    return f"<section class='provenance'><h2>Provenance</h2>{_table(('Item', 'Value'), rows)}</section>"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "plain") -> str:
    head = "".join(f"<th>{escape(c)}</th>" for c in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="{kind}"><tr>{head}</tr>{body}</table>'
