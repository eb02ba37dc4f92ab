"""Chains of few heights: the number of heights that count does not depend on whether they fork."""

import jax
import numpy as np
import pytest

import polejax as pj
from polejax import analysis

SHARES = [30, 29, 12, 11, 8, 5, 3, 1, 1]
FORKING = pj.Scenario(pj.nodes.from_shares(SHARES), pj.network.clique(9, 70.0), pj.PoW(work=600.0))
STUDIES, SEEDS = 64, 32


@pytest.fixture(scope="module")
def truth():
    """Means at each of the first heights, over many chains, by rounds far from their end."""
    keys = jax.random.split(jax.random.key(7), 6_000)
    history = pj.simulate_many(keys, FORKING, 16 + 32)
    assert history.settled[:, :16].all()
    return {
        "stale": (history.published - 1)[:, :16].mean(axis=0, dtype=np.float64),
        "interval": history.interval[:, :16].mean(axis=0, dtype=np.float64),
        "first": (history.producer == 0)[:, :16].mean(axis=0, dtype=np.float64),
    }


@pytest.mark.parametrize("method", ["rounds", "poisson"])
@pytest.mark.parametrize("heights", [1, 2, 4, 16])
def test_intervals_hold_the_truth_at_few_heights(truth, heights, method):
    """Coverage of 95% intervals over 64 studies of 32 seeds: at least 56 of 64 (P < 0.02 by chance at 95%, ours)."""
    keys = jax.random.split(jax.random.fold_in(jax.random.key(8), heights), STUDIES * SEEDS)
    history = pj.simulate_many(keys, FORKING, heights, method=method)
    assert history.settled.all()
    wanted = {name: values[:heights].mean() for name, values in truth.items()}
    assert 0.08 < wanted["stale"] < 0.11
    held = dict.fromkeys(wanted, 0)
    for study in range(STUDIES):
        rows = slice(study * SEEDS, (study + 1) * SEEDS)
        found = pj.summarise(jax.tree.map(lambda leaf, rows=rows: leaf[rows], history))
        first = analysis.Estimate(found.win_share.value[0], found.win_share.low[0], found.win_share.high[0])
        for name, one in (("stale", found.stale_per_main), ("interval", found.interval_mean), ("first", first)):
            held[name] += int(one.low <= wanted[name] <= one.high)
    assert min(held.values()) >= 56, held
    pooled = pj.summarise(history)  # and of all seeds together, whose intervals are an eighth as wide
    assert abs(float(pooled.stale_per_main.value) - wanted["stale"]) < 5 * np.sqrt(0.1 / history.interval.size)
    assert pooled.num_unsettled == 0


def test_sums_are_those_of_the_histories_at_few_heights():
    keys = jax.random.split(jax.random.key(9), 64)
    for heights in (2, 100):
        summed = pj.tally_many(keys, FORKING, heights, method="poisson")
        told = analysis.tally(pj.simulate_many(keys, FORKING, heights, method="poisson"))
        for name in ("settled", "unsettled", "published", "stale", "wins", "published_by"):
            np.testing.assert_array_equal(getattr(summed, name), getattr(told, name), err_msg=name)
        assert (summed.settled == heights).all()


def test_segments_play_on_as_one_program_does():
    far = pj.Scenario(pj.nodes.equal(4), pj.network.clique(4, 6000.0), pj.PoW(work=500.0))  # nearly all heights fork
    keys = jax.random.split(jax.random.key(10), 16)
    whole = pj.simulate_many(keys, far, 12)
    assert not whole.settled.all()  # of delays longer than intervals not all branches meet in time, and it is told
    summary = pj.summarise(whole)
    assert summary.num_unsettled == (~whole.settled).sum()
    assert f"{summary.num_unsettled} unsettled" in str(summary)
    for segment in (1, 5, 7):
        cut = pj.simulate_many(keys, far, 12, segment=segment)
        for one, other in zip(jax.tree.leaves(cut), jax.tree.leaves(whole), strict=True):
            np.testing.assert_array_equal(one, other)
