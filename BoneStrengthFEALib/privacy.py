"""What keeps people out of logs, names and temporary folders."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from BoneStrengthFEALib.errors import OutputError
from BoneStrengthFEALib.pacs_settings import configuration_folder

SALT_VARIABLE = "BONESTRENGTHFEA_SALT"
SALT_BYTES = 32
KEY_DIGITS = 16
UID_IN_TEXT = re.compile(r"\b[0-2](?:\.\d+){5,}\b")


def site_salt(environment: Mapping[str, str] = os.environ) -> bytes:
    """The secret of this installation that turns identifiers into keys; made at first use.

    Parameters
    ----------
    environment
        Environment variables; BONESTRENGTHFEA_SALT, shared by several machines, goes before the file.

    Returns
    -------
    The salt.

    Raises
    ------
    OutputError
        When it can neither be read nor made.
    """
    given = environment.get(SALT_VARIABLE, "")
    if given:
        return given.encode("utf-8")
    path = configuration_folder(environment) / "salt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # exclusive: two first runs must not end with two salts
        with contextlib.suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as stream:
                stream.write(secrets.token_bytes(SALT_BYTES))
        salt = path.read_bytes()
    except OSError as error:
        raise OutputError(f"cannot keep a salt in {path.parent}: {error.strerror}; set {SALT_VARIABLE}") from error
    if len(salt) < SALT_BYTES:
        raise OutputError(
            f"the salt in {path.parent} is damaged; remove it (keys of earlier cases change) and try again"
        )
    return salt


def case_key(identifier: str, salt: bytes) -> str:
    """Name of a case that tells nothing about the person.

    Parameters
    ----------
    identifier
        Study UID, patient ID or the like.
    salt
        See site_salt.

    Returns
    -------
    16 hexadecimal digits, the same for the same identifier and salt.

    References
    ----------
    RFC 2104 (HMAC), with SHA-256.
    """
    return hmac.new(salt, identifier.encode("utf-8"), hashlib.sha256).hexdigest()[:KEY_DIGITS]


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Make a temporary folder that only its owner can read, and remove it whatever happens.

    Yields
    ------
    The folder.

    Raises
    ------
    OutputError
        When it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="bonestrength-"))
    except OSError as error:
        raise OutputError(f"cannot make a temporary folder: {error.strerror}; free space or set TMPDIR") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Redaction(logging.Filter):
    """Takes UIDs and given words out of log records.

    Parameters
    ----------
    words
        Names, IDs and the like.
    """

    def __init__(self, words: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._words = tuple(word for word in words if len(word) > 2)

    def filter(self, record: logging.LogRecord) -> bool:
        """Change a record.

        Parameters
        ----------
        record
            Record.

        Returns
        -------
        True: it is kept.
        """
        text = UID_IN_TEXT.sub("<uid>", record.getMessage())
        for word in self._words:
            text = text.replace(word, "<redacted>")
        record.msg, record.args = text, ()
        return True
