"""What a viewer shows of an outcome: density, regions, and the model with its fields at the failure load."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib.anatomy import Specimen
from BoneStrengthFEALib.atomic_files import write_text
from BoneStrengthFEALib.export import write_vtu
from BoneStrengthFEALib.image_files import write_volume
from BoneStrengthFEALib.pipeline import Outcome
from BoneStrengthFEALib.results import SiteResult, to_plain
from BoneStrengthFEALib.site_analysis import SiteFields
from BoneStrengthFEALib.strength.element_fields import principal
from BoneStrengthFEALib.study import Study
from BoneStrengthFEALib.volume import Array

FILE = "scene.json"


def write_scene(outcome: Outcome, folder: Path) -> None:
    """Write density.nrrd, a region map and a .vtu model for each bone, and scene.json that names them.

    Parameters
    ----------
    outcome
        Outcome of the chain.
    folder
        Existing folder.

    Raises
    ------
    OutputError
        When something cannot be written.
    """
    write_volume(outcome.density, folder / "density.nrrd")
    entries = []
    for site in outcome.results.sites:
        behind = outcome.fields.get(site.name)
        if behind is not None:
            entries.append(_write_site(site, behind, folder))
    density = {"file": "density.nrrd", "kind": outcome.density.quantity.name, "unit": outcome.density.quantity.unit}
    write_text(folder / FILE, json.dumps({"density": density, "sites": entries}, indent=1, allow_nan=False))


def objects_possible(study: Study) -> bool:
    """Whether results can be written as DICOM objects: a DICOM scan, and highdicom installed.

    Parameters
    ----------
    study
        The examination.

    Returns
    -------
    True when both hold.
    """
    return bool(study.acquisition.study_uid) and importlib.util.find_spec("highdicom") is not None


def specimen_entry(specimen: Specimen) -> dict[str, Any]:
    """Frame, landmarks and sizes of a specimen as plain data.

    Parameters
    ----------
    specimen
        The specimen.

    Returns
    -------
    JSON types; box_mm is (2, 3) lowest and highest local coordinates of its voxels.
    """
    ras = specimen.regions.grid.to_ras(np.argwhere(specimen.regions.array > 0)[:, ::-1].astype(np.float64))
    frame = np.asarray(specimen.local_to_ras)
    local = (ras - frame[:3, 3]) @ frame[:3, :3]
    return {
        "name": specimen.name,
        "site": specimen.site.value,
        "level": specimen.level,
        "side": specimen.side.value,
        "local_to_ras": frame.tolist(),
        "box_mm": [local.min(axis=0).tolist(), local.max(axis=0).tolist()],
        "landmarks": to_plain(dict(specimen.landmarks)),
        "measurements": to_plain(dict(specimen.measurements)),
        "regions": {str(value): name for value, name in specimen.region_names.items()},
    }


def _write_site(site: SiteResult, behind: SiteFields, folder: Path) -> dict[str, Any]:
    stem = re.sub(r"[^A-Za-z0-9]+", "_", site.name) or "site"
    write_volume(behind.specimen.regions, folder / f"{stem}_regions.nrrd")
    model = behind.loaded.model
    displacement = behind.solution.displacement_on_grid(model.node_shape)
    write_vtu(
        folder / f"{stem}_model.vtu", model, behind.fields.elements, _cell_data(site, behind), np.asarray(displacement)
    )
    entry = specimen_entry(behind.specimen) | {"name": site.name}
    return entry | {"regions_file": f"{stem}_regions.nrrd", "model_file": f"{stem}_model.vtu"}


def _cell_data(site: SiteResult, behind: SiteFields) -> dict[str, Array]:
    """Fields scaled to the headline failure load; the linear solution is proportional to its load."""
    fields, loaded = behind.fields, behind.loaded
    young = np.asarray(loaded.model.young_mpa, dtype=np.float64)[fields.elements]
    scale = 1.0
    if site.strengths:
        applied = next((s.numbers["reaction_n"] for s in site.strengths if "reaction_n" in s.numbers), None)
        scale = site.strengths[0].force_n / applied if applied else 1.0
    xx, yy, zz, yz, xz, xy = np.asarray(fields.stress_mpa, dtype=np.float64).T * scale
    mises = np.sqrt(0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3 * (yz**2 + xz**2 + xy**2))
    least = principal(fields.strain, engineering_shear=True)[:, 0] * scale
    effective = np.sqrt(2 * np.maximum(fields.energy_density_mpa, 0) / young) * abs(scale)
    failed: dict[str, Array] = {}
    if behind.failure is not None:
        for name in ("failed_compression", "failed_tension"):
            failed[name] = np.asarray(getattr(behind.failure, name))[fields.elements].astype("u1")
    return failed | {
        "effective_strain_percent": (100 * effective).astype("f4"),
        "minimum_principal_strain_percent": (100 * least).astype("f4"),
        "von_mises_stress_mpa": mises.astype("f4"),
        "young_mpa": young.astype("f4"),
        "bone": np.asarray(loaded.bone)[fields.elements].astype("u1"),
    }
