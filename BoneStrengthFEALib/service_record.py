"""The service record of a result: which parts of the service were done, with times and evidence."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.results import DISCLAIMER, StudyResults, to_plain
from BoneStrengthFEALib.retrieval_file import retrieval_of
from BoneStrengthFEALib.service_facts import NOTE, Retrieval, ServicePart, ServiceRecord

FILE = "service_record.json"
SHOWN = 16
"""Digits of a hash that are shown."""
ARTEFACTS = (
    "METAL",
    "BEAM",
    "MOTION",
    "STREAK",
    "NOISE",
    "CUT_BY",
    "CONTRAST",
    "CEMENT",
    "TILT",
    "THICKNESS",
    "KERNEL",
)
BY_HAND = ("BY_HAND", "EDIT", "CORRECT", "SEED")


def record_of(
    results: StudyResults,
    retrieval: Retrieval | None = None,
    receipts: Sequence[Mapping[str, Any]] = (),
    signed: tuple[str, str] | None = None,
    runs: int = 1,
) -> ServiceRecord:
    """Collect the record from facts.

    Parameters
    ----------
    results
        Results.
    retrieval
        How the images came.
    receipts
        Receipts of deliveries, see transmission.entry.
    signed
        Who signed and when (ISO 8601); None when nobody has.
    runs
        Runs that gave the result folder its content.

    Returns
    -------
    The record.
    """
    first = (_scan(results, retrieval), _assessment(results), _report(signed))
    done = all(part.done for part in first)
    missing = tuple(part.code for part in first if not part.done)
    utc = max((part.utc for part in first), default="") if done else ""
    whole = ServicePart("0554T", "all parts of the service", done, utc, ("0555T, 0556T, 0557T",) * done, missing)
    delivered = tuple(
        f"{r['sent_utc']} to {str(r['destination']).partition(':')[0]}: {r['answer']} (parcel {r['id']})"
        for r in receipts
    )
    return ServiceRecord((*first, whole), delivered, _harder(results, runs), retrieval, runs)


def with_service(results: StudyResults, runs: int = 1) -> StudyResults:
    """Results with their service record as it is at the end of a run.

    Parameters
    ----------
    results
        Results whose images are still there.
    runs
        Runs of this examination into its result folder, this one included.

    Returns
    -------
    The results.
    """
    exam = results.acquisition
    retrieval = retrieval_of([Path(path) for path in exam.files], exam.study_uid, exam.series_uid)
    return dataclasses.replace(results, service=record_of(results, retrieval, runs=runs))


def write_record(record: ServiceRecord, folder: Path) -> Path:
    """Write the record as a file of its own.

    Parameters
    ----------
    record
        Record.
    folder
        Result folder.

    Returns
    -------
    Path of the file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    data = {"note": NOTE, "disclaimer": DISCLAIMER, **to_plain(record)}
    data["parts"] = {part["code"]: part for part in data["parts"]}
    write_text(folder / FILE, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    return folder / FILE


def earlier_runs(folder: Path) -> int:
    """Runs whose results lie in a folder, to be counted before they are replaced.

    Parameters
    ----------
    folder
        Result folder; may be missing.

    Returns
    -------
    Number of runs; 0 when there are no results.
    """
    try:
        data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        return max(1, int((data.get("service") or {}).get("runs", 1)))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, TypeError, AttributeError):
        return 1


def _scan(results: StudyResults, retrieval: Retrieval | None) -> ServicePart:
    evidence, missing = [], []
    read = len(results.acquisition.files)
    if read:
        content = results.provenance.get("ct_sha256", "")
        evidence.append(f"{read} images " + (f"analysed, content {content[:SHOWN]}" if content else "not analysed"))
    if retrieval is None:
        missing.append("evidence of a retrieval: the images were read from files that somebody else provided")
    else:
        evidence += _retrieval_words(retrieval)
        if not retrieval.by_network:
            missing.append(f"a transfer from another system: the images came from a {retrieval.way}")
        if not retrieval.is_whole:
            missing.append(f"{retrieval.announced - retrieval.images} of the images that were announced")
    if not read:
        missing.append("images that could be read as DICOM")
    done = not missing
    utc = retrieval.ended_utc if retrieval is not None and done else ""
    what = "retrieval and transmission of the scan data"
    return ServicePart("0555T", what, done, utc, tuple(evidence), tuple(missing))


def _retrieval_words(retrieval: Retrieval) -> list[str]:
    whole = f" of {retrieval.announced} announced" if retrieval.announced else ""
    source = f" from {retrieval.source}" if retrieval.source else ""
    safe = ", encrypted" if retrieval.encrypted else ""
    return [
        f"retrieved by {retrieval.way}{source}{safe}, {retrieval.started_utc} to {retrieval.ended_utc}",
        f"{retrieval.series} series, {retrieval.images}{whole} images, {retrieval.size_bytes / 1e6:.1f} MB arrived",
        f"study UID hash {retrieval.study_hash[:SHOWN]}",
        *(f"series UID hash {one[:SHOWN]}" for one in retrieval.series_hashes),
    ]


def _assessment(results: StudyResults) -> ServicePart:
    strengths = sum(bool(site.strengths) for site in results.sites)
    densities = sum(bool(site.bmd) for site in results.sites)
    risk = results.risk.classification if results.risk else ""
    found = {"a bone strength": strengths, "a bone mineral density": densities, "a fracture-risk class": risk}
    missing = tuple(name for name, value in found.items() if not value)
    words = f"strength of {strengths}, density of {densities} bones, fracture-risk class {risk or 'not determined'}"
    utc = "" if missing else results.provenance.get("utc", "") or "unknown"
    evidence = (words, f"settings {results.provenance.get('settings_sha256', '')[:SHOWN]}")
    what = "assessment of bone strength, fracture risk and bone mineral density"
    return ServicePart("0556T", what, not missing, utc, evidence, missing)


def _report(signed: tuple[str, str] | None) -> ServicePart:
    what = "interpretation and report"
    if signed is None:
        return ServicePart("0557T", what, False, missing=("a signed interpretation ('sign')",))
    return ServicePart("0557T", what, True, signed[1], (f"signed by {signed[0]}",))


def _harder(results: StudyResults, runs: int) -> tuple[str, ...]:
    reports = [("examination", results.quality), *((site.name, site.quality) for site in results.sites)]
    facts = [
        f"{_kind(line.check, line.outcome)}: {where}: {line.check}: {line.found}"
        for where, report in reports
        for line in report.lines
        if line.outcome is not Outcome.PASS
    ]
    facts += [f"manual: accepted by a person: {code}" for code in results.settings.get("accept") or ()]
    facts += [f"repeated: the examination was run {runs} times"] * (runs > 1)
    return tuple(dict.fromkeys(facts))


def _kind(check: str, outcome: Outcome) -> str:
    if any(word in check for word in BY_HAND):
        return "manual"
    if any(word in check for word in ARTEFACTS):
        return "artefact"
    return "refused" if outcome is Outcome.REFUSE else "warning"
