"""A folder of DICOM files: which series it holds, which one is measured and why, and that series as a volume."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.dicom_in.decode import decode
from BoneStrengthFEALib.dicom_in.gate import admit, guarded
from BoneStrengthFEALib.dicom_in.header import Header, is_dicom, read_header
from BoneStrengthFEALib.dicom_in.refusal import refuse
from BoneStrengthFEALib.dicom_in.scale import scale_lines
from BoneStrengthFEALib.dicom_in.slices import check_identity, is_localizer, is_virtual_mono
from BoneStrengthFEALib.errors import InputError, RefusedError
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.quality import Outcome, QualityLine, QualityReport
from BoneStrengthFEALib.quality_profile import contrast_text, kernel_class
from BoneStrengthFEALib.volume import Volume

MOST_FILES = 200_000
DEEPEST = 12


@dataclass(frozen=True)
class SeriesSummary:
    """One CT series in a folder.

    Parameters
    ----------
    uid
        Series instance UID.
    files
        Its files.
    images
        Slices, by frames.
    thickness_mm
        Slice thickness [mm] or None.
    kernel, kernel_kind
        Convolution kernel; "soft", "sharp" or "unknown".
    contrast
        What tells of contrast medium; empty when nothing does.
    mono, derived
        Virtual monoenergetic; computed from other images.
    description
        Series description.
    """

    uid: str
    files: tuple[Path, ...]
    images: int
    thickness_mm: float | None
    kernel: str
    kernel_kind: str
    contrast: str
    mono: bool
    derived: bool
    description: str

    @property
    def words(self) -> str:
        """What tells series apart, for a person."""
        thickness = "unknown" if self.thickness_mm is None else f"{self.thickness_mm:g} mm"
        contrast = f"contrast ({self.contrast})" if self.contrast else "no contrast known"
        kind = ", virtual monoenergetic" * self.mono + ", derived" * self.derived
        return f"{self.images} images, {thickness}, kernel {self.kernel or 'unknown'}, {contrast}{kind}"


@dataclass(frozen=True, eq=False)
class DicomScan:
    """A CT read from DICOM.

    Parameters
    ----------
    ct
        Volume [HU].
    acquisition
        Facts of the series.
    quality
        Checks of the gate and how the series was chosen.
    """

    ct: Volume
    acquisition: Acquisition
    quality: QualityReport


def read_folder(
    folder: Path, series_uid: str = "", avoid_contrast: bool = True, callback: ProgressCallback = no_progress
) -> DicomScan:
    """Choose a series of a folder and read it.

    Parameters
    ----------
    folder
        Folder of any depth.
    series_uid
        The series; empty chooses by rule.
    avoid_contrast
        Whether contrast medium counts against a series (spine), see ``choose``.
    callback
        Progress.

    Returns
    -------
    The scan.

    Raises
    ------
    RefusedError
        When the gate refuses.
    InputError
        When the wanted series is not there.
    """
    found = list_series(folder)
    if not found:
        raise refuse("NO_DICOM")
    series, reason = choose(found, series_uid, avoid_contrast)
    scan = read_series(series.files, callback)
    line = QualityLine("SERIES", Outcome.PASS, f"{series.words}; {reason}", "one series chosen by rule or by the user")
    return DicomScan(scan.ct, scan.acquisition, QualityReport((line, *scan.quality.lines)))


def read_series(files: Sequence[Path], callback: ProgressCallback = no_progress) -> DicomScan:
    """Judge and decode the files of one series.

    Parameters
    ----------
    files
        Files of the series.
    callback
        Progress.

    Returns
    -------
    The scan.

    Raises
    ------
    RefusedError
        When the gate or the decoder refuses.
    """
    admitted = admit(files)
    ct = decode(admitted, callback)
    return DicomScan(ct, admitted.acquisition, admitted.quality.merged(scale_lines(ct)))


def list_series(folder: Path) -> list[SeriesSummary]:
    """CT series of a folder; everything else in it is passed over.

    Parameters
    ----------
    folder
        Folder of any depth.

    Returns
    -------
    Series in the order of their UIDs.

    Raises
    ------
    RefusedError
        When there are DICOM files but no CT series, with the reason of the first one.
    """
    groups: dict[str, list[Header]] = defaultdict(list)
    refusal: RefusedError | None = None
    for path in files_in(folder):
        if not path.is_symlink() and not is_dicom(path):
            continue
        try:
            header = read_header(path)
            guarded(check_identity, header)
            groups[header.text("SeriesInstanceUID")].append(header)
        except RefusedError as error:
            # a damaged file of the wanted series shows as a missing slice; alone it is the reason
            refusal = refusal or error
            if error.code == "SYMLINK":
                raise
    if not groups and refusal is not None:
        raise refusal
    return [_summary(uid, headers) for uid, headers in sorted(groups.items())]


def choose(found: Sequence[SeriesSummary], series_uid: str, avoid_contrast: bool) -> tuple[SeriesSummary, str]:
    """Choose the series that is best for bone.

    Parameters
    ----------
    found
        Series.
    series_uid
        The wanted one, or empty.
    avoid_contrast
        Whether contrast medium counts against a series.

    Returns
    -------
    The series, and the reason in words.

    Raises
    ------
    InputError
        When the wanted one is not there, or two are equally good.
    """
    if series_uid:
        for series in found:
            if series.uid == series_uid:
                return series, "chosen by the user"
        raise InputError(f"the series asked for is not among the {len(found)} CT series of the folder")
    if len(found) == 1:
        return found[0], "the only CT series"
    ranked = sorted(found, key=lambda series: _rank(series, avoid_contrast))
    best, second = ranked[0], ranked[1]
    if _rank(best, avoid_contrast) == _rank(second, avoid_contrast):
        raise InputError(
            f"{len(found)} CT series, of which two are equally suited ({best.words}; {second.words}); say which with "
            "its series UID"
        )
    left = "; ".join(series.words for series in ranked[1:4])
    return (
        best,
        f"best of {len(found)} CT series by original, polyenergetic, contrast, kernel, thickness (others: {left})",
    )


def _rank(series: SeriesSummary, avoid_contrast: bool) -> tuple[object, ...]:
    thickness = series.thickness_mm or 99.0
    return (
        series.images < 5,
        series.mono,
        series.derived,
        bool(series.contrast) and avoid_contrast,
        {"soft": 0, "unknown": 1, "sharp": 2}[series.kernel_kind],
        round(thickness, 3),
        -series.images,
    )


def files_in(folder: Path) -> Iterator[Path]:
    """Files of a folder and the folders in it.

    Parameters
    ----------
    folder
        Folder.

    Yields
    ------
    Paths in order; links are not followed.

    Raises
    ------
    InputError
        When there are too many.
    """
    root = str(folder)
    count = 0
    for place, folders, names in os.walk(root, followlinks=False):
        depth = len(Path(place).parts) - len(Path(root).parts)
        if depth >= DEEPEST:
            folders.clear()
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > MOST_FILES:
                raise InputError(f"the folder holds more than {MOST_FILES} files; choose the folder of one study")
            yield Path(place) / name


def _summary(uid: str, headers: Sequence[Header]) -> SeriesSummary:
    images = [header for header in headers if not is_localizer(header)] or list(headers)
    first = images[0]
    kernel = first.text("ConvolutionKernel").strip("[]'")
    frames = sum(int(re.sub(r"\D", "", header.text("NumberOfFrames")) or 1) for header in images)
    try:
        thickness = float(first.text("SliceThickness"))
    except ValueError:
        thickness = None
    derived = first.text("ImageType").upper().find("DERIVED") >= 0
    return SeriesSummary(
        uid,
        tuple(header.path for header in headers),
        0 if is_localizer(first) else frames,
        thickness,
        kernel,
        kernel_class(first.text("Manufacturer"), kernel),
        contrast_text(
            first.text("ContrastBolusAgent"), first.text("ContrastBolusRoute"), first.text("SeriesDescription")
        ),
        is_virtual_mono(first),
        derived,
        first.text("SeriesDescription"),
    )
