"""Several selfish pools: the state machine against an enumeration of whole chains, and against one pool's law."""

import jax
import pytest

from polejax import theory
from polejax.attacks import selfish_pools
from polejax.jobs import measures

FOUND = 20_000


@pytest.fixture(scope="module")
def revenue():
    keys = jax.random.split(jax.random.key(3), 64)
    return {share: selfish_pools.mine_many(keys, [share, share], FOUND) for share in (0.17, 0.2148)}


def test_two_pools_earn_what_the_enumeration_says(revenue):
    law = theory.selfish_pools_revenue([0.2148, 0.2148], accuracy=1e-8)
    assert law[0] == pytest.approx(law[1], rel=1e-9)
    for pool in range(2):
        found = revenue[0.2148]
        share, error = measures.ratio(found.pools[:, pool], found.pools.sum(axis=1) + found.honest)
        assert abs(share - law[pool]) < 5 * error
        assert error < 1e-3


def test_two_pools_gain_above_the_published_threshold_and_lose_far_below_it(revenue):
    for share, gains in ((0.17, False), (0.2148, True)):
        found = revenue[share]
        pooled = found.pools.sum(axis=1)
        earned, error = measures.ratio(pooled, 2 * (pooled + found.honest))
        assert (earned - share > 5 * error) == gains
        assert (share - earned > 5 * error) != gains


def test_the_enumeration_repeats_published_and_known_values():
    lead = theory.selfish_pools_revenue([0.207, 0.207], 1e-7)[0] - 0.207
    assert abs(lead) < 2e-4  # the threshold that these rules give: below the published 0.2148
    small = theory.selfish_pools_revenue([0.3, 0.01], 1e-8)
    assert small[0] == pytest.approx(theory.selfish_revenue(0.3, 0.5), abs=0.01)
    assert small == pytest.approx(theory.selfish_pools_revenue([0.01, 0.3], 1e-8)[::-1], rel=1e-9)


def test_every_block_found_is_decided_or_among_the_last(revenue):
    for found in revenue.values():
        decided = found.pools.sum(axis=1) + found.honest + found.stale
        assert (decided <= FOUND).all()
        assert (decided > FOUND - 200).all()
        assert (found.stale > 0).all()


def test_one_pool_is_eyal_and_sirers_with_even_ties():
    for share in (0.2, 0.35):
        law = theory.selfish_revenue(share, 0.5)
        assert theory.selfish_pools_revenue([share]) == pytest.approx((law,), abs=2e-5)
    keys = jax.random.split(jax.random.key(4), 64)
    found = selfish_pools.mine_many(keys, [0.35], FOUND)
    share, error = measures.ratio(found.pools[:, 0], found.pools[:, 0] + found.honest)
    assert abs(share - theory.selfish_revenue(0.35, 0.5)) < 5 * error
    estimate = selfish_pools.relative_revenue(keys, [0.35], FOUND)
    assert estimate.value == pytest.approx([share])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: selfish_pools.mine(jax.random.key(0), [0.5, 0.5], 10), "shares must be below 1 together, got"),
        (lambda: selfish_pools.mine(jax.random.key(0), [], 10), "shares must hold at least one number"),
        (lambda: selfish_pools.mine(jax.random.key(0), [0.2, 0.0], 10), "shares must be above 0 and below 1, got 0"),
        (lambda: selfish_pools.mine(jax.random.key(0), [0.2], 0), "num_found must be"),
        (lambda: selfish_pools.relative_revenue(jax.random.key(0), [0.2]), "keys must be one axis of keys"),
        (lambda: theory.selfish_pools_revenue([0.4, 0.3, 0.3]), "shares must be of at least one pool and below 1"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()
