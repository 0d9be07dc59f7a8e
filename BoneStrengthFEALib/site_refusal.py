"""One bone after the other: a bone that could not be found or loaded is refused and stops no other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

from BoneStrengthFEALib.anatomy.names import recognise
from BoneStrengthFEALib.errors import AnatomyError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.results import SiteResult
from BoneStrengthFEALib.study import Study, Target

Behind = TypeVar("Behind")


def each_bone(
    study: Study, one: Callable[[Target], tuple[SiteResult, Behind | None]]
) -> tuple[list[SiteResult], dict[str, Behind]]:
    """Do the same to each bone.

    Parameters
    ----------
    study
        The examination.
    one
        Gives the result of one bone and what lies behind it, None when it is refused.

    Returns
    -------
    All results, and what lies behind those that were not refused, by name.

    Raises
    ------
    AnatomyError
        When it befell every bone.
    """
    sites: list[SiteResult] = []
    behind: list[Behind | None] = []
    errors: list[AnatomyError] = []
    for target in study.targets:
        try:
            result, found = one(target)
        except AnatomyError as error:
            errors.append(error)
            result, found = refused_site(study, target, error), None
        sites.append(result)
        behind.append(found)
    if len(errors) == len(study.targets):
        raise errors[0]
    names = study.distinct_names([site.name for site in sites])
    sites = [dataclasses.replace(site, name=name) for site, name in zip(sites, names, strict=True)]
    return sites, {name: one for name, one in zip(names, behind, strict=True) if one is not None}


def refused_site(study: Study, target: Target, error: AnatomyError) -> SiteResult:
    """Result of a bone that could not be found or loaded.

    Parameters
    ----------
    study
        The examination.
    target
        The bone.
    error
        Why.

    Returns
    -------
    A result without numbers, whose quality says why.
    """
    value = study.labels.value_of(target.label)
    name = study.labels.names.get(value, str(target.label))
    site, level, side = recognise(name)
    found_site, found_side = target.site or site, target.side or side
    found_level = target.level or level
    words, _, action = (part.strip() for part in str(error).partition(";"))
    line = QualityLine(error.code, Outcome.REFUSE, words, "a bone that can be measured", action or "see what was found")
    plain = f"{found_side.value} {found_site.value}".strip() if found_site else name
    return SiteResult(
        found_level or plain,
        found_site.value if found_site else "",
        found_level,
        found_side.value,
        value,
        quality=QualityReport((line,)),
    )
