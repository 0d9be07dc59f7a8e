"""Parting of touching bones by a random walk, discs in an even chain, and refusal of what is no vertebra."""

from __future__ import annotations

import numpy as np
import pytest

from BoneStrengthFEALib.errors import RefusedError
from BoneStrengthFEALib.segmentation.disc_chain import Merit, best_chain
from BoneStrengthFEALib.segmentation.random_walk import LEAST_CONDUCTANCE, conductance, walk
from BoneStrengthFEALib.segmentation.vertebra_checks import require_plausible
from BoneStrengthFEALib.volume import Quantity, Volume


def test_a_walk_along_a_rod_is_the_potential_of_resistors_in_series() -> None:
    """Rod of six voxels between markers 1 and 3; link of conductance c resists by 1 / c, drops follow by hand."""
    passes = np.array([1.0, 1.0, 0.25, 0.25, 1.0, 1.0], dtype=np.float32).reshape(1, 1, 6)
    links = np.sqrt(passes.ravel()[1:] * passes.ravel()[:-1])
    fixed = np.full((1, 1, 6), np.nan)
    fixed[0, 0, 0], fixed[0, 0, 5] = 1.0, 3.0
    met = walk(passes, np.ones((1, 1, 6), dtype=bool), fixed)
    drops = 2.0 * (1 / links) / (1 / links).sum()
    assert met.ravel() == pytest.approx(1.0 + np.concatenate([[0.0], np.cumsum(drops)]), abs=1e-3)


def test_a_walk_stays_in_the_mask_and_leaves_what_no_marker_reaches() -> None:
    mask = np.zeros((3, 4, 9), dtype=bool)
    mask[1, 1, :4], mask[1, 1, 6:] = True, True
    fixed = np.full(mask.shape, np.nan)
    fixed[1, 1, 0] = 2.0
    met = walk(np.ones(mask.shape, dtype=np.float32), mask, fixed)
    assert met[1, 1, :4] == pytest.approx(2.0, abs=1e-3)
    assert np.isnan(met[1, 1, 6:]).all()
    assert np.isnan(met[~mask]).all()


def test_two_blocks_are_parted_at_the_gap_and_not_halfway() -> None:
    """Joint space of 200 HU between blocks of 700 HU; the marker of the first lies far from it, the other's near."""
    values = np.full((7, 8, 30), 700.0, dtype=np.float32)
    values[:, :, 20] = 200.0
    fixed = np.full(values.shape, np.nan)
    fixed[:, :, 0], fixed[:, :, 24] = 1.0, 2.0
    passes = conductance(values, 40.0)
    # by hand: depth 1 - 160 / 660, so exp(-20 * 0.758) is below the floor
    assert passes[3, 4, 20] == pytest.approx(LEAST_CONDUCTANCE)
    assert passes[3, 4, 10] == pytest.approx(1.0)
    number = np.rint(walk(passes, np.ones(values.shape, dtype=bool), fixed))
    assert (number[:, :, :20] == 1).all()
    assert (number[:, :, 21:] == 2).all()


def test_discs_form_an_even_chain() -> None:
    """Discs every 33 mm; a dip in the middle of a body that is less deep must not halve a distance."""
    merit = merits(150, (20, 80.0), (53, 70.0), (72, 15.0), (87, 60.0), (121, 75.0))
    assert best_chain(Merit(merit, merit)) == (20, 53, 87, 121)
    # one disc that is not seen does not end the chain
    merit[53] = merit[72] = -np.inf
    assert best_chain(Merit(merit, merit)) == (20, 87, 121)


def test_a_chain_follows_bodies_from_the_loin_to_the_upper_thorax() -> None:
    """Distances shrink from 36 to 20 mm; lumbar merit, which heads of ribs spoil, ends where they begin."""
    gaps = [36, 36, 34, 32, 30, 28, 26, 25, 24, 23, 22, 21, 20]
    places = [12, *(12 + np.cumsum(gaps))]
    loin = merits(400, *((int(n), 60.0) for n in places[:7]))
    thorax = merits(400, *((int(n), 60.0) for n in places[5:]))
    assert best_chain(Merit(thorax, loin)) == tuple(int(n) for n in places)


def test_a_dark_place_far_from_all_discs_is_none() -> None:
    """170 mm of spine without a disc is no gap that one disc fills."""
    merit = merits(330, (35, 90.0), (60, 90.0), (85, 90.0), (305, 60.0))
    assert best_chain(Merit(merit, merit)) == (35, 60, 85)


def merits(count: int, *given: tuple[int, float]) -> np.ndarray:
    merit = np.full(count, -np.inf)
    for place, value in given:
        merit[place] = value
    return merit


def parts(body: tuple[int, int, int], arch: int) -> Volume:
    """A block of body (S, A, R voxels of 2 x 2 x 1 mm) and rows of posterior elements behind it."""
    values = np.zeros((body[0] + 2, body[1] + arch + 2, body[2] + 2), dtype=np.uint8)
    values[1:-1, 1 : 1 + arch, 1:-1] = 2
    values[1:-1, 1 + arch : -1, 1:-1] = 1
    return Volume(values, np.diag([2.0, 2.0, 1.0, 1.0]), Quantity.LABEL)


def test_a_vertebra_of_usual_size_passes_with_and_without_its_arch() -> None:
    require_plausible(parts((26, 16, 22), 10))
    require_plausible(parts((26, 16, 22), 0))


@pytest.mark.parametrize(
    ("body", "arch", "words"),
    [
        ((20, 7, 10), 5, "volume of the body is 5.6 cm3"),
        ((60, 16, 22), 10, "height of the body is 53.1 mm"),
        ((26, 16, 22), 40, "posterior elements per body is 2.5"),
        ((26, 27, 14), 8, "width per depth"),
    ],
)
def test_what_is_no_vertebra_is_refused(body: tuple[int, int, int], arch: int, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as refusal:
        require_plausible(parts(body, arch))
    assert refusal.value.code == "NOT_A_VERTEBRA"
