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
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.regrid import onto_grid
from BoneStrengthFEALib.results import SiteResult, StudyResults, write_results
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.volume import Quantity, Volume


@dataclass
class ObjectCase:
    folder: Path
    results: StudyResults
    density: Volume
    regions: dict[str, Volume]
    ct: Path


def object_case(folder: Path, with_hips: bool = False) -> ObjectCase:
    """Two measured vertebrae with different numbers and a refused one, in a result folder with pictures; hips too."""
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
        sites=(first, second, *(hips(first) if with_hips else ()), refused),
    )
    write_results(results, out / "results.json")
    labels = onto_grid(study.labels.volume, scan.ct.grid)
    regions: dict[str, Volume] = {}
    places = {"L1": "vertebrae_L1", "L3": "vertebrae_L3"}
    # whatever lies there: the objects do not ask what it is
    places |= {"right femur": "vertebrae_L4", "left femur": "vertebrae_L5"} if with_hips else {}
    for name, label in places.items():
        value = study.labels.value_of(label)
        mask = labels.with_array((labels.array == value).astype(np.uint8))
        regions[name] = crop(mask, bounding_box(mask.array > 0, (2, 3, 4)))
    density = Volume(scan.ct.array * np.float32(0.8) + np.float32(3.0), scan.ct.ijk_to_ras, Quantity.K2HPO4)
    return ObjectCase(out, results, density, regions, ct)


def hips(like: SiteResult) -> list[SiteResult]:
    """Both hips with numbers of their own."""
    made = []
    for side, value in (("right", 0.6131), ("left", 0.5874)):
        areal = Measure("femoral_neck_abmd", "Femoral neck aBMD", value, "g/cm2", value / 50)
        score = Measure("femoral_neck_t_score", "Femoral neck T-score", value * -3, "1", 0.1, "low bone mass")
        load = Strength("pistoia2002", 5000 * value, 9000 * value, 100.0, {}, "Pistoia 2002", 80 * value, 150 * value)
        site = SiteResult(f"{side} femur", "femur", "", side, 7, (areal, score), like.model, (load,))
        made.append(dataclasses.replace(site, quality=like.quality))
    return made
