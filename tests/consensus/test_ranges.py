"""Ranges: what float32 cannot hold is refused, a chain that leaves the range says so, and no statistic takes it."""

import functools

import jax
import numpy as np
import pytest
from handmade import history as handmade

import polejax as pj
from polejax import analysis
from polejax._core.record import replace
from polejax.analysis import mempool
from polejax.consensus.range_checks import MOST
from polejax.network.regions import regions

KEYS = jax.random.split(jax.random.key(0), 4)


def scenario(nodes=None, seconds=0.0, mechanism=None, **rules):
    nodes = pj.nodes.equal(3) if nodes is None else nodes
    network = pj.network.clique(nodes.count, seconds) if isinstance(seconds, float) else seconds
    return pj.Scenario(nodes, network, mechanism or pj.PoW(600.0), **rules)


PATH = pj.network.from_edges(3, [(0, 1), (1, 2)])


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: scenario(mechanism=pj.PoW(3e38)), "mechanism.initial_difficulty must be from 1e-24 to 1e[+]30"),
        (lambda: scenario(mechanism=pj.PoW(1e-37)), "got 1e-37: choose another unit of work"),
        (lambda: scenario(mechanism=pj.mechanisms.gamma(1e-37, 1.0)), "got 1e-37"),
        (lambda: scenario(mechanism=pj.mechanisms.weibull(1e38, 1.0)), "got 1e[+]38"),
        (lambda: scenario(mechanism=pj.mechanisms.lognormal(1e31, 1.0)), "got 1e[+]31"),
        (
            lambda: scenario(mechanism=pj.TaskStream([pj.PoW(1e-30)], [1.0], [1.0], pj.PoW(1.0))),
            r"mechanism \(PoW\).initial_difficulty must be",
        ),
        (lambda: pj.PoW(1e-40), "work must be 0 or at least 1.18e-38 in size.* got 1e-40"),
        (lambda: pj.PoW([1.0, 1e-50]), "got 1e-50"),
        (lambda: pj.PoW(1e39), "work must be at most"),
        (lambda: pj.nodes.equal(3, 1e-39), "total must be 0 or at least"),
        (lambda: scenario(pj.nodes.equal(3, 3e-30)), "nodes.power must be from"),
        (lambda: scenario(pj.nodes.equal(3, 3e38)), "nodes.power must be from"),
        (
            lambda: scenario(pj.nodes.equal(3, 1e20), mechanism=pj.PoW(1e-20)),
            "initial_difficulty / nodes.power must be",
        ),
        (lambda: scenario(pj.nodes.equal(3, 1e-20), mechanism=pj.PoW(1e20)), "choose units nearer each other"),
        (lambda: pj.network.clique(3, 1e-42), "seconds must be 0 or at least"),
        (lambda: scenario(seconds=1e-30), "network.seconds must be from"),
        (lambda: scenario(seconds=1e38), "network.seconds must be from"),
        (lambda: scenario(seconds=1e9), "delays must be at most 100000 mean intervals of about 600 s"),
        (lambda: pj.network.gossip(PATH, 3e38), "latency, num_bytes / bandwidth and verification must add up"),
        (lambda: pj.network.gossip(PATH, 1.0, num_bytes=3e38, bandwidth=1e-10), "verification must add up to at most"),
        (lambda: regions([0, 1, 1], [[0, 3e38], [3e38, 0]], down=3e38), "between and down must add up"),
        (
            lambda: scenario(
                seconds=pj.network.random_delays(pj.network.instant(3), pj.network.exponential_delay(1e35))
            ),
            "network.law.mean must be from",
        ),
        (
            lambda: pj.simulate_many(KEYS, scenario(mechanism=pj.PoW(1e20)), 5, method="poisson"),
            "work / total power must be from 1e-12 to 1e12 s",
        ),
    ],
)
def test_what_float32_cannot_hold_is_refused_in_one_line(build, match):
    with pytest.raises(ValueError, match=match) as caught:
        build()
    assert "\n" not in str(caught.value)


def check_flawed_only_outside(history):
    """Heights within the range are right: positive, finite intervals; from the first flaw on none counts."""
    flawed = np.asarray(history.flawed)
    assert flawed.any()
    assert (np.diff(flawed.astype(int), axis=-1) >= 0).all()
    assert not (flawed & history.settled).any()
    counted = np.asarray(history.interval)[np.asarray(history.settled)]
    assert (np.isfinite(counted) & (counted > 0)).all()
    summary = pj.summarise(history)
    assert summary.num_flawed == flawed.sum()
    assert "flawed heights left out" in str(summary)


