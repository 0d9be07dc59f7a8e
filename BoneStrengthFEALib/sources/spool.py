"""A folder that fills with one series and appears whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from BoneStrengthFEALib.atomic_files import make_folder
from BoneStrengthFEALib.errors import InputError, OutputError, PacsError
from BoneStrengthFEALib.progress import ProgressCallback
from BoneStrengthFEALib.sources.source import SeriesRecord, is_uid

MOST_BYTES = 16 << 30
MOST_INSTANCES = 20_000
ATTEMPTS = 3
PAUSE_S = 0.5

logger = logging.getLogger(__name__)


class Spool:
    """Instances that have arrived; safe to fill from several threads.

    Parameters
    ----------
    folder
        Private folder they lie in.
    wanted
        SOP instance UIDs that may come; empty takes all.
    """

    def __init__(self, folder: Path, wanted: frozenset[str] = frozenset()) -> None:
        self.folder = folder
        self.wanted = wanted
        self.arrived: dict[str, Path] = {}
        self.on_arrival: Callable[[int], None] = lambda _: None
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def missing(self) -> tuple[str, ...]:
        """Wanted instances that have not arrived, sorted."""
        return tuple(sorted(self.wanted - self.arrived.keys()))

    def receive(self, content: bytes) -> None:
        """Keep one instance; one that has arrived before is left out.

        Parameters
        ----------
        content
            A DICOM file.

        Raises
        ------
        PacsError
            When it is no DICOM file, was not asked for, or there is too much.
        """
        with self._lock:
            self._count(len(content))
            path = self._path()
            path.write_bytes(content)
            uid = _instance_uid(path)
            if not uid or (self.wanted and uid not in self.wanted):
                path.unlink()
                raise PacsError("the archive sent something that was not asked for; nothing was kept", code="PACS_SENT")
            if uid in self.arrived:
                path.unlink()
                return
            self.arrived[uid] = path
            number = len(self.arrived)
        self.on_arrival(number)

    def copy(self, source: Path) -> None:
        """Copy a file as it is; the same instance twice stays twice, for the gate to see.

        Parameters
        ----------
        source
            File.
        """
        with self._lock:
            self._count(source.stat().st_size)
            path = self._path()
            shutil.copyfile(source, path, follow_symlinks=False)
            self.arrived[path.name] = path
            number = len(self.arrived)
        self.on_arrival(number)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MOST_BYTES or len(self.arrived) >= MOST_INSTANCES:
            raise PacsError("the archive sends more than a CT series can hold; nothing was kept", code="PACS_SENT")

    def _path(self) -> Path:
        return self.folder / f"IM{len(self.arrived) + 1:05d}.dcm"


@contextlib.contextmanager
def spooling(folder: Path, wanted: frozenset[str] = frozenset()) -> Iterator[Spool]:
    """Fill a folder that only its owner can read; rename it into place when all is well.

    Parameters
    ----------
    folder
        Final folder; absent or empty.
    wanted
        See Spool.

    Yields
    ------
    The spool.

    Raises
    ------
    InputError
        When the folder holds something.
    OutputError
        When it cannot be written; nothing half-written stays.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise InputError(f"{folder.name} exists and is not empty; choose a new folder")
    make_folder(folder.parent)
    try:
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"cannot write into the folder of {folder.name}: {error.strerror}") from error
    try:
        yield Spool(partial, wanted)
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise OutputError(
            f"cannot write {folder.name}: {error.strerror}; free space or choose another place"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def fetch_whole(
    record: SeriesRecord,
    folder: Path,
    wanted: frozenset[str],
    transfer: Callable[[Spool], None],
    callback: ProgressCallback,
) -> tuple[Path, ...]:
    """Transfer a series; a broken transfer goes on where it stopped, a short series is refused.

    Parameters
    ----------
    record
        Series, with the number of images the archive announced.
    folder
        New folder.
    wanted
        SOP instance UIDs the archive lists now; empty when it cannot list them.
    transfer
        Brings what is missing in a spool; raises PacsError with code PACS_BROKEN when the connection breaks.
    callback
        Progress; may raise to cancel.

    Returns
    -------
    The files in order of arrival.

    Raises
    ------
    PacsError
        INCOMPLETE, or what transfer raises.
    """
    announced = record.images if record.images is not None else len(wanted)
    with spooling(folder, wanted) as spool:
        spool.on_arrival = lambda number: callback("fetching", min(1.0, number / max(announced, 1)))
        _persist(transfer, spool)
        arrived = len(spool.arrived)
        if arrived == 0 or spool.missing or (announced and arrived != announced):
            raise PacsError(
                f"{arrived} of {max(announced, len(wanted))} images arrived; the series changes or is incomplete in "
                "the archive: try again later, and ask the archive's operator when it stays so",
                code="INCOMPLETE",
            )
        names = [path.name for path in spool.arrived.values()]
    logger.info("fetched a series of %d images", arrived)
    return tuple(folder / name for name in names)


def _persist(transfer: Callable[[Spool], None], spool: Spool) -> None:
    idle = 0
    while True:
        before = len(spool.arrived)
        try:
            transfer(spool)
        except PacsError as error:
            # attempts that bring something do not count
            idle = 1 if len(spool.arrived) > before else idle + 1
            if error.code != "PACS_BROKEN" or idle == ATTEMPTS:
                raise
            logger.warning("transfer broke after %d images; trying again", len(spool.arrived))
            time.sleep(PAUSE_S * 2 ** (idle - 1))
        else:
            return


def _instance_uid(path: Path) -> str:
    """UID from the meta group alone: nothing else of a stranger's file is read before the gate."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            uid = str(pydicom.filereader.read_file_meta_info(path).MediaStorageSOPInstanceUID)
    except Exception:
        return ""
    return uid if is_uid(uid) else ""
