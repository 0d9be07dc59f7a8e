"""Changes since a prior examination: what page 1 shows, and all of them."""

from __future__ import annotations

from collections.abc import Sequence

from BoneStrengthFEALib.report.comparison import Change, compare, summary
from BoneStrengthFEALib.report.options import ReportOptions
from BoneStrengthFEALib.report.sentences import measure_name
from BoneStrengthFEALib.report.summary_table import SHOWN_TOO
from BoneStrengthFEALib.report.view import Block, Paragraph, Section, Table
from BoneStrengthFEALib.report.words import Words, number, with_unit
from BoneStrengthFEALib.results import SiteResult, StudyResults


def main_changes(results: StudyResults, options: ReportOptions, say: Words) -> list[Section]:
    """Changes of the numbers that page 1 shows.

    Parameters
    ----------
    results, options
        Results and options with a prior examination, or none.
    say
        Words.

    Returns
    -------
    One section, or none without a prior examination.
    """
    before = options.prior
    if before is None:
        return []
    every = compare(results, before, options.limits)
    shown = {(site.name, label) for site in results.sites for label in _main_labels(site)}
    changes = [change for change in every if (change.bone, change.measure) in shown]
    blocks: list[Block] = [Paragraph(summary(results, before, say), "plain")]
    blocks.append(_table(changes, say) if changes else Paragraph(say("nothing_in_common")))
    notes = {change.limit_source for change in every}
    if "precision" in notes and options.limits_source:
        blocks.append(Paragraph(say("precision_note", source=options.limits_source), "fine"))
    if "uncertainty" in notes:
        blocks.append(Paragraph(say("uncertainty_note"), "fine"))
    if any(change.limit is None and change.unit == "N" for change in changes):
        blocks.append(Paragraph(say("no_limit_note"), "fine"))
    return [Section(say("change_since"), tuple(blocks))]


def all_changes(results: StudyResults, options: ReportOptions, say: Words) -> list[Section]:
    """Changes of every number.

    Parameters
    ----------
    results, options, say
        See main_changes.

    Returns
    -------
    One section, or none without a prior examination or changes.
    """
    changes = [] if options.prior is None else compare(results, options.prior, options.limits)
    return [Section(say("all_changes"), (_table(changes, say),))] if changes else []


def _main_labels(site: SiteResult) -> list[str]:
    measures = [*site.bmd[:1], *(measure for measure in site.bmd[1:] if measure.id in SHOWN_TOO)]
    return [*(f"Failure load, {s.criterion}" for s in site.strengths[:1]), *(measure.label for measure in measures)]


def _table(changes: Sequence[Change], say: Words) -> Table:
    keys = ("bone", "measure", "before", "now", "change", "least_change", "verdict")
    rows = tuple(_row(change, say) for change in changes)
    return Table(tuple(say(key) for key in keys), rows, (1.4, 3.4, 2, 2, 2.4, 3, 2.6), dense=True)


def _row(c: Change, say: Words) -> tuple[str, ...]:
    percent = "" if c.percent is None else f" ({c.percent:+.0f} %)"
    source = say("limit_precision") if c.limit_source == "precision" else ""
    limit = say("no_limit") if c.limit is None else f"{with_unit(number(c.limit, c.unit), c.unit)} {source}".strip()
    change = f"{number(c.change, c.unit) if c.change < 0 else '+' + number(c.change, c.unit)}{percent}"
    old, new = with_unit(number(c.before, c.unit), c.unit), with_unit(number(c.now, c.unit), c.unit)
    return c.bone, measure_name(c.measure, say), old, new, change, limit, say(c.verdict)
