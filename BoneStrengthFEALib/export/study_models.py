"""The models of an examination as files: the chain up to the model, without its solution."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.export.model_files import write_model
from BoneStrengthFEALib.fe_model import FeModel
from BoneStrengthFEALib.load_case import LoadedModel
from BoneStrengthFEALib.progress import ProgressCallback, no_progress
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.site_analysis import end_factor
from BoneStrengthFEALib.site_bone import find_bone
from BoneStrengthFEALib.site_model import build_model
from BoneStrengthFEALib.study import Study


def export_models(
    study: Study,
    settings: Settings,
    folder: Path,
    forms: tuple[str, ...],
    steps: int = 10,
    callback: ProgressCallback = no_progress,
) -> dict[str, Any]:
    """Write the models of all bones.

    Parameters
    ----------
    study
        The examination.
    settings
        Settings, as for a run.
    folder
        Existing folder.
    forms
        Formats, see export.FORMATS.
    steps
        Load steps of an elastic-plastic .inp.
    callback
        Progress.

    Returns
    -------
    What was written: plain data for a JSON file.

    Raises
    ------
    BoneStrengthError
        When a bone is refused or a format cannot hold a model.
    """
    _, density, _ = pipeline.calibrated(study, settings, callback)
    nonlinear = settings.model.analysis == "nonlinear"
    bones = [find_bone(study, target, density, settings) for target in study.targets]
    models = []
    for name, bone in zip(study.distinct_names([bone.specimen.name for bone in bones]), bones, strict=True):
        bone.quality.raise_if_refused()
        callback(f"{name}: finite-element model", 0.0)
        built = build_model(bone.specimen, bone.density, settings.model)
        factors: tuple[float, ...] = ()
        if nonlinear:
            end = end_factor(built.loaded, settings.nonlinear, bone.specimen.site.value)
            factors = tuple(float(f) for f in end * np.arange(1, steps + 1) / steps)
        slug = re.sub(r"[^A-Za-z0-9]+", "_", name) or "model"
        for form in forms:
            write_model(built.loaded.model, form, folder / f"{slug}.{form}", factors)
        files = [f"{slug}.{form}" for form in forms]
        models.append(
            {"bone": name, "files": files, "law": built.law.id, "load_factors": factors} | _record(built.loaded)
        )
    return {"schema": "bonestrengthfea-models/1", "units": "mm, N, MPa", "models": models}


def _record(loaded: LoadedModel) -> dict[str, Any]:
    model = loaded.model
    return {
        "load_case": model.load_case,
        "elements": int(model.elements.sum()),
        "element_mm": list(model.spacing_mm),
        "loaded_set": loaded.loaded_set,
        "height_mm": loaded.height_mm,
        "sets": _sets(model),
        "ijk_to_ras": model.grid.ijk_to_ras.tolist(),
        "axes": "x, y, z of the .inp and .feb are i, j, k of the grid, from the outer corner of its first voxel; the "
        ".vtu is in RAS",
    }


def _sets(model: FeModel) -> list[dict[str, Any]]:
    prescribed = [
        {"name": p.name, "component": "xyz"[p.component], "nodes": len(p.nodes), "mean_mm": float(np.mean(p.value_mm))}
        for p in model.prescribed
    ]
    forces = [
        {
            "name": f.name,
            "component": "xyz"[f.component],
            "nodes": len(f.nodes),
            "total_n": float(np.broadcast_to(f.force_n, np.shape(f.nodes)).sum()),
        }
        for f in model.forces
    ]
    return prescribed + forces
