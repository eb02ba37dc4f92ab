"""How attacks are measured: areas, intervals, and chances of guessing right, against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from polejax.attacks import detection, forging


def test_intervals_end_where_the_possible_does_and_have_a_width_where_all_seeds_agree():
    honest, at_once = np.arange(16.0) + 50, np.zeros(16)
    least = 0.025 ** (1 / 16)  # Clopper and Pearson's, 16 of 16
    for found, most in ((detection.saved(honest, at_once), 1.0), (detection.advantage(honest, at_once), 10.0)):
        np.testing.assert_allclose([found.value, found.low, found.high], [most, most * least, most])
    late = np.where(np.arange(16) == 0, 100.0, 0.0)
    for found, most in ((detection.saved(honest, late), 1.0), (detection.advantage(honest, late), 10.0)):
        assert 0 < found.low < found.value < found.high == most


@pytest.mark.parametrize(("accuracy", "size", "tries"), [(0.5, 1, 2), (0.85, 400, 1), (0.85, 400, 20)])
def test_the_winner_s_curse_is_that_of_binomials(accuracy, size, tries):
    draws = np.random.default_rng(0).binomial(size, accuracy, (20_000, tries)).max(axis=1) / size - accuracy
    assert abs(forging.winners_curse(accuracy, size, tries) - draws.mean()) < 5 * draws.std() / 20_000**0.5
    bound = np.sqrt(accuracy * (1 - accuracy) * 2 * np.log(max(tries, 2)) / size)
    assert forging.winners_curse(accuracy, size, tries) < bound


def test_tries_to_pass():
    assert forging.tries_to_pass(0.25, 1.0, 1) == pytest.approx(4)
    assert forging.tries_to_pass(0.7, np.float32(0.85), 20) == pytest.approx(1 / 0.1070868)  # P(Bin(20, 0.7) >= 17)
    assert forging.tries_to_pass(0.75, 0.85, 400) == pytest.approx(1 / stats.binom.sf(339, 400, 0.75))
    assert forging.tries_to_pass(0.1, 0.9, 400) > 1e200
    with pytest.raises(ValueError, match="accuracy must be at least 0 and at most 1"):
        forging.tries_to_pass(1.5, 0.9, 10)


scores = st.lists(st.integers(0, 8), min_size=2, max_size=12)


@given(scores, st.integers(0, 100))
def test_the_area_is_that_under_the_roc_curve(honest, seed):
    honest = np.array(honest) / 8
    cheats = np.random.default_rng(seed).integers(0, 9, honest.size) / 8
    thresholds, rejected, detected = detection.roc(honest, cheats)
    assert (np.diff(thresholds) > 0).all()
    assert (rejected[0], detected[0], rejected[-1], detected[-1]) == (0, 0, 1, 1)
    found = detection.auc(honest, cheats)
    np.testing.assert_allclose(found.value, np.trapezoid(detected, rejected), atol=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_the_area_s_interval_holds_the_normal_law_s():
    rng = np.random.default_rng(0)
    found = [detection.auc(rng.normal(1, 1, 24), rng.normal(0, 1, 24)) for _ in range(400)]
    held = np.mean([area.low <= ndtr(0.5**0.5) <= area.high for area in found])
    assert 0.91 < held < 0.985  # 400 intervals of 95%
