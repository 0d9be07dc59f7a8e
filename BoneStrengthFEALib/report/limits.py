"""Bars of classified numbers, and the words and sources of all limits, each once."""

from __future__ import annotations

from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.report.charts import threshold_bar
from BoneStrengthFEALib.report.drawing import Drawing
from BoneStrengthFEALib.report.view import Block, Figures, Paragraph
from BoneStrengthFEALib.report.words import Words, unit_words, with_unit
from BoneStrengthFEALib.results import RiskLine, SiteResult, StudyResults
from BoneStrengthFEALib.risk.cut_offs import CAVEAT, CUT_OFFS, KEAVENY_2020, CutOff, cut_off
from BoneStrengthFEALib.volume import Quantity

BARS_SHOWN = 4
CLASSES = "classes: "
"""What the source of a classified measure says before its limits."""
T_SCORES = ("femoral_neck_t_score", "total_hip_t_score")


def limit_bars(results: StudyResults, say: Words) -> list[Block]:
    """Bars: strengths first, the lowest bone of each measure when there are many, then the density of the classes.

    Parameters
    ----------
    results
        Results.
    say
        Words.

    Returns
    -------
    One block, or none.
    """
    sex = results.acquisition.subject.sex.value
    lines = [(site, line) for site in results.sites for line in site.risk if line.source == KEAVENY_2020]
    if len(lines) > BARS_SHOWN - 2:
        lines = [
            min((pair for pair in lines if pair[1].measure == name), key=lambda pair: pair[1].value)
            for name in dict.fromkeys(line.measure for _, line in lines)
        ]
    # the class rests on a rounded number, the reader sees the one of the table
    shown = [(site, line, site.strengths[0].force_n if site.strengths else line.value) for site, line in lines]
    bars = [_bar(site.name, line.measure, value, cut_off(line.measure, sex), say) for site, line, value in shown]
    bars += _density_bars(results, say)
    return [Figures(tuple((bar, "") for bar in bars[:BARS_SHOWN]))] if bars else []


def limit_notes(results: StudyResults, say: Words) -> list[Paragraph]:
    """Limits, source and caveat of every class on page 1, each once.

    Parameters
    ----------
    results
        Results.
    say
        Words.

    Returns
    -------
    Paragraphs.
    """
    lines = [line for site in results.sites for line in site.risk]
    notes = [_note(line, results, say) for line in [*lines, *([results.risk] if results.risk else [])]]
    measures = [*results.measures, *(measure for site in results.sites for measure in site.bmd)]
    for measure in measures:
        if measure.classification and measure.id in T_SCORES:
            row = cut_off("hip T-score", "")
            parts = {"measure": say.text(row.measure), "limits": limit_words(row, say), "source": row.source}
            notes.append(say("limits_note", **parts, caveat=say.text(row.caveat)))
        elif measure.classification and CLASSES in measure.source:
            notes.append(f"{say('density_class')}: {unit_words(measure.source.partition(CLASSES)[2])}.")
    return [Paragraph(note[:1].upper() + note[1:], "fine") for note in dict.fromkeys(notes)]


def _bar(bone: str, measure: str, value: float, row: CutOff, say: Words) -> Drawing:
    return threshold_bar(value, row, f"{bone}: {say.text(measure)}", say)


def _density_bars(results: StudyResults, say: Words) -> list[Drawing]:
    fit = results.calibration
    bars = []
    # the classes of the spine are on the K2HPO4 scale
    if fit is not None and fit.quantity is Quantity.K2HPO4:
        spine = [m for m in results.measures if m.classification and m.unit == "mg/cm3"]
        bars += [_bar(say("all_levels"), "spine vBMD", m.value, cut_off("spine vBMD", ""), say) for m in spine]
    for site in results.sites:
        scores = [m for m in site.bmd if m.id in T_SCORES and m.classification]
        if scores:
            lowest = min(scores, key=lambda m: m.value)
            bars.append(_bar(_of(site, lowest, say), "hip T-score", lowest.value, cut_off("hip T-score", ""), say))
    return bars


def _of(site: SiteResult, measure: Measure, say: Words) -> str:
    return f"{site.name}, {say.text(measure.label.split(' T-score')[0])}"


def _note(line: RiskLine, results: StudyResults, say: Words) -> str:
    limits = say.text(line.limits)
    if line.measure in {row.measure for row in CUT_OFFS}:
        limits = limit_words(cut_off(line.measure, results.acquisition.subject.sex.value), say)
    parts = {"measure": say.text(line.measure), "limits": limits, "source": line.source}
    # the paragraph above the notes says it for all of them
    caveat = "" if line.caveat == CAVEAT else say.text(line.caveat)
    return say("limits_note", **parts, caveat=caveat).strip()


def limit_words(row: CutOff, say: Words) -> str:
    """Limits of a row of classes.

    Parameters
    ----------
    row
        Limits and names of the classes.
    say
        Words.

    Returns
    -------
    Words.
    """
    worst, middle, best = map(say.text, row.classes)
    return say(
        "limit_words",
        worst=worst,
        below="≤" if row.low_limit_is_worst else "<",
        low=with_unit(f"{row.low_limit:g}", row.unit),
        middle=middle,
        best=best,
        above="≥" if row.normal_limit_is_normal else ">",
        high=with_unit(f"{row.normal_limit:g}", row.unit),
    )
