"""Page 1: what a clinician needs to act on."""

from __future__ import annotations

from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.report.change_tables import main_changes
from BoneStrengthFEALib.report.check_rows import merged_rows, reports_of
from BoneStrengthFEALib.report.limits import limit_bars, limit_notes
from BoneStrengthFEALib.report.options import ReportOptions
from BoneStrengthFEALib.report.sentences import headline, refusals
from BoneStrengthFEALib.report.summary_table import summary_table
from BoneStrengthFEALib.report.view import Block, Facts, Paragraph, Picture, Pictures, Section, Table
from BoneStrengthFEALib.report.words import Words, date, moment, person_name
from BoneStrengthFEALib.results import SiteResult, StudyResults

CLINICAL = (
    *("hip_projection", "axial", "coronal", "sagittal", "failed_coronal", "strain_coronal"),
    *("failed_sagittal", "strain_sagittal"),
)
"""Pictures for the clinician, the most telling first."""
PICTURES_IN_ROW, BONES_SHOWN, ATTENTION_SHOWN = 5, 2, 7
LARGE_IN_ROW = 3
"""Pictures in a row where one bone without bars leaves room for large ones."""


def first_page(results: StudyResults, options: ReportOptions, say: Words) -> list[Section]:
    """Sections of page 1.

    Parameters
    ----------
    results
        Results.
    options
        Options.
    say
        Words.

    Returns
    -------
    Sections.
    """
    refused = not any(site.strengths or site.bmd for site in results.sites)
    result: list[Block] = [Paragraph(headline(results, say), "refused" if refused else "result")]
    if refused:
        result += [Paragraph(sentence) for sentence in refusals(results, say)]
    result += summary_table(results, say)
    bones = results.sites[: bones_shown(options)]
    shown = [picture for site in bones for picture in pictures_of(site, say)[:PICTURES_IN_ROW]]
    bars = limit_bars(results, say)
    in_row = LARGE_IN_ROW if len(results.sites) == 1 and not bars else PICTURES_IN_ROW
    pictures = [Pictures(tuple(shown), in_row)] if shown else []
    sections = [Section("", (_status(options, say), Facts(_facts(results, say)), *result, *bars, *pictures))]
    sections += [Section("", (Paragraph(say("caveat"), "caveat"),))]
    sections += main_changes(results, options, say) + _attention(results, say)
    notes = limit_notes(results, say)
    return [*sections, Section("", tuple(notes))] if notes else sections


def bones_shown(options: ReportOptions) -> int:
    """Bones whose pictures stand on page 1; a comparison with a prior examination needs the room of one.

    Parameters
    ----------
    options
        Options.

    Returns
    -------
    Number.
    """
    return BONES_SHOWN if options.prior is None else BONES_SHOWN - 1


def pictures_of(site: SiteResult, say: Words) -> list[Picture]:
    """Pictures of a bone, the most telling first.

    Parameters
    ----------
    site
        Bone.
    say
        Words.

    Returns
    -------
    Pictures with captions.
    """
    order = {kind: n for n, kind in enumerate(CLINICAL)}
    kinds = sorted(site.pictures, key=lambda kind: order.get(kind, len(order)))
    return [Picture(site.pictures[kind], f"{site.name}: {picture_name(kind, say)}") for kind in kinds]


def picture_name(kind: str, say: Words) -> str:
    """Words for a kind of picture.

    Parameters
    ----------
    kind
        As in SiteResult.pictures.
    say
        Words.

    Returns
    -------
    Words.
    """
    key = f"picture_{kind}"
    return say(key) if key in say.phrases else kind.replace("_", ", ")


def _status(options: ReportOptions, say: Words) -> Paragraph:
    signed = options.signed
    if signed is None:
        return Paragraph(say("preliminary"), "preliminary")
    text = say("signed", name=person_name(signed.name), organization=signed.organization, utc=moment(signed.utc))
    return Paragraph(f"{text} {say('interpretation', text=signed.statement)}" if signed.statement else text, "signed")


def _facts(results: StudyResults, say: Words) -> tuple[tuple[str, str], ...]:
    exam, person = results.acquisition, results.acquisition.subject
    years = "" if person.age_years is None else say("years", years=f"{person.age_years:.0f}")
    height = f"{person.height_m * 100:.0f} cm" if person.height_m else ""
    weight = f"{person.weight_kg:.0f} kg" if person.weight_kg else ""
    slices = "" if exam.slice_thickness_mm is None else f"{exam.slice_thickness_mm:g} mm"
    facts = (
        ("patient", person_name(person.name)),
        ("patient_id", person.patient_id),
        ("born", date(person.birth_date)),
        ("sex_age", _joined(say.text(person.sex.value), years)),
        ("height_weight", _joined(height, weight)),
        ("examination", date(exam.study_date)),
        ("accession", exam.accession_number),
        ("referring", person_name(exam.referring_physician)),
        ("scanner", " ".join(text for text in (exam.manufacturer, exam.model) if text)),
        ("tube_kernel", _joined("" if exam.kvp is None else f"{exam.kvp:g} kV", exam.kernel)),
        ("slices", slices),
        ("series", exam.series_description),
    )
    return tuple((say(name), text or "-") for name, text in facts)


def _joined(*texts: str) -> str:
    return ", ".join(text for text in texts if text)


def _attention(results: StudyResults, say: Words) -> list[Section]:
    rows, kinds = merged_rows(reports_of(results, say), say, (Outcome.REFUSE, Outcome.WARN))
    if not rows:
        return []
    shown = [(row[0], row[1], row[2], row[4]) for row in rows[:ATTENTION_SHOWN]]
    columns = ("", say("check"), say("found"), say("what_to_do"))
    blocks: list[Block] = [Table(columns, tuple(shown), (1.7, 3.4, 5.3, 5.7), kinds[:ATTENTION_SHOWN], True)]
    if len(rows) > ATTENTION_SHOWN:
        blocks.append(Paragraph(say("more_below", count=len(rows) - ATTENTION_SHOWN), "fine"))
    return [Section(say("attention"), tuple(blocks))]
