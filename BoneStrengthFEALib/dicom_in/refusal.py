"""Refusals of the gate: a stable code and a sentence for a person, without identity, file name or UID."""

from __future__ import annotations

from BoneStrengthFEALib.errors import RefusedError

SENTENCES = {
    "NO_DICOM": "no DICOM file with a valid preamble was found; choose the folder of a CT series",
    "SYMLINK": "a file is a symbolic link; copy the series into a folder of its own",
    "TOO_LARGE": "a file is larger than a CT series can be; export the series again",
    "TRANSFER_SYNTAX": "the transfer syntax is deflated, missing or not for images; export uncompressed",
    "LOSSY": "pixel data were compressed with loss, which changes HU; retrieve the original series",
    "UNREADABLE": "a header cannot be read; the file is damaged or hostile: retrieve the series again",
    "NOT_CT": "these are no CT images (modality or SOP class); choose the CT series",
    "BAD_UID": "an identifier is missing or malformed; the file is damaged: retrieve the series again",
    "BAD_VALUE": "a number in the header is impossible; retrieve the series again or ask who exported it",
    "BAD_ORIENTATION": "row and column directions are not perpendicular unit vectors; retrieve the original series",
    "NOT_HU": "rescaled values are not Hounsfield units; choose the original reconstruction",
    "VIRTUAL_MONO": (
        "a virtual monoenergetic or modified-HU image, whose bone values depend on the chosen energy; choose the "
        "polyenergetic series, or accept this check when the calibration was made on the same kind of image"
    ),
    "BITS": "expected 16 bits per voxel; derived 8-bit images hold no HU",
    "PHOTOMETRIC": "expected one grey channel, MONOCHROME2; the image is inverted or a colour picture",
    "MATRIX": "rows and columns are outside what a CT has",
    "MULTIFRAME": "several frames in an image class that has one; export as Enhanced CT or single frames",
    "NO_PIXELS": "an image has no pixel data; retrieve the series again",
    "TRUNCATED": "an image has fewer bytes than its matrix needs; the transfer was cut: retrieve the series again",
    "MIXED_PATIENT": "images of different patients; separate them",
    "MIXED_SERIES": "images of different series; choose one",
    "MIXED_FRAME_OF_REFERENCE": "images with different frames of reference share no space; choose one acquisition",
    "MIXED_ORIENTATION": "images with different orientations; choose one stack",
    "MIXED_SPACING": "images with different pixel spacings; choose one reconstruction",
    "MIXED_MATRIX": "images of different size; choose one reconstruction",
    "DUPLICATE_INSTANCE": "the same image is there twice; retrieve the series into an empty folder",
    "DUPLICATE_POSITION": "several images at one position (phases or a repeated scan); choose one phase",
    "TOO_FEW_SLICES": "too few slices for a volume; choose a complete series",
    "GANTRY_TILT": "the gantry was tilted, so slices are sheared; straightening would change density: not measured",
    "MISSING_SLICE": "a slice is missing; retrieve the series again",
    "NONUNIFORM_SPACING": "slices are not evenly spaced; choose an evenly reconstructed series",
    "DECODE": "pixel data cannot be decoded as the header says; retrieve the series uncompressed",
}
"""Code to sentence. Codes MISSING_<KEYWORD> are made from the DICOM keyword that is not there."""


def refuse(code: str, found: str = "") -> RefusedError:
    """Make a refusal.

    Parameters
    ----------
    code
        Key of SENTENCES, or MISSING_<KEYWORD>.
    found
        What was found, without identity.

    Returns
    -------
    The error to raise.
    """
    sentence = SENTENCES.get(code) or f"{code.removeprefix('MISSING_')} is missing; retrieve the original series"
    return RefusedError(f"{sentence} (found {found})" if found else sentence, code=code)
