"""From page 2 on: what an expert audits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.report.calibration_charts import calibration_chart, evidence, has_densities, residual_chart
from BoneStrengthFEALib.report.change_tables import all_changes
from BoneStrengthFEALib.report.charts import curve_chart, sample, sweep_chart
from BoneStrengthFEALib.report.check_rows import merged_rows, reports_of
from BoneStrengthFEALib.report.drawing import Drawing
from BoneStrengthFEALib.report.first_page import PICTURES_IN_ROW, bones_shown, pictures_of
from BoneStrengthFEALib.report.model_table import cited, model_section
from BoneStrengthFEALib.report.options import ReportOptions
from BoneStrengthFEALib.report.sentences import criterion_name, references
from BoneStrengthFEALib.report.view import Block, Figures, Paragraph, Pictures, Section, Table
from BoneStrengthFEALib.report.words import Words, moment, number, spread, unit_words, with_uncertainty
from BoneStrengthFEALib.results import SiteResult, StudyResults
from BoneStrengthFEALib.service_facts import NOTE, service_rows

BONES_IN_TABLE = 5
UNVERIFIED = "unverified"
NUMBERS = {
    "r_squared": "R²",
    "hu_per_mg_cm3": "HU per mg/cm³",
    "hu_at_zero": "HU at 0 mg/cm³",
    "reference_kvp": "kV",
    "drift_hu": "drift along the table (HU)",
    "cupping_hu": "cupping (HU)",
    "tilt_deg": "tilt (°)",
}
"""How numbers of a calibration are written; others by their name."""


def expert_pages(results: StudyResults, options: ReportOptions, say: Words) -> list[Section]:
    """Sections of the pages for the expert.

    Parameters
    ----------
    results, options
        Results and options.
    say
        Words.

    Returns
    -------
    Sections; the first begins a page.
    """
    sources = {source: n for n, source in enumerate(references(results), 1)}
    sections = [*_numbers(results.sites, sources, say), *all_changes(results, options, say)]
    sections += _pictures(results.sites, bones_shown(options), say)
    sections += _loading(results.sites, say)
    sections += (
        model_section(results.sites, sources, say) + _calibration(results, sources, say) + _service(results, say)
    )
    sections += _checks(results, say) + _references(sources, say)
    record = Table((say("item"), say("value")), _provenance(results, say), (1, 4), dense=True)
    sections.append(Section(say("provenance"), (record,)))
    first, *others = sections
    return [Section(first.title, first.blocks, True), *others]


def _checks(results: StudyResults, say: Words) -> list[Section]:
    keys = ("check", "found", "expected", "what_to_do")
    blocks: list[Block] = []
    rows, kinds = merged_rows(reports_of(results, say), say, (Outcome.REFUSE, Outcome.WARN))
    if rows:
        blocks.append(Table(("", *(say(key) for key in keys)), rows, (1.8, 3.4, 5.8, 4.1, 4.9), kinds, True))
    rows, kinds = merged_rows(reports_of(results, say), say, (Outcome.PASS,))
    if rows:
        passed = tuple(row[:4] for row in rows)
        blocks.append(Table(("", *(say(key) for key in keys[:3])), passed, (1.2, 3.6, 9.2, 6), kinds, True))
    return [Section(say("all_checks"), tuple(blocks))] if blocks else []


def _provenance(results: StudyResults, say: Words) -> tuple[tuple[str, str], ...]:
    made = dict(results.provenance)
    packages = [f"{name.removeprefix('package_')} {made.pop(name)}" for name in list(made) if "package_" in name]
    if packages:
        made[say("packages")] = ", ".join(packages)
    exam = results.acquisition
    made |= {name: text for name, text in (("study UID", exam.study_uid), ("series UID", exam.series_uid)) if text}
    return tuple((name.replace("_", " "), text) for name, text in made.items())


def _pictures(sites: Sequence[SiteResult], shown: int, say: Words) -> list[Section]:
    """Pictures that page 1 had no room for."""
    rest = [pictures_of(site, say)[PICTURES_IN_ROW if n < shown else 0 :] for n, site in enumerate(sites)]
    items = tuple(picture for pictures in rest for picture in pictures)
    return [Section(say("models_pictures"), (Pictures(items, PICTURES_IN_ROW),))] if items else []


def _numbers(sites: Sequence[SiteResult], sources: Mapping[str, int], say: Words) -> list[Section]:
    """All numbers, bones of a kind side by side."""
    blocks: list[Block] = []
    measured = [site for site in sites if site.bmd or site.strengths]
    for kind in dict.fromkeys(site.site for site in measured):
        alike = [site for site in measured if site.site == kind]
        for first in range(0, len(alike), BONES_IN_TABLE):
            blocks.append(_number_table(alike[first : first + BONES_IN_TABLE], sources, say))
    return [Section(say("all_numbers"), tuple(blocks))] if blocks else []


def _number_table(sites: Sequence[SiteResult], sources: Mapping[str, int], say: Words) -> Table:
    rows: dict[tuple[str, str], tuple[dict[str, str], list[str]]] = {}
    for site in sites:
        for label, unit, text, where in _site_numbers(site, say):
            cells, found = rows.setdefault((label, unit), ({}, []))
            cells[site.name] = text
            found += where
    names = [site.name for site in sites]
    written = tuple(
        (label, *(cells.get(name, "-") for name in names), unit_words(unit), _where(found, sources, say))
        for (label, unit), (cells, found) in rows.items()
    )
    columns = (say("measure"), *names, say("unit"), say("source"))
    return Table(columns, written, (4, *(2.6 for _ in names), 1.4, 1.8), dense=True)


def _site_numbers(site: SiteResult, say: Words) -> Iterator[tuple[str, str, str, list[str]]]:
    """Label, unit, number in words and sources of every number of a bone; UNVERIFIED among the sources marks one."""
    named = [line for line in site.risk if line.unit == "N"][:1]
    for n, strength in enumerate(site.strengths):
        # the first is the one that is classified
        classes = named if n == 0 else []
        force = spread(strength.force_n, strength.uncertainty_n, "N")
        text = ", ".join([force, *(say.text(line.classification) for line in classes)])
        name = say("failure_load_by", criterion=criterion_name(strength.criterion, say))
        yield name, "N", text, [strength.source, *(line.source for line in classes)]
    for strength in site.strengths[:1]:
        text = spread(strength.stiffness_n_per_mm, strength.stiffness_uncertainty_n_per_mm, "N/mm")
        yield say("stiffness"), "N/mm", text, [strength.source]
    for measure in site.bmd:
        marks = [UNVERIFIED] if measure.unverified else []
        yield say.text(measure.label), measure.unit, _classified(measure, say), [measure.source, *marks]
    for line in (line for line in site.risk if line not in named):
        text = f"{number(line.value, line.unit)}, {say.text(line.classification)}"
        yield _capital(say.text(line.measure)), line.unit, text, [line.source]


def _where(found: Sequence[str], sources: Mapping[str, int], say: Words) -> str:
    marks = f" {say('unverified')}" if UNVERIFIED in found else ""
    return cited(tuple(dict.fromkeys(found)), sources) + marks


def _classified(measure: Measure, say: Words) -> str:
    text = with_uncertainty(measure)
    return f"{text}, {say.text(measure.classification)}" if measure.classification else text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _loading(sites: Sequence[SiteResult], say: Words) -> list[Section]:
    """Curves and falls of all bones, two drawings side by side."""
    drawn: list[tuple[Drawing, str]] = []
    for site in sites:
        if site.curve:
            percent = f"{100 * site.curve[-1].plastic_fraction:.0f}"
            note = say("curve_note", steps=len(site.curve), percent=percent)
            drawn.append((curve_chart(site.curve, say), f"{site.name}: {note}"))
        if len(site.sweep) > 1:
            drawn.append((sweep_chart(site.sweep, say), f"{site.name}: {say('sweep_note')}"))
    blocks: list[Block] = [Figures(tuple(drawn))] if drawn else []
    if any(site.sweep for site in sites):
        blocks.append(_falls(sites, say))
    return [Section(say("loading"), tuple(blocks))] if blocks else []


def _falls(sites: Sequence[SiteResult], say: Words) -> Table:
    rows = tuple(
        (
            site.name,
            f"{p.rotation_deg:g}°",
            f"{p.adduction_deg:g}°",
            f"{number(p.force_n, 'N')} N",
            f"{number(p.stiffness_n_per_mm, 'N/mm')} N/mm",
            say("weakest") if p is min(site.sweep, key=lambda point: point.force_n) else "",
        )
        for site in sites
        for p in site.sweep
    )
    keys = ("bone", "rotation", "adduction", "load_linear", "stiffness")
    return Table((*(say(key) for key in keys), ""), rows, (3, 4, 4, 4, 4, 3), dense=True)


def _calibration(results: StudyResults, sources: Mapping[str, int], say: Words) -> list[Section]:
    fit = results.calibration
    if fit is None:
        return []
    terms = [
        f"{c:+.5g}" + ("" if n == 0 else " HU" if n == 1 else f" HU{'⁰¹²³⁴⁵⁶⁷⁸⁹'[n]}")
        for n, c in enumerate(fit.coefficients)
    ]
    equation = " ".join(f"{term[0]} {term[1:]}" for term in terms).removeprefix("+ ")
    rows = tuple(
        (
            sample(p.name, say),
            f"{p.hu_mean:.1f} ± {p.hu_sd:.1f}",
            f"{p.voxels:,}",
            f"{p.reference:.5g}",
            f"{p.fitted:.5g}",
            f"{p.fitted - p.reference:+.3g}",
        )
        for p in fit.points
    )
    charts = [(calibration_chart(fit, say), say("chart_calibration"))]
    if has_densities(fit):
        charts.append((residual_chart(fit, say), say("chart_residuals")))
    where = cited((fit.source,), sources)
    blocks: list[Block] = [
        Paragraph(f"{fit.method} {where}: {say.text(fit.quantity.value)} [mg/cm³] = {equation}".replace(" :", ":")),
        Figures(tuple(charts)),
    ]
    keys = ("sample", "hu", "voxels", "reference", "fitted", "difference_column")
    if rows:
        blocks.append(Table(tuple(say(key) for key in keys), rows, (4, 3, 2, 2, 2, 2), dense=True))
    blocks += evidence(fit, say)
    blocks += [Paragraph(f"{name.replace('_', ' ')}: {text}", "fine") for name, text in fit.details.items()]
    if fit.numbers:
        blocks.append(
            Paragraph(
                "; ".join(f"{NUMBERS.get(k, k.replace('_', ' '))} = {v:.4g}" for k, v in fit.numbers.items()), "fine"
            )
        )
    return [Section(say("calibration"), tuple(blocks))]


def _service(results: StudyResults, say: Words) -> list[Section]:
    rows = service_rows(results.service)
    if not rows:
        return []
    texts = tuple(
        (say.text(code), say.text(what), say.text(state), moment(utc), unit_words(_each(evidence_, say)))
        for code, what, state, utc, evidence_ in rows
    )
    keys = ("part", "service_what", "state", "time_utc", "evidence")
    kinds = tuple("pass" if row[2] == "done" else "warn" if row[2] else "" for row in rows)
    table = Table(tuple(say(key) for key in keys), texts, (1.4, 4, 1.6, 3, 8), kinds, True)
    return [Section(say("service"), (table, Paragraph(say.text(NOTE), "fine")))]


def _each(evidence: str, say: Words) -> str:
    return "; ".join(say.text(part) for part in evidence.split("; "))


def _references(sources: Mapping[str, int], say: Words) -> list[Section]:
    lines = tuple(Paragraph(f"[{n}] {text}", "fine") for text, n in sources.items())
    return [Section(say("references"), lines)] if lines else []
