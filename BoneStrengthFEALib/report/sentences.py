"""Sentences that the report, the FHIR bundle and the DICOM objects share."""

from __future__ import annotations

from BoneStrengthFEALib.class_guard import allows_classes
from BoneStrengthFEALib.report.words import Words, number, words_of
from BoneStrengthFEALib.results import DISCLAIMER, SiteResult, StudyResults

SHORT = {
    **{"hu": "HU", "kvp": "tube voltage", "fov": "field of view", "roi": "region", "uid": "UID", "ct": "CT"},
    **{"id": "ID", "dicom": "DICOM", "sd": "SD", "bmd": "BMD", "vbmd": "vBMD", "mono": "monoenergetic"},
}
"""Short forms in the codes of checks."""


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
        return f"{strengths} {say(_why_no_class(results))}"
    key = "headline_class" if any(site.risk for site in results.sites) else "headline_class_density"
    return f"{strengths} {say(key, name=say.text(results.risk.classification))}"


def _why_no_class(results: StudyResults) -> str:
    if results.calibration is not None and not allows_classes(results.calibration):
        return "headline_class_withheld"
    kinds = {site.site for site in results.sites if site.strengths}
    if kinds <= {"radius", "tibia"}:
        return "headline_no_limits"
    return "headline_no_hip_class" if kinds <= {"femur", "radius", "tibia"} else "headline_no_class"


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
        say("refused_because", bone=bone, check=check_name(line.check, say), found=say.text(line.found))
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
    if code in say.texts:
        return say.text(code)
    words = " ".join(SHORT.get(word, word) for word in code.lower().split("_"))
    return words[:1].upper() + words[1:]


def criterion_name(criterion: str, say: Words) -> str:
    """Name of a strength criterion for people.

    Parameters
    ----------
    criterion
        As in Strength.criterion.
    say
        Words.

    Returns
    -------
    Words.
    """
    return say(f"criterion_{criterion}") if f"criterion_{criterion}" in say.phrases else criterion


def measure_name(label: str, say: Words) -> str:
    """Name of a compared number for people.

    Parameters
    ----------
    label
        As in comparison.Change.measure.
    say
        Words.

    Returns
    -------
    Words.
    """
    kind, _, criterion = label.partition(", ")
    if kind == "Failure load" and criterion:
        return say("failure_load_by", criterion=criterion_name(criterion, say))
    return say.text(label)


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
