"""The service record of a result folder, brought up to date from what lies in it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from BoneStrengthFEALib.dicom_out.sign import read_signature
from BoneStrengthFEALib.results import write_results
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.service_facts import ServiceRecord
from BoneStrengthFEALib.service_record import record_of, write_record


def write_service_record(folder: Path) -> Path:
    """Bring the record up to date, in results.json and in a file of its own.

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
    results = read_results(folder)
    record = service_record(folder)
    if record != results.service:
        write_results(dataclasses.replace(results, service=record), folder / "results.json")
    return write_record(record, folder)


def service_record(folder: Path) -> ServiceRecord:
    """Collect the record from results, receipts and signature.

    Parameters
    ----------
    folder
        Result folder.

    Returns
    -------
    The record.
    """
    results = read_results(folder)
    receipts = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("receipt_*.json"))]
    receipts.sort(key=lambda receipt: str(receipt["sent_utc"]))
    signature = read_signature(folder)
    signed = (f"{signature.name}, {signature.organization}", signature.utc) if signature else None
    # the images may be gone by now: how they came was noted at the end of the run
    return record_of(results, results.service.retrieval, receipts, signed, results.service.runs)
