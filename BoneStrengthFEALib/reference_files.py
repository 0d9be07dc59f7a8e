"""Public reference cases that tests and studies use, fetched from where their authors published them."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from BoneStrengthFEALib.errors import DependencyError, InputError


def registry() -> dict[str, dict[str, str]]:
    """Files that can be fetched.

    Returns
    -------
    Path below the reference folder to its "url" and "sha256".
    """
    text = resources.files("BoneStrengthFEALib").joinpath("data", "reference_files.json").read_text(encoding="utf-8")
    files: dict[str, dict[str, str]] = json.loads(text)["files"]
    return files


def fetch(folder: Path) -> int:
    """Fetch every file that is not there yet, checked by SHA-256.

    Parameters
    ----------
    folder
        Reference folder.

    Returns
    -------
    Number of files that are there afterwards.

    Raises
    ------
    DependencyError
        When pooch is not installed.
    InputError
        When a file cannot be fetched or is not what it was.
    """
    try:
        import pooch
    except ImportError as error:
        raise DependencyError("fetching reference data needs the package pooch: pip install pooch") from error
    for name, entry in registry().items():
        target = folder / name
        try:
            pooch.retrieve(entry["url"], f"sha256:{entry['sha256']}", fname=target.name, path=target.parent)
        except (OSError, ValueError) as error:
            raise InputError(f"cannot fetch {name} from {entry['url']}: {error}; try again later") from error
    return len(registry())
