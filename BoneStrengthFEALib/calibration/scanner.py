"""What a stored calibration belongs to: one scanner and protocol, told apart by what DICOM headers say."""

from __future__ import annotations

from dataclasses import dataclass

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.quality import Outcome, QualityLine
from BoneStrengthFEALib.quality_profile import kernel_class

KVP_TOLERANCE = 1.0
"""Headers write 120, 120.0 or 119.99 for the same voltage."""
DIAMETER_CLASSES = ((250.0, "small"), (400.0, "medium"))
"""Largest reconstruction diameter of a class [mm]; beyond them "large". This project's choice, `unverified`."""


@dataclass(frozen=True)
class Scanner:
    """A scanner and the part of its protocol that HU depend on.

    Parameters
    ----------
    manufacturer, model, station, serial
        As DICOM states them; empty when unknown.
    kvp
        Tube voltage [kV]; None when unknown.
    kernel, kernel_class
        Convolution kernel, and "soft", "sharp" or "unknown".
    diameter_mm, diameter_class
        Reconstruction diameter [mm] or None, and "small", "medium", "large" or "unknown".
    """

    manufacturer: str
    model: str
    station: str
    serial: str
    kvp: float | None
    kernel: str
    kernel_class: str
    diameter_mm: float | None
    diameter_class: str

    @property
    def words(self) -> str:
        """The scanner in words."""
        voltage = "unknown voltage" if self.kvp is None else f"{self.kvp:g} kV"
        name = " ".join(t for t in (self.manufacturer, self.model, self.serial or self.station) if t)
        return f"{name or 'unknown scanner'}, {voltage}, kernel {self.kernel or 'unknown'} ({self.kernel_class})"


def scanner_of(acquisition: Acquisition) -> Scanner:
    """Scanner and protocol of an acquisition.

    Parameters
    ----------
    acquisition
        Facts of the series.

    Returns
    -------
    What a stored calibration is looked up by.
    """
    exam = acquisition
    kind = kernel_class(exam.manufacturer, exam.kernel) if exam.kernel else "unknown"
    size = exam.reconstruction_diameter_mm
    return Scanner(
        exam.manufacturer.strip(),
        exam.model.strip(),
        exam.station.strip(),
        exam.serial.strip(),
        exam.kvp,
        exam.kernel.strip(),
        kind,
        size,
        diameter_class(size),
    )


def diameter_class(diameter_mm: float | None) -> str:
    """Class of a reconstruction diameter.

    Parameters
    ----------
    diameter_mm
        [mm] or None.

    Returns
    -------
    "small", "medium", "large" or "unknown".
    """
    if diameter_mm is None:
        return "unknown"
    return next((name for most, name in DIAMETER_CLASSES if diameter_mm <= most), "large")


def same_voltage(a: Scanner, b: Scanner) -> bool | None:
    """Whether two scans had one tube voltage.

    Parameters
    ----------
    a, b
        Scanners.

    Returns
    -------
    True or False; None when one is unknown.
    """
    return None if a.kvp is None or b.kvp is None else abs(a.kvp - b.kvp) <= KVP_TOLERANCE


def same_scanner(a: Scanner, b: Scanner) -> bool | None:
    """Whether two scans come from one machine.

    Parameters
    ----------
    a, b
        Scanners.

    Returns
    -------
    False when manufacturer, model or (serial number, else station name) differ; None when what is known agrees but
    does not name the machine; True otherwise.
    """
    pairs = [(a.manufacturer, b.manufacturer), (a.model, b.model)]
    machine = (a.serial, b.serial) if a.serial and b.serial else (a.station, b.station)
    known = [(x.lower(), y.lower()) for x, y in (*pairs, machine) if x and y]
    if any(x != y for x, y in known):
        return False
    return True if len(known) == 3 else None


def compare(patient: Scanner, stored: Scanner) -> list[QualityLine]:
    """Lines that say how far a stored calibration fits a scan.

    Parameters
    ----------
    patient, stored
        Scanner of the examination and of the phantom scan.

    Returns
    -------
    STORED_KVP, STORED_SCANNER, STORED_KERNEL, STORED_DIAMETER.
    """
    return [
        _line("STORED_KVP", same_voltage(patient, stored), _kv(patient), _kv(stored), Outcome.REFUSE,
              "HU of bone change by about 10 % per 20 kV: scan the phantom at this voltage"),
        _line("STORED_SCANNER", same_scanner(patient, stored), _name(patient), _name(stored), Outcome.REFUSE,
              "scan the phantom on this scanner"),
        _line("STORED_KERNEL", _same_kernel(patient, stored),
              f"{patient.kernel or 'unknown'} ({patient.kernel_class})",
              f"{stored.kernel or 'unknown'} ({stored.kernel_class})", Outcome.REFUSE,
              "HU differ between soft and sharp kernels: reconstruct as the phantom was"),
        _line("STORED_DIAMETER", _equal(patient.diameter_class, stored.diameter_class),
              _mm(patient), _mm(stored), Outcome.WARN, "reconstruct the phantom at a similar diameter"),
    ]  # fmt: skip


def _line(code: str, same: bool | None, found: str, stored: str, differs: Outcome, action: str) -> QualityLine:
    outcome = Outcome.WARN if same is None else Outcome.PASS if same else differs
    return QualityLine(
        code, outcome, found, f"{stored}, as the stored phantom scan", action if same is not True else ""
    )


def _same_kernel(a: Scanner, b: Scanner) -> bool | None:
    # one kernel is one kernel, whether or not its kind is known
    if a.kernel and a.kernel.lower() == b.kernel.lower():
        return True
    return _equal(a.kernel_class, b.kernel_class)


def _equal(a: str, b: str) -> bool | None:
    return None if "unknown" in (a, b) else a == b


def _kv(scanner: Scanner) -> str:
    return "unknown" if scanner.kvp is None else f"{scanner.kvp:g} kV"


def _mm(scanner: Scanner) -> str:
    return "unknown" if scanner.diameter_mm is None else f"{scanner.diameter_mm:g} mm ({scanner.diameter_class})"


def _name(scanner: Scanner) -> str:
    parts = (scanner.manufacturer, scanner.model, scanner.station, scanner.serial)
    return " / ".join(part or "?" for part in parts) + " (manufacturer / model / station / serial)"
