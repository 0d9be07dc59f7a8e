"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from BoneStrengthFEALib.errors import OutputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside the target and rename it when the block ends well.

    Parameters
    ----------
    path
        The final name; its folder must exist.

    Yields
    ------
    The temporary path, with the same suffixes, to be written by the caller.

    Raises
    ------
    OutputError
        When the folder is not writable or the disk is full; nothing half-written stays.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".partial-", suffix="".join(path.suffixes))
        os.close(handle)
        _usual_permissions(Path(name))
    except OSError as error:
        raise _output_error(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Parameters
    ----------
    path
        Final name.
    text
        Content.

    Raises
    ------
    OutputError
        See replacing.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a binary file atomically.

    Parameters
    ----------
    path
        Final name.
    content
        Content.

    Raises
    ------
    OutputError
        See replacing.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def make_folder(path: Path) -> None:
    """Make a folder and its parents.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    OutputError
        When it cannot be made or is a file.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _output_error(path, error) from error


def _usual_permissions(path: Path) -> None:
    # mkstemp lets only the owner read; results follow the user's umask like any other file
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _output_error(path: Path, error: OSError) -> OutputError:
    reason = error.strerror or str(error)
    return OutputError(f"cannot write {path.name} into {path.parent}: {reason}; free space or choose another folder")
