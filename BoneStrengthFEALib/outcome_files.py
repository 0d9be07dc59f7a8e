"""An outcome as files: results.json, measures.csv, pictures, report."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL.Image import Image

from BoneStrengthFEALib import bmd
from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.fhir import write_bundle
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.measure import Measure
from BoneStrengthFEALib.pipeline import DensityOutcome, Outcome
from BoneStrengthFEALib.report import (
    ReportOptions,
    failed_pictures,
    hip_picture,
    model_pictures,
    slice_pictures,
    strain_pictures,
)
from BoneStrengthFEALib.report_files import write_report
from BoneStrengthFEALib.results import SiteResult, StudyResults, write_results
from BoneStrengthFEALib.service_record import with_service, write_record
from BoneStrengthFEALib.site_analysis import SiteFields
from BoneStrengthFEALib.strength_record import Strength
from BoneStrengthFEALib.study import Study
from BoneStrengthFEALib.volume import FloatArray

COLUMNS = (
    *("site", "level", "side", "measure", "value", "unit", "standard_uncertainty", "class", "source", "unverified"),
    "bone",
)
"""Columns of measures.csv; the last tells bones of unknown level apart and is empty for the examination."""
"""The last one as in results.json, of density measures: "true" where a reference was not confirmed in its source."""
SWEEP_SOURCE = "sweep of fall directions"


def write_outcome(
    study: Study,
    outcome: Outcome,
    folder: Path,
    images: bool = False,
    dicom: bool = False,
    runs: int = 1,
    options: ReportOptions | None = None,
) -> StudyResults:
    """Write all files of an outcome.

    Parameters
    ----------
    study
        The examination.
    outcome
        Its outcome.
    folder
        Existing folder.
    images
        Whether to write the density volume and the regions as NIfTI as well.
    dicom
        Whether to write DICOM objects as well: segmentation, structured report, PDF; with images, the density map.
    runs
        Runs of this examination into this result folder, this one included.
    options
        Language of the report, prior examination.

    Returns
    -------
    The results with the names of the pictures.

    Raises
    ------
    OutputError
        When something cannot be written.
    """
    sites = tuple(
        _with_pictures(study, site, outcome.fields[site.name], folder) if site.name in outcome.fields else site
        for site in outcome.results.sites
    )
    results = with_service(dataclasses.replace(outcome.results, sites=sites), runs)
    write_results(results, folder / "results.json")
    write_record(results.service, folder)
    write_text(folder / "measures.csv", measures_csv(results))
    write_report(results, folder, options)
    if images:
        write_volume(outcome.density, folder / "density.nii.gz")
        for name, fields in outcome.fields.items():
            write_volume(fields.specimen.regions, folder / f"{_slug(name)}_regions.nii.gz")
    if dicom:
        # imported here: highdicom is optional and slow to load
        from BoneStrengthFEALib.dicom_out import write_dicom_objects

        regions = {name: fields.specimen.regions for name, fields in outcome.fields.items()}
        write_dicom_objects(results, regions, outcome.density, folder, images)
        # once more, now that the study has more series
        write_bundle(results, folder, (folder / "report.pdf").read_bytes(), options=options or ReportOptions())
    return results


def write_measures(study: Study, outcome: DensityOutcome, folder: Path, images: bool = False) -> StudyResults:
    """Write density measures alone: results.json, measures.csv, pictures.

    Parameters
    ----------
    study
        The examination.
    outcome
        Its outcome.
    folder
        Existing folder.
    images
        Whether to write the density volume and the regions as NIfTI as well.

    Returns
    -------
    The results with the names of the pictures.

    Raises
    ------
    OutputError
        When something cannot be written.
    """
    sites = []
    for site in outcome.results.sites:
        bone = outcome.bones.get(site.name)
        if bone is None:
            sites.append(site)
            continue
        pictures = slice_pictures(study.ct, bone.specimen, bmd.density_roi(bone.specimen))
        if bone.hip is not None:
            pictures = {"hip_projection": hip_picture(bone.hip), **pictures}
        sites.append(dataclasses.replace(site, pictures=_saved(site, pictures, folder)))
    results = dataclasses.replace(outcome.results, sites=tuple(sites))
    write_results(results, folder / "results.json")
    write_text(folder / "measures.csv", measures_csv(results))
    if images:
        write_volume(outcome.density, folder / "density.nii.gz")
        for name, measured in outcome.bones.items():
            write_volume(measured.specimen.regions, folder / f"{_slug(name)}_regions.nii.gz")
    return results


def measures_csv(results: StudyResults) -> str:
    """All numbers as a tidy table.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    CSV text with a header line.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(measures_rows(results))
    return stream.getvalue()


