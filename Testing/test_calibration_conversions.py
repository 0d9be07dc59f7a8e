"""Density conversions against numbers worked out by hand from the published equations."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.calibration import conversions as c
from BoneStrengthFEALib.calibration import named_conversions as named
from BoneStrengthFEALib.errors import CalibrationError
from BoneStrengthFEALib.volume import Quantity, Volume


def test_published_equations() -> None:
    assert named.k2hpo4_to_caha(100.0) == pytest.approx(107.68)
    assert named.caha_to_k2hpo4(107.68) == pytest.approx(100.0)
    assert named.k2hpo4_to_ash(200.0) == pytest.approx(250.9)
    assert named.caha_to_ash(1000.0) == pytest.approx(956.14, abs=0.01)  # (1.0 + 0.09) / 1.14 g/cm3
    assert named.ash_to_apparent(300.0) == pytest.approx(500.0)
    assert named.ash_to_k2hpo4(250.9) == pytest.approx(200.0)
    assert named.ash_to_caha(956.14) == pytest.approx(1000.0, abs=0.01)
    assert named.apparent_to_ash(500.0) == pytest.approx(300.0)
    assert c.conversion("kaneko2004-caha-ash").forward(100.0) == pytest.approx(153.7)
    assert c.conversion("les1994-k2hpo4-ash").forward(100.0) == pytest.approx(174.3)


def test_a_volume_of_another_kind_is_refused() -> None:
    ash = Volume(np.arange(60.0).reshape(3, 4, 5), np.eye(4), Quantity.ASH)
    assert c.convert(ash, "schileo2008-ash-apparent").quantity is Quantity.APPARENT
    with pytest.raises(CalibrationError, match="takes K2HPO4"):
        c.convert(ash, "keyak1994-k2hpo4-ash")
    with pytest.raises(CalibrationError, match="choose one of"):
        c.conversion("folklore")


def test_every_row_names_its_source_and_range() -> None:
    assert all(row.source and row.valid_mg_cm3[0] < row.valid_mg_cm3[1] for row in c.CONVERSIONS)
    assert len({row.id for row in c.CONVERSIONS}) == len(c.CONVERSIONS)