def test_growing_power_and_difficulty_are_flagged_where_they_leave_the_range():
    grown = scenario(pj.nodes.growth(pj.nodes.equal(3), 0.1), difficulty=pj.difficulty.window(10, 600.0))
    history = pj.simulate_many(KEYS, grown, 1200)
    check_flawed_only_outside(history)
    power = 1.1 ** np.arange(1, 1201) / 3
    assert (np.argmax(history.flawed, axis=1) <= np.argmax(power > MOST)).all()
    assert (np.argmax(history.flawed, axis=1) > 600).all()
    held = np.asarray(history.interval)[:, 300:600]  # the rule lags behind: intervals stay finite and below the target
    assert 0 < held.mean() < 600


@pytest.mark.parametrize(
    "rule",
    [
        lambda: pj.difficulty.window(10, 1e30, clamp=np.inf),
        lambda: replace(pj.difficulty.asert(600.0, 600.0), half_life=np.float32(2.0)),
        lambda: pj.difficulty.ema(1e30, 2.0),
    ],
    ids=["window", "asert", "ema"],
)
def test_rules_without_bounds_are_flagged(rule):
    check_flawed_only_outside(pj.simulate_many(KEYS, scenario(mechanism=pj.PoW(1.0), difficulty=rule()), 200))


def test_values_known_only_inside_a_transformation_are_flagged():
    @functools.partial(jax.vmap, in_axes=(None, 0))
    def swept(key, work):
        return pj.simulate(key, replace(scenario(), mechanism=replace(pj.PoW(1.0), work=work)), 8)

    history = swept(jax.random.key(0), np.float32([600.0, 3e38, 1e-37, np.nan, 1e30]))
    np.testing.assert_array_equal(history.flawed.all(axis=1), [False, True, True, True, False])
    np.testing.assert_array_equal(history.settled.all(axis=1), [True, False, False, False, True])


def test_hashing_beyond_any_machine_is_flagged_and_not_tried():
    rule = replace(pj.difficulty.asert(1e9, 1e9), half_life=np.float32(3e7))  # a factor 2^33 a block
    history = pj.simulate_many(KEYS[:1], scenario(mechanism=pj.HashedPoW(16.0), difficulty=rule), 3)
    np.testing.assert_array_equal(history.flawed, [[False, True, True]])


def test_postings_that_cannot_be_counted_are_flagged():
    stream = pj.TaskStream([pj.PoW(1e3)], [1e5], [1.0], pj.PoW(1.0))
    history = pj.simulate_many(KEYS, scenario(mechanism=stream), 200)
    check_flawed_only_outside(history)
    for count in (history.taken.posted, history.taken.dropped, history.taken.waiting):
        assert count.min() >= 0
    settled = np.asarray(history.settled)
    time = np.cumsum(history.interval, axis=1, dtype=np.float64)
    expected = 1e5 * time[:, :-1][settled[:, 1:]]
    assert (
        np.abs(history.taken.posted[:, 1:][settled[:, 1:]] - expected) < 6 * np.sqrt(expected) + 1e-3 * expected
    ).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_no_statistic_takes_what_is_no_interval(value):
    interval = np.full((3, 4), 5.0)
    interval[1, 2] = value
    wrong = handmade(interval)
    load = analysis.Load(arrivals=analysis.Poisson(1.0), capacity=10)
    calls = [
        lambda: pj.summarise(wrong),
        lambda: analysis.paired(wrong, wrong),
        lambda: analysis.fairness(wrong, pj.nodes.equal(3)),
        lambda: analysis.rewards(wrong, 1.0),
        lambda: mempool.serve(KEYS[:3], wrong, load),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"history.interval must be finite and at least 0.* at height 3 of seed 1"):
            call()
    sums = analysis.tally(handmade(np.full((3, 4), 5.0)))
    with pytest.raises(ValueError, match="interval must be finite at settled heights, got a sum of nan in seed 0"):
        pj.summarise(replace(sums, interval=np.array([np.nan, 1.0, 1.0])))
