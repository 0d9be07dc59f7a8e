"""A result folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from BoneStrengthFEALib.atomic_files import make_folder
from BoneStrengthFEALib.errors import OutputError

MARKERS = ("results.json", "state.json", "models.json")
"""A folder that holds one of these files is one of ours and may be replaced when asked."""


def check_target(folder: Path, overwrite: bool) -> None:
    """Refuse a target that would lose somebody's files, before any work is done.

    Parameters
    ----------
    folder
        Result folder.
    overwrite
        Whether earlier results may be replaced.

    Raises
    ------
    OutputError
        When it is a file, holds something else, or holds results and overwrite is false.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder for the results")
    if not any(folder.iterdir()):
        return
    if not any((folder / marker).is_file() for marker in MARKERS):
        raise OutputError(f"{folder} is not empty and holds no earlier results; choose a new or empty folder")
    if not overwrite:
        raise OutputError(f"{folder} holds earlier results; choose another folder or allow overwriting")


@contextlib.contextmanager
def filling(folder: Path, overwrite: bool) -> Iterator[Path]:
    """Fill a hidden folder beside the target and rename it when the block ends well.

    Parameters
    ----------
    folder
        Result folder.
    overwrite
        Whether earlier results may be replaced.

    Yields
    ------
    Folder to write into.

    Raises
    ------
    OutputError
        When the target cannot be used or written; nothing half-written stays.
    """
    check_target(folder, overwrite)
    make_folder(folder.parent)
    try:
        working = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    except OSError as error:
        raise OutputError(f"cannot write into {folder.parent}: {error.strerror}; choose another folder") from error
    try:
        yield working
        _swap(working, folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}; free space or choose another") from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _swap(working: Path, folder: Path) -> None:
    # mkdtemp makes a folder only its owner may read; results follow the user's usual permissions
    probe = folder.parent / f"{working.name}-mode"
    probe.mkdir()
    working.chmod(probe.stat().st_mode)
    probe.rmdir()
    old = folder.parent / f"{working.name}-old"
    if folder.exists():
        folder.replace(old)
    try:
        working.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
