"""Cement of caps: elastic, plastic, or refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from BoneStrengthFEALib.errors import MaterialError
from BoneStrengthFEALib.fe_model import FeModel, Prescribed, YieldStress
from BoneStrengthFEALib.load_case.cement import with_cement
from BoneStrengthFEALib.plasticity import NonlinearOptions, NonlinearSolution, solve_nonlinear
from BoneStrengthFEALib.settings import ModelSettings
from BoneStrengthFEALib.volume import Grid

SHAPE = (6, 3, 4)
BONE_YIELD_MPA = 200.0


def between_caps(settings: ModelSettings, layers: tuple[int, ...] = (0, -1)) -> tuple[FeModel, np.ndarray]:
    """Strong bone with the elastic constants of cement, and layers of cement."""
    caps = np.zeros(SHAPE, dtype=bool)
    caps[list(layers)] = True
    k, j, i = (n + 1 for n in SHAPE)
    ids = np.arange(k * j * i).reshape(k, j, i)
    conditions = (
        Prescribed("bottom", ids[0].ravel(), 2),
        Prescribed("top", ids[-1].ravel(), 2, -0.6),
        Prescribed("x", ids[:, :, 0].ravel(), 0),
        Prescribed("y", ids[:, 0].ravel(), 1),
    )
    bone = np.where(caps, np.inf, BONE_YIELD_MPA)
    stress = YieldStress(bone, bone.copy(), hardening_mpa=11.0)
    model = FeModel(Grid(SHAPE, np.eye(4)), np.full(SHAPE, 2500.0), 0.3, conditions, yield_stress=stress)
    return with_cement(model, caps, settings), caps


def compress(settings: ModelSettings, layers: tuple[int, ...] = (0, -1)) -> tuple[NonlinearSolution, np.ndarray]:
    model, caps = between_caps(settings, layers)
    return solve_nonlinear(model, "top", NonlinearOptions(end_factor=1.0, tolerance=1e-8, threads=1)), caps


def test_plastic_cement_carries_its_yield_stress_and_no_more() -> None:
    found, caps = compress(ModelSettings(cap_yields=True), tuple(range(6)))
    assert found.curve[-1].force_n == pytest.approx(70.0 * 12, rel=1e-6)
    assert (found.failed_compression == caps).all()


def test_plastic_caps_fail_before_strong_bone() -> None:
    """Bone keeps thin caps from bulging, so they carry more than their uniaxial strength, but less than the bone."""
    found, caps = compress(ModelSettings(cap_yields=True))
    assert 70.0 * 12 < found.curve[-1].force_n < BONE_YIELD_MPA * 12
    assert found.failed_compression[caps].all()
    assert found.failed_compression[~caps].mean() < 0.1


def test_elastic_caps_let_the_bone_yield() -> None:
    found, caps = compress(ModelSettings())
    assert found.curve[-1].force_n > BONE_YIELD_MPA * 12
    assert (found.failed_compression == ~caps).all()


def test_another_cement_has_its_modulus_and_no_yield_stress() -> None:
    settings = ModelSettings(cap_material="pmma-4500")
    model, caps = between_caps(settings)
    assert (model.young_mpa[caps] == 4500.0).all()
    assert (model.young_mpa[~caps] == 2500.0).all()
    with pytest.raises(MaterialError, match="pmma-4500"):
        between_caps(dataclasses.replace(settings, cap_yields=True))
    with pytest.raises(MaterialError, match="chewing-gum"):
        between_caps(dataclasses.replace(settings, cap_material="chewing-gum"))
