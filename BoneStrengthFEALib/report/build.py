"""From results to the report a reader meets."""

from __future__ import annotations

from BoneStrengthFEALib.report.expert_pages import expert_pages
from BoneStrengthFEALib.report.first_page import first_page
from BoneStrengthFEALib.report.named import named
from BoneStrengthFEALib.report.options import PLAIN, ReportOptions
from BoneStrengthFEALib.report.view import View
from BoneStrengthFEALib.report.words import moment, person_name, words_of
from BoneStrengthFEALib.results import DISCLAIMER, StudyResults


def build(results: StudyResults, options: ReportOptions = PLAIN) -> View:
    """Build the report.

    Parameters
    ----------
    results
        Results.
    options
        Language, signature, prior examination.

    Returns
    -------
    The report, the same for every renderer.
    """
    say = words_of(options.language)
    results, options = named(results, options, say)
    made = results.provenance
    settings = made.get("settings_sha256", "")[:12]
    exam, person = results.acquisition, results.acquisition.subject
    known = {"name": person_name(person.name), "id": person.patient_id, "accession": exam.accession_number}
    facts = [
        made.get("software", ""),
        moment(made.get("utc", "")),
        say("settings", digits=settings) if settings else "",
    ]
    return View(
        language=say.language,
        title=say("title"),
        warning=say.text(DISCLAIMER),
        sections=(*first_page(results, options, say), *expert_pages(results, options, say)),
        footer=", ".join(fact for fact in facts if fact),
        identity=say("patient_line", **{name: text or "-" for name, text in known.items()}),
        page_of=say.phrases["page_of"],
    )
