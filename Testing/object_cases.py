"""A real CT as a DICOM series, its labels on that grid, and made-up numbers: what result objects are made from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dicom_series import write_ct
from report_fixtures import made_up_results

from BoneStrengthFEALib.bounding_box import bounding_box, crop
from BoneStrengthFEALib.cli.demo import demo_study
from BoneStrengthFEALib.dicom_in import read_folder
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.results import StudyResults, write_results
from BoneStrengthFEALib.volume import Quantity, Volume


@dataclass
class ObjectCase:
    folder: Path
    results: StudyResults
    density: Volume
    regions: dict[str, Volume]
    ct: Path


def object_case(folder: Path) -> ObjectCase:
    """Two measured vertebrae with different numbers and a refused one, in a result folder with pictures."""
    study = demo_study(("L1",))
    ct = write_ct(study.ct, folder / "ct")
    scan = read_folder(ct)
    out = folder / "out"
    out.mkdir()
    made_up = made_up_results(out)
    first, refused = made_up.sites
    strength = dataclasses.replace(first.strengths[0], force_n=3111.5)
    second = dataclasses.replace(first, name="L3", level="L3", label=29, strengths=(strength,))
    subject = dataclasses.replace(scan.acquisition.subject, name=made_up.acquisition.subject.name)
    results = dataclasses.replace(
        made_up,
        acquisition=dataclasses.replace(scan.acquisition, subject=subject),
        sites=(first, second, refused),
    )
    write_results(results, out / "results.json")
    labels = onto_grid(study.labels.volume, scan.ct.grid)
    regions: dict[str, Volume] = {}
    for name, label in (("L1", "vertebrae_L1"), ("L3", "vertebrae_L3")):
        value = study.labels.value_of(label)
        mask = labels.with_array((labels.array == value).astype(np.uint8))
        regions[name] = crop(mask, bounding_box(mask.array > 0, (2, 3, 4)))
    density = Volume(scan.ct.array * np.float32(0.8) + np.float32(3.0), scan.ct.ijk_to_ras, Quantity.K2HPO4)
    return ObjectCase(out, results, density, regions, ct)
