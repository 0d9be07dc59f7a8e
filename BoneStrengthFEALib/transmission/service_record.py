"""What was done for a case, with times and evidence; coding and payment are left to people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.dicom_out.sign import read_signature
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.results import DISCLAIMER, StudyResults
from BoneStrengthFEALib.results_reading import read_results

FILE = "service_record.json"
NOTE = (
    "A list of facts. Whether a service may be coded or paid is for people to decide; this is research software, and "
    "billing codes describe cleared services."
)


def write_service_record(folder: Path) -> Path:
    """Write the record of a result folder from what lies in it.

    Parameters
    ----------
    folder
        Result folder.

    Returns
    -------
    Path of the record.

    Raises
    ------
    InputError
        When the folder holds no results.
    """
    path = folder / FILE
    write_text(path, json.dumps(service_record(folder), indent=2, ensure_ascii=False) + "\n")
    return path


def service_record(folder: Path) -> dict[str, Any]:
    """Collect the record.

    Parameters
    ----------
    folder
        Result folder.

    Returns
    -------
    Parts of the service with done, time and evidence; what made the work harder.
    """
    results = read_results(folder)
    receipts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("receipt_*.json"))]
    signature = read_signature(folder)
    utc = results.provenance.get("utc", "")
    transfer = _part(
        "retrieval and transmission of the scan data",
        bool(results.acquisition.files) and bool(receipts),
        receipts[-1]["sent_utc"] if receipts else "",
        [
            f"{len(results.acquisition.files)} images read, hash {results.provenance.get('ct_sha256', '')[:16]}",
            *(f"{r['destination'].partition(':')[0]}: {r['answer']} ({r['sent_utc']})" for r in receipts),
        ],
    )
    strong = any(site.strengths for site in results.sites)
    dense = any(site.bmd for site in results.sites)
    assessed = _part(
        "assessment of bone strength, fracture risk and bone mineral density",
        strong and dense and results.risk is not None,
        utc,
        [_assessment(results), f"settings {results.provenance.get('settings_sha256', '')[:16]}"],
    )
    signed = [f"signed by {signature.name}, {signature.organization}"] if signature else []
    report = _part("interpretation and report", signature is not None, signature.utc if signature else "", signed)
    every = all(part["done"] for part in (transfer, assessed, report))
    whole = _part("all of the above", every, max(transfer["utc"], assessed["utc"], report["utc"]) if every else "", [])
    return {
        "note": NOTE,
        "disclaimer": DISCLAIMER,
        "parts": {"0555T": transfer, "0556T": assessed, "0557T": report, "0554T": whole},
        "harder": _harder(results),
    }


def _part(what: str, done: bool, utc: str, evidence: list[str]) -> dict[str, Any]:
    return {"what": what, "done": done, "utc": utc, "evidence": evidence}


def _assessment(results: StudyResults) -> str:
    strengths = sum(bool(site.strengths) for site in results.sites)
    densities = sum(bool(site.bmd) for site in results.sites)
    risk = results.risk.classification if results.risk else "not determined"
    return f"{strengths} strengths, {densities} densities, fracture-risk class {risk}"


def _harder(results: StudyResults) -> list[str]:
    """Facts that made the work harder than usual: warnings, refusals, checks a person accepted."""
    reports = [("examination", results.quality), *((site.name, site.quality) for site in results.sites)]
    facts = [
        f"{where}: {line.check}: {line.found}"
        for where, report in reports
        for line in report.lines
        if line.outcome is not Outcome.PASS
    ]
    accepted = results.settings.get("accept") or []
    return [*facts, *(f"accepted by a person: {code}" for code in accepted)]
