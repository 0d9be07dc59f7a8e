"""Stop when the program that started this process is gone, so that no computation is orphaned."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

POLL_SECONDS = 1.0
EXIT_ORPHANED = 130
PARENT_VARIABLE = "BONESTRENGTHFEA_PARENT"
"""Process id a command line ends with, set by programs that start it."""
_STILL_ACTIVE = 259
_QUERY_LIMITED_INFORMATION = 0x1000


def process_exists(pid: int) -> bool:
    """Whether a process lives.

    Parameters
    ----------
    pid
        Process id.

    Returns
    -------
    True while it lives.
    """
    if sys.platform == "win32":
        return _exists_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def watch(pid: int) -> None:
    """End this process at once when another one has ended.

    Parameters
    ----------
    pid
        Process to watch from a background thread.
    """
    threading.Thread(target=_watch, args=(pid,), daemon=True, name="parent-watch").start()


def _watch(pid: int) -> None:
    while process_exists(pid):
        time.sleep(POLL_SECONDS)
    # nobody is left to read an answer: no clean-up handlers, results appear only by a final rename
    os._exit(EXIT_ORPHANED)


def _exists_on_windows(pid: int) -> bool:
    kernel = ctypes.__dict__["windll"].kernel32
    handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == _STILL_ACTIVE
