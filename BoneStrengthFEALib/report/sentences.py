"""Sentences that the report, the FHIR bundle and the DICOM objects share."""

from __future__ import annotations

from BoneStrengthFEALib.class_guard import allows_classes
from BoneStrengthFEALib.report.words import Words, number, words_of
from BoneStrengthFEALib.results import DISCLAIMER, SiteResult, StudyResults


def headline(results: StudyResults, say: Words | None = None) -> str:
    """The one-line result.

    Parameters
    ----------
    results
        Results.
    say
        Words; English when left out.

    Returns
    -------
    A sentence.
    """
    say = say or words_of()
    loads = [f"{site.name} {number(site.strengths[0].force_n, 'N')} N" for site in results.sites if site.strengths]
    if not loads:
        return say("headline_density" if any(site.bmd for site in results.sites) else "headline_refused")
    strengths = say("headline_strength", loads=", ".join(loads))
    classes = [(s.name, line.classification) for s in results.sites for line in s.risk if line.unit == "N"]
    if results.risk is None and classes:
        named = ", ".join(f"{bone} {say.text(name)}" for bone, name in classes)
        return f"{strengths} {say('headline_strength_class', classes=named)}"
    if results.risk is None:
        scaled = results.calibration is None or allows_classes(results.calibration)
        return f"{strengths} {say('headline_no_class' if scaled else 'headline_class_withheld')}"
    key = "headline_class" if any(site.risk for site in results.sites) else "headline_class_density"
    return f"{strengths} {say(key, name=say.text(results.risk.classification))}"


def conclusion(results: StudyResults, say: Words | None = None, compared: str = "") -> str:
    """What the study says, in the words of the report, for objects that carry one text.

    Parameters
    ----------
    results
        Results.
    say
        Words; English when left out.
    compared
        Sentence on a prior examination, see comparison.summary.

    Returns
    -------
    Sentences.
    """
    say = say or words_of()
    parts = [headline(results, say), *refusals(results, say), compared, say("caveat"), say.text(DISCLAIMER)]
    return " ".join(part for part in parts if part)


def refusals(results: StudyResults, say: Words) -> list[str]:
    """Why bones have no strength.

    Parameters
    ----------
    results
        Results.
    say
        Words.

    Returns
    -------
    A sentence per refusing check.
    """
    whole = [(say("examination"), results.quality)] if results.quality.refused else []
    reports = [*whole, *((site.name, site.quality) for site in results.sites)]
    return [
        say("refused_because", bone=bone, check=check_name(line.check, say), found=line.found)
        for bone, report in reports
        for line in report.refused
    ]


def check_name(code: str, say: Words) -> str:
    """Name of a check for people.

    Parameters
    ----------
    code
        As in QualityLine.
    say
        Words.

    Returns
    -------
    Words.
    """
    return say.text(code) if code in say.texts else code.replace("_", " ")


def no_strength(site: SiteResult, say: Words) -> str:
    """What stands where a strength would.

    Parameters
    ----------
    site
        Bone without a strength.
    say
        Words.

    Returns
    -------
    A word.
    """
    return say("not_computed" if site.bmd else "refused")


def references(results: StudyResults) -> list[str]:
    """Every source the numbers rest on, each once.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Citations in the order in which the report meets them.
    """
    found = [measure.source for measure in results.measures]
    for site in results.sites:
        found += [line.source for line in site.risk]
    found += [results.risk.source] if results.risk else []
    for site in results.sites:
        found += [measure.source for measure in site.bmd]
        found += [strength.source for strength in site.strengths]
        found += site.model.sources if site.model else ()
    found += [results.calibration.source] if results.calibration else []
    return list(dict.fromkeys(text for text in found if text))
