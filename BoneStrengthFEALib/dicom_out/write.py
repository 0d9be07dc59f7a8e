"""Write the DICOM objects of a result into its folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom

from BoneStrengthFEALib.atomic_files import make_folder, replacing
from BoneStrengthFEALib.dicom_out.encapsulated_pdf import encapsulated_pdf
from BoneStrengthFEALib.dicom_out.origin import origin_of
from BoneStrengthFEALib.dicom_out.parametric_map import parametric_map
from BoneStrengthFEALib.dicom_out.secondary_capture import secondary_capture
from BoneStrengthFEALib.dicom_out.segmentation import segmentation
from BoneStrengthFEALib.dicom_out.structured_report import structured_report
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.results import StudyResults
from BoneStrengthFEALib.volume import Array, Volume

FOLDER = "dicom"
ANALYSED = 1
"""Region value of what is analysed."""


def write_dicom_objects(
    results: StudyResults, regions: Mapping[str, Volume], density: Volume | None, folder: Path, with_map: bool = False
) -> list[Path]:
    """Write segmentation, structured report and encapsulated PDF, one pair of the first two per kind of bone.

    Parameters
    ----------
    results
        Results of a DICOM study.
    regions
        Name of each analysed bone to its region labels.
    density
        Density on the scan's grid [mg/cm3]; None with a refused study, which has a report alone.
    folder
        Result folder that holds report.pdf; the objects go to its folder "dicom".
    with_map
        Whether to write the density as a parametric map too.

    Returns
    -------
    Files.

    Raises
    ------
    InputError
        When the study is not DICOM.
    DependencyError
        Without highdicom.
    OutputError
        When a file cannot be written.
    """
    with warnings.catch_warnings():
        # the libraries' warnings quote values of the patient
        warnings.simplefilter("ignore")
        origin = origin_of(results)
        objects: dict[str, pydicom.Dataset] = {}
        kinds = dict.fromkeys(site.site for site in results.sites if site.name in regions and density is not None)
        for n, kind in enumerate(kinds):
            sites = [site for site in results.sites if site.site == kind and site.name in regions]
            masks = [_mask(regions[site.name], density) for site in sites if density is not None]
            objects[f"seg_{kind}"] = segmentation(origin, sites, masks, 1001 + 10 * n)
            objects[f"sr_{kind}"] = structured_report(origin, results, sites, objects[f"seg_{kind}"], 1003 + 10 * n)
        objects["report"] = encapsulated_pdf(origin, results, folder / "report.pdf", 1004, tuple(objects.values()))
        if with_map and density is not None:
            objects["density"] = parametric_map(origin, results.sites, density, 1002)
        pictures = secondary_capture(origin, results, folder, 1005)
        if pictures is not None:
            objects["pictures"] = pictures
        make_folder(folder / FOLDER)
        return [save(data, folder / FOLDER / f"{name}.dcm") for name, data in objects.items()]


def _mask(regions: Volume, density: Volume) -> Array:
    whole = onto_grid(regions, density.grid)
    return np.asarray(whole.array == ANALYSED)


def object_files(folder: Path) -> list[Path]:
    """Objects of a result folder in the order in which they are sent.

    Parameters
    ----------
    folder
        Result folder.

    Returns
    -------
    Paths; those others refer to come first.
    """
    rank = {"seg": 0, "density": 1, "pictures": 2, "sr": 3, "report": 4, "signed": 5}
    found = (folder / FOLDER).glob("*.dcm")
    return sorted(found, key=lambda path: (rank.get(path.stem.split("_")[0], 9), path.name))


def save(data: pydicom.Dataset, path: Path) -> Path:
    """Write an object atomically.

    Parameters
    ----------
    data
        Object.
    path
        Final name.

    Returns
    -------
    The path.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    with replacing(path) as temporary:
        pydicom.dcmwrite(temporary, data, enforce_file_format=True)
    return path
