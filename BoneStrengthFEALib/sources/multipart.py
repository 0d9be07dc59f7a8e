"""Parts of a multipart/related answer, one at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message

from BoneStrengthFEALib.errors import PacsError

LARGEST_PART = 1 << 30
LARGEST_HEAD = 1 << 16
BREAK = b"\r\n"


def boundary_of(content_type: str) -> bytes:
    """Boundary of a multipart answer.

    Parameters
    ----------
    content_type
        Value of the header Content-Type.

    Returns
    -------
    The boundary.

    Raises
    ------
    PacsError
        PACS_ANSWER when the answer is no multipart.

    References
    ----------
    RFC 2046, section 5.1.1; DICOM PS3.18, section 8.6.1.2.
    """
    message = Message()
    message["content-type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_maintype() != "multipart" or not isinstance(boundary, str) or not 0 < len(boundary) <= 70:
        raise PacsError("the archive did not answer with DICOM files; check the url of the service", code="PACS_ANSWER")
    return boundary.encode("ascii", "replace")


def split_parts(chunks: Iterable[bytes], boundary: bytes) -> Iterator[bytes]:
    """Split a multipart body.

    Parameters
    ----------
    chunks
        The body, in pieces of any size.
    boundary
        Boundary.

    Yields
    ------
    The content of each part, without its headers.

    Raises
    ------
    PacsError
        PACS_BROKEN when the body ends before the closing boundary, PACS_SENT when a part is too large.
    """
    mark = BREAK + b"--" + boundary
    buffer = bytearray(BREAK)
    first = True
    searched = 0
    for chunk in chunks:
        buffer += chunk
        while True:
            end = buffer.find(mark, searched)
            # the two bytes after a boundary tell whether it is the last one
            if end < 0 or len(buffer) < end + len(mark) + 2:
                searched = max(0, len(buffer) - len(mark) - 2) if end < 0 else end
                break
            if not first:
                yield _content(buffer, end)
            first = False
            after = end + len(mark)
            if buffer[after : after + 2] == b"--":
                return
            del buffer[:after]
            searched = 0
        if len(buffer) > LARGEST_PART:
            raise PacsError("the archive sends an image larger than any CT; nothing was kept", code="PACS_SENT")
    raise PacsError("the connection broke in the middle of the transfer; try again", code="PACS_BROKEN")


def _content(buffer: bytearray, end: int) -> bytes:
    head = buffer.find(BREAK + BREAK, 0, min(end, LARGEST_HEAD))
    if head < 0:
        raise PacsError("the archive's answer is malformed; check the url of the service", code="PACS_ANSWER")
    return bytes(memoryview(buffer)[head + 4 : end])
