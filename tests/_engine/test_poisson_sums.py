"""Sums made on the device straight from block arrivals are those of the chains' histories."""

import functools

import jax
import numpy as np
import pytest
from scripted import shortest_paths

import polejax as pj
from polejax._core.record import replace
from polejax._engine import poisson, poisson_sums
from polejax.analysis import summaries
from polejax.analysis.seed_tally import pool, tally

pytestmark = pytest.mark.usefixtures("as_users_compile")  # two programs' bits

SHARES = [30, 29, 12, 11, 8, 5, 3, 1, 1]
ORDER = np.random.default_rng(5).permutation(9)  # addresses that are not in the order of nodes
COUNTS = ("settled", "published", "stale", "wins", "published_by", "score")
NOTHING = ("fallback", "claims", "claimed", "claimed_score", "rejected", "diverged", "useful", "computed")


def check_same(sums, expected):
    """Counts exactly, seconds to rounding."""
    for name in COUNTS:
        np.testing.assert_array_equal(getattr(sums, name), getattr(expected, name), err_msg=name)
    assert not any(getattr(sums, name).any() for name in NOTHING)
    assert not sums.carries_models
    assert sums.centre == pytest.approx(expected.centre, rel=1e-6)
    sums, expected = sums.about(0.0), expected.about(0.0)
    np.testing.assert_allclose(sums.interval, expected.interval, rtol=1e-6)
    np.testing.assert_allclose(sums.square, expected.square, rtol=1e-6)


def check_bits(one, other):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def pools():
    nodes = pj.nodes.Nodes(np.array(SHARES, np.float32)[ORDER] / 100, ORDER.astype(np.uint32))
    return pj.Scenario(nodes, pj.network.clique(9, 60.0), pj.PoW(work=600.0))


def test_sums_of_few_nodes(pools, monkeypatch):
    """With so few corrections that some chains among others are played again as histories."""
    keys, blocks = jax.random.split(jax.random.key(0), 192), 200
    history = pj.simulate_many(keys, pools, blocks, method="poisson")
    expected = tally(history)
    in_flight, race = poisson.rounded_up(poisson.blocks_in_flight(pools)), poisson.race_of(pools)
    with monkeypatch.context() as patch:
        patch.setattr(poisson_sums, "_SELDOM", 0.4)
        plan = poisson_sums.plan_for.__wrapped__(in_flight, blocks)
    assert (plan.recent, plan.corrections, plan.head) == (3, 2, 128)
    monkeypatch.setattr(poisson_sums, "plan_for", lambda *of: plan)
    sums, right = jax.device_get(jax.jit(lambda keys, race: poisson_sums.resolve(keys, race, plan))(keys, race))
    assert 0.3 < right.mean() < 0.99
    for name in ("settled", "published", "wins", "published_by"):
        np.testing.assert_array_equal(getattr(sums, name)[right], getattr(expected, name)[right], err_msg=name)
    whole = pj.tally_many(keys, pools, blocks, method="poisson")
    check_same(whole, expected)
    one, other = (summaries.as_dict(pj.summarise(of, pools.nodes)) for of in (whole, history))
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-6), one, other)
    # Sums have the same bits whoever else was not right, and however chains are laid out.
    cut = pj.tally_many(keys, pools, blocks, chains=2, devices=jax.devices()[:2], method="poisson")
    check_bits(cut, whole)
    check_same(pj.tally_many(keys, pools, blocks, method="poisson", pooled=8), pool(expected, 8))
    # More blocks in flight than promised: the room may be too small, so nothing counts.
    program = poisson_sums.program(blocks, in_flight, 1, 2, tuple(jax.devices()[:2]))
    crowded = jax.device_get(program(keys, replace(race, network=pj.network.clique(9, 90.0))))
    assert not any(leaf.any() for leaf in crowded)


@pytest.mark.smoke
@pytest.mark.device
@pytest.mark.parametrize("count", [20, 300])
def test_sums_of_many_nodes(count):
    nodes = pj.nodes.lognormal(count, sigma=1.0)
    scenario = pj.Scenario(nodes, pj.network.clique(count, 20.0), pj.PoW(work=600.0))
    keys = jax.random.split(jax.random.key(count), 64)
    expected = tally(pj.simulate_many(keys, scenario, 150, method="poisson"))
    if count == 300:
        sums = pj.tally_many(keys, scenario, 150, devices=jax.devices()[:1], method="poisson", pooled=16)
        check_same(sums, pool(expected, 16))
        return
    race, plan = poisson.race_of(scenario), poisson_sums.plan_for(poisson.blocks_in_flight(scenario), 150)
    sums, right = jax.device_get(
        jax.jit(lambda keys, race: poisson_sums.resolve(keys, race, plan, on_cpu=False))(keys, race)
    )
    assert right.all()
    np.testing.assert_array_equal(sums.wins, expected.wins)
    np.testing.assert_array_equal(sums.published_by, expected.published_by)


def test_sums_on_other_networks_and_of_short_chains():
    delay = shortest_paths(np.random.default_rng(0).uniform(5, 50, (40, 40)) * (1 - np.eye(40)))
    scenario = pj.Scenario(pj.nodes.equal(40), pj.network.from_matrix(delay), pj.PoW(work=600.0))
    keys = jax.random.split(jax.random.key(2), 12)
    sums = pj.tally_many(keys, scenario, 30, devices=jax.devices()[:1], method="poisson")
    check_same(sums, tally(pj.simulate_many(keys, scenario, 30, devices=jax.devices()[:1], method="poisson")))


def test_what_cannot_be_summed_up_is_refused_by_name(pools):
    swept = replace(pools, mechanism=pj.PoW(np.float32([600.0, 300.0])))
    for function in (pj.tally_many, pj.simulate_many):
        for method in ("rounds", "poisson"):
            play = functools.partial(function, jax.random.split(jax.random.key(0), 2), method=method)
            with pytest.raises(ValueError, match=r"^mechanism\.work must be one number, got shape \(2,\), a sweep: "):
                play(swept, 9)
            with pytest.raises(ValueError, match=r"^scenario must be a polejax.Scenario, got Nodes: build one$"):
                play(pools.nodes, 9)
    keys = jax.random.split(jax.random.key(0), 6)
    short = pj.tally_many(keys, pools, 3, pooled=3)  # by rounds
    check_same(short, pool(tally(pj.simulate_many(keys, pools, 3)), 3))
    assert pj.summarise(short).num_seeds == 2
    with pytest.raises(ValueError, match=r"^pooled must divide the number of keys, 6, got 4: use as many keys as fit$"):
        pj.tally_many(keys, pools, 10, method="poisson", pooled=4)
    with pytest.raises(ValueError, match="pooled must be at least 1, got 0"):
        pj.tally_many(keys, pools, 10, pooled=0)
    with pytest.raises(ValueError, match="num_blocks must be at least 1, got 0"):
        pj.tally_many(keys, pools, 0, method="poisson")
    with pytest.raises(ValueError, match="chains must be at least 1, got -1"):
        pj.tally_many(keys, pools, 10, chains=-1, method="poisson")
    with pytest.raises(ValueError, match='mechanism must be PoW for method="poisson", got HashedPoW'):
        pj.tally_many(keys, replace(pools, mechanism=pj.HashedPoW(64.0)), 10, method="poisson")
    for function in (pj.tally_many, pj.simulate_many):
        with pytest.raises(ValueError, match="method must be one of rounds, poisson; got 'memoryless'"):
            function(keys, pools, 10, method="memoryless")
