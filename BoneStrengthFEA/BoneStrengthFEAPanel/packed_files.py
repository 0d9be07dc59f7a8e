"""The files of a run as text in a scene, and back."""

import base64
import io
import zipfile
from pathlib import Path

KEPT_SUFFIXES = (".json", ".csv", ".html", ".pdf", ".png", ".css", ".svg", ".dcm")


def packedFiles(folder):
    """Report, tables and pictures of a result folder as text, so that a scene file carries them."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.suffix.lower() in KEPT_SUFFIXES and path.name != "scene.json":
                archive.write(path, path.relative_to(folder).as_posix())
    return base64.b64encode(stream.getvalue()).decode("ascii")


def unpackFiles(text, folder):
    """Write the files of a run into a folder."""
    from BoneStrengthFEALib.errors import InputError

    try:
        archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(text, validate=True)))
    except (ValueError, zipfile.BadZipFile) as error:
        raise InputError("the report stored in the scene is damaged; run the examination again") from error
    root = Path(folder).resolve()
    with archive:
        for name in archive.namelist():
            # a scene file may come from anybody: nothing is written outside the folder
            if (root / name).resolve().is_relative_to(root):
                archive.extract(name, root)
