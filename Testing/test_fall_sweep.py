"""A sweep of fall directions: each equals a fall of its own, the weakest is named, files and report show it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.anatomy import Side, Site
from BoneStrengthFEALib.errors import InputError
from BoneStrengthFEALib.outcome_files import write_outcome
from BoneStrengthFEALib.results_reading import read_results
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.synthetic.femur import SyntheticFemur
from BoneStrengthFEALib.synthetic.vertebra import pose

GIVEN = ("calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8", "calibration.intercept_mg_cm3=5",
         "calibration.density_kind=K2HPO4", "model.voxel_mm=3")  # fmt: skip


def femur() -> Study:
    ct, labels = SyntheticFemur().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0), False)
    return Study(ct, labels, (Target(1, Site.FEMUR, "", Side.RIGHT),), Acquisition("synthetic"))


def test_sweep_in_results_and_files(tmp_path: Path) -> None:
    study = femur()
    settings = override(Settings(), (*GIVEN, "model.fall_sweep_deg=0,15,30,110"))
    outcome = pipeline.run(study, settings)
    site = outcome.results.sites[0]
    assert [p.rotation_deg for p in site.sweep] == [0.0, 15.0, 30.0]
    assert len({round(p.force_n) for p in site.sweep}) == 3
    # the usual direction is 15 degrees: the same model, the same numbers
    assert site.sweep[1].force_n == pytest.approx(site.strengths[0].force_n, rel=1e-6)
    alone = pipeline.run(study, override(Settings(), (*GIVEN, "model.fall_rotation_deg=30"))).results.sites[0]
    assert site.sweep[2].force_n == pytest.approx(alone.strengths[0].force_n, rel=1e-6)
    line = next(line for line in site.quality.lines if line.check == "FALL_SWEEP")
    weakest = min(site.sweep, key=lambda p: p.force_n)
    assert f"weakest at {weakest.rotation_deg:g} degrees" in line.found
    assert "110" in line.found
    write_outcome(study, outcome, tmp_path)
    assert read_results(tmp_path).sites[0].sweep == site.sweep
    assert "failure_load_fall_30deg" in (tmp_path / "measures.csv").read_text(encoding="utf-8")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Directions of the fall" in html
    assert html.count("<td>weakest</td>") == 1


def test_a_sweep_needs_a_fall() -> None:
    settings = override(Settings(), (*GIVEN, "model.load_case=femur-stance", "model.fall_sweep_deg=0,15"))
    with pytest.raises(InputError, match="needs a fall"):
        pipeline.run(femur(), settings)


def test_numbers_and_words_in_lists() -> None:
    assert override(Settings(), ["model.fall_sweep_deg=-15, 0"]).model.fall_sweep_deg == (-15.0, 0.0)
    assert override(Settings(), ["accept=KVP,METAL"]).accept == ("KVP", "METAL")
    assert dataclasses.asdict(override(Settings(), ["model.fall_sweep_deg=[7]"]).model)["fall_sweep_deg"] == (7.0,)
