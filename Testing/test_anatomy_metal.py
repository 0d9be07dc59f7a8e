"""Metal in a bone refuses that bone; the same metal beside it does not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from BoneStrengthFEALib import pipeline
from BoneStrengthFEALib.acquisition import Acquisition
from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.settings import Settings
from BoneStrengthFEALib.settings_override import override
from BoneStrengthFEALib.study import Study, Target
from BoneStrengthFEALib.synthetic.vertebra import SyntheticVertebra, pose

GIVEN = ("calibration.method=given-linear", "calibration.slope_mg_cm3_per_hu=0.8", "calibration.intercept_mg_cm3=5",
         "calibration.density_kind=K2HPO4", "solver.tolerance=1e-6", "model.voxel_mm=2")  # fmt: skip


def study_with_screw(in_bone: bool) -> Study:
    """5 x 4 x 3 voxels of 2 mm at 2900 HU (0.48 cm3), in the body or far from it."""
    ct, labels = SyntheticVertebra().scan(pose((0, 0, 0)), (2.0, 2.0, 2.0))
    k, j, i = np.rint(ct.grid.to_ijk(np.zeros(3))).astype(int)[::-1] if in_bone else (5, 6, 7)
    array = np.array(ct.array)
    array[k : k + 3, j : j + 4, i : i + 5] = 2900.0
    return Study(dataclasses.replace(ct, array=array), labels, (Target(1),), Acquisition("synthetic"))


def test_metal_in_the_bone_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"0\.48 cm3 above 2500 HU") as caught:
        pipeline.run(study_with_screw(True), override(Settings(), GIVEN))
    assert caught.value.code == "METAL"


def test_metal_beside_the_bone_is_not() -> None:
    lines = pipeline.run(study_with_screw(False), override(Settings(), GIVEN)).results.sites[0].quality.lines
    line = next(line for line in lines if line.check == "METAL")
    assert (line.outcome.value, line.found) == ("pass", "0.00 cm3 above 2500 HU")
