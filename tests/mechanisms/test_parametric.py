"""Parametric laws of work against their distributions, and chains made of them against the theory of races."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from laws import assert_within, mean_and_error
from scipy import stats

import polejax as pj
from polejax import theory
from polejax._core.record import replace
from polejax.mechanisms import parametric

ADDRESSES = np.arange(8, dtype=np.uint32)
SHARES = [30, 20, 20, 15, 10, 5]


def weibull_law(k):
    return stats.weibull_min(k, scale=1 / math.gamma(1 + 1 / k))


def gamma_law(k):
    return stats.gamma(k, scale=1 / k)


def lognormal_law(sigma):
    return stats.lognorm(sigma, scale=math.exp(-(sigma**2) / 2))


LAWS = {
    "gamma": (parametric.gamma, gamma_law, [0.3, 1.0, 1.5, 30.0, 1e4]),
    "weibull": (parametric.weibull, weibull_law, [0.5, 1.0, 8.0]),
    "lognormal": (parametric.lognormal, lognormal_law, [0.1, 1.5]),
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", LAWS)
def test_works_follow_their_law_to_the_tails(name):
    make, law, shapes = LAWS[name]
    unit = make(1.0, 1.0).law
    draw = jax.jit(jax.vmap(unit, in_axes=(0, None, None)))  # the shape is traced: one program serves all
    keys = jax.random.split(jax.random.key(3), 40_000)
    for shape in shapes:
        works = np.asarray(draw(keys, ADDRESSES, jnp.float32(shape)), np.float64).ravel()
        expected = law(shape)
        assert stats.kstest(works, expected.cdf).pvalue > 1e-6, shape
        for tail in (1e-3, 1e-4):  # a race among many nodes is decided where few samples lie
            for beyond in (works < expected.ppf(tail), works > expected.isf(tail)):
                assert_within(beyond.mean(), tail, math.sqrt(tail / works.size))
    assert draw._cache_size() == 1


def test_a_node_draws_by_its_address_alone():
    key = jax.random.key(4)
    crowd = np.arange(300, dtype=np.uint32)  # somebody's gamma takes several tries
    for make, shape in ((parametric.gamma, 0.6), (parametric.gamma, 1.0), (parametric.weibull, 3.0)):
        unit = jax.jit(make(1.0, shape).law)
        works = np.asarray(unit(key, crowd, jnp.float32(shape)))
        order = np.array([5, 0, 203])
        np.testing.assert_array_equal(unit(key, crowd[order], jnp.float32(shape)), works[order])
        assert np.unique(works).size == works.size


@pytest.fixture(scope="module")
def played():
    """Intervals and winners of each law's chains, without delay."""
    nodes = pj.nodes.from_shares(SHARES)
    mechanisms = {
        "gamma": parametric.gamma(600.0, 5.0),
        "weibull": parametric.weibull(600.0, 3.0),
        "lognormal": parametric.lognormal(600.0, 0.4),
    }
    keys = jax.random.split(jax.random.key(5), 64)
    return {
        name: pj.simulate_many(keys, pj.Scenario(nodes, pj.network.instant(6), mechanism), 1_000)
        for name, mechanism in mechanisms.items()
    }


SURVIVALS = {
    "gamma": lambda x: theory.gamma_survival(x, 5.0, 600.0),
    "weibull": lambda x: weibull_law(3.0).sf(x / 600.0),
    "lognormal": lambda x: theory.lognormal_survival(x, 0.4, 600.0),
}


@pytest.mark.parametrize("name", SURVIVALS)
def test_intervals_are_those_of_a_race(played, name):
    interval = played[name].interval.astype(np.float64)
    expected = theory.race_moments(SURVIVALS[name], np.array(SHARES) / 100)
    assert_within(interval.mean(), expected.mean, interval.std() / math.sqrt(interval.size))
    cv, cv_error = mean_and_error(interval.std(axis=1) / interval.mean(axis=1))  # biased by about cv / 1,000 blocks
    assert_within(cv, expected.cv, cv_error + expected.cv / 5_000)
    power = np.array(SHARES) / 100

    def cdf(times):
        return 1 - np.prod([SURVIVALS[name](np.asarray(times) * v) for v in power], axis=0)

    assert stats.kstest(interval.ravel(), cdf).pvalue > 1e-6


def test_weibull_races_have_their_closed_forms(played):
    history, power = played["weibull"], np.array(SHARES) / 100
    wins = np.stack([(history.producer == node).mean(axis=1) for node in range(6)], axis=-1)
    share, error = mean_and_error(wins)
    assert_within(share, theory.weibull_win_share(power, 3.0), error)
    interval = history.interval.astype(np.float64)
    assert_within(interval.mean(), theory.weibull_interval_mean(power, 3.0, 600.0), interval.std() / interval.size**0.5)
    cv, cv_error = mean_and_error(interval.std(axis=1) / interval.mean(axis=1))
    assert_within(cv, theory.weibull_interval_cv(3.0), cv_error)


def test_steadier_work_ties_as_often_as_fork_theory_says():
    nodes, delay, k = pj.nodes.from_shares(SHARES), 20.0, 6.0
    mechanism = parametric.weibull(600.0, k)
    views = pj.Views(jnp.int32(1), jnp.zeros(6), jnp.zeros(6), None, jnp.full(6, 600.0), None, jnp.bool_(False))
    keys = jax.random.split(jax.random.key(6), 50_000)
    claims = jax.jit(jax.vmap(lambda key: mechanism.race(key, views, nodes)))(keys)
    finish = np.sort(np.asarray(claims.work) / nodes.power, axis=1)
    near = finish[:, 1] - finish[:, 0] < delay
    mean = theory.weibull_interval_mean(nodes.power, k, 600.0)
    expected = theory.tie_probability(delay, mean, k, theory.weibull_win_share(nodes.power, k))
    assert_within(near.mean(), expected, math.sqrt(expected / near.size))


def test_the_shape_sweeps_and_difficulty_scales():
    scenario = pj.Scenario(pj.nodes.equal(1), pj.network.instant(1), parametric.gamma(10.0, 1.0))

    def interval(shape, mean):
        swept = replace(scenario, mechanism=replace(scenario.mechanism, shape=shape, mean=mean))
        return pj.simulate(jax.random.key(7), swept, 2_000).interval

    shapes, means = jnp.array([0.5, 1.0, 16.0]), jnp.array([10.0, 20.0, 5.0])
    intervals = np.asarray(jax.jit(jax.vmap(interval))(shapes, means), np.float64)
    cv = 1 / np.sqrt(np.asarray(shapes))
    assert_within(intervals.mean(axis=1), np.asarray(means), np.asarray(means) * cv / math.sqrt(2_000))
    assert_within(intervals.std(axis=1) / intervals.mean(axis=1), cv, cv * np.array([0.06, 0.025, 0.02]))


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (parametric.gamma, (0.0, 2.0), "mean must be above 0, got 0"),
        (parametric.gamma, (1.0, 0.0), r"shape must be at least 0\.01, got 0"),
        (parametric.weibull, (1.0, -1.0), r"shape must be at least 0\.1, got -1"),
        (parametric.lognormal, (1.0, 5.0), "sigma must be above 0 and at most 4, got 5"),
        (parametric.lognormal, (float("nan"), 1.0), "mean must be above 0, got nan"),
    ],
)
def test_bad_laws_are_refused(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)
