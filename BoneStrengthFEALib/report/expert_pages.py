"""From page 2 on: what an expert audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.report.calibration_charts import evidence
from BoneStrengthFEALib.report.charts import calibration_chart, curve_chart, sample, sweep_chart
from BoneStrengthFEALib.report.check_rows import merged_rows, reports_of
from BoneStrengthFEALib.report.first_page import BONES_SHOWN, PICTURES_IN_ROW, pictures_of
from BoneStrengthFEALib.report.sentences import references
from BoneStrengthFEALib.report.view import Block, Figures, Paragraph, Pictures, Section, Table
from BoneStrengthFEALib.report.words import Words, number, with_uncertainty
from BoneStrengthFEALib.results import SiteResult, StudyResults
from BoneStrengthFEALib.service_facts import NOTE, service_rows

BONES_IN_TABLE = 5


def expert_pages(results: StudyResults, say: Words) -> list[Section]:
    """Sections of the pages for the expert.

    Parameters
    ----------
    results
        Results.
    say
        Words.

    Returns
    -------
    Sections; the first begins a page.
    """
    sources = {source: n for n, source in enumerate(references(results), 1)}
    sections = [*_numbers(results.sites, sources, say)]
    sections += [section for n, site in enumerate(results.sites) for section in _bone(site, n, say)]
    sections += _models(results.sites, sources, say) + _calibration(results, sources, say) + _service(results, say)
    rows, kinds = merged_rows(reports_of(results, say), say)
    if rows:
        keys = ("check", "found", "expected", "what_to_do")
        table = Table(("", *(say(key) for key in keys)), rows, (1.8, 3.4, 5.8, 4.1, 4.9), kinds, True)
        sections.append(Section(say("all_checks"), (table,)))
    sections += _references(sources, say)
    record = tuple((name.replace("_", " "), text) for name, text in results.provenance.items())
    sections.append(Section(say("provenance"), (Table((say("item"), say("value")), record, (1, 3), dense=True),)))
    first, *others = sections
    return [Section(first.title, first.blocks, True), *others]


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
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for site in sites:
        for strength in site.strengths:
            name = say("failure_load_by", criterion=strength.criterion)
            row = rows.setdefault((name, "N", _cited((strength.source,), sources)), {})
            row[site.name] = number(strength.force_n, "N")
        for strength in site.strengths[:1]:
            row = rows.setdefault((say("stiffness"), "N/mm", _cited((strength.source,), sources)), {})
            row[site.name] = number(strength.stiffness_n_per_mm, "N/mm")
        for measure in site.bmd:
            cited = _cited((measure.source,), sources) + (f" {say('unverified')}" if measure.unverified else "")
            row = rows.setdefault((say.text(measure.label), measure.unit, cited), {})
            row[site.name] = _classified(measure, say)
        for line in site.risk:
            cited = _cited((line.source,), sources)
            row = rows.setdefault((say.text(line.measure), line.unit, cited), {})
            row[site.name] = f"{line.value:g}, {say.text(line.classification)}"
    names = [site.name for site in sites]
    cells = tuple(
        (label, *(row.get(name, "-") for name in names), "" if unit == "1" else unit, cited)
        for (label, unit, cited), row in rows.items()
    )
    columns = (say("measure"), *names, say("unit"), say("source"))
    return Table(columns, cells, (4, *(2.6 for _ in names), 1.4, 1.8), dense=True)


def _classified(measure: Measure, say: Words) -> str:
    text = with_uncertainty(measure)
    return f"{text}, {say.text(measure.classification)}" if measure.classification else text


def _cited(texts: Sequence[str], sources: Mapping[str, int]) -> str:
    numbers = sorted(sources[text] for text in texts if text in sources)
    return f"[{', '.join(map(str, numbers))}]" if numbers else ""


def _bone(site: SiteResult, place: int, say: Words) -> list[Section]:
    """Pictures that page 1 had no room for, curve and falls of one bone."""
    pictures = pictures_of(site, say)[PICTURES_IN_ROW if place < BONES_SHOWN else 0 :]
    blocks: list[Block] = [Pictures(tuple(pictures), PICTURES_IN_ROW)] if pictures else []
    drawn = []
    if site.curve:
        percent = f"{100 * site.curve[-1].plastic_fraction:.0f}"
        drawn.append((curve_chart(site.curve, say), say("curve_note", steps=len(site.curve), percent=percent)))
    if len(site.sweep) > 1:
        drawn.append((sweep_chart(site.sweep, say), say("sweep_note")))
    if drawn:
        blocks.append(Figures(tuple(drawn)))
    if site.sweep:
        blocks.append(_falls(site, say))
    return [Section(say("bone_details", bone=site.name), tuple(blocks))] if blocks else []


def _falls(site: SiteResult, say: Words) -> Table:
    weakest = min(site.sweep, key=lambda point: point.force_n)
    rows = tuple(
        (
            f"{p.rotation_deg:g}°",
            f"{p.adduction_deg:g}°",
            f"{number(p.force_n, 'N')} N",
            f"{number(p.stiffness_n_per_mm, 'N/mm')} N/mm",
            say("weakest") if p is weakest else "",
        )
        for p in site.sweep
    )
    keys = ("rotation", "adduction", "load_linear", "stiffness")
    return Table((*(say(key) for key in keys), ""), rows, (4, 4, 4, 4, 3), dense=True)


def _models(sites: Sequence[SiteResult], sources: Mapping[str, int], say: Words) -> list[Section]:
    rows = []
    for site in sites:
        if site.model is not None:
            m, s, known = site.model, site.model.solver, site.model.numbers
            rows.append(
                (
                    site.name,
                    f"{m.law}, {say.text(m.analysis)} {_cited(m.sources, sources)}",
                    m.load_case,
                    f"{m.voxel_mm:.3g} mm",
                    "; ".join(say(key, value=f"{known[key]:.1f}") for key in ("height_mm", "cap_mm") if known.get(key)),
                    f"{m.elements:,}",
                    say("solver_record", iterations=f"{s.get('iterations', float('nan')):.0f}",
                        residual=f"{s.get('relative_residual', float('nan')):.0e}",
                        seconds=f"{s.get('seconds_setup', 0.0) + s.get('seconds_solve', 0.0):.1f}"),
                    say("material_record", floored=f"{100 * known.get('floored_fraction', 0.0):.1f}",
                        outside=f"{100 * known.get('out_of_range_fraction', 0.0):.1f}"),
                )
            )  # fmt: skip
    if not rows:
        return []
    keys = ("bone", "law", "load_case", "voxel", "size", "elements", "solver", "material")
    table = Table(tuple(say(key) for key in keys), tuple(rows), (2, 2.6, 3.2, 1.5, 2.6, 1.7, 3.2, 3), dense=True)
    return [Section(say("model"), (table,))]


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
            sample(p.name),
            f"{p.hu_mean:.1f} ± {p.hu_sd:.1f}",
            f"{p.voxels:,}",
            f"{p.reference:.5g}",
            f"{p.fitted:.5g}",
            f"{p.fitted - p.reference:+.3g}",
        )
        for p in fit.points
    )
    cited = _cited((fit.source,), sources)
    blocks: list[Block] = [
        Paragraph(f"{fit.method} {cited}: {say.text(fit.quantity.value)} [mg/cm³] = {equation}".replace(" :", ":")),
        Figures(((calibration_chart(fit, say), say("chart_calibration")),)),
    ]
    keys = ("sample", "hu", "voxels", "reference", "fitted", "difference_column")
    if rows:
        blocks.append(Table(tuple(say(key) for key in keys), rows, (4, 3, 2, 2, 2, 2), dense=True))
    blocks += evidence(fit, say)
    blocks += [Paragraph(f"{name.replace('_', ' ')}: {text}", "fine") for name, text in fit.details.items()]
    if fit.numbers:
        blocks.append(Paragraph("; ".join(f"{k} = {v:.5g}" for k, v in fit.numbers.items()), "fine"))
    return [Section(say("calibration"), tuple(blocks))]


def _service(results: StudyResults, say: Words) -> list[Section]:
    rows = service_rows(results.service)
    if not rows:
        return []
    texts = tuple((code, say.text(what), say.text(state), utc, evidence_) for code, what, state, utc, evidence_ in rows)
    keys = ("part", "service_what", "state", "time_utc", "evidence")
    kinds = tuple("pass" if row[2] == "done" else "warn" if row[2] else "" for row in rows)
    table = Table(tuple(say(key) for key in keys), texts, (1.4, 4, 1.6, 3, 8), kinds, True)
    return [Section(say("service"), (table, Paragraph(say.text(NOTE), "fine")))]


def _references(sources: Mapping[str, int], say: Words) -> list[Section]:
    lines = tuple(Paragraph(f"[{n}] {text}", "fine") for text, n in sources.items())
    return [Section(say("references"), lines)] if lines else []
