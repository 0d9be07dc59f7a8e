"""The table of page 1: one row a bone, a second one for the hip's other region."""

from __future__ import annotations

import re

from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.report.sentences import no_strength
from BoneStrengthFEALib.report.view import Block, Paragraph, Table
from BoneStrengthFEALib.report.words import Words, number, spread, with_uncertainty, with_unit
from BoneStrengthFEALib.results import SiteResult, StudyResults

SHOWN_TOO = ("total_hip_abmd",)
"""Measures that stand on page 1 beside the first one."""
T_SCORE = "t_score"
KIND = re.compile(r", [^,()]*(?:-equivalent density|äquivalente Dichte)\)")
"""Kind of density at the end of a label; the calibration on the next pages names it."""


def summary_table(results: StudyResults, say: Words) -> list[Block]:
    """Table and its footnotes.

    Parameters
    ----------
    results
        Results.
    say
        Words.

    Returns
    -------
    Blocks; none without bones.
    """
    rows = [row for site in results.sites for row in _rows(site, say)]
    rows += [(say("all_levels"), "", "", "", *_density(measure, (), say)) for measure in results.measures]
    if not rows:
        return []
    keys = ("bone", "failure_load", "strength_class", "load_to_strength", "density_measure", "value", "density_class")
    kept = [
        n for n in range(len(keys)) if keys[n] != "load_to_strength" or any(row[n] not in ("", "-") for row in rows)
    ]
    widths = (1.6, 2.4, 2.3, 2.5, 3.8, 3.2, 2.4)
    table = Table(
        tuple(say(keys[n]) for n in kept),
        tuple(tuple(row[n] for n in kept) for row in rows),
        tuple(widths[n] for n in kept),
    )
    notes = [say(key) for key in _spread_notes(results)]
    notes += [_weakest(site, say) for site in results.sites if len(site.sweep) > 1 and site.strengths]
    return [table, *(Paragraph(note, "fine") for note in notes)]


def _spread_notes(results: StudyResults) -> list[str]:
    """What an uncertainty of densities and of failure loads holds, where one is shown."""
    measures = (*results.measures, *(measure for site in results.sites for measure in site.bmd[:1]))
    loads = [strength.uncertainty_n for site in results.sites for strength in site.strengths[:1]]
    keys = ["spread_note"] if any(m.uncertainty is not None for m in measures) else []
    if loads:
        keys.append("load_spread_note" if all(u is not None for u in loads) else "no_load_spread_note")
    return keys


def _rows(site: SiteResult, say: Words) -> list[tuple[str, ...]]:
    line = next((line for line in site.risk if line.unit == "N"), None)
    ratio = next((line for line in site.risk if line.unit == "1"), None)
    load = no_strength(site, say)
    if site.strengths:
        load = f"{spread(site.strengths[0].force_n, site.strengths[0].uncertainty_n, 'N')}\u00a0N"
    named = say.text(line.classification) if line else say("not_classified") if site.strengths else "-"
    share = "-" if ratio is None else f"{ratio.value:g}, {say.text(ratio.classification)}"
    shown = [*site.bmd[:1], *(measure for measure in site.bmd[1:] if measure.id in SHOWN_TOO)]
    first, *others = [_density(measure, site.bmd, say) for measure in shown] or [("-", "", "")]
    return [(site.name, load, named, share, *first), *(("", "", "", "", *other) for other in others)]


def _density(measure: Measure, others: tuple[Measure, ...], say: Words) -> tuple[str, str, str]:
    value = with_unit(with_uncertainty(measure), measure.unit)
    score = next((m for m in others if m.id == f"{measure.id.removesuffix('abmd')}{T_SCORE}"), None)
    if score is not None:
        value += f"; {say('t_score', value=with_uncertainty(score))}"
    return KIND.sub(")", say.text(measure.label)), value, say.text(measure.classification) or say("not_classified")


def _weakest(site: SiteResult, say: Words) -> str:
    """What a reader of the first number must know: another direction of the fall may break the bone earlier."""
    least = min(site.sweep, key=lambda fall: fall.force_n)
    return say(
        "weakest_fall",
        bone=site.name,
        count=len(site.sweep),
        force=number(least.force_n, "N"),
        rotation=f"{least.rotation_deg:g}",
        here=number(site.strengths[0].force_n, "N"),
    )
