"""Stored calibrations of scanners: a folder with one JSON file per phantom scan, that a person can read.

A file per entry needs no lock: it appears whole under its own name, and two sites that add entries at one time to a
shared folder cannot lose each other's.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.atomic_files import make_folder, write_text
from BoneStrengthFEALib.calibration.phantom_definition import KINDS, Phantom
from BoneStrengthFEALib.calibration.record import Calibration, CalibrationPoint
from BoneStrengthFEALib.calibration.scanner import Scanner
from BoneStrengthFEALib.errors import InputError, OutputError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.version import __version__
from BoneStrengthFEALib.volume import Volume

SCHEMA = "bonestrengthfea-stored-calibration/1"
POINT_FIELDS = ("name", "hu_mean", "hu_sd", "voxels", "reference", "fitted")
LINE_FIELDS = ("check", "found", "expected", "action")


@dataclass(frozen=True, eq=False)
class StoredCalibration:
    """One phantom scan of one scanner.

    Parameters
    ----------
    id
        Name of the entry and of its file.
    scanned
        Day of the phantom scan.
    added
        When it was stored, UTC, as ISO text.
    software
        Version that made it.
    scanner
        Scanner and protocol.
    phantom
        Id, serial and certificate date of the phantom, by name.
    scan_sha256
        Hash of the phantom scan's voxels.
    calibration
        The calibration.
    """

    id: str
    scanned: datetime.date
    added: str
    software: str
    scanner: Scanner
    phantom: Mapping[str, str]
    scan_sha256: str
    calibration: Calibration


def new_entry(
    scan: Volume, phantom: Phantom, calibration: Calibration, scanner: Scanner, scanned: datetime.date
) -> StoredCalibration:
    """Make an entry.

    Parameters
    ----------
    scan
        The phantom scan [HU].
    phantom
        Its phantom.
    calibration
        Calibration made from both.
    scanner
        Scanner and protocol.
    scanned
        Day of the scan.

    Returns
    -------
    The entry; equal scan, phantom and protocol give an equal id.
    """
    voxels = hashlib.sha256(np.ascontiguousarray(scan.array).tobytes()).hexdigest()
    facts = {"id": phantom.id, "serial": phantom.serial, "certificate_date": phantom.certificate_date}
    rods = [(rod.name, rod.density_mg_cm3, rod.water_mg_cm3) for rod in phantom.rods]
    key = json.dumps([voxels, facts, rods, dataclasses.asdict(scanner)], sort_keys=True)
    voltage = "" if scanner.kvp is None else f"{scanner.kvp:g}kV-"
    name = f"{scanned.isoformat()}-{voltage}{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    added = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return StoredCalibration(name, scanned, added, __version__, scanner, facts, voxels, calibration)


def add_entry(entry: StoredCalibration, store: Path) -> Path:
    """Write an entry into a store.

    Parameters
    ----------
    entry
        The entry.
    store
        Folder; made when it is missing.

    Returns
    -------
    Path of its file.

    Raises
    ------
    OutputError
        When the store is a file, or holds this scan already, or cannot be written.
    """
    if store.exists() and not store.is_dir():
        raise OutputError(f"{store} is a file; a calibration store is a folder with one file per phantom scan")
    path = store / f"{entry.id}.json"
    if path.exists():
        raise OutputError(f"the store holds this phantom scan already: {path.name}; remove that file to store it again")
    make_folder(store)
    write_text(path, json.dumps(_to_dict(entry), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return path


def read_store(store: Path) -> tuple[StoredCalibration, ...]:
    """Read a store, or one entry of it.

    Parameters
    ----------
    store
        Folder, or one of its files.

    Returns
    -------
    Entries by day of the scan.

    Raises
    ------
    InputError
        When there is none, or a file is damaged.
    """
    paths = [store] if store.is_file() else sorted(store.glob("*.json")) if store.is_dir() else []
    if not paths:
        raise InputError(
            f"no stored calibration at {store}; make one with 'bone-strength-fea calibrate SCAN --phantom ID --store "
            "FOLDER'"
        )
    return tuple(sorted((_read(path) for path in paths), key=lambda entry: (entry.scanned, entry.id)))


def _read(path: Path) -> StoredCalibration:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise InputError(f"{path.name} in the calibration store is not of schema {SCHEMA}; move it away")
        return _from_dict(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path.name} in the calibration store is damaged ({error}); restore it or remove it"
        ) from error


def _to_dict(entry: StoredCalibration) -> dict[str, Any]:
    fit = entry.calibration
    kind = next(name for name, quantity in KINDS.items() if quantity is fit.quantity)
    return {
        "schema": SCHEMA,
        "id": entry.id,
        "scanned": entry.scanned.isoformat(),
        "added": entry.added,
        "software": entry.software,
        "scanner": dataclasses.asdict(entry.scanner),
        "phantom": dict(entry.phantom),
        "scan_sha256": entry.scan_sha256,
        "method": fit.method,
        "density_kind": kind,
        "coefficients_mg_cm3": list(fit.coefficients),
        "covariance": None if fit.covariance is None else fit.covariance.tolist(),
        "numbers": {name: value for name, value in fit.numbers.items() if np.isfinite(value)},
        "rods": [{name: getattr(point, name) for name in POINT_FIELDS} for point in fit.points],
        "checks": [
            {"outcome": line.outcome.value, **{name: getattr(line, name) for name in LINE_FIELDS}}
            for line in fit.quality.lines
        ],
        "source": fit.source,
    }


def _from_dict(data: dict[str, Any]) -> StoredCalibration:
    lines = [
        QualityLine(line["check"], Outcome(line["outcome"]), line["found"], line["expected"], line["action"])
        for line in data["checks"]
    ]
    covariance = data["covariance"]
    return StoredCalibration(
        str(data["id"]),
        datetime.date.fromisoformat(data["scanned"]),
        str(data["added"]),
        str(data["software"]),
        Scanner(**data["scanner"]),
        {str(name): str(value) for name, value in data["phantom"].items()},
        str(data["scan_sha256"]),
        Calibration(
            str(data["method"]),
            KINDS[data["density_kind"]],
            tuple(float(c) for c in data["coefficients_mg_cm3"]),
            None if covariance is None else np.array(covariance, dtype=np.float64),
            tuple(CalibrationPoint(**{name: rod[name] for name in POINT_FIELDS}) for rod in data["rods"]),
            {str(name): float(value) for name, value in data["numbers"].items()},
            QualityReport(tuple(lines)),
            str(data["source"]),
        ),
    )