def measures_rows(results: StudyResults) -> list[tuple[str, ...]]:
    """All numbers, a row each.

    Parameters
    ----------
    results
        Results.

    Returns
    -------
    Rows of texts in the order of COLUMNS; numbers with all their digits.
    """
    rows: list[tuple[str, ...]] = [(*_row(("", "", ""), m), "") for m in results.measures]
    for site in results.sites:
        who = (site.site, site.level, site.side)
        own = [_row(who, m) for m in site.bmd]
        own += [_load_row(who, s) for s in site.strengths]
        own += [_stiffness_row(who, s) for s in site.strengths[:1]]
        own += [
            (*who, f"failure_load_fall_{p.rotation_deg:g}deg", repr(p.force_n), "N", "", "", SWEEP_SOURCE, "")
            for p in site.sweep
        ]
        rows += [(*row, site.name) for row in own]
    return rows


def _row(who: tuple[str, ...], m: Measure) -> tuple[str, ...]:
    # a cohort's table keeps the source alone
    source, flag = m.source + (" (unverified)" * m.unverified), "true" if m.unverified else "false"
    return (*who, m.id, repr(m.value), m.unit, _optional(m.uncertainty), m.classification, source, flag)


def _load_row(who: tuple[str, ...], s: Strength) -> tuple[str, ...]:
    name = f"failure_load_{s.criterion}"
    return (*who, name, repr(s.force_n), "N", _optional(s.uncertainty_n), "", s.source, "")


def _stiffness_row(who: tuple[str, ...], s: Strength) -> tuple[str, ...]:
    spread = _optional(s.stiffness_uncertainty_n_per_mm)
    return (*who, "stiffness", repr(s.stiffness_n_per_mm), "N/mm", spread, "", s.source, "")


def _optional(value: float | None) -> str:
    return "" if value is None else repr(value)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", name) or "site"


def _with_pictures(study: Study, site: SiteResult, fields: SiteFields, folder: Path) -> SiteResult:
    pictures = slice_pictures(study.ct, fields.specimen, bmd.density_roi(fields.specimen))
    if site.strengths:
        pictures |= strain_pictures(
            fields.aligned, fields.fields.elements, effective_strain_percent(site, fields), fields.loaded.bone
        )
    if fields.failure:
        failure = fields.failure
        pictures |= failed_pictures(
            fields.aligned, failure.failed_compression, failure.failed_tension, fields.loaded.bone
        )
    pictures |= model_pictures(fields.aligned, fields.loaded)
    if fields.hip is not None:
        pictures = {"hip_projection": hip_picture(fields.hip), **pictures}
    return dataclasses.replace(site, pictures=_saved(site, pictures, folder))


def _saved(site: SiteResult, pictures: Mapping[str, Image], folder: Path) -> dict[str, str]:
    names = {}
    for kind, picture in pictures.items():
        names[kind] = f"{_slug(site.name)}_{kind}.png"
        picture.save(folder / names[kind], optimize=True)
    return names


def effective_strain_percent(site: SiteResult, fields: SiteFields) -> FloatArray:
    """Effective strain sqrt(2 SED / E) [Pistoia 2002] at the failure load of the first criterion [%]."""
    young = np.asarray(fields.loaded.model.young_mpa, dtype=np.float64)[fields.fields.elements]
    first = site.strengths[0]
    applied = first.numbers.get("reaction_n", first.force_n)
    return np.asarray(100.0 * np.sqrt(2 * fields.fields.energy_density_mpa / young) * first.force_n / applied)
