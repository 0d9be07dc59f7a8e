"""From a result folder to the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from BoneStrengthFEALib.dicom_out.write import object_files
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.fhir import FILE_NAME
from BoneStrengthFEALib.transmission.entry import Entry
from BoneStrengthFEALib.transmission.outbox import Outbox
from BoneStrengthFEALib.transmission.service_record import write_service_record


def queue_result(box: Outbox, folder: Path, destinations: Sequence[str]) -> tuple[Entry, ...]:
    """Put a result into the outbox, a parcel for each destination.

    Parameters
    ----------
    box
        Outbox.
    folder
        Result folder.
    destinations
        Where it goes.

    Returns
    -------
    The entries.

    Raises
    ------
    InputError
        When the folder holds nothing to send.
    """
    bundle = folder / FILE_NAME
    files = [*object_files(folder), *([bundle] if bundle.is_file() else [])]
    if not files:
        raise InputError(f"{folder} holds nothing to send; give a result folder, run with --dicom on a DICOM series")
    return tuple(box.put(destination, files, folder) for destination in destinations)


def send_queued(box: Outbox, folder: Path) -> tuple[Entry, ...]:
    """Send what waits and bring the result's service record up to date.

    Parameters
    ----------
    box
        Outbox.
    folder
        Result folder.

    Returns
    -------
    Entries of this result that still wait.
    """
    send_and_record(box, force=True)
    write_service_record(folder)
    return tuple(entry for entry in box.entries() if Path(entry.result_folder) == folder.resolve())


def send_and_record(box: Outbox, force: bool = False) -> None:
    """Send what is due and bring the service records of what was delivered up to date.

    Parameters
    ----------
    box
        Outbox.
    force
        Whether to try at once what would wait.
    """
    for entry in box.send_due(force=force):
        folder = Path(entry.result_folder)
        if entry.answer and folder.is_dir():
            write_service_record(folder)
