"""Segmentation programs of others, run on a CT: TotalSegmentator, or any by a command."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from BoneStrengthFEALib.errors import DependencyError, InputError
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.label_map import LabelMap
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.segmentation.label_files import read_labels
from BoneStrengthFEALib.segmentation_settings import SegmentationSettings
from BoneStrengthFEALib.volume import Volume

PROGRAM = "TotalSegmentator"
NUMBERED_TASKS = ("total",)
"""Tasks whose values TotalSegmentator's numbering names; others are asked for one file per structure."""
LAST_LINES = 5


def totalsegmentator_command(task: str) -> tuple[str, ...]:
    """Command that runs TotalSegmentator.

    Parameters
    ----------
    task
        Its task: ``total``, ``vertebrae_body``, ``appendicular_bones`` ...

    Returns
    -------
    Program and arguments with {input} and {output}.

    Raises
    ------
    DependencyError
        When the program is not on the path.

    References
    ----------
    Options -i, -o, --task, --ml: README of TotalSegmentator 2, https://github.com/wasserth/TotalSegmentator
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise DependencyError(
            f"{PROGRAM} is not installed or not on the path; install it (pip install TotalSegmentator), or segment in "
            "3D Slicer and give --labels"
        )
    command = (program, "-i", "{input}", "-o", "{output}", "--task", task)
    return (*command, "--ml") if task in NUMBERED_TASKS else command


def run_tool(command: Sequence[str], ct: Volume, numbering: str = "none", timeout_s: float = 3600.0) -> LabelMap:
    """Run a segmentation program on a CT and read its labels.

    Parameters
    ----------
    command
        Program and arguments, no shell; {input} becomes the CT as NIfTI, {output} a NIfTI file or a folder of masks.
    ct
        CT [HU].
    numbering
        What values mean when the output carries no names.
    timeout_s
        Longest time it may take [s].

    Returns
    -------
    Labels on the CT's grid.

    Raises
    ------
    InputError
        When placeholders are missing, or the program fails, takes too long or writes nothing that can be read.
    """
    if not command or not all(any(mark in word for word in command) for mark in ("{input}", "{output}")):
        raise InputError(f"a segmentation command names {{input}} and {{output}}, got: {' '.join(command)}")
    with tempfile.TemporaryDirectory(prefix="segment-") as name:
        image = Path(name) / "ct.nii.gz"
        # a program that writes a folder does so under the same name
        output = Path(name) / "labels.nii.gz"
        write_volume(ct, image)
        words = [word.replace("{input}", str(image)).replace("{output}", str(output)) for word in command]
        _run(words, timeout_s)
        if not output.exists():
            raise InputError(f"{Path(words[0]).name} ended without an error but wrote no labels where {{output}} says")
        found = read_labels(output, numbering)
        return LabelMap(onto_grid(found.volume, ct.grid), found.names)


def words_of(command: str) -> list[str]:
    """Split a command as a shell would, without one.

    Parameters
    ----------
    command
        Program and arguments; those with blanks in quotes.

    Returns
    -------
    The words.
    """
    # backslashes are part of a path on Windows
    return [word.strip('"') for word in shlex.split(command, posix=os.name != "nt")]


def run_chosen(chosen: SegmentationSettings, ct: Volume) -> LabelMap:
    """Run the program that the settings name.

    Parameters
    ----------
    chosen
        Settings with a command.
    ct
        CT [HU].

    Returns
    -------
    Labels on the CT's grid.

    Raises
    ------
    InputError
        When no command is set, or as run_tool does.
    """
    if not chosen.command:
        raise InputError(
            "no segmentation program is set; give its command, or set segmentation.command: 'PROGRAM {input} {output}'"
        )
    return run_tool(words_of(chosen.command), ct, chosen.numbering, chosen.timeout_s)


def _run(words: list[str], timeout_s: float) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"{Path(words[0]).name} took longer than {timeout_s:g} s and was ended") from error
    except OSError as error:
        raise DependencyError(f"{words[0]} cannot be started: {error.strerror}; check the command") from error
    if done.returncode != 0:
        said = " / ".join([*done.stdout.splitlines(), *done.stderr.splitlines()][-LAST_LINES:])
        raise InputError(f"{Path(words[0]).name} failed with exit code {done.returncode}: {said or 'it said nothing'}")
