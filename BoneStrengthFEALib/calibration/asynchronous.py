"""Asynchronous calibration: a phantom was scanned on this scanner at this protocol on another day."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.calibration.control import FEWEST, alike, charts_of
from BoneStrengthFEALib.calibration.record import Calibration
from BoneStrengthFEALib.calibration.scanner import Scanner, compare, same_scanner, same_voltage, scanner_of
from BoneStrengthFEALib.calibration.store import StoredCalibration, read_store
from BoneStrengthFEALib.errors import CalibrationError, InputError
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.settings import CalibrationSettings
from BoneStrengthFEALib.volume import FloatArray

METHOD = "asynchronous"
SOURCE = (
    "stored calibration of the scanner, made from a phantom scan of another day; accuracy against a spine phantom "
    "1.4 to 6.7 % (Wang L et al. (2017), Sci Rep 7:6284, PMC5524691)"
)


def calibrate_asynchronous(acquisition: Acquisition, settings: CalibrationSettings) -> Calibration:
    """Take the stored calibration of this scanner and protocol.

    Parameters
    ----------
    acquisition
        Scanner, protocol and day of the examination.
    settings
        Store and age limits.

    Returns
    -------
    The stored calibration with the checks of how it fits this examination; refusing ones are for the caller to raise.

    Raises
    ------
    InputError
        When no store is given or it cannot be read.
    CalibrationError
        When the tube voltage is unknown or another (KVP), or no entry is of this scanner (NO_STORED_CALIBRATION).
    """
    if not settings.store:
        raise InputError("calibration asynchronous needs its store: --store FOLDER, or --set calibration.store=FOLDER")
    path = Path(settings.store)
    entries = read_store(path)
    patient, day = scanner_of(acquisition), examination_day(acquisition)
    entry = _named(entries[0], patient) if path.is_file() else choose(entries, patient, day)
    history = alike(entry, _beside(path) if path.is_file() else entries)
    lines = [*compare(patient, entry.scanner), _age_line(entry, day, settings), _control_line(entry, history)]
    lines += [line for line in entry.calibration.quality.lines if line.outcome is not Outcome.PASS]
    return dataclasses.replace(
        entry.calibration,
        method=METHOD,
        covariance=_covariance(entry, history),
        numbers={**entry.calibration.numbers, "history_entries": float(len(history)), **_days(entry, day)},
        quality=QualityReport(tuple(lines)),
        source=f"{SOURCE}; entry {entry.id}: {entry.calibration.source}",
        details={
            "stored_entry": entry.id,
            "phantom_scanned": entry.scanned.isoformat(),
            "phantom": ", ".join(f"{name} {value}" for name, value in entry.phantom.items() if value),
            "scanner": entry.scanner.words,
            "phantom_scan_sha256": entry.scan_sha256,
            "stored_by": f"BoneStrengthFEA {entry.software}, {entry.added}",
        },
    )


def choose(entries: Sequence[StoredCalibration], patient: Scanner, day: datetime.date | None) -> StoredCalibration:
    """Choose among stored calibrations.

    Parameters
    ----------
    entries
        Entries by day.
    patient
        Scanner and protocol of the examination.
    day
        Day of the examination, or None.

    Returns
    -------
    Of the entries of this scanner and voltage: same kernel class first, then same diameter class, then nearest in
    time (the latest when the day is unknown).

    Raises
    ------
    CalibrationError
        When the voltage is unknown (KVP) or nothing fits (NO_STORED_CALIBRATION).
    """
    if patient.kvp is None:
        raise CalibrationError(
            "the tube voltage of the examination is unknown; a stored calibration holds for one voltage: give --kvp",
            code="KVP",
        )
    right = [e for e in entries if same_voltage(patient, e.scanner) and same_scanner(patient, e.scanner)]
    if not right:
        known = "; ".join(sorted({e.scanner.words for e in entries}))
        raise CalibrationError(
            f"no stored calibration is of this scanner and voltage: the examination is of {patient.words}, the store "
            f"holds {known}. Scan a phantom on this scanner, or name one entry of the store by its file",
            code="NO_STORED_CALIBRATION",
        )
    last = max(e.scanned for e in right)

    def rank(entry: StoredCalibration) -> tuple[bool, bool, int, str]:
        away = abs((entry.scanned - (day or last)).days)
        kernel, size = entry.scanner.kernel_class, entry.scanner.diameter_class
        return kernel != patient.kernel_class, size != patient.diameter_class, away, entry.id

    return min(right, key=rank)


def examination_day(acquisition: Acquisition) -> datetime.date | None:
    """Day of an examination.

    Parameters
    ----------
    acquisition
        Acquisition with study_date YYYYMMDD.

    Returns
    -------
    The day, or None when unknown.
    """
    try:
        return datetime.datetime.strptime(acquisition.study_date.strip(), "%Y%m%d").date()
    except ValueError:
        return None


def _named(entry: StoredCalibration, patient: Scanner) -> StoredCalibration:
    # no one can take responsibility for another voltage: it is not a difference between machines but of physics
    if same_voltage(patient, entry.scanner) is not True:
        found = "unknown" if patient.kvp is None else f"{patient.kvp:g} kV"
        raise CalibrationError(
            f"the tube voltage of the examination is {found}, the stored calibration {entry.id} was made at "
            f"{entry.scanner.kvp or float('nan'):g} kV; scan the phantom at this voltage, or give --kvp if unknown",
            code="KVP",
        )
    return entry


def _beside(path: Path) -> tuple[StoredCalibration, ...]:
    """All entries of the store a file belongs to; the file alone when it was copied somewhere else."""
    try:
        return read_store(path.parent)
    except InputError:
        return read_store(path)


def _days(entry: StoredCalibration, day: datetime.date | None) -> dict[str, float]:
    return {} if day is None else {"days_from_phantom_scan": float((day - entry.scanned).days)}


def _age_line(entry: StoredCalibration, day: datetime.date | None, settings: CalibrationSettings) -> QualityLine:
    rule = f"at most {settings.age_warn_days:g} days apart (site rule; unverified)"
    if day is None:
        found = f"phantom of {entry.scanned.isoformat()}, day of the examination unknown"
        return QualityLine("STORED_AGE", Outcome.WARN, found, rule, "check that the scanner was not serviced between")
    days = abs((day - entry.scanned).days)
    outcome = Outcome.PASS if days <= settings.age_warn_days else Outcome.WARN
    if days > settings.age_refuse_days:
        outcome = Outcome.REFUSE
    found = f"{days} days between phantom ({entry.scanned.isoformat()}) and examination"
    return QualityLine("STORED_AGE", outcome, found, rule, "" if outcome is Outcome.PASS else "scan the phantom again")


def _control_line(entry: StoredCalibration, history: Sequence[StoredCalibration]) -> QualityLine:
    at = next(n for n, other in enumerate(history) if other.id == entry.id)
    signals = [f"{chart.title}: {chart.signals()[at]}" for chart in charts_of(history) if chart.signals()[at]]
    expected = "slope and intercept within 3 sigma of their history, without a shift"
    if signals:
        action = "look at 'bone-strength-fea calibrate --history': service, a new tube, or a badly placed phantom"
        return QualityLine("STORED_CONTROL", Outcome.WARN, "; ".join(signals), expected, action)
    known = "in control" if len(history) >= FEWEST else f"no limits yet ({len(history)} of {FEWEST} phantom scans)"
    return QualityLine("STORED_CONTROL", Outcome.PASS, known, expected)


def _covariance(entry: StoredCalibration, history: Sequence[StoredCalibration]) -> FloatArray | None:
    """Covariance of the fit and, where there are enough phantom scans, twice what their scatter holds beyond it.

    Once for the day of the phantom scan, once for that of the examination: the scanner was another on both.
    """
    fit = entry.calibration.covariance
    if fit is None or len(history) < FEWEST:
        return fit
    scatter = np.cov(np.array([other.calibration.coefficients for other in history]).T)
    # intercept and slope differ by powers of ten: they are compared in units of the fit
    unit = np.sqrt(np.diag(fit))
    beyond, axes = np.linalg.eigh((scatter - fit) / np.outer(unit, unit))
    return np.asarray(fit + 2.0 * np.outer(unit, unit) * ((axes * np.maximum(beyond, 0.0)) @ axes.T))
