"""Material laws against values computed by hand from the printed equations, and the map from density to moduli."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.errors import GeometryError, MaterialError
from BoneStrengthFEALib.material import LAWS, fixed_material, law, map_density
from BoneStrengthFEALib.material.anisotropy import ANISOTROPIES, anisotropy, unit_stiffness
from BoneStrengthFEALib.material.law import Curve, Piece
from BoneStrengthFEALib.quality import Outcome
from BoneStrengthFEALib.volume import Quantity, Volume

QCT = (0.05, 0.10, 0.15, 0.20, 0.30)
ASH = (0.1, 0.3, 0.6, 1.0, 1.2)
MODULI = {
    "V1": (QCT, (128.3, 265.6, 406.5, 549.9, 841.8)),
    "V1-lin": (QCT, (126.8, 288.3, 449.8, 611.3, 934.3)),
    "V2": (QCT, (44.2, 130.3, 245.2, 384.1, 723.1)),
    "F3": (ASH, (53.9, 666.5, 3259.5, 10500, 15941)),
    "F2": (ASH, (474.5, 2438.7, 6850, 14664, 19241)),
    "F5": (ASH, (205.7, 1587, 5762, 14900, 20915)),
    "F4": (ASH, (213.9, 2061, 3653, 10200, 14715)),
    # one or two points each, worked out with a pocket calculator from the printed equation
    "V1x1.28": ((1.0,), (3814.4,)),
    "V3": ((1.0, 0.5), (1890.0, 499.4)),
    "F1-FN": ((1.0, 0.5), (6850.0, 2438.7)),
    "F1-GT": ((1.0, 0.2), (15010.0, 449.4)),
    "F1-pw": ((0.2, 0.28, 0.2801, 1.0), (449.4, 935.8, 1028.4, 6850.0)),
    "F1-FNx1.28": ((1.0,), (8768.0,)),
    "F1-GTx1.28": ((1.0,), (19212.8,)),
    "F6": ((1.0, 2.0), (2874.9, 22999.4)),
    "P1": ((1.0, 0.5), (15490.0, 4065.0)),
    "H1": ((0.1, 0.9), (6829.0, 6829.0)),
    "H2": ((0.1, 0.9), (8748.0, 8748.0)),
    "H3": ((0.2, 0.3, 1.0), (0.0, 1670.0, 19170.0)),
    "H4": ((0.1,), (10000.0,)),
}
STRENGTHS = {
    ("V1", "compression"): (QCT, (0.581, 1.524, 2.677, 3.993, 7.016)),
    ("V1-lin", "compression"): ((0.02, 0.1, 0.2), (0.0, 1.74, 4.23)),
    ("V1x1.28", "tension"): ((1.0,), (57.4464,)),
    ("V3", "compression"): ((1.0,), (284.0,)),
    ("F1-FN", "compression"): ((1.0,), (58.225,)),
    ("F1-GT", "compression"): ((1.0,), (105.07,)),
    ("F1-GT", "tension"): ((1.0,), (91.561,)),
    ("F1-pw", "compression"): ((0.355, 1.0), (8.231, 38.5)),
    ("F1-pw", "tension"): ((0.355, 1.0), (6.058, 22.6)),
    ("F3", "compression"): ((1.0,), (117.0,)),
    ("F4", "compression"): ((0.1, 0.3, 1.0), (1e20, 14.25, 114.0)),
    ("F5", "tension"): ((1.0, 0.5), (102.0, 29.29)),
}


def volume(array, quantity, spacing=(0.9, 1.1, 1.3)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (-7, 20, 311)
    return Volume(np.asarray(array), affine, quantity)


@pytest.fixture
def bone():
    """Density 3x4x5 with two layers of bone, and its regions."""
    rng = np.random.default_rng(8123)
    density = rng.uniform(40, 320, (3, 4, 5))
    density[0, 0, 0] = -20.0
    regions = np.zeros((3, 4, 5), dtype=np.uint8)
    regions[:2] = 1
    regions[1, 2:] = 7
    return volume(density, Quantity.K2HPO4), volume(regions, Quantity.LABEL)


@pytest.mark.parametrize("identifier", sorted(MODULI))
def test_modulus(identifier):
    density, expected = MODULI[identifier]
    np.testing.assert_allclose(law(identifier).young_mpa(np.array(density)), expected, rtol=6e-4, atol=0.06)


@pytest.mark.parametrize(("identifier", "sign"), sorted(STRENGTHS))
def test_strength(identifier, sign):
    density, expected = STRENGTHS[identifier, sign]
    np.testing.assert_allclose(law(identifier).strength_mpa(sign, np.array(density)), expected, rtol=3e-4, atol=5e-4)


def test_every_law_has_a_checked_modulus_and_a_source():
    assert {row.id for row in LAWS} == set(MODULI)
    assert len({row.id for row in LAWS}) == len(LAWS)
    assert all(row.source for row in LAWS)
    assert all(row.note for row in LAWS if row.unverified), "an unverified row says what is unverified"


def test_curve_uses_the_lower_piece_at_its_upper_end():
    curve = Curve((Piece(2.0, 1.0, 0.0, 0.5), Piece(3.0, 1.0)))
    np.testing.assert_allclose(curve(np.array([0.5, 0.5000001, -1.0])), [1.0, 1.5, 0.0], rtol=1e-6)
    with pytest.raises(MaterialError, match="increasing"):
        Curve((Piece(1, 1, 0, 0.5), Piece(1, 1, 0, 0.2), Piece(1, 1)))


@pytest.mark.parametrize(
    ("identifier", "kind", "words"),
    [
        ("F2", Quantity.K2HPO4, "keyak1994-k2hpo4-ash"),
        ("F1-pw", Quantity.K2HPO4, "keyak1994-k2hpo4-ash, then schileo2008-ash-apparent"),
        ("V1", Quantity.CAHA, "caha_to_k2hpo4"),
        ("F3", Quantity.CAHA, "schileo2008-caha-ash"),
        ("H3", Quantity.K2HPO4, "faulkner1993-k2hpo4-caha"),
        ("V1", Quantity.HU, "calibrate the image"),
        ("H3", Quantity.ASH, "take a law for this kind"),
    ],
)
def test_wrong_density_kind_is_refused_with_the_conversion(identifier, kind, words):
    with pytest.raises(MaterialError, match=words):
        law(identifier).require(kind)


def test_unknown_ids_are_refused():
    for find in (law, fixed_material, anisotropy):
        with pytest.raises(MaterialError, match="choose one of"):
            find("nonsense")


def test_map_gives_each_voxel_its_own_modulus(bone):
    density, regions = bone
    result = map_density(density, regions, "V1")
    assert result.young_mpa[1, 3, 2] == pytest.approx(2980 * (density.array[1, 3, 2] / 1000) ** 1.05, rel=1e-12)
    assert result.compression_mpa is not None
    assert result.compression_mpa[0, 1, 4] == pytest.approx(37.4 * (density.array[0, 1, 4] / 1000) ** 1.39, rel=1e-12)
    assert (result.young_mpa[2] == 0).all()
    assert np.isinf(result.compression_mpa[2]).all()
    assert result.tension_mpa is None
    assert not result.young_mpa.flags.writeable


def test_map_floors_and_counts_what_it_floored(bone):
    density, regions = bone
    result = map_density(density, regions, "V1")
    assert result.young_mpa[0, 0, 0] == 0.1
    assert result.floored_fraction == pytest.approx(1 / 40)
    assert all(line.outcome is Outcome.PASS for line in result.quality)
    marrow = density.with_array(np.where(np.arange(60).reshape(3, 4, 5) % 5 < 2, -5.0, density.array))
    warned = map_density(marrow, regions, "V1")
    assert warned.floored_fraction == pytest.approx(16 / 40)
    assert [line.check for line in warned.quality if line.outcome is Outcome.WARN] == ["FLOORED_VOXELS"]


def test_map_counts_voxels_outside_the_range_of_the_law(bone):
    density, regions = bone
    apparent = density.with_array(np.where(np.arange(60).reshape(3, 4, 5) % 5 == 3, 900.0, 200.0), Quantity.APPARENT)
    result = map_density(apparent, regions, "V2")
    assert result.out_of_range_fraction == pytest.approx(8 / 40)
    assert [line.check for line in result.quality if line.outcome is Outcome.WARN] == ["LAW_RANGE"]


def test_map_refuses_wrong_kind_grid_and_empty_bone(bone):
    density, regions = bone
    with pytest.raises(MaterialError, match="apparent density"):
        map_density(density, regions, "F1-pw")
    with pytest.raises(GeometryError):
        map_density(density, volume(regions.array, Quantity.LABEL, (0.9, 1.1, 1.4)), "V1")
    with pytest.raises(MaterialError, match="no voxel"):
        map_density(density, regions.with_array(np.zeros((3, 4, 5), np.uint8)), "V1")


def test_homogeneous_law_takes_any_density(bone):
    density, regions = bone
    assert set(np.unique(map_density(density, regions, "H1").young_mpa)) == {0.0, 6829.0}


def test_softening_slope_against_total_strain_is_the_published_one(bone):
    density, regions = bone
    result = map_density(density.with_array(density.array, Quantity.ASH), regions, "F5")
    assert result.hardening_mpa is not None
    rho = density.array[1, 1, 1] / 1000
    young, hardening = result.young_mpa[1, 1, 1], result.hardening_mpa[1, 1, 1]
    assert 1 / (1 / young + 1 / hardening) == pytest.approx(-2080 * rho**1.45, rel=1e-9)
    behaviour = result.yield_stress()
    assert behaviour is not None
    assert np.asarray(behaviour.residual_mpa)[1, 1, 1] == pytest.approx(43.1 * rho**1.81, rel=1e-9)
    assert np.asarray(behaviour.onset_strain)[1, 1, 1] == pytest.approx(0.00189 + 0.0241 * rho, rel=1e-9)


def test_yield_stress_is_none_for_a_law_without_strength(bone):
    density, regions = bone
    assert map_density(density.with_array(density.array, Quantity.APPARENT), regions, "V2").yield_stress() is None


def test_transverse_isotropy_has_the_moduli_of_the_table(bone):
    row = ANISOTROPIES[0]
    compliance = np.linalg.inv(unit_stiffness(row))
    np.testing.assert_allclose(1 / np.diag(compliance), [0.333, 0.333, 1, 0.157, 0.157, 0.121], rtol=1e-12)
    assert -compliance[1, 0] * 0.333 == pytest.approx(0.381)
    assert -compliance[2, 0] * 0.333 == pytest.approx(0.104)
    result = map_density(*bone, "V1", row.id)
    assert result.orthotropy is not None
    assert result.orthotropy.elements.sum() == 40
    assert result.unverified
    assert not map_density(*bone, "V1").unverified
