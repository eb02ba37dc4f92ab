"""Estimates from a bank's parts: corrected, inside what is possible, and right as often as they say."""

import numpy as np
import pytest
from scipy import special

from polejax.studies import bank_error


def test_no_end_lies_outside_what_a_statistic_can_be():
    parts = np.array([0.9, 1.0, 1.0, 1.0])
    free = bank_error.corrected(np.float64(0.99), parts, 0.95)
    kept = bank_error.corrected(np.float64(0.99), parts, 0.95, low=0.0, high=1.0)
    assert free.high > 1.0 == kept.high
    assert kept.low == free.low
    assert kept.value == free.value == pytest.approx(0.99 + (0.99 - 0.975) / 3)


def test_a_corrected_share_has_no_bias_of_the_parts_size():
    """Parts are off by -8 c, the whole of 8 parts by -c."""
    truth, slope, tries = 0.3, 0.01, 1e9
    whole, part = (np.float64((truth - slope * size) * tries) for size in (1, 8))
    found = bank_error.corrected_share(whole, tries, np.full(8, part), np.full(8, tries), 0.95)
    assert found.value == pytest.approx(truth)


def test_intervals_of_corrected_shares_hold_the_truth():
    draw = np.random.default_rng(1)
    chance = special.expit(draw.normal(special.logit(0.05), 0.2, (1_000, 8)))  # parts differ, as parts of a bank do
    hits = draw.binomial(400, chance).astype(np.float64)
    tries = np.full(8, 400.0)
    truth = special.expit(draw.normal(special.logit(0.05), 0.2, 100_000)).mean()
    found = [bank_error.corrected_share(one.sum(), tries.sum(), one, tries, 0.95) for one in hits]
    assert 0.93 < np.mean([one.low < truth < one.high for one in found]) < 0.97
    assert all(0.0 < one.low <= one.value <= one.high < 1.0 for one in found)


@pytest.mark.parametrize(
    ("hits", "part_hits"),
    [(0.0, [0.0, 0.0]), (200.0, [100.0, 100.0]), (0.0, [3.0, 0.0]), (199.0, [100.0, 100.0]), (200.0, [99.0, 100.0])],
)
def test_shares_at_the_ends_keep_an_interval(hits, part_hits):
    found = bank_error.corrected_share(hits, 200.0, np.array(part_hits), np.full(2, 100.0), 0.95)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.low < found.high


def test_shares_may_be_many():
    hits = np.array([[1.0, 50.0], [0.0, 50.0]])
    found = bank_error.corrected_share(hits.sum(axis=0), np.full(2, 200.0), hits, np.full((2, 2), 100.0), 0.95)
    np.testing.assert_allclose(found.value, [0.005, 0.5])
    assert (found.low < found.value).all()
    assert (found.value < found.high).all()
