"""Bones named in the language of the report."""

from __future__ import annotations

import dataclasses

from BoneStrengthFEALib.report.options import ReportOptions
from BoneStrengthFEALib.report.prior import PriorExam
from BoneStrengthFEALib.report.words import Words
from BoneStrengthFEALib.results import StudyResults


def named(results: StudyResults, options: ReportOptions, say: Words) -> tuple[StudyResults, ReportOptions]:
    """Put the names of bones into a language, in the results and in the prior examination alike.

    Parameters
    ----------
    results, options
        Results and options.
    say
        Words.

    Returns
    -------
    Both with the language's names.
    """
    sites = tuple(dataclasses.replace(site, name=say.text(site.name)) for site in results.sites)
    prior = None if options.prior is None else _prior(options.prior, say)
    return dataclasses.replace(results, sites=sites), dataclasses.replace(options, prior=prior)


def _prior(prior: PriorExam, say: Words) -> PriorExam:
    names = {value.bone: say.text(value.bone) for value in prior.values}
    values = tuple(dataclasses.replace(value, bone=names[value.bone]) for value in prior.values)
    facts = {}
    for name, text in prior.facts.items():
        bone, _, fact = name.rpartition(" ")
        facts[f"{names[bone]} {fact}" if bone in names else name] = text
    return dataclasses.replace(prior, values=values, facts=facts)
